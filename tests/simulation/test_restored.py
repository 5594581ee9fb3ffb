"""A backup is put back (SECURITY F16): no old refresh token is used blindly, and whoever holds newer ones puts them back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.steps import (
    LEASE_SECONDS,
    alice_key,
    credentials,
    eventually,
    expired,
    failure,
    record,
    standing,
    token,
    works,
    world_of,
)
from tests.simulation.pausing import until_after_send

from valetkey.connections.cache import TokenCache
from valetkey.connections.codec import write_clear
from valetkey.connections.connection import ACTIVE, NEEDS_REAUTHORIZATION, REFRESHING
from valetkey.connections.manage import revoke
from valetkey.connections.records import write_record
from valetkey.connections.rescue_import import import_rescue
from valetkey.connections.restored import HOLD_SECONDS, Marked, mark_page
from valetkey.errors import ConfigurationError, ReauthorizationRequired, RefreshInProgress, StoreError
from valetkey.testing.crash import crashes
from valetkey.testing.interleave import freezes, schedules
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valetkey.effects import Op, Row
    from valetkey.sandbox.clients import RotationMode
    from valetkey.testing.world import World

REPLACED: tuple[RotationMode, ...] = ("window", "until_new_used", "strict", "strict_family")


def backup_of(world: World) -> Row:
    found = world.store.rows.load(alice_key())
    assert found is not None
    return found


def restore(world: World, backup: Row) -> World:
    world.store.rows._rows[backup.key.partition, backup.key.name] = backup
    return world


def marked(world: World) -> World:
    done = world.run(mark_page(world.settings))
    assert (done.marked, done.left) == (1, 0)
    return world


def unaskable(world: World) -> World:
    """The same world with a provider that has no introspection endpoint."""
    two = world.settings.registrations["two"]
    server = replace(two.provider.server, introspection_endpoint=None)
    two = replace(two, provider=replace(two.provider, server=server))
    world.settings = replace(world.settings, registrations={**world.settings.registrations, "two": two})
    return world


def set_back(mode: RotationMode, *, ask: bool = True) -> World:
    """Alice's tokens are of the second generation at the provider, and of the first in the store, marked."""
    world = expired(mode)
    if not ask:
        unaskable(world)
    backup = backup_of(world)
    _ = world.run(token(world))
    world.clock.time += world.client.access_token_seconds + 1
    return marked(restore(world, backup))


def family_lives(world: World) -> bool:
    return not any(family.revoked for family in world.sandbox.state.families.values())


@pytest.mark.parametrize("mode", REPLACED)
def test_the_access_token_is_used_while_it_lives_also_within_its_margin(mode: RotationMode) -> None:
    world = world_of(mode)
    _ = world.connect()
    first = world.run(token(world))
    _ = marked(world)
    world.clock.time = standing(world).access_expires_at - 1

    assert world.run(token(world)) == first
    assert world.refresh_requests() == 0
    assert world.sandbox.seen.count("introspect") == 0


@pytest.mark.parametrize("mode", ["none", "stable"])
def test_where_tokens_are_not_replaced_a_mark_changes_nothing_and_goes(mode: RotationMode) -> None:
    world = set_back(mode, ask=False)

    assert works(world, world.run(token(world)))
    assert standing(world).verify_first == 0


@pytest.mark.parametrize("mode", REPLACED)
def test_a_refresh_token_that_the_provider_calls_active_is_used_at_once(mode: RotationMode) -> None:
    world = marked(expired(mode))

    assert works(world, world.run(token(world)))
    assert world.sandbox.seen.count("introspect") == 1
    assert world.refresh_requests() == 1
    assert standing(world).verify_first == 0
    assert "verify_first" not in record_clear(world)


def record_clear(world: World) -> dict[str, str | int]:
    return dict(backup_of(world).clear)


@pytest.mark.parametrize("ask", [True, False], ids=["asked", "not_asked"])
@pytest.mark.parametrize("mode", ["window", "strict", "strict_family"])
def test_a_refresh_token_that_was_replaced_is_not_presented_while_somebody_may_hold_its_successor(
    mode: RotationMode, *, ask: bool
) -> None:
    world = set_back(mode, ask=ask)
    until = standing(world).verify_first
    sent = world.refresh_requests()

    while world.clock.time < until:
        busy = failure(world, token(world))
        assert isinstance(busy, RefreshInProgress)
        assert world.refresh_requests() == sent
        assert family_lives(world)
        assert standing(world).doubts == (), "nothing was sent, and nothing is in doubt"
        world.clock.time += busy.retry_after

    dead = failure(world, token(world))
    assert isinstance(dead, ReauthorizationRequired)
    assert dead.reason == "invalid_grant"
    assert world.refresh_requests() == sent + 1, "once, and no more"
    assert credentials(world).current.refresh_token is not None, "the ciphertext is kept"


