"""Requests of the client alone, from both vaults, checked by oauthlib's SignatureOnlyEndpoint over sockets."""

from __future__ import annotations

import asyncio
import tomllib
from typing import TYPE_CHECKING, Any

import oauthlib.oauth1
import pytest
from tests.interop.oauth1.peers import CLIENT_KEY, CLIENT_SECRET, OauthlibPeer, serving
from tests.interop.oauth1.test_three_legs import fetch
from tests.oauth1.cast import key_pair

from valetkey.async_vault import AsyncVault
from valetkey.effects import PrivateKey
from valetkey.http import FORM, Headers, Request
from valetkey.oauth1.credentials import ClientCredentials
from valetkey.oauth1.sign import sign_request
from valetkey.providers.catalog import read_provider
from valetkey.providers.registration import register
from valetkey.secret import Secret
from valetkey.testing.world import World
from valetkey.value import replace
from valetkey.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valetkey.oauth1.credentials import SignatureMethod

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
METHODS = ("HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512", "RSA-SHA1", "RSA-SHA256", "RSA-SHA512", "PLAINTEXT")
BODIES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a form": {"data": {"a": "1 +%", "b": "é"}},
    "JSON": {"json": {"pay": 1}},
    "octets": {"body": b"\x89PNG\xff", "headers": {"Content-Type": "image/png"}},
}


@pytest.fixture(scope="module")
def peer() -> Iterator[str]:
    with serving(OauthlibPeer(key_pair()[1])) as url:
        yield url


def vault(cls: type[Any], method: str, secret: str = CLIENT_SECRET) -> Any:
    world = World()
    provider = read_provider(tomllib.loads(ENTRY))
    made = register(
        "peer",
        provider,
        client_id=CLIENT_KEY,
        client_secret=Secret(secret),
        private_key=PrivateKey(Secret(key_pair()[0])),
        signature_method=method,
        redirect_uri="https://app.example/callback/peer",
    )
    return cls(replace(world.settings, registrations={"peer": made}), store=world.store, keys=world.keys)


@pytest.mark.parametrize("method", METHODS)
def test_what_the_client_signs_alone_is_taken_whatever_the_body(peer: str, method: str) -> None:
    blocking = vault(Vault, method)
    session = blocking.client_session("peer")

    assert session.get(f"{peer}/client?b=2&a=%20x&a=").status == 200
    for name, given in BODIES.items():
        assert session.post(f"{peer}/client?q=1", **given).status == 200, name
    blocking.close()


def test_an_async_vault_does_the_same(peer: str) -> None:
    async def ask() -> list[int]:
        awaited = vault(AsyncVault, "HMAC-SHA256")
        session = awaited.client_session("peer")
        answers = [await session.post(f"{peer}/client?q=1", **given) for given in BODIES.values()]
        signed = await awaited.sign_as_client(Request("GET", f"{peer}/client"), registration="peer")
        await awaited.close()
        return [*(answer.status for answer in answers), fetch(signed).status, fetch(signed).status]

    assert asyncio.run(ask()) == [200, 200, 200, 200, 200, 401]  # the last one is a repetition


def test_another_secret_is_refused(peer: str) -> None:
    blocking = vault(Vault, "HMAC-SHA1", "another secret")

    assert blocking.client_session("peer").get(f"{peer}/client").status == 401
    blocking.close()


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
