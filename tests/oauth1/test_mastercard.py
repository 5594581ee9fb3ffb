"""Mastercard's own signer for Python is the oracle: base strings, body hashes and signatures are compared with it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

import oauth1.oauth as oracle
import pytest
from tests.oauth1.cast import NOW, TOKEN, World, key_pair, rsa_client

from valetkey.drivers.drive import drive
from valetkey.errors import ConfigurationError
from valetkey.http import Headers, Request
from valetkey.oauth1.credentials import ClientCredentials, Server
from valetkey.oauth1.sign import sign_for
from valetkey.oauth1.verify import rsa_signature_is_valid
from valetkey.secret import Secret
from valetkey.value import replace

if TYPE_CHECKING:
    from typing import Literal

SERVER = Server(client_only=True, signature_method="RSA-SHA256", parameter_encoding="unencoded")
CLIENT = replace(rsa_client(), identifier="abc-DEF_123!456")
URLS = [
    "https://sandbox.api.mastercard.com/fraud/merchant/v1/termination-inquiry?Format=XML&PageOffset=0",
    "https://SANDBOX.api.mastercard.com:443/service",
    "https://example.com?param=token1%3Atoken2&a=b%20c",
    "https://example.com/x?param=token1:token2&a=b+c&b=*&b=",
    "https://example.com/x?b=2&b-a=1&c=%C3%A9",
    "https://example.com/x?a%3Ab=token1%3Atoken2",
]


def fields_of(header: str) -> dict[str, str]:
    assert header.startswith("OAuth ")
    return {name: text.strip('"') for name, _, text in (part.partition("=") for part in header[6:].split(","))}


@pytest.mark.parametrize("body", [b"", b'{"a": "\xc3\xa9"}'])
@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("method", ["RSA-SHA256", "RSA-PSS"])
def test_what_is_signed_is_what_mastercards_own_signer_signs(
    url: str, body: bytes, method: Literal["RSA-SHA256", "RSA-PSS"]
) -> None:
    request = Request("POST", url, Headers((("Content-Type", "application/json"),)), body)

    signed = drive(sign_for(replace(SERVER, signature_method=method), request, CLIENT, token=None), World().answer)

    fields = fields_of(signed.headers.get("Authorization") or "")
    signature = unquote(fields.pop("oauth_signature"))
    theirs = oracle.OAuth.get_base_string(url, "POST", fields)
    assert fields["oauth_timestamp"] == str(NOW)
    assert rsa_signature_is_valid(key_pair()[1], method, theirs, signature)
    assert fields["oauth_body_hash"] == oracle.util.base64_encode(oracle.util.sha256_encode(body))


def test_a_query_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        drive(sign_for(SERVER, Request("GET", "https://e.example/?b=%"), CLIENT, token=None), World().answer)


@pytest.mark.parametrize("identifier", ['a"b', "a,b", "a\\b", "é", "a b", "a&b"])
def test_an_identifier_that_could_leave_its_quotes_is_refused(identifier: str) -> None:
    client = ClientCredentials(identifier, Secret(""), CLIENT.private_key)

    with pytest.raises(ConfigurationError, match="cannot stand in the header"):
        drive(sign_for(SERVER, Request("GET", "https://e.example/"), client, token=None), World().answer)


def test_it_is_for_rsa_and_for_the_client_alone() -> None:
    for server, token in ((replace(SERVER, signature_method="HMAC-SHA256"), None), (SERVER, TOKEN)):
        with pytest.raises(ConfigurationError, match="by the client alone"):
            drive(sign_for(server, Request("GET", "https://e.example/"), CLIENT, token=token), World().answer)


@pytest.mark.parametrize("offset", [0, 90])
def test_the_request_is_sent_as_it_was_with_every_parameter_that_was_signed(offset: int) -> None:
    platform = {"from": "elsewhere"}
    request = Request("PATCH", "https://example.com/x?a=1", Headers((("Accept", "*/*"),)), b"{}", platform)

    signed = drive(sign_for(SERVER, request, CLIENT, token=None, clock_offset=offset), World().answer)

    fields = fields_of(signed.headers.get("Authorization") or "")
    assert (signed.method, signed.url, signed.body, signed.platform) == ("PATCH", request.url, b"{}", platform)
    assert signed.headers.get("Accept") == "*/*"
    assert list(fields) == [
        "oauth_consumer_key",
        "oauth_nonce",
        "oauth_timestamp",
        "oauth_signature_method",
        "oauth_version",
        "oauth_body_hash",
        "oauth_signature",
    ]
    assert (fields["oauth_consumer_key"], fields["oauth_version"]) == (CLIENT.identifier, "1.0")
    assert (fields["oauth_timestamp"], fields["oauth_signature_method"]) == (str(NOW + offset), "RSA-SHA256")
    assert len(bytes.fromhex(fields["oauth_nonce"])) >= 12


def test_an_identifier_with_an_x_is_an_identifier() -> None:
    client = replace(CLIENT, identifier="Xx")

    assert drive(sign_for(SERVER, Request("GET", URLS[0]), client, token=None), World().answer)
