"""Settings of a registration that its provider's protocol does not know: nobody is to believe in them."""

from __future__ import annotations

import inspect
import os

import pytest
from tests.certificates import issued
from tests.test_pem import key_text

from valetkey.config import read_configuration
from valetkey.errors import ConfigurationError
from valetkey.keys.jwk import make_key
from valetkey.keys.local import generate_key
from valetkey.providers.of_protocol import SETTINGS
from valetkey.providers.registration import register

OF_BOTH = {
    "name",
    "provider",
    "client_id",
    "client_secret",
    "private_key",
    "redirect_uri",
    "scope",
    "application",
    "signature_method",
    "authorization_parameters",
    "client_secret_expires",
}
SAID = {
    "client_certificate": f"{issued().pem.reveal()}{key_text(issued())}",
    "accept_implicit_grant": "true",
    "accept_missing_verifier": "true",
    "accept_password_grant": "true",
    "accept_xauth": "true",
    "authorization_details": '[{"type": "account"}]',
    "authorization_signed_response_alg": "RS256",
    "client_registration": "dynamic",
    "dpop_bound_access_tokens": "true",
    "grant_types": "client_credentials",
    "initial_access_token": "canary-token",
    "public_client": "true",
    "request_object_signing_alg": "RS256",
    "require_pushed_authorization_requests": "true",
    "resources": "https://api.example/",
    "response_mode": "form_post",
    "response_type": "token",
    "software_statement": "canary-statement",
    "tls_client_certificate_bound_access_tokens": "true",
    "token_endpoint_auth_method": "private_key_jwt",
}
ALL = [(protocol, key) for protocol, keys in SETTINGS.items() for key in keys]
OF_ANOTHER = {"oauth1": "sandbox-oauth2", "oauth2": "sandbox-oauth1"}


def problems(provider: str, **said: str) -> str:
    """What is wrong with a registration of that provider, from the environment; empty where nothing is."""
    wanted = {"PROVIDER": provider, "CLIENT_ID": "a", "CLIENT_SECRET": "b", **said}
    environ = {f"VALETKEY_L_{key.upper()}": text for key, text in wanted.items()}
    base = {
        "VALETKEY_STORE": "memory:",
        "VALETKEY_BASE_URL": "https://app.example/oauth",
        "VALETKEY_CONFIG": os.devnull,
    }
    try:
        _ = read_configuration({**base, "VALETKEY_KEY": generate_key(os.urandom), **environ})
    except ConfigurationError as refused:
        return str(refused)
    return ""


def test_every_setting_of_a_registration_is_of_one_protocol_or_of_both() -> None:
    of_one = {key for keys in SETTINGS.values() for key in keys}

    assert set(inspect.signature(register).parameters) == of_one | OF_BOTH
    assert not of_one & OF_BOTH
    assert of_one == set(SAID)


@pytest.mark.parametrize(("protocol", "key"), ALL)
def test_a_setting_of_the_other_protocol_is_refused_at_start(protocol: str, key: str) -> None:
    title = {"oauth1": "OAuth 1.0a", "oauth2": "OAuth 2.0"}[protocol]

    found = problems(OF_ANOTHER[protocol], **{key: SAID[key]})

    assert f"VALETKEY_L_{key.upper()} belongs to {title}: this provider speaks" in found
    assert "canary" not in found


def test_without_them_both_kinds_of_registration_are_sound() -> None:
    assert [problems(provider) for provider in OF_ANOTHER.values()] == ["", ""]


@pytest.mark.parametrize("method", ["HMAC-SHA1", "HMAC-SHA256", "PLAINTEXT"])
def test_a_key_that_the_signature_method_does_not_use_is_refused(method: str) -> None:
    pem = make_key().pem.reveal()

    found = problems("sandbox-oauth1", private_key=pem, signature_method=method)

    assert f"VALETKEY_L_PRIVATE_KEY is not used: {method} signs with the secret" in found


def test_the_name_of_a_key_is_no_word_of_oauth1() -> None:
    said = {"signature_method": "RSA-SHA1", "private_key": make_key().pem.reveal(), "private_key_id": "k"}

    assert "VALETKEY_L_PRIVATE_KEY_ID belongs to OAuth 2.0" in problems("sandbox-oauth1", **said)


@pytest.mark.parametrize("key", ["private_key_id", "private_key_password"])
def test_what_belongs_to_a_key_needs_one(key: str) -> None:
    found = problems("sandbox-oauth2", **{key: "canary"})

    assert f"VALETKEY_L_{key.upper()}: it belongs to VALETKEY_L_PRIVATE_KEY, which is missing" in found
    assert "canary" not in found
