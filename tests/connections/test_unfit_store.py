"""A store that cannot keep two refreshes apart serves what it has and is refused for refreshing, with its reason."""

from __future__ import annotations

import pytest

from valetkey import ConfigurationError, Vault
from valetkey.testing.world import FaultyStore, World


class EventuallyConsistent(FaultyStore):
    """Somebody's own store, honest about what it lacks."""

    unfit = "its reads may be stale"


def unfit_vault(world: World) -> Vault:
    store = EventuallyConsistent(world.clock.now)
    store.rows = world.store.rows
    return Vault(world.settings, store=store, keys=world.keys, transport=world.network, clock=world.clock)


def test_a_token_that_lives_is_served() -> None:
    world = World()
    world.connect()

    assert unfit_vault(world).access_token("two", "alice") == world.vault().access_token("two", "alice")


def test_a_token_that_is_due_but_lives_is_served_without_a_refresh() -> None:
    world = World()
    connection = world.connect()
    world.clock.time = connection.refresh_due_at + 1

    unfit_vault(world).access_token("two", "alice")

    assert world.refresh_requests() == 0


def test_refreshing_is_refused_with_the_stores_reason() -> None:
    world = World()
    connection = world.connect()
    world.clock.time = connection.access_expires_at + 1

    with pytest.raises(
        ConfigurationError,
        match=r"a store in memory that can fail: its reads may be stale: nothing is refreshed .*: use a store with strong reads",
    ):
        unfit_vault(world).access_token("two", "alice")

    assert world.refresh_requests() == 0
    assert world.vault().access_token("two", "alice")