def test_a_living_refresh_token_works_again_after_the_wait_where_nobody_can_be_asked() -> None:
    world = marked(unaskable(expired("strict_family")))

    busy = failure(world, token(world))
    assert isinstance(busy, RefreshInProgress)
    assert 0 < busy.retry_after <= HOLD_SECONDS
    world.clock.time += busy.retry_after

    assert works(world, world.run(token(world)))
    assert standing(world).verify_first == 0


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "status", "status": 503},
        {"fault": "status", "status": 404},
        {"fault": "html", "status": 200},
        {"fault": "lose_request"},
        {"fault": "lose_response"},
    ],
    ids=lambda fault: "_".join(str(each) for each in fault.values()),
)
def test_an_introspection_endpoint_that_fails_ends_nothing_and_is_asked_again(fault: dict[str, Any]) -> None:
    world = marked(expired("strict_family"))
    world.sandbox.faults.add(endpoint="introspect", **fault)

    busy = failure(world, token(world))
    assert isinstance(busy, RefreshInProgress)
    assert world.refresh_requests() == 0
    world.clock.time += busy.retry_after

    assert works(world, world.run(token(world)))
    assert standing(world).verify_first == 0


@pytest.mark.parametrize("ask", [True, False], ids=["asked", "not_asked"])
@pytest.mark.parametrize("mark_first", [True, False], ids=["marked", "not_yet_marked"])
@pytest.mark.parametrize("mode", REPLACED)
def test_a_function_that_was_refreshing_puts_its_tokens_in_the_place_of_a_backup(
    mode: RotationMode, *, ask: bool, mark_first: bool
) -> None:
    world = expired(mode)
    if not ask:
        unaskable(world)
    backup = backup_of(world)
    late = until_after_send(world, token(world))
    restore(world, backup)
    if mark_first:
        _ = marked(world)

    fresh = late.finish()

    assert works(world, fresh)
    assert credentials(world).current.access_token == fresh
    assert (standing(world).generation, standing(world).state) == (2, ACTIVE)
    assert standing(world).verify_first >= world.clock.time, "there may be newer ones still"
    assert world.run(token(world)) == fresh
    world.clock.time += world.client.access_token_seconds + 1
    assert works(world, eventually(world)), "and they go on"
    assert "put_back" in [event.fields.get("by") for event in world.events.events]


@pytest.mark.parametrize("mode", ["strict", "strict_family"])
def test_a_function_that_comes_late_brings_a_connection_back_that_was_given_up(mode: RotationMode) -> None:
    world = expired(mode)
    backup = backup_of(world)
    late = until_after_send(world, token(world))
    dead = replace(standing(world), state=NEEDS_REAUTHORIZATION, attempt="", doubts=(), lease_until=0, verify_first=9)
    restore(world, replace(backup, clear=write_clear(dead)))

    assert works(world, late.finish())
    assert standing(world).state == ACTIVE


def test_the_tokens_of_a_late_function_are_handed_over_where_the_store_fails_and_can_be_imported() -> None:
    world = expired("strict")
    backup = backup_of(world)
    late = until_after_send(world, token(world))
    restore(world, backup)
    _ = marked(world)
    world.store.outages = 100

    fresh = late.finish()
    world.store.outages = 0
    line = next(str(event.fields["record"]) for event in world.events.events if event.name == "unsaved")
    assert standing(world).generation == 1

    assert world.run(import_rescue(world.settings, line)) == "adopted"
    assert credentials(world).current.access_token == fresh
    assert standing(world).generation == 2
    assert world.run(import_rescue(world.settings, line)) == "superseded"


def remembering(world: World) -> World:
    """The world as a process with a cache sees it."""
    other = world.fork()
    other.clock, other.store, other.sandbox = world.clock, world.store, world.sandbox
    other.settings = replace(world.settings, cache=TokenCache())
    other.ports, other.network = world.ports, world.network
    return other


