"""Revoke and forget, with crashes at every effect and against refreshes and reconnections in every order (RFC 7009)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.steps import (
    LEASE_SECONDS,
    begun,
    credentials,
    expired,
    failure,
    returning,
    row,
    standing,
    token,
    works,
    world_of,
)
from tests.simulation.pausing import until_after_send

from valetkey.connections.authorize import finish_authorization
from valetkey.connections.call import call
from valetkey.connections.connection import ACTIVE, REVOKING
from valetkey.connections.manage import forget, revoke
from valetkey.errors import ReauthorizationRequired
from valetkey.http import Request
from valetkey.testing.crash import crashes
from valetkey.testing.interleave import Run, freezes, schedules

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from valetkey.effects import Op
    from valetkey.testing.world import World

    Program = Callable[[World], Op[Any]]


def revoking(world: World, registration: str = "two") -> Op[Any]:
    return revoke(world.settings, registration, resource_owner="alice")


def forgetting(world: World) -> Op[Any]:
    return forget(world.settings, "two", resource_owner="alice")


def calling(world: World) -> Op[Any]:
    request = Request("GET", f"{world.sandbox.base_url}/oauth2/me")
    return call(world.settings, request, registration="two", resource_owner="alice")


def pair(world: World, one: Program, other: Program) -> Callable[[], tuple[World, Sequence[Op[Any]]]]:
    def make() -> tuple[World, Sequence[Op[Any]]]:
        fork = world.fork()
        return fork, [one(fork), other(fork)]

    return make


def live_grants(world: World) -> int:
    """How many grants the provider still honours."""
    return sum(not family.revoked for family in world.sandbox.state.families.values())


@pytest.mark.parametrize("registration", ["one", "two"])
def test_a_crash_at_any_effect_of_a_revocation_is_finished_by_calling_it_again(registration: str) -> None:
    world = world_of()
    _ = world.connect(registration)

    for crashed in crashes(world.fork, lambda at: revoking(at, registration)):
        left = row(crashed.world, registration)
        if left is not None:
            assert left.state in (ACTIVE, REVOKING), crashed
            assert crashed.world.run(revoking(crashed.world, registration)).at_provider == "revoked"
        assert row(crashed.world, registration) is None
        assert live_grants(crashed.world) == 0


def test_a_crash_at_any_effect_of_forgetting_is_finished_by_calling_it_again() -> None:
    world = world_of()
    _ = world.connect()

    for crashed in crashes(world.fork, forgetting):
        crashed.world.run(forgetting(crashed.world))
        assert row(crashed.world) is None
        assert crashed.world.connect().state == ACTIVE


@pytest.mark.parametrize("mode", ["window", "strict"])
def test_a_crash_at_any_effect_of_a_call_that_was_answered_401_leaves_a_usable_connection(mode: Any) -> None:
    world = expired(mode)
    world.clock.time -= 1800
    world.sandbox.state.access_tokens.clear()  # the provider has ended it early

    for crashed in crashes(world.fork, calling, every=False):
        answered = crashed.world.sandbox.seen.count("token", outcome="ok")
        committed = standing(crashed.world).generation == 2
        crashed.world.clock.time += LEASE_SECONDS
        try:
            assert crashed.world.run(calling(crashed.world)).status == 200, crashed
        except ReauthorizationRequired:
            assert mode == "strict"
            assert answered
            assert not committed


def test_a_revocation_and_a_refresh_in_any_order_leave_no_live_grant_and_no_row() -> None:
    world = expired("strict")

    runs = 0
    for run in schedules(pair(world, token, revoking), depth=14):
        assert run.errors[1] is None, run
        assert row(run.world) is None, run
        assert live_grants(run.world) == 0, run
        runs += 1
    assert runs >= 10


def test_a_forgotten_connection_and_a_refresh_in_any_order_leave_no_row_and_no_tokens_that_nobody_holds() -> None:
    world = expired("strict")

    for run in schedules(pair(world, token, forgetting), depth=14):
        assert row(run.world) is None, run
        assert not [place for place in run.world.store.rows._rows if place[1].startswith("rescue/")], run
        if run.errors[0] is not None:
            assert isinstance(run.errors[0], ReauthorizationRequired), run
            refreshed = run.world.sandbox.seen.count("token", grant_type="refresh_token", outcome="ok")
            assert live_grants(run.world) == (0 if refreshed else 1), "fresh tokens are revoked, not stored"


def reconnecting(request: Request) -> Program:
    return lambda world: finish_authorization(world.settings, request, resource_owner="alice")


def test_a_reconnection_and_a_refresh_in_any_order_end_with_the_reconnected_tokens() -> None:
    world = expired("strict")
    request = returning(world, begun(world))

    runs = 0
    for run in schedules(pair(world, token, reconnecting(request)), depth=14):
        assert run.errors == [None, None], run
        assert standing(run.world).state == ACTIVE, run
        assert works(run.world, run.world.run(token(run.world))), run
        assert run.world.sandbox.seen.count("revoke") == 0, "a sibling token is never revoked"
        assert not [place for place in run.world.store.rows._rows if place[1].startswith("rescue/")], run
        runs += 1
    assert runs >= 10


def test_two_revocations_in_any_order_end_with_no_row() -> None:
    world = world_of()
    _ = world.connect()

    for run in schedules(pair(world, revoking, revoking), depth=14):
        assert row(run.world) is None, run
        assert live_grants(run.world) == 0
        for error in run.errors:
            assert error is None or (isinstance(error, ReauthorizationRequired) and error.reason == "not_connected")


def test_a_revocation_and_a_reconnection_in_any_order_never_delete_the_new_connection() -> None:
    world = world_of()
    _ = world.connect()
    request = returning(world, begun(world))

    kept = 0
    for run in schedules(pair(world, revoking, reconnecting(request)), depth=14):
        assert run.errors == [None, None], run
        left = row(run.world)
        saved_last = run.world.events.names[-1] == "connected"
        if saved_last:
            assert left is not None, run
        if left is not None:
            assert left.state == ACTIVE, run
            assert works(run.world, run.world.run(token(run.world))), run
            kept += 1
    assert kept > 0


def test_a_connection_made_while_its_predecessor_is_being_revoked_stays() -> None:
    world = world_of()
    _ = world.connect()
    request = returning(world, begun(world))
    revocation = until_after_send(world, revoking(world))
    _ = world.run(reconnecting(request)(world))

    assert revocation.finish().at_provider == "revoked"

    assert standing(world).state == ACTIVE
    assert works(world, world.run(token(world)))


@pytest.mark.parametrize("seconds", [20.0, 4000.0])
def test_a_refresh_that_thaws_after_a_revocation_stores_nothing_and_revokes_its_tokens(seconds: float) -> None:
    world = expired("strict")

    def frozen(run: Run) -> None:
        assert row(run.world) is None, run
        assert live_grants(run.world) == 0, run

    for _, run in freezes(pair(world, token, revoking), seconds=seconds):
        frozen(run)


def test_a_refresh_that_thaws_after_the_connection_was_forgotten_revokes_its_tokens() -> None:
    world = expired("strict")
    paused = until_after_send(world, token(world))
    world.run(forgetting(world))

    with pytest.raises(ReauthorizationRequired) as caught:
        _ = paused.finish()

    assert caught.value.reason == "disconnected"
    assert live_grants(world) == 0
    assert row(world) is None


def test_a_refresh_that_thaws_after_forgetting_and_reconnecting_discards_its_tokens() -> None:
    world = expired("strict")
    paused = until_after_send(world, token(world))
    world.run(forgetting(world))
    _ = world.connect()

    found = paused.finish()

    assert works(world, found)
    assert credentials(world).current.access_token == found
    assert world.sandbox.seen.count("revoke") == 0


def test_a_revocation_uses_the_newest_tokens_even_from_a_rescue_record() -> None:
    world = expired("strict")
    paused = until_after_send(world, token(world))
    world.clock.time += 20
    holder = until_after_send(world, token(world), performed=False)
    fresh = paused.finish()  # kept as a rescue record: the other holds the lease
    world.clock.time += 20
    del holder

    assert world.run(revoking(world)).at_provider == "revoked"

    assert not works(world, fresh)
    assert not world.store.rows._rows.keys() - {place for place in world.store.rows._rows if place[1] == "claim"}


@pytest.mark.parametrize(
    ("fault", "details", "word"),
    [
        ("status", {"status": 503}, "malformed_response"),
        ("lose_response", {}, "no_answer"),
        ("lose_request", {}, "no_answer"),
    ],
)
def test_a_revocation_that_fails_keeps_the_credentials_and_is_tried_again(
    fault: str, details: dict[str, Any], word: str
) -> None:
    world = world_of()
    _ = world.connect()
    world.sandbox.faults.add(endpoint="revoke", fault=fault, **details)

    report = world.run(revoking(world))

    assert report.at_provider == "failed"
    assert report.reason
    assert word
    assert standing(world).state == REVOKING
    assert isinstance(failure(world, token(world)), ReauthorizationRequired), "no token is handed out meanwhile"
    assert world.run(revoking(world)).at_provider == "revoked"
    assert row(world) is None


def test_a_connection_whose_revocation_failed_can_be_connected_again() -> None:
    world = world_of()
    _ = world.connect()
    world.sandbox.faults.add(endpoint="revoke", fault="status", status=503)
    _ = world.run(revoking(world))

    assert world.connect().state == ACTIVE
    assert works(world, world.run(token(world)))
