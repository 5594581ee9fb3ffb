"""OAuth 2.0 clients that sign, bind tokens, or ask for more than scope, from the environment and from files."""

from __future__ import annotations

import os
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest

from valetkey.config import read_configuration
from valetkey.errors import ConfigurationError
from valetkey.keys.jwk import make_key
from valetkey.oauth2.client import Client
from valetkey.oauth2.server import AuthorizationServer

if TYPE_CHECKING:
    from pathlib import Path

    from valetkey.providers.registration import Registration

CANARY = "canary-client-secret"
FILE = """
[providers.bank]
title = "Bank"
protocol = "oauth2"
api_hosts = ["api.bank.example"]
source = "https://bank.example/docs"
verified_on = "2026-11-22"
tried = "never"

[providers.bank.server]
issuer = "https://bank.example"
authorization_endpoint = "https://bank.example/authorize"
token_endpoint = "https://bank.example/token"
{server}

[providers.bank.rotation]
kind = "strict"
"""
SOUND = {
    "VALETKEY_KEY": f"k1:{b64encode(os.urandom(32)).decode()}",
    "VALETKEY_BASE_URL": "https://app.example/oauth",
    "VALETKEY_STORE": "memory:",
    "VALETKEY_BANK_CLIENT_ID": "our-id",
}


def bank(tmp_path: Path, server: str = "", **more: str) -> Registration:
    """The registration, from a file with the provider's entry and the environment with the rest."""
    file = tmp_path / "valetkey.toml"
    file.write_text(FILE.replace("{server}", server))
    environ = SOUND | {f"VALETKEY_BANK_{name}": text for name, text in more.items()}
    return read_configuration(environ | {"VALETKEY_CONFIG": str(file)}).registrations["bank"]