@pytest.mark.parametrize("mode", REPLACED)
def test_a_process_that_remembers_newer_tokens_puts_them_back(mode: RotationMode) -> None:
    world = expired(mode)
    process = remembering(world)
    backup = backup_of(world)
    fresh = process.run(token(process))
    assert process.run(token(process)) == fresh  # and now it is remembered
    restore(world, backup)
    world.clock.time += 31  # the cache asks the store again

    assert process.run(token(process)) == fresh
    assert standing(world).generation == 2
    assert credentials(world).current.access_token == fresh
    assert standing(world).verify_first > 0
    world.clock.time += world.client.access_token_seconds + 1
    assert works(world, eventually(world)), "every other process goes on from there"


def test_a_process_puts_nothing_over_a_connection_that_was_made_anew() -> None:
    world = expired("strict")
    process = remembering(world)
    backup = backup_of(world)
    for _ in range(2):
        _ = [process.run(token(process)) for _ in range(2)]
        world.clock.time += world.client.access_token_seconds + 1
    _ = [process.run(token(process)) for _ in range(2)]
    restore(world, backup)
    again = world.connect()
    assert again.generation < 4, "a number that the process has seen before"
    world.clock.time += 31

    found = process.run(token(process))

    assert credentials(world).current.access_token == found
    assert standing(world).authorized_by == again.authorized_by
    assert standing(world).verify_first == 0


def test_a_process_puts_nothing_over_tokens_that_were_verified_meanwhile() -> None:
    world = expired("stable")
    process = remembering(world)
    backup = backup_of(world)
    for _ in range(2):
        _ = [process.run(token(process)) for _ in range(2)]
        world.clock.time += world.client.access_token_seconds + 1
    restore(world, backup)
    verified = world.run(token(world))
    assert standing(world).generation == 2
    world.clock.time += 31

    assert process.run(token(process)) == verified


def test_a_process_puts_nothing_over_a_revocation_that_has_begun() -> None:
    world = expired("strict")
    process = remembering(world)
    backup = backup_of(world)
    _ = [process.run(token(process)) for _ in range(2)]
    restore(world, backup)
    world.sandbox.faults.add(endpoint="revoke", fault="status", times=5)
    _ = world.run(revoke(world.settings, "two", resource_owner="alice"))
    world.clock.time += 31

    assert isinstance(failure(process, token(process)), ReauthorizationRequired)
    assert standing(world).state == "revoking"


def test_a_row_under_a_live_lease_is_left_alone_and_said_so() -> None:
    world = expired("strict")
    holder = until_after_send(world, token(world), performed=False)

    assert world.run(mark_page(world.settings)) == Marked(leased=1)
    assert standing(world).state == REFRESHING
    holder.finish()
    assert world.run(mark_page(world.settings)).marked == 1


def test_a_mark_is_never_shortened_and_a_longer_wait_counts() -> None:
    world = expired("strict")

    assert world.run(mark_page(world.settings, wait=3600)).marked == 1
    until = standing(world).verify_first
    assert world.run(mark_page(world.settings)).already == 1
    assert standing(world).verify_first == until
    assert world.run(mark_page(world.settings, wait=7200)).marked == 1
    assert standing(world).verify_first == until + 3600


def test_a_row_of_a_newer_valetkey_is_counted_and_kept_and_a_revocation_is_left_alone() -> None:
    world = expired("strict")
    newer = replace(backup_of(world), clear={**backup_of(world).clear, "schema": 99})
    restore(world, newer)
    assert world.run(mark_page(world.settings)) == Marked(unreadable=1)
    assert backup_of(world) == newer

    restore(world, replace(newer, clear={**newer.clear, "schema": 1, "state": "revoking"}))
    assert world.run(mark_page(world.settings)) == Marked()


def test_a_row_of_an_older_valetkey_has_no_mark() -> None:
    world = expired("strict")

    assert "verify_first" not in record_clear(world)
    assert standing(world).verify_first == 0


def test_marking_that_dies_anywhere_is_taken_up_again() -> None:
    world = expired("strict_family")
    count = 0

    for crashed in crashes(world.fork, lambda each: mark_page(each.settings)):
        done = crashed.world.run(mark_page(crashed.world.settings))
        assert done.marked + done.already == 1, crashed
        assert standing(crashed.world).verify_first > 0, crashed
        assert works(crashed.world, eventually(crashed.world)), crashed
        count += 1
    assert count == 8


def test_an_outage_stops_it_and_it_can_be_taken_up() -> None:
    world = expired("strict")
    world.store.outages = 1

    assert isinstance(failure(world, mark_page(world.settings)), StoreError)
    assert world.run(mark_page(world.settings)).marked == 1


