"""What the provider says of a connection's token: asked as the client, with nothing changed by the question."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.steps import alice_key, credentials, expired, failure, token, world_of

from valetkey.async_vault import AsyncVault
from valetkey.connections.introspect import introspect, introspect_at
from valetkey.effects import Send
from valetkey.errors import (
    ConfigurationError,
    KeyUnavailable,
    MalformedResponse,
    ProviderError,
    ReauthorizationRequired,
    TransportError,
)
from valetkey.http import Headers, Response
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.testing.world import World


def of_alice(world: World, registration: str = "two") -> Any:
    return introspect(world.settings, registration, resource_owner="alice")


def answering(world: World, response: Response) -> None:
    """The provider's introspection endpoint answers this, whatever it is asked."""
    behind = world.network.send

    def send(effect: Send) -> Response:
        return response if effect.request.url.endswith("/introspect") else behind(effect)

    world.ports._performers[Send] = send


def connected() -> World:
    world = world_of()
    _ = world.connect()
    return world


def test_a_live_token_is_told_with_whose_it_is_and_until_when() -> None:
    world = connected()
    before = world.store.rows.load(alice_key())

    found = world.vault().introspect("two", "alice")

    assert (found.active, found.subject, found.client_id, found.token_type) == (True, "alice", "client-two", "Bearer")
    assert found.scope is not None
    assert "read" in found.scope
    assert found.expires_at == int(world.clock.time) + world.client.access_token_seconds
    assert world.store.rows.load(alice_key()) == before


async def _ask(world: World) -> Any:
    vault = AsyncVault(
        world.settings, store=world.store, keys=world.keys, transport=world.network, clock=_Awaited(world)
    )
    try:
        return await vault.introspect("two", "alice")
    finally:
        await vault.close()


class _Awaited:
    """The world's clock for an awaiting vault."""

    def __init__(self, world: World) -> None:
        self._clock = world.clock
        self.now, self.remaining, self.whole, self.random = (
            self._clock.now,
            self._clock.remaining,
            self._clock.whole,
            self._clock.random,
        )

    async def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)


def test_both_vaults_answer_the_same() -> None:
    import asyncio

    world = connected()

    assert asyncio.run(_ask(world)) == world.vault().introspect("two", "alice")


def test_the_answer_holds_no_token() -> None:
    world = connected()
    secret = world.vault().access_token("two", "alice").reveal()

    assert secret not in repr(world.run(of_alice(world)))


def test_an_expired_token_is_not_refreshed_for_the_question() -> None:
    world = expired()
    before = world.store.rows.load(alice_key())

    found = world.run(of_alice(world))

    assert not found.active
    assert world.refresh_requests() == 0
    assert world.store.rows.load(alice_key()) == before


def test_a_connection_that_needs_its_resource_owner_can_still_be_asked_about() -> None:
    world = expired()
    for name, family in list(world.sandbox.state.families.items()):
        world.sandbox.state.families[name] = replace(family, revoked=True)
    assert isinstance(failure(world, token(world)), ReauthorizationRequired)

    assert not world.run(of_alice(world)).active


def test_a_refresh_token_can_be_asked_about_as_well() -> None:
    world = connected()
    refresh_token = credentials(world).current.refresh_token
    assert refresh_token is not None

    found = world.run(introspect_at(world.settings.registration("two"), refresh_token, hint="refresh_token"))

    assert (found.active, found.subject) == (True, "alice")


def test_where_nothing_is_connected_there_is_nothing_to_ask() -> None:
    world = world_of()

    caught = failure(world, of_alice(world))

    assert isinstance(caught, ReauthorizationRequired)
    assert caught.reason == "not_connected"
    assert world.network.sent == []


@pytest.mark.parametrize(("registration", "words"), [("two", "introspection_endpoint"), ("one", "OAuth 1.0a")])
def test_a_provider_without_an_endpoint_is_named(registration: str, words: str) -> None:
    world = connected()
    two = world.settings.registrations["two"]
    server: Any = replace(two.provider.server, introspection_endpoint=None)
    two = replace(two, provider=replace(two.provider, server=server))
    world.settings = replace(world.settings, registrations={**world.settings.registrations, "two": two})

    caught = failure(world, of_alice(world, registration))

    assert isinstance(caught, ConfigurationError)
    assert registration in str(caught)
    assert words in str(caught)


def test_a_client_that_the_provider_does_not_know_is_told_so() -> None:
    world = connected()
    body = json.dumps({"error": "invalid_client"}).encode()
    answering(world, Response(401, Headers((("Content-Type", "application/json"),)), body))

    caught = failure(world, of_alice(world))

    assert isinstance(caught, ProviderError)
    assert (caught.error, caught.status) == ("invalid_client", 401)


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"active":"true"}', b'{"active":true,"active":false}'])
def test_an_answer_that_is_none_is_refused(body: bytes) -> None:
    world = connected()
    answering(world, Response(200, Headers(), body))

    assert isinstance(failure(world, of_alice(world)), MalformedResponse)


def test_with_no_time_left_nothing_is_asked() -> None:
    world = connected()
    world.clock.left = 1.0

    assert isinstance(failure(world, of_alice(world)), TransportError)


def test_a_missing_key_keeps_the_row_and_names_itself() -> None:
    from valetkey.effects import Open
    from valetkey.keys.local import LocalKeyRing

    world = connected()
    before = world.store.rows.load(alice_key())
    ring = LocalKeyRing([("other", world.clock.random(32))], random=world.clock.random)
    world.ports._performers[Open] = lambda effect: ring.open(effect.place, effect.sealed)

    assert isinstance(failure(world, of_alice(world)), KeyUnavailable)
    assert world.store.rows.load(alice_key()) == before