def problems(tmp_path: Path, server: str = "", **more: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        bank(tmp_path, server, **more)
    assert "canary" not in str(caught.value)
    return "\n".join(caught.value.problems)


def parts(registration: Registration) -> tuple[AuthorizationServer, Client]:
    server, client = registration.provider.server, registration.client
    assert isinstance(server, AuthorizationServer)
    assert isinstance(client, Client)
    return server, client


@pytest.fixture
def pem() -> str:
    return make_key().pem.reveal()


def test_a_key_without_a_secret_is_what_the_client_proves_itself_with(tmp_path: Path, pem: str) -> None:
    server, client = parts(bank(tmp_path, PRIVATE_KEY=pem, SIGNATURE_METHOD="ES256", PRIVATE_KEY_ID="key-1"))

    assert server.token_endpoint_auth_method == "private_key_jwt"
    assert server.token_endpoint_auth_signing_alg == "ES256"
    assert client.client_secret is None
    assert client.private_key is not None
    assert client.private_key.key_id == "key-1"


def test_a_key_comes_from_a_file_and_the_method_from_the_entry(tmp_path: Path, pem: str) -> None:
    path = tmp_path / "key.pem"
    path.write_text(pem)
    entry = 'token_endpoint_auth_method = "private_key_jwt"\ntoken_endpoint_auth_signing_alg = "ES256"'

    server, client = parts(bank(tmp_path, entry, PRIVATE_KEY_FILE=str(path)))

    assert server.token_endpoint_auth_method == "private_key_jwt"
    assert client.private_key is not None
    assert client.private_key.key_id == ""


def test_a_secret_may_authenticate_assertions(tmp_path: Path) -> None:
    server, _ = parts(bank(tmp_path, CLIENT_SECRET=CANARY, TOKEN_ENDPOINT_AUTH_METHOD="client_secret_jwt"))

    assert server.token_endpoint_auth_method == "client_secret_jwt"


def test_what_a_registration_asks_for_beyond_scope(tmp_path: Path) -> None:
    details = '[{"type": "payment"}]'
    more = {"RESOURCES": "https://a.example/, urn:b", "AUTHORIZATION_DETAILS": details}

    server, _ = parts(bank(tmp_path, CLIENT_SECRET=CANARY, DPOP_BOUND_ACCESS_TOKENS="true", **more))

    assert server.resources == ("https://a.example/", "urn:b")
    assert server.authorization_details == details
    assert server.dpop_bound_access_tokens


SIGNED = 'jwks_uri = "https://bank.example/keys"\nresponse_mode = "query.jwt"'


def test_how_the_answer_comes_back_is_said_by_the_registration(tmp_path: Path) -> None:
    posted, _ = parts(bank(tmp_path, CLIENT_SECRET=CANARY, RESPONSE_MODE="form_post"))
    more = {"RESPONSE_MODE": "form_post.jwt", "AUTHORIZATION_SIGNED_RESPONSE_ALG": "PS256"}
    signed, _ = parts(bank(tmp_path, SIGNED, CLIENT_SECRET=CANARY, **more))
    usual, _ = parts(bank(tmp_path, SIGNED, CLIENT_SECRET=CANARY))

    assert (posted.posts_back, posted.signs_responses) == (True, False)
    assert (signed.posts_back, signed.signs_responses) == (True, True)
    assert signed.authorization_response_algorithms == ("PS256",)
    assert (usual.response_mode, usual.authorization_response_algorithms) == ("query.jwt", ("RS256", "PS256", "ES256"))


def test_that_requests_are_signed_and_pushed_is_said_by_the_registration(tmp_path: Path, pem: str) -> None:
    pushing = 'pushed_authorization_request_endpoint = "https://bank.example/par"'
    more = {"PRIVATE_KEY": pem, "CLIENT_SECRET": CANARY, "REQUEST_OBJECT_SIGNING_ALG": "ES256"}

    signed, client = parts(bank(tmp_path, **more))
    pushed, _ = parts(bank(tmp_path, pushing, REQUIRE_PUSHED_AUTHORIZATION_REQUESTS="true", **more))
    proved, _ = parts(bank(tmp_path, PRIVATE_KEY=pem, REQUEST_OBJECT_SIGNING_ALG="ES256", SIGNATURE_METHOD="ES256"))

    assert (signed.request_object_signing_alg, signed.token_endpoint_auth_method) == ("ES256", "client_secret_basic")
    assert client.private_key is not None
    assert pushed.require_pushed_authorization_requests
    assert proved.token_endpoint_auth_method == "private_key_jwt"


def test_the_same_in_the_file(tmp_path: Path, pem: str) -> None:
    file = tmp_path / "valetkey.toml"
    table = '[registrations.bank]\nrequest_object_signing_alg = "ES256"\nrequire_pushed_authorization_requests = true\n'
    entry = 'pushed_authorization_request_endpoint = "https://bank.example/par"'
    file.write_text(FILE.replace("{server}", entry) + table)
    environ = SOUND | {"VALETKEY_CONFIG": str(file), "VALETKEY_BANK_PRIVATE_KEY": pem}

    server, _ = parts(read_configuration(environ | {"VALETKEY_BANK_CLIENT_SECRET": CANARY}).registrations["bank"])

    assert server.request_object_signing_alg == "ES256"
    assert server.require_pushed_authorization_requests


def test_oauth_1_has_neither(tmp_path: Path) -> None:
    environ = SOUND | {
        "VALETKEY_TRELLO_CLIENT_ID": "id",
        "VALETKEY_TRELLO_CLIENT_SECRET": CANARY,
        "VALETKEY_TRELLO_REQUEST_OBJECT_SIGNING_ALG": "RS256",
        "VALETKEY_CONFIG": str(tmp_path / "none.toml"),
    }
    with pytest.raises(ConfigurationError, match="TRELLO_REQUEST_OBJECT_SIGNING_ALG belongs to OAuth 2"):
        read_configuration(environ)


def test_whatever_of_a_registration_is_not_understood_is_refused_all_at_once(tmp_path: Path) -> None:
    more = {
        "PUSHED_AUTHORIZATION_REQUEST_ENDPOINT": "https://bank.example/par",
        "DEVICE_AUTHORIZATION_ENDPOINT": "https://bank.example/device",
        "FLAVOUR": "vanilla",
        "CLIENT_SECRET": CANARY,
    }

    found = problems(tmp_path, **more)

    for name in ("PUSHED_AUTHORIZATION_REQUEST_ENDPOINT", "DEVICE_AUTHORIZATION_ENDPOINT"):
        assert f"VALETKEY_BANK_{name} is not a known variable; it is a key of the provider's entry" in found
    assert "VALETKEY_BANK_FLAVOUR is not a known variable" in found


def test_variables_of_others_and_of_longer_names_are_no_mistakes(tmp_path: Path) -> None:
    environ = {
        "VALETKEY_SOMETHING_ELSE_ENTIRELY": "1",
        "VALETKEY_AWS_CREDENTIALS": "boto3",
        "VALETKEY_DOCTOR_CLIENT_SECRET": CANARY,
        "VALETKEY_DOCTOR_TOKEN_SECRET": CANARY,
        "VALETKEY_AWS_CLIENT_ID": "id",
        "VALETKEY_AWS_PROVIDER": "github",
        "VALETKEY_AWS_CLIENT_SECRET": CANARY,
        "VALETKEY_BANK_TWO_CLIENT_ID": "id",
        "VALETKEY_BANK_TWO_PROVIDER": "github",
        "VALETKEY_BANK_TWO_CLIENT_SECRET": CANARY,
        "VALETKEY_BANK_CLIENT_SECRET": CANARY,
    }
    file = tmp_path / "valetkey.toml"
    file.write_text(FILE.replace("{server}", ""))

    found = read_configuration(SOUND | environ | {"VALETKEY_CONFIG": str(file)}).registrations

    assert sorted(found) == ["aws", "bank", "bank-two"]


def test_the_same_stands_in_a_providers_entry(tmp_path: Path, pem: str) -> None:
    entry = """
resources = ["https://a.example/"]
authorization_details = '[{"type": "payment"}]'
dpop_bound_access_tokens = true
pushed_authorization_request_endpoint = "https://bank.example/par"
request_object_signing_alg = "ES256"
"""
    registration = bank(tmp_path, entry, CLIENT_SECRET=CANARY, PRIVATE_KEY=pem)

    server, client = parts(registration)

    assert server.pushed_authorization_request_endpoint == "https://bank.example/par"
    assert server.request_object_signing_alg == "ES256"
    assert server.dpop_bound_access_tokens
    assert server.token_endpoint_auth_method == "client_secret_basic"
    assert client.private_key is not None


@pytest.mark.parametrize(
    ("server", "more", "expected"),
    [
        ("", {"TOKEN_ENDPOINT_AUTH_METHOD": "private_key_jwt"}, "VALETKEY_BANK_PRIVATE_KEY is missing"),
        ("", {"TOKEN_ENDPOINT_AUTH_METHOD": "magic", "CLIENT_SECRET": CANARY}, "AUTH_METHOD must be one of"),
        ("", {"CLIENT_SECRET": CANARY, "SIGNATURE_METHOD": "HS256"}, "must be one of RS256, PS256, ES256"),
        ("", {"CLIENT_SECRET": CANARY, "PRIVATE_KEY": "PEM"}, "VALETKEY_BANK_PRIVATE_KEY is not used"),
        ("", {"CLIENT_SECRET": CANARY, "RESOURCES": "api"}, "resources: each is an absolute URI"),
        ("", {"CLIENT_SECRET": CANARY, "AUTHORIZATION_DETAILS": "{}"}, "authorization_details: "),
        ("", {"CLIENT_SECRET": CANARY, "DPOP_BOUND_ACCESS_TOKENS": "yes"}, "it must be true or false"),
        ("", {"PRIVATE_KEY_SIGNER": "a:b"}, "VALETKEY_BANK_PRIVATE_KEY_ID is missing"),
        ('request_object_signing_alg = "ES256"', {"CLIENT_SECRET": CANARY}, "PRIVATE_KEY is missing"),
        ('request_object_signing_alg = "HS256"', {"CLIENT_SECRET": CANARY}, "request_object_signing_alg: it must be"),
        ("", {"CLIENT_SECRET": CANARY, "RESPONSE_MODE": "fragment"}, "VALETKEY_BANK_RESPONSE_MODE must be one of"),
        ("", {"CLIENT_SECRET": CANARY, "RESPONSE_MODE": "jwt"}, "response_mode jwt needs issuer and jwks_uri"),
        (
            "",
            {"CLIENT_SECRET": CANARY, "AUTHORIZATION_SIGNED_RESPONSE_ALG": "PS256"},
            "VALETKEY_BANK_AUTHORIZATION_SIGNED_RESPONSE_ALG needs a",
        ),
        (
            SIGNED,
            {"CLIENT_SECRET": CANARY, "AUTHORIZATION_SIGNED_RESPONSE_ALG": "none"},
            "VALETKEY_BANK_AUTHORIZATION_SIGNED_RESPONSE_ALG must be one of RS256, PS256, ES256; unsigned is none",
        ),
        ('pushed_authorization_request_endpoint = "http://b.example/"', {}, "it must start with https://"),
        ('resources = ["https://a.example/#b"]', {"CLIENT_SECRET": CANARY}, "neither a fragment nor a blank"),
        ('token_endpoint_auth_method = "mutual_tls"', {}, "token_endpoint_auth_method: it must be one of"),
        (
            "",
            {"CLIENT_SECRET": CANARY, "REQUEST_OBJECT_SIGNING_ALG": "none"},
            "VALETKEY_BANK_REQUEST_OBJECT_SIGNING_ALG must be one of RS256, PS256, ES256",
        ),
        (
            "",
            {"CLIENT_SECRET": CANARY, "REQUEST_OBJECT_SIGNING_ALG": "ES256"},
            "VALETKEY_BANK_PRIVATE_KEY is missing: authorization requests are signed with it",
        ),
        (
            "",
            {"CLIENT_SECRET": CANARY, "REQUIRE_PUSHED_AUTHORIZATION_REQUESTS": "true"},
            "require_pushed_authorization_requests needs pushed_authorization_request_endpoint",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, pem: str, server: str, more: dict[str, Any], expected: str) -> None:
    more = {name: pem if text == "PEM" else text for name, text in more.items()}

    assert expected in problems(tmp_path, server, **more)
