"""Verbs whose programs other tests try through `Vault`, once through `AsyncVault`: xAuth, connect links, forget."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.connections.steps import returning, row, world_of
from tests.connections.test_oauth1_flows import PASSWORD, me
from tests.connections.test_oauth1_flows import world_of as oauth1_world_of

from valetkey.async_vault import AsyncVault
from valetkey.connections.links import begin_from_link
from valetkey.errors import ConfigurationError, ProviderError, ReauthorizationRequired, RequestRefused
from valetkey.secret import Secret
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.testing.world import World


def awaited(world: World) -> AsyncVault:
    return AsyncVault(world.settings, **world.parts())


def test_xauth_connects_where_it_was_accepted() -> None:
    world = oauth1_world_of({"xauth": True}, accept_xauth=True)
    vault = awaited(world)

    async def connect(password: str) -> str:
        found = await vault.connect_by_xauth("one", "alice", username="alice", password=Secret(password))
        return found.state

    with pytest.raises(ProviderError) as caught:
        asyncio.run(connect("canary-wrong"))
    assert caught.value.error == "permission_denied"
    assert row(world, "one") is None
    assert asyncio.run(connect(PASSWORD)) == "active"
    assert me(world) == 200


def test_xauth_without_the_opt_in_sends_no_password() -> None:
    world = oauth1_world_of({"xauth": True})

    with pytest.raises(ConfigurationError, match="set accept_xauth"):
        asyncio.run(awaited(world).connect_by_xauth("one", "alice", username="alice", password=Secret(PASSWORD)))
    assert world.network.sent == []


def test_a_connect_link_is_made_opened_and_completed_by_the_one_for_whom_it_is() -> None:
    world = world_of()
    world.settings = replace(world.settings, completion_url="https://app.example/done")
    vault = awaited(world)

    async def connect() -> tuple[str, str, str]:
        link = (await vault.connect_url("two", "alice")).rpartition("/")[2]
        redirect = await vault.run(begin_from_link(world.settings, link, resource_owner=None, cookies=()))
        finished = await vault.finish_authorization(returning(world, redirect), resource_owner=None)
        assert finished.connection is None
        handle = finished.return_to.rpartition("=")[2]
        with pytest.raises(RequestRefused) as refused:
            _ = await vault.complete_authorization(handle, "bob")
        assert world.sandbox.seen.count("token") == 0
        connection = await vault.complete_authorization(handle, "alice")
        again = await vault.complete_authorization(handle, "alice")
        assert again.generation == connection.generation
        return refused.value.reason, connection.state, connection.resource_owner

    assert asyncio.run(connect()) == ("user_changed", "active", "alice")
    assert world.sandbox.seen.count("token", grant_type="authorization_code") == 1


def test_what_is_forgotten_is_gone_here_and_nothing_is_asked_of_the_provider() -> None:
    world = world_of()
    _ = world.connect("two")
    vault = awaited(world)
    before = len(world.network.sent)

    async def forget() -> None:
        await vault.forget("two", "alice")
        await vault.forget("two", "alice")  # what is not there is forgotten, too
        with pytest.raises(ReauthorizationRequired):
            _ = await vault.access_token("two", "alice")

    asyncio.run(forget())

    assert row(world, "two") is None
    assert len(world.network.sent) == before
