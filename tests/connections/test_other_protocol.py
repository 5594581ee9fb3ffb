"""Verbs of one protocol, for a registration of the other: told so, with what can be used there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.steps import world_of
from tests.connections.test_oauth1_flows import world_of as oauth1_world_of

from valetkey.async_vault import AsyncVault
from valetkey.errors import ConfigurationError
from valetkey.secret import Secret
from valetkey.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = Secret("canary-x")
OF_OAUTH2: dict[str, Callable[[Any], Any]] = {
    "no password grant": lambda vault: vault.connect_by_password("one", "alice", username="a", password=SECRET),
    "no assertions": lambda vault: vault.connect_by_assertion("one", "alice", assertion=SECRET),
    "no token exchange": lambda vault: vault.exchange_token("one", subject_token=SECRET),
    "no device authorization": lambda vault: vault.begin_device_authorization("one", "alice"),
    "no scope": lambda vault: vault.require("one", "alice", scope=("read",)),
    "no userinfo": lambda vault: vault.userinfo("one", "alice"),
    "knows no introspection": lambda vault: vault.introspect("one", "alice"),
    "clients alone sign: use sign_as_client": lambda vault: vault.client_token("one"),
    "use session": lambda vault: vault.access_token("one", "alice"),
}


def answered(world: Any, colour: type[Vault | AsyncVault], verb: Callable[[Any], Any]) -> Any:
    vault = colour(world.settings, **world.parts())

    async def awaited() -> Any:
        return await verb(vault)

    return verb(vault) if colour is Vault else asyncio.run(awaited())


@pytest.mark.parametrize("colour", [Vault, AsyncVault])
@pytest.mark.parametrize("lacks", sorted(OF_OAUTH2))
def test_what_oauth1_does_not_have_is_told_before_anything_is_sent(
    lacks: str, colour: type[Vault | AsyncVault]
) -> None:
    world = oauth1_world_of({})

    with pytest.raises(ConfigurationError, match=rf"one speaks OAuth 1\.0a, .*{lacks}") as caught:
        _ = answered(world, colour, OF_OAUTH2[lacks])
    assert "set accept_" not in str(caught.value)
    assert world.network.sent == []


@pytest.mark.parametrize("colour", [Vault, AsyncVault])
def test_xauth_is_not_for_oauth2(colour: type[Vault | AsyncVault]) -> None:
    world = world_of()

    with pytest.raises(ConfigurationError, match=r"two speaks OAuth 2\.0, .*: use begin_authorization") as caught:
        _ = answered(world, colour, lambda vault: vault.connect_by_xauth("two", "alice", username="a", password=SECRET))
    assert "set accept_" not in str(caught.value)
    assert world.network.sent == []
