"""A sweep keeps unused connections alive, once each, and can die anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.steps import credentials, failure, record, standing, token, works, world_of

from valetkey.async_vault import AsyncVault
from valetkey.connections.connection import NEEDS_REAUTHORIZATION
from valetkey.connections.keepalive import (
    ASSUMED_IDLE_SECONDS,
    STEP_SECONDS,
    Waiting,
    keepalive,
    lapses_at,
)
from valetkey.connections.manage import revoke
from valetkey.effects import Send, Sleep
from valetkey.errors import ConfigurationError
from valetkey.gateways.scheduler import keepalive_handler
from valetkey.providers.catalog import load_provider, provider_names
from valetkey.stores.memory import MemoryStore
from valetkey.testing.crash import crashes
from valetkey.value import replace
from valetkey.vault import Vault

if TYPE_CHECKING:
    from valetkey.testing.world import World

DAY = 86_400
IDLE = 30 * DAY


def idle_world(*owners: str, mode: Any = "strict", days: float = 25, idle: int = IDLE, **fields: Any) -> World:
    """A world whose owners connected that many days ago and have not come back."""
    world = world_of(mode)
    two = world.settings.registrations["two"]
    provider = replace(two.provider, refresh_token_idle_seconds=idle, **fields)
    registrations = {**world.settings.registrations, "two": replace(two, provider=provider)}
    world.settings = replace(world.settings, registrations=registrations)
    for owner in owners or ("alice",):
        _ = world.connect(resource_owner=owner)
    world.clock.time += days * DAY
    return world


def test_an_unused_connection_is_refreshed_before_it_lapses() -> None:
    world = idle_world()

    report = world.run(keepalive(world.settings))

    assert (report.seen, report.refreshed, report.failed, report.waiting, report.cursor) == (1, 1, 0, (), "")
    assert standing(world).generation == 2
    assert works(world, world.run(token(world)))
    assert world.refresh_requests() == 1


def test_a_second_sweep_has_nothing_to_do() -> None:
    world = idle_world()
    _ = world.run(keepalive(world.settings))

    again = world.run(keepalive(world.settings))

    assert (again.seen, again.refreshed) == (1, 0)
    assert world.refresh_requests() == 1


def test_a_connection_that_is_far_from_lapsing_is_left_alone_though_its_access_token_has_expired() -> None:
    world = idle_world(days=14)

    assert world.run(keepalive(world.settings)).refreshed == 0
    assert world.refresh_requests() == 0


def test_an_access_token_that_still_lives_does_not_keep_the_grant_from_being_refreshed() -> None:
    world = world_of("strict", access_token_seconds=60 * DAY)
    _ = world.connect()
    world.clock.time += ASSUMED_IDLE_SECONDS

    assert world.run(keepalive(world.settings)).refreshed == 1
    assert works(world, world.run(token(world)))


def test_connections_that_were_made_together_fall_due_apart() -> None:
    world = idle_world("alice", "bob", "carol", "dave", "erin", days=0)
    provider = world.settings.registrations["two"].provider
    now = world.clock.now()
    times = []
    for owner in ("alice", "bob", "carol", "dave", "erin"):
        found = record(world, resource_owner=owner)
        times.append(lapses_at(found.key, found.connection, provider) - now)

    assert len({int(at / 3600) for at in times}) == 5
    assert all(IDLE * 0.49 < at < IDLE * 0.76 for at in times)


def test_a_provider_whose_lifetimes_nobody_knows_is_trusted_for_two_weeks() -> None:
    world = idle_world(idle=0, days=6)
    assert world.run(keepalive(world.settings)).refreshed == 0
    world.clock.time += 5 * DAY
    assert world.run(keepalive(world.settings)).refreshed == 1


def test_lifetimes_are_catalog_data() -> None:
    for name in provider_names():
        provider = load_provider(name)
        assert provider.refresh_token_idle_seconds >= 0
        assert provider.refresh_token_seconds >= 0
    assert load_provider("google").refresh_token_idle_seconds == 180 * DAY
    assert load_provider("github").refresh_token_idle_seconds == 180 * DAY


def test_a_dead_grant_is_listed_with_its_reason_and_its_owner() -> None:
    world = idle_world("alice", "bob")
    world.sandbox.faults.add(endpoint="token", fault="lose_response", times=1)
    first = world.run(keepalive(world.settings))
    world.clock.time += 3600
    second = world.run(keepalive(world.settings))
    third = world.run(keepalive(world.settings))

    assert (first.refreshed, first.failed) == (1, 1)
    assert [item.reason for item in second.waiting] == ["invalid_grant"]
    assert second.waiting == third.waiting
    owner = second.waiting[0].resource_owner
    assert standing(world, resource_owner=owner).state == NEEDS_REAUTHORIZATION
    assert world.events.names.count("needs_reauthorization") == 1


def test_a_grant_with_an_end_is_listed_a_week_before_and_not_sooner() -> None:
    world = idle_world(days=21, refresh_token_seconds=30 * DAY)
    assert world.run(keepalive(world.settings)).waiting == ()
    ends = standing(world).authorized_at + 30 * DAY
    world.clock.time += 3 * DAY

    assert world.run(keepalive(world.settings)).waiting == (Waiting("two", "alice", "", "grant_ends_soon", ends),)


def test_connecting_again_begins_the_grants_life_anew() -> None:
    world = idle_world(days=25, refresh_token_seconds=30 * DAY)
    _ = world.connect()

    assert world.run(keepalive(world.settings)).waiting == ()
    assert standing(world).created_at < standing(world).authorized_at


def test_an_unfinished_revocation_is_listed() -> None:
    world = idle_world(days=0)
    world.sandbox.faults.add(endpoint="revoke", fault="status", times=10)
    assert world.run(revoke(world.settings, "two", resource_owner="alice")).at_provider == "failed"

    assert [item.reason for item in world.run(keepalive(world.settings)).waiting] == ["revocation_unfinished"]


def test_a_provider_that_is_down_loses_nothing_and_is_tried_again() -> None:
    world = idle_world()
    world.sandbox.faults.add(endpoint="token", fault="status", status=503, when="before", times=1)

    assert world.run(keepalive(world.settings)).failed == 1
    world.clock.time += 3600
    report = world.run(keepalive(world.settings))

    assert report.refreshed == 1
    assert works(world, world.run(token(world)))


def test_an_oauth1_connection_and_a_row_of_another_deployment_are_passed_over() -> None:
    world = idle_world()
    _ = world.connect("one", "alice")
    world.clock.time += 400 * DAY
    world.settings = replace(world.settings, registrations={"one": world.settings.registrations["one"]})

    report = world.run(keepalive(world.settings))

    assert (report.seen, report.refreshed, report.skipped, report.waiting) == (2, 0, 1, ())


def test_a_row_that_cannot_be_opened_does_not_hold_up_the_others() -> None:
    world = idle_world("alice", "bob")
    found = record(world, resource_owner="alice")
    row = world.store.load(found.key)
    assert row is not None
    _ = world.store.swap(row.key, row.version, replace(row, version=b"w" * 16, sealed=b"vk1.gone.AAAA"))

    report = world.run(keepalive(world.settings))

    assert (report.refreshed, report.skipped) == (1, 1)


class Draining:
    """A clock whose invocation runs out after so many looks."""

    def __init__(self, world: World, looks: int) -> None:
        self.world, self.looks = world, looks

    def answer(self, effect: Any) -> object:
        if type(effect).__name__ == "Remaining" and not effect.whole:
            self.looks -= 1
            return 60.0 if self.looks >= 0 else STEP_SECONDS - 0.1
        return self.world.answer(effect)


def test_a_sweep_that_runs_out_of_time_goes_on_where_it_stopped() -> None:
    from valetkey.drivers.drive import drive

    owners = tuple(f"owner-{number}" for number in range(7))
    world = idle_world(*owners)
    sweeps, refreshed = 0, 0
    for _ in range(40):
        report = drive(keepalive(world.settings), Draining(world, 2).answer)
        sweeps, refreshed = sweeps + 1, refreshed + report.refreshed
        if not report.cursor:
            break

    assert refreshed == 7
    assert sweeps > 3
    assert world.refresh_requests() == 7


def test_a_provider_that_never_answers_does_not_hold_up_those_behind_it() -> None:
    from valetkey.drivers.drive import drive

    world = idle_world("alice", "bob", "carol")
    world.sandbox.faults.add(endpoint="token", fault="lose_request", times=1)
    seen = 0
    for _ in range(10):
        report = drive(keepalive(world.settings), Draining(world, 2).answer)
        seen += report.seen
        if not report.cursor:
            break

    assert seen == 3
    assert world.refresh_requests() >= 2


def test_pages_of_a_large_store_are_all_looked_at() -> None:
    world = idle_world()
    template = record(world)
    row = world.store.load(template.key)
    assert row is not None
    for number in range(250):  # copies that open nowhere: they are skipped, and counted
        key = replace(row.key, partition=f"{number:064x}")
        _ = world.store.swap(key, None, replace(row, key=key))

    report = world.run(keepalive(world.settings))

    assert (report.seen, report.refreshed, report.skipped) == (251, 1, 250)


def test_the_list_of_those_who_need_a_person_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("valetkey.connections.keepalive.MAX_LISTED", 2)
    world = idle_world(*(f"owner-{number}" for number in range(3)), refresh_token_seconds=DAY)
    report = world.run(keepalive(world.settings))

    assert (len(report.waiting), report.more, report.refreshed) == (2, 1, 3)


def test_refreshes_are_spread_out() -> None:
    from valetkey.drivers.drive import drive

    world = idle_world("alice", "bob", "carol")
    order = []

    def answer(effect: Any) -> object:
        if isinstance(effect, (Send, Sleep)):
            order.append(type(effect))
        return world.answer(effect)

    _ = drive(keepalive(world.settings), answer)

    assert order == [Sleep, Send] * 3


@pytest.mark.parametrize("mode", ["stable", "window", "until_new_used"])
def test_a_crash_at_any_effect_of_a_sweep_is_mended_by_the_next(mode: Any) -> None:
    world = idle_world("alice", "bob", mode=mode)
    count = 0

    for crashed in crashes(world.fork, lambda copy: keepalive(copy.settings), every=mode == "window"):
        crashed.world.clock.time += 20
        report = crashed.world.run(keepalive(crashed.world.settings))

        assert report.cursor == "", crashed
        assert report.waiting == (), crashed
        for owner in ("alice", "bob"):
            found = standing(crashed.world, resource_owner=owner)
            assert found.generation == 2, crashed
            assert works(crashed.world, credentials(crashed.world, resource_owner=owner).current.access_token), crashed
        assert crashed.world.refresh_requests() <= 3, crashed
        count += 1
    assert count > 30


def test_a_crash_of_a_sweep_at_a_strict_provider_costs_at_most_the_connection_it_was_at() -> None:
    world = idle_world("alice", "bob", mode="strict")

    for crashed in crashes(world.fork, lambda copy: keepalive(copy.settings), every=False):
        crashed.world.clock.time += 20
        report = crashed.world.run(keepalive(crashed.world.settings))

        assert len(report.waiting) <= 1, crashed
        generations = [standing(crashed.world, resource_owner=owner).generation for owner in ("alice", "bob")]
        assert sum(generations) >= 3, crashed


def vault_of(world: World, kind: type = Vault) -> Any:
    return kind(world.settings, **world.parts())


@pytest.mark.parametrize("kind", [Vault, AsyncVault])
def test_a_scheduler_gets_a_handler_that_takes_any_event(kind: type) -> None:
    world = idle_world()
    handler = keepalive_handler(vault_of(world, kind))

    report = handler({"source": "aws.scheduler"}, None)

    assert (report["refreshed"], report["finished"], report["waiting"]) == (1, True, [])
    assert report["events"] == {"sent": 0, "kept": 0, "given_up": 0}
    assert handler()["refreshed"] == 0


def test_a_function_that_is_too_short_for_one_connection_is_told_so() -> None:
    world = idle_world()
    world.clock.allowed = 3.0

    error = failure(world, keepalive(world.settings))

    assert isinstance(error, ConfigurationError)
    assert "3.0 s" in str(error)


def test_a_store_without_connections_is_left_without_a_trace() -> None:
    world = world_of()
    report = world.run(keepalive(world.settings))

    assert report.seen == 0
    assert isinstance(world.store.rows, MemoryStore)
    assert world.store.list(None, "").rows == ()
