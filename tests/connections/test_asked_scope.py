"""Scope as callers name it: what is no scope ends in one error, in every verb that takes one."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.steps import world_of

from valetkey.async_vault import AsyncVault
from valetkey.errors import ConfigurationError
from valetkey.http import Request
from valetkey.secret import Secret
from valetkey.testing.world import PROVIDER_URL
from valetkey.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable

URL = f"{PROVIDER_URL}/oauth2/client"
GIVEN = {"username": "a", "password": Secret("b")}
VERBS: dict[str, Callable[[Any, Any], Any]] = {
    "attempt_as_client": lambda vault, scope: vault.attempt_as_client(
        Request("GET", URL), registration="two", scope=scope
    ),
    "begin_authorization": lambda vault, scope: vault.begin_authorization("two", "alice", scope=scope),
    "begin_device_authorization": lambda vault, scope: vault.begin_device_authorization("two", "alice", scope=scope),
    "begin_mcp_authorization": lambda vault, scope: vault.begin_mcp_authorization(URL, "alice", scope=scope),
    "client_connection": lambda vault, scope: vault.client_connection("two", scope=scope),
    "client_session": lambda vault, scope: vault.client_session("two", scope=scope).get(URL),
    "client_token": lambda vault, scope: vault.client_token("two", scope=scope),
    "connect_by_assertion": lambda vault, scope: vault.connect_by_assertion(
        "two", "alice", assertion=Secret("x"), scope=scope
    ),
    "connect_by_password": lambda vault, scope: vault.connect_by_password("two", "alice", **GIVEN, scope=scope),
    "exchange_token": lambda vault, scope: vault.exchange_token("two", subject_token=Secret("x"), scope=scope),
    "require": lambda vault, scope: vault.require("two", "alice", scope=scope),
    "sign_as_client": lambda vault, scope: vault.sign_as_client(Request("GET", URL), registration="two", scope=scope),
}
NO_SCOPE = ["read", ("a b",), ("é",), ("",), ('"',), ("a\\",), ("read", None), 5]


@pytest.mark.parametrize("colour", [Vault, AsyncVault])
@pytest.mark.parametrize("scope", NO_SCOPE, ids=repr)
@pytest.mark.parametrize("verb", sorted(VERBS))
def test_what_is_no_scope_is_refused_before_anything_is_sent_or_stored(
    verb: str, scope: Any, colour: type[Vault | AsyncVault]
) -> None:
    world = world_of()
    vault = colour(world.settings, **world.parts())

    async def awaited() -> Any:
        return await VERBS[verb](vault, scope)

    with pytest.raises(ConfigurationError, match="scope is a tuple of words"):
        _ = VERBS[verb](vault, scope) if colour is Vault else asyncio.run(awaited())
    assert world.network.sent == []
    assert dict(world.store.rows._rows) == {}


def test_every_verb_that_takes_scope_is_tried_here() -> None:
    for colour in (Vault, AsyncVault):
        public = {name: verb for name, verb in vars(colour).items() if callable(verb) and not name.startswith("_")}

        assert {name for name, verb in public.items() if "scope" in inspect.signature(verb).parameters} == set(VERBS)
