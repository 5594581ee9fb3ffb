"""Every order in which callers of one expired connection can take turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.steps import (
    LEASE_SECONDS,
    MODES,
    credentials,
    expired,
    failure,
    standing,
    token,
    tokens_of,
    works,
)
from tests.simulation.pausing import until_after_send

from valetkey.connections.connection import ACTIVE, NEEDS_REAUTHORIZATION, REFRESHING
from valetkey.connections.manage import forget
from valetkey.effects import Load
from valetkey.errors import ReauthorizationRequired, RefreshInProgress, StoreError
from valetkey.testing.interleave import Caller, Run, freezes, random_schedules, schedules
from valetkey.testing.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from valetkey.effects import Op
    from valetkey.sandbox.clients import RotationMode

    Make = Callable[[], tuple[World, Sequence[Op[Any]]]]


def callers(world: World, count: int) -> Make:
    def make() -> tuple[World, Sequence[Op[Any]]]:
        fork = world.fork()
        return fork, [token(fork) for _ in range(count)]

    return make


def check_refreshed_once(run: Run, count: int) -> None:
    assert run.world.refresh_requests() == 1, run
    assert run.world.sandbox.seen.count(outcome="invalid_grant") == 0, run
    assert run.errors == [None] * count, run
    assert {secret.reveal() for secret in run.results} == {credentials(run.world).current.access_token.reveal()}, run
    assert works(run.world, run.results[0])
    assert standing(run.world).generation == 2


@pytest.mark.parametrize("mode", list(MODES))
def test_every_order_of_two_callers_sends_one_refresh_request(mode: RotationMode) -> None:
    world = expired(mode)

    runs = 0
    for run in schedules(callers(world, 2), depth=40):
        check_refreshed_once(run, 2)
        runs += 1

    assert runs >= 50  # deeper than any run: all of them


def test_every_order_of_all_effects_of_two_callers_sends_one_refresh_request() -> None:
    world = expired("strict_family")

    runs = 0
    for run in schedules(callers(world, 2), depth=10, unseen=True):
        check_refreshed_once(run, 2)
        runs += 1

    assert runs >= 1000


def test_every_order_of_three_callers_sends_one_refresh_request() -> None:
    world = expired("strict_family")

    for run in schedules(callers(world, 3), depth=6):
        check_refreshed_once(run, 3)


def test_any_order_of_twenty_callers_sends_one_refresh_request() -> None:
    world = expired("strict_family")

    for run in random_schedules(callers(world, 20), seeds=60):
        check_refreshed_once(run, 20)


def test_callers_inside_the_margin_are_never_kept_waiting() -> None:
    world = expired("strict_family")
    world.clock.time -= 20
    old = credentials(world).current.access_token
    began = world.clock.now()

    for run in schedules(callers(world, 2), depth=40):
        assert run.errors == [None, None]
        assert run.world.refresh_requests() == 1
        assert run.world.clock.now() == began, "somebody slept"
        assert set(run.results) <= {old, credentials(run.world).current.access_token}


def test_a_storm_of_401s_in_any_order_is_one_refresh() -> None:
    world = expired("strict_family")
    world.clock.time -= 1800
    refused = credentials(world).current.access_token

    def make() -> tuple[World, Sequence[Op[Any]]]:
        fork = world.fork()
        return fork, [token(fork, rejected=refused) for _ in range(2)]

    for run in schedules(make, depth=40):
        check_refreshed_once(run, 2)


@pytest.mark.parametrize("seconds", [20.0, 60.0, 4000.0])
@pytest.mark.parametrize("mode", ["none", "stable", "window", "until_new_used"])
def test_a_holder_that_freezes_anywhere_never_overwrites_and_nobody_loses(mode: RotationMode, seconds: float) -> None:
    world = expired(mode)

    count = 0
    for freeze, run in freezes(callers(world, 2), seconds=seconds):
        assert run.errors[1] is None, (freeze, run)
        assert run.errors[0] is None, (freeze, run)
        assert standing(run.world).state == ACTIVE, (freeze, run)
        assert works(run.world, run.world.run(token(run.world))), (freeze, run)
        assert run.world.refresh_requests() <= 3, (freeze, run)
        count += 1
    assert count >= 8


@pytest.mark.parametrize("mode", ["strict", "strict_family"])
def test_a_late_result_brings_a_connection_back_that_a_strict_provider_seemed_to_have_ended(mode: RotationMode) -> None:
    world = expired(mode)
    came_back = 0

    for freeze, run in freezes(callers(world, 2), seconds=60):
        ended = isinstance(run.errors[1], ReauthorizationRequired)
        if ended:
            # the provider had answered the frozen one: its tokens came too late, and were kept and adopted
            assert run.world.events.names[-1] == "recovered", (freeze, run)
            came_back += 1
        assert run.errors[0] is None, (freeze, run)
        assert standing(run.world).state == ACTIVE, (freeze, run)
        assert standing(run.world).generation == 2, (freeze, run)
        if mode == "strict" or not ended:
            assert works(run.world, run.world.run(token(run.world))), (freeze, run)
        assert run.world.refresh_requests() <= 2, (freeze, run)
    assert came_back == 2  # frozen with the answer in hand, and before the commit


def test_nothing_is_sent_after_the_deadline_of_a_lease() -> None:
    world = expired("strict")

    for _, run in freezes(callers(world, 2), seconds=60):
        sent = [entry.at for entry in run.world.sandbox.seen.entries("token", grant_type="refresh_token")]
        # the frozen one may send within ten seconds of its claim; the other sends after the lease has lapsed
        assert all(at - world.clock.now() <= 10 or at - world.clock.now() >= 13 for at in sent), run


def test_a_late_result_waits_as_a_rescue_record_while_another_holds_the_lease() -> None:
    world = expired("strict")
    late, holder = world.fork(), None
    from tests.simulation.pausing import until_after_send

    paused = until_after_send(late, token(late))
    late.clock.time += 20
    second = until_after_send(late, token(late), performed=False)  # holds the lease, has not sent yet
    holder = standing(late)
    assert holder.attempt

    result = paused.finish()

    assert works(late, result)
    assert standing(late).attempt == holder.attempt, "the lease of the other stays"
    assert standing(late).generation == 1, "a late result overwrites nothing"
    rescued = [place for place in late.store.rows._rows if place[1].startswith("rescue/")]
    assert len(rescued) == 1
    assert second.finish() == result, "the refusal of the spent token makes the other look for the rescue record"
    assert standing(late).state == ACTIVE
    assert not [place for place in late.store.rows._rows if place[1].startswith("rescue/")]


def test_a_caller_with_no_time_to_wait_is_told_when_to_come_back() -> None:
    world = expired("strict")
    from tests.simulation.pausing import until_after_send

    holder = until_after_send(world, token(world), performed=False)
    world.clock.left = 1.0
    with pytest.raises(RefreshInProgress) as caught:
        _ = world.run(token(world))
    assert 0 < caught.value.retry_after <= 16
    world.clock.left = 30.0
    assert works(world, holder.finish())


def test_the_same_holds_for_signing_and_for_both_protocols() -> None:
    world = expired("strict_family")
    _ = world.connect("one")

    def make() -> tuple[World, Sequence[Op[Any]]]:
        fork = world.fork()
        return fork, [tokens_of(fork, "one"), tokens_of(fork), tokens_of(fork)]

    for run in random_schedules(make, seeds=40):
        assert run.errors == [None, None, None]
        assert run.world.refresh_requests() == 1
        assert standing(run.world).state != NEEDS_REAUTHORIZATION


def test_what_was_loaded_before_another_thread_forgot_the_connection_is_not_remembered() -> None:
    world = world_with_cache()
    slow = Caller(token(world))
    while not isinstance(slow.effect, Load):
        slow.step(world.answer)
    slow.hold(*slow.perform(world.answer))

    world.run(forget(world.settings, "two", resource_owner="alice"))
    slow.thaw()
    while not slow.ended:
        slow.step(world.answer)

    assert slow.result is not None, "it had begun before"
    assert isinstance(failure(world, token(world)), ReauthorizationRequired)


def test_a_holder_that_is_frozen_with_the_answer_does_not_take_the_token_for_younger_than_it_is() -> None:
    world = expired("strict")
    holder = until_after_send(world, token(world))
    issued_at = world.clock.time
    world.clock.time += world.client.access_token_seconds + 60

    _ = holder.finish()

    assert standing(world).access_expires_at == int(issued_at) + world.client.access_token_seconds
    assert works(world, world.run(token(world)))


def test_a_rescue_record_whose_adoption_the_store_loses_ends_no_connection() -> None:
    world = expired("strict")
    late = until_after_send(world, token(world))
    world.clock.time += LEASE_SECONDS
    second = until_after_send(world, token(world))  # refused: the pair is the late one's
    fresh = late.finish()
    world.store.lost_writes = 3

    with pytest.raises(StoreError, match="kept beside it"):
        _ = second.finish()

    assert standing(world).state == REFRESHING
    world.clock.time += LEASE_SECONDS
    assert world.run(token(world)) == fresh
    assert standing(world).state == ACTIVE


def world_with_cache() -> World:
    world = World(cache=True)
    _ = world.connect()
    return world