@pytest.mark.parametrize("ask", [True, False], ids=["asked", "not_asked"])
@pytest.mark.parametrize("mode", REPLACED)
def test_a_caller_of_a_marked_connection_that_dies_anywhere_costs_no_living_grant(
    mode: RotationMode, *, ask: bool
) -> None:
    world = expired(mode)
    if not ask:
        unaskable(world)
    _ = marked(world)
    if not ask:
        world.clock.time += HOLD_SECONDS
    count = 0

    for crashed in crashes(world.fork, token):
        answered = crashed.world.sandbox.seen.count("token", outcome="ok")
        committed = standing(crashed.world).generation == 2
        crashed.world.clock.time += LEASE_SECONDS
        try:
            assert works(crashed.world, eventually(crashed.world)), crashed
        except ReauthorizationRequired:
            assert mode.startswith("strict"), crashed
            assert answered, crashed
            assert not committed, crashed
        count += 1
    assert count > 28


@pytest.mark.parametrize("mode", ["strict", "strict_family"])
def test_no_death_while_tokens_are_put_back_leaves_less_than_the_next_holder_finds(mode: RotationMode) -> None:
    world = expired(mode)
    process = remembering(world)
    backup = backup_of(world)
    _ = [process.run(token(process)) for _ in range(2)]
    entry = process.settings.cache.known(alice_key())  # type: ignore[union-attr]
    assert entry is not None
    restore(world, backup)
    world.clock.time += 31

    def forked() -> World:
        other = world.fork()
        other.settings = replace(world.settings, cache=TokenCache())
        other.settings.cache.keep(alice_key(), entry, since=0)  # type: ignore[union-attr]
        return other

    for crashed in crashes(forked, token):
        survivor = crashed.world
        survivor.settings.cache.keep(alice_key(), entry, since=survivor.settings.cache.mark)
        assert works(survivor, survivor.run(token(survivor))), crashed
        assert standing(survivor).generation == 2, crashed


def both(world: World, programs: Sequence[Any]) -> Any:
    def make() -> tuple[World, list[Op[Any]]]:
        forked = world.fork()
        return forked, [program(forked) for program in programs]

    return make


@pytest.mark.parametrize("mode", ["window", "strict_family"])
def test_every_order_of_marking_and_refreshing_keeps_the_connection(mode: RotationMode) -> None:
    world = expired(mode)

    for run in schedules(both(world, [token, lambda each: mark_page(each.settings)]), depth=14):
        assert run.errors == [None, None], run
        assert run.world.refresh_requests() == 1, run
        assert standing(run.world).state == ACTIVE, run
        assert works(run.world, run.results[0]), run


@pytest.mark.parametrize("mode", ["window", "strict_family"])
def test_every_order_of_two_callers_of_a_marked_connection_asks_and_refreshes_once(mode: RotationMode) -> None:
    world = marked(expired(mode))

    for run in schedules(both(world, [token, token]), depth=9):
        assert run.errors == [None, None], run
        assert run.world.refresh_requests() == 1, run
        assert run.world.sandbox.seen.count("introspect") == 1, run


def test_marking_that_freezes_anywhere_overwrites_nothing_that_was_refreshed_meanwhile() -> None:
    world = expired("strict_family")

    for seconds in (5.0, 20.0, 400.0):
        programs = [lambda each: mark_page(each.settings), token]
        for freeze, run in freezes(both(world, programs), seconds=seconds):
            assert run.errors == [None, None], (freeze, run)
            assert standing(run.world).generation == 2, (freeze, run)
            assert works(run.world, eventually(run.world)), (freeze, run)


def test_a_marked_connection_is_ended_and_connected_anew_like_any_other() -> None:
    world = set_back("strict_family")
    _ = world.connect()

    assert standing(world).verify_first == 0
    assert works(world, world.run(token(world)))
    held = record(world)
    assert world.run(write_record(held.key, held.version, replace(held.connection, verify_first=5), held.sealed))
    assert world.run(revoke(world.settings, "two", resource_owner="alice")).at_provider == "revoked"


def test_a_store_with_stale_reads_is_no_backup() -> None:
    world = expired("stable")
    process = remembering(world)
    backup = backup_of(world)
    _ = [process.run(token(process)) for _ in range(2)]
    process.settings = replace(process.settings, store_unfit="its reads may be stale")
    restore(world, backup)
    world.clock.time += 31

    assert isinstance(failure(process, token(process)), ConfigurationError)
    assert backup_of(world) == backup
