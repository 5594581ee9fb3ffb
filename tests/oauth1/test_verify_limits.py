"""Where a signed request ends and a malformed one begins."""

from __future__ import annotations

from binascii import b2a_base64
from hashlib import sha1, sha256, sha512
from typing import Any

import pytest
from tests.oauth1.cast import key_pair, rsa_client, rsa_sign

from valetkey.effects import Sign
from valetkey.errors import RequestRefused
from valetkey.http import FORM, Headers, Request, percent_encode
from valetkey.oauth1.verify import SignedRequest, read_signed_request, rsa_signature_is_valid

FIELDS = {
    "oauth_consumer_key": "k",
    "oauth_signature_method": "HMAC-SHA256",
    "oauth_timestamp": "1",
    "oauth_nonce": "n",
    "oauth_signature": "s",
}


def read(*, body: bytes = b"", kind: str = "application/json", **changes: str) -> SignedRequest:
    header = "OAuth " + ", ".join(f'{name}="{percent_encode(text)}"' for name, text in (FIELDS | changes).items())
    headers = Headers((("Authorization", header), ("Content-Type", kind)))
    return read_signed_request(Request("POST", "https://api.example/", headers, body))


def refused(**changes: Any) -> tuple[str, int]:
    with pytest.raises(RequestRefused) as caught:
        _ = read(**changes)
    return caught.value.reason, caught.value.status


@pytest.mark.parametrize("digits", ["1", "9" * 12, "0"])
def test_a_timestamp_has_1_to_12_digits(digits: str) -> None:
    assert read(oauth_timestamp=digits).timestamp == int(digits)


@pytest.mark.parametrize("text", ["", "9" * 13, "1e9", " 1", "+1", "-1", "1_0", "\N{ARABIC-INDIC DIGIT ONE}"])
def test_anything_else_is_no_timestamp(text: str) -> None:
    assert refused(oauth_timestamp=text) == ("parameter_rejected", 400)


def test_a_nonce_has_1_to_255_characters() -> None:
    for length in (1, 255):
        assert read(oauth_nonce="n" * length).nonce == "n" * length
    for length in (0, 256):
        assert refused(oauth_nonce="n" * length) == ("parameter_rejected", 400)


def hashed(kind: str, body: bytes) -> str:
    return b2a_base64({"1": sha1, "256": sha256, "512": sha512}[kind](body).digest(), newline=False).decode()


@pytest.mark.parametrize(
    ("method", "kind", "good"),
    [
        ("HMAC-SHA256", "1", True),
        ("HMAC-SHA256", "256", True),
        ("HMAC-SHA256", "512", False),
        ("HMAC-SHA1", "512", False),
        ("HMAC-SHA512", "512", True),
        ("RSA-SHA512", "512", True),
        ("PLAINTEXT", "1", True),
        ("PLAINTEXT", "512", False),
    ],
)
def test_a_body_is_hashed_with_the_methods_own_hash_or_one_that_many_use(method: str, kind: str, good: bool) -> None:
    changes = {"oauth_signature_method": method, "oauth_body_hash": hashed(kind, b"{}")}

    if good:
        assert read(body=b"{}", **changes).parameter("oauth_body_hash")
        changes["oauth_body_hash"] = hashed(kind, b"{ }")
    with pytest.raises(RequestRefused) as caught:
        _ = read(body=b"{}", **changes)
    assert (caught.value.reason, caught.value.status) == ("signature_invalid", 401)


def test_a_form_has_no_body_hash() -> None:
    with pytest.raises(RequestRefused) as caught:
        _ = read(body=b"a=1", kind=FORM, oauth_body_hash=hashed("1", b"a=1"))

    assert (caught.value.reason, caught.value.status) == ("parameter_rejected", 400)


@pytest.mark.parametrize("name", ["oauth_consumer_key", "oauth_signature_method", "oauth_signature"])
def test_what_every_request_says_may_be_neither_empty_nor_missing(name: str) -> None:
    assert refused(**{name: ""}) == ("parameter_absent", 400)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"oauth_version": "2.0"}, ("version_rejected", 400)),
        ({"oauth_version": ""}, ("version_rejected", 400)),
        ({"oauth_signature_method": "HMAC-MD5"}, ("signature_method_rejected", 400)),
        ({"oauth_signature_method": "hmac-sha256"}, ("signature_method_rejected", 400)),
    ],
)
def test_another_version_or_method_is_refused(changes: dict[str, str], expected: tuple[str, int]) -> None:
    assert refused(**changes) == expected


@pytest.mark.parametrize("method", ["RSA-SHA1", "RSA-SHA256", "RSA-SHA512", "RSA-PSS"])
def test_a_signature_of_a_private_key_has_one_spelling(method: str) -> None:
    key = rsa_client().private_key
    assert key
    algorithm: Any = {"RSA-SHA1": "RS1", "RSA-SHA256": "RS256", "RSA-SHA512": "RS512", "RSA-PSS": "PS256"}[method]
    good = b2a_base64(rsa_sign(Sign(key, algorithm, b"base")), newline=False).decode()
    assert rsa_signature_is_valid(key_pair()[1], method, "base", good)

    for other in (
        f"{good[:9]}\n{good[9:]}",
        f"{good}\n",
        f" {good}",
        f"{good[:9]}!{good[9:]}",
        f"{good}=",
        good[:-1],
        "",
    ):
        assert not rsa_signature_is_valid(key_pair()[1], method, "base", other)
    assert not rsa_signature_is_valid(key_pair()[1], method, "other base", good)


def test_a_secret_in_the_clear_is_not_taken_over_http_unless_it_is_asked_for() -> None:
    header = 'OAuth oauth_consumer_key="k", oauth_signature_method="PLAINTEXT", oauth_signature="s%26"'
    request = Request("GET", "http://api.example/", Headers((("Authorization", header),)))

    with pytest.raises(RequestRefused) as caught:
        _ = read_signed_request(request)
    assert (caught.value.reason, caught.value.status) == ("signature_method_rejected", 400)
    assert read_signed_request(request, plaintext_over_http=True).signature_method == "PLAINTEXT"
