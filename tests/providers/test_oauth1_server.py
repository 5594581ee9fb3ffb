"""Entries of OAuth 1.0a providers whose words contradict each other are told when they are read, each with what to do."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valetkey.errors import ConfigurationError
from valetkey.http import Request
from valetkey.oauth1.credentials import ClientCredentials, Server
from valetkey.oauth1.mastercard import METHODS
from valetkey.oauth1.sign import sign_request
from valetkey.providers.catalog import load_provider, provider_names, read_provider
from valetkey.providers.oauth1_server import contradictions
from valetkey.providers.registration import register
from valetkey.secret import Secret

TABLE = """
name = "acme"
title = "Acme"
protocol = "oauth1"
source = "https://acme.example/docs"
verified_on = "2026-11-22"
tried = "never"
api_hosts = ["api.acme.example"]
[server]
temporary_credentials_endpoint = "https://acme.example/1"
authorization_endpoint = "https://acme.example/2"
token_endpoint = "https://acme.example/3"
WORDS
[rotation]
kind = "none"
"""
UNENCODED = 'parameter_encoding = "unencoded"\nsignature_method = "RSA-PSS"\nclient_only = true\n'


def read(words: str) -> None:
    _ = read_provider(tomllib.loads(TABLE.replace("WORDS", words)), where="acme.toml")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("verifier_typed = true\ncallback_in_authorization = true", "remove callback_in_authorization, or"),
        ("renewal_keeps_token = true", "renewal_endpoint answers, which is missing"),
        ('placement = "query"\nrealm = "r"', "a realm can only stand in the header"),
        ('placement = "body"\nrealm = "r"', "a realm can only stand in the header"),
        ('realm = "a\\"b"', "realm: a realm holds printable ASCII"),
        ('realm = "caf\\u00e9"', "realm: a realm holds printable ASCII"),
        ('placement = "body"\nendpoint_method = "GET"', "a GET has not: change placement, or endpoint_method"),
        ('placement = "body"\ntoken_method = "GET"', "a GET has not: change placement, or token_method"),
        ('placement = "body"\ntemporary_credentials_method = "GET"', "or temporary_credentials_method"),
        (
            'placement = "body"\nrenewal_endpoint = "https://acme.example/4"\nrenewal_method = "GET"',
            "change placement, or renewal_method",
        ),
        (
            'placement = "body"\nrevocation_endpoint = "https://acme.example/4"\nrevocation_method = "DELETE"',
            "a DELETE has not: change placement, or revocation_method",
        ),
        ('body_hash = false\nbody_hash_algorithm = "SHA1"', "remove one of them"),
        ('signature_method = "PLAINTEXT"\nbody_hash_algorithm = "SHA1"', "PLAINTEXT signs no body"),
        ('parameter_encoding = "unencoded"\nclient_only = true', "is for signature_method RSA-SHA256 and RSA-PSS"),
        (UNENCODED.replace("client_only = true", ""), "say client_only = true"),
        (f'{UNENCODED}placement = "query"', "remove placement and realm"),
        (f'{UNENCODED}realm = "r"', "remove placement and realm"),
        (f"{UNENCODED}body_hash = false", "by its SHA-256"),
        (f'{UNENCODED}body_hash_algorithm = "SHA1"', "by its SHA-256"),
    ],
)
def test_words_that_cannot_go_together_are_told_at_start_with_what_to_change(words: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read(words)

    (problem,) = refused.value.problems
    assert problem.startswith("acme.toml: server: ")
    assert said in problem


@pytest.mark.parametrize(
    "words",
    [
        "",
        'realm = "https://acme.example/"',
        'placement = "body"',
        'placement = "query"\nendpoint_method = "GET"\ntoken_method = "GET"',
        'placement = "body"\nendpoint_method = "GET"\ntemporary_credentials_method = "POST"\ntoken_method = "POST"',
        'placement = "body"\nrenewal_method = "GET"\nrevocation_method = "DELETE"',  # of endpoints that are not there
        'signature_method = "PLAINTEXT"\nbody_hash = false',
        UNENCODED + 'body_hash_algorithm = "SHA256"\nbody_hash = true',
    ],
)
def test_words_that_go_together_are_taken(words: str) -> None:
    read(words)


def test_every_entry_of_the_catalog_goes_together() -> None:
    servers = [load_provider(name).server for name in provider_names()]

    assert [contradictions(server) for server in servers if isinstance(server, Server)] == [[]] * sum(
        isinstance(server, Server) for server in servers
    )


def test_all_contradictions_are_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as refused:
        read('placement = "body"\nrealm = "\\""\nendpoint_method = "GET"\ntoken_method = "GET"')

    assert len(refused.value.problems) == 4


def test_a_registration_that_brings_another_method_is_held_to_the_same() -> None:
    fields: dict[str, Any] = {"client_id": "id", "client_secret": Secret("s"), "redirect_uri": "https://a.example/cb"}

    with pytest.raises(ConfigurationError, match="acme: parameter_encoding unencoded is for signature_method"):
        register("acme", load_provider("mastercard"), signature_method="HMAC-SHA256", **fields)


@given(
    st.sampled_from(["header", "query", "body"]),
    st.none() | st.text(max_size=6),
    st.sampled_from(["POST", "GET"]),
    st.sampled_from(["HMAC-SHA1", "HMAC-SHA256", "PLAINTEXT"]),
    st.booleans(),
    st.sampled_from(["", "SHA1", "SHA256"]),
)
def test_what_does_not_contradict_itself_can_be_signed(
    placement: Any, realm: str | None, method: str, signature_method: Any, body_hash: bool, algorithm: Any
) -> None:
    endpoint = "https://acme.example/1"
    server = Server(
        endpoint, endpoint, endpoint, signature_method=signature_method, placement=placement, realm=realm,
        endpoint_method=method, body_hash=body_hash, body_hash_algorithm=algorithm,
    )  # fmt: skip

    def signed() -> Request:
        return sign_request(
            Request(method, endpoint), ClientCredentials("c", Secret("s")), token=None, timestamp=1, nonce="n",
            signature_method=signature_method, placement=placement, realm=realm, body_hash=body_hash,
            body_hash_algorithm=algorithm,
        )  # fmt: skip

    told = contradictions(server)
    if any("realm" in problem or "placement" in problem for problem in told):
        with pytest.raises(ConfigurationError):
            _ = signed()
    else:
        assert signed().method == method


def test_the_methods_of_unencoded_parameters_are_those_of_its_signer() -> None:
    for method in METHODS:
        read(UNENCODED.replace("RSA-PSS", method))
