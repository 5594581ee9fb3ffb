"""Requests of the client alone, from both vaults: oauthlib's SignatureOnlyEndpoint and Mastercard's own code take them."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from tests.interop.oauth1.peers import CLIENT_KEY, CLIENT_SECRET, MastercardPeer, OauthlibPeer, serving
from tests.interop.oauth1.test_three_legs import fetch
from tests.interop.vault.parties import Party
from tests.interop.vault.test_own_clients import CLIENTS
from tests.oauth1.cast import key_pair

from valetkey.effects import PrivateKey
from valetkey.http import Request
from valetkey.providers.catalog import read_provider
from valetkey.providers.registration import register
from valetkey.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from valetkey.async_vault import AsyncVault
    from valetkey.providers.registration import Registration
    from valetkey.vault import Vault

ENTRY = """
name = "peer"
title = "Peer"
protocol = "oauth1"
source = "https://oauthlib.readthedocs.io/"
verified_on = "2026-11-27"
tried = "never"
api_hosts = ["127.0.0.1"]
loopback_allowed = true
[server]
client_only = true
[rotation]
kind = "none"
"""
HABITS: Mapping[str, object] = {}
HASHED: Mapping[str, object] = {"body_hash": True, "body_hash_algorithm": "SHA256"}
METHODS = ("HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512", "RSA-SHA1", "RSA-SHA256", "RSA-SHA512", "PLAINTEXT")
BODIES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a form": {"data": {"a": "1 +%", "b": "é"}},
    "JSON": {"json": {"pay": 1}},
    "octets": {"body": b"\x89PNG\xff", "headers": {"Content-Type": "image/png"}},
}


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """Nothing is stored here."""
    return f"sqlite://{tmp_path}/connections.db"


@pytest.fixture(scope="module")
def peer() -> Iterator[str]:
    with serving(OauthlibPeer(key_pair()[1])) as url:
        yield url


def registered(method: str, habits: Mapping[str, object] = HABITS, *, secret: str = CLIENT_SECRET) -> Registration:
    entry = tomllib.loads(ENTRY)
    entry["server"] |= {**habits, "signature_method": method}
    return register(
        "peer",
        read_provider(entry),
        client_id=CLIENT_KEY,
        client_secret=Secret(secret),
        private_key=PrivateKey(Secret(key_pair()[0])) if method.startswith("RSA-") else None,
        redirect_uri="https://app.example/callback/peer",
    )


@pytest.mark.parametrize("method", METHODS)
def test_what_the_client_signs_alone_is_taken_whatever_the_body_and_once(
    peer: str, colour: type[Vault | AsyncVault], store_url: str, method: str
) -> None:
    with Party(colour, store_url, registered(method)) as party:
        session = party.vault.client_session("peer")

        assert party.done(session.get(f"{peer}/client?b=2&a=%20x&a=")).status == 200
        for name, given in BODIES.items():
            assert party.done(session.post(f"{peer}/client?q=1", **given)).status == 200, name
        signed = party.done(party.vault.sign_as_client(Request("GET", f"{peer}/client"), registration="peer"))
        assert [fetch(signed).status, fetch(signed).status] == [200, 401]  # the second is a repetition


@pytest.mark.parametrize(("colour", "call"), CLIENTS)
def test_so_is_what_goes_through_everybodys_own_client(
    peer: str, colour: type[Vault | AsyncVault], store_url: str, call: Callable[..., Any]
) -> None:
    with Party(colour, store_url, registered("HMAC-SHA256")) as party:
        assert party.done(call(party.vault, f"{peer}/client?b=2&a=%20x&a=", alone=True)) == (200, "client")


def test_another_secret_is_refused(peer: str, colour: type[Vault | AsyncVault], store_url: str) -> None:
    with Party(colour, store_url, registered("HMAC-SHA1", secret="another secret")) as party:
        assert party.done(party.vault.client_session("peer").get(f"{peer}/client")).status == 401


@pytest.mark.parametrize("method", ["RSA-SHA256", "RSA-PSS"])
def test_a_gateway_that_encodes_and_hashes_as_mastercard_does_takes_what_is_made_for_one(
    colour: type[Vault | AsyncVault], store_url: str, method: str
) -> None:
    unencoded = {**HASHED, "parameter_encoding": "unencoded"}

    with (
        serving(MastercardPeer(key_pair()[1])) as url,
        Party(colour, store_url, registered(method, unencoded)) as theirs,
        Party(colour, store_url, registered(method, HASHED)) as usual,
    ):
        for name, given in BODIES.items():
            session = theirs.vault.client_session("peer")
            answer = theirs.done(session.post(f"{url}/client?q=a%3Ab", **given))
            assert (answer.status, answer.text) == (200, CLIENT_KEY), name
        refused = usual.done(usual.vault.client_session("peer").post(f"{url}/client?q=a%3Ab", json={}))
        assert refused.status == 401  # by RFC 5849 it would be right
