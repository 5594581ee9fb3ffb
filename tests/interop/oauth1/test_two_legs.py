"""Hashes of bodies and signatures of the client alone are those that oauthlib makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import oauthlib.oauth1
import pytest
from tests.interop.oauth1.peers import CLIENT_KEY, CLIENT_SECRET

from valetkey.http import FORM, Headers, Request
from valetkey.oauth1.credentials import ClientCredentials
from valetkey.oauth1.sign import sign_request
from valetkey.secret import Secret

if TYPE_CHECKING:
    from valetkey.oauth1.credentials import SignatureMethod


@pytest.mark.parametrize("method", ["HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512"])
@pytest.mark.parametrize("body", ['{"pay":1}', "caf\N{LATIN SMALL LETTER E WITH ACUTE}\n"])
def test_oauthlib_makes_the_same_hash_of_a_body_and_the_same_signature(method: SignatureMethod, body: str) -> None:
    url, kind = "https://api.example.com/pay?a=1", "application/json"
    theirs = oauthlib.oauth1.Client(
        CLIENT_KEY, client_secret=CLIENT_SECRET, signature_method=method, nonce="n" * 24, timestamp="1700000000"
    )
    _, headers, _ = theirs.sign(url, "POST", body, {"Content-Type": kind})

    ours = sign_request(
        Request("POST", url, Headers((("Content-Type", kind),)), body.encode()),
        ClientCredentials(CLIENT_KEY, Secret(CLIENT_SECRET)),
        token=None, timestamp=1_700_000_000, nonce="n" * 24, signature_method=method, body_hash_algorithm="SHA1",
    )  # fmt: skip

    assert fields(ours.headers.get("Authorization")) == fields(headers["Authorization"])


def fields(header: str | None) -> list[str]:
    return sorted((header or "").removeprefix("OAuth ").split(", "))


def test_a_form_has_no_hash_with_either() -> None:
    theirs = oauthlib.oauth1.Client(CLIENT_KEY, client_secret=CLIENT_SECRET, nonce="n" * 24, timestamp="1700000000")
    url, headers, body = theirs.sign("https://api.example.com/", "POST", "a=b", {"Content-Type": FORM})

    ours = sign_request(
        Request("POST", url, Headers((("Content-Type", FORM),)), body.encode()),
        ClientCredentials(CLIENT_KEY, Secret(CLIENT_SECRET)), token=None, timestamp=1_700_000_000, nonce="n" * 24,
    )  # fmt: skip

    assert fields(ours.headers.get("Authorization")) == fields(headers["Authorization"])
