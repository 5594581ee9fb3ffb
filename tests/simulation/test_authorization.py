"""Connecting, with crashes at every effect and two browsers' worth of callbacks in every order (RFC 6749 4.1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.steps import begun, credentials, returning, row, standing, token, works, world_of

from valetkey.connections.authorize import Finished, begin_authorization, finish_authorization
from valetkey.connections.connection import ACTIVE
from valetkey.connections.links import begin_from_link, complete_authorization, connect_url
from valetkey.drivers.drive import drive
from valetkey.effects import Load, Send, Swap
from valetkey.errors import CallbackError, ProviderError, StoreError, TransportError, ValetkeyError
from valetkey.testing.crash import crashes
from valetkey.testing.interleave import random_schedules, schedules
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valetkey.effects import AnyEffect, Op
    from valetkey.http import Request
    from valetkey.testing.world import World

PROTOCOLS = ("one", "two")
EXCHANGES = {"one": ("access", {}), "two": ("token", {"grant_type": "authorization_code"})}


def finish(world: World, request: Request, resource_owner: str | None = "alice") -> Op[Finished]:
    return finish_authorization(world.settings, request, resource_owner=resource_owner)


def exchanges(world: World, registration: str) -> int:
    """How many times a code, or a verifier, reached the provider."""
    path = "/oauth1/token" if registration == "one" else "/oauth2/token"
    return sum(url.endswith(path) for url in world.network.sent)


def waiting(registration: str) -> tuple[World, Request]:
    """A world whose browser comes back from the provider just now."""
    world = world_of()
    return world, returning(world, begun(world, registration))


@pytest.mark.parametrize("registration", PROTOCOLS)
def test_a_crash_while_beginning_leaves_nothing_and_the_next_attempt_succeeds(registration: str) -> None:
    world = world_of()

    for crashed in crashes(
        world.fork, lambda at: begin_authorization(at.settings, registration, resource_owner="alice", cookies=())
    ):
        assert not crashed.world.store.rows._rows, "a start writes nothing"
        assert crashed.world.connect(registration).state == ACTIVE


@pytest.mark.parametrize("registration", PROTOCOLS)
def test_a_crash_at_any_effect_of_the_callback_exchanges_at_most_once_and_never_strands_the_owner(
    registration: str,
) -> None:
    world, request = waiting(registration)
    outcomes = set()

    for crashed in crashes(world.fork, lambda at: finish(at, request)):
        after = crashed.world
        try:
            finished = after.run(finish(after, request))  # the browser reloads
            assert finished.connection is not None
            outcomes.add("connected")
        except CallbackError as error:
            outcomes.add(error.reason)
        assert exchanges(after, registration) <= 1, crashed
        assert after.connect(registration).state == ACTIVE, "starting again always works"
    assert outcomes == {"connected", "in_doubt"}


@pytest.mark.parametrize("registration", PROTOCOLS)
def test_a_crash_while_reconnecting_never_loses_the_connection_that_was_there(registration: str) -> None:
    world = world_of()
    _ = world.connect(registration)
    before = credentials(world, registration).current
    request = returning(world, begun(world, registration))

    for crashed in crashes(world.fork, lambda at: finish(at, request), every=False):
        kept = credentials(crashed.world, registration).current
        if standing(crashed.world, registration).generation == 1:
            assert kept == before, crashed
        assert standing(crashed.world, registration).state == ACTIVE


@pytest.mark.parametrize("registration", PROTOCOLS)
def test_a_crash_while_reloading_changes_nothing(registration: str) -> None:
    world, request = waiting(registration)
    finished = world.run(finish(world, request))
    again = replace(request, headers=request.headers.with_set("Cookie", finished.set_cookies[0].partition(";")[0]))

    for crashed in crashes(world.fork, lambda at: finish(at, again)):
        repeated = crashed.world.run(finish(crashed.world, again))
        assert repeated.repeated
        assert repeated.connection is not None
        assert exchanges(crashed.world, registration) == 0


@pytest.mark.parametrize("registration", PROTOCOLS)
def test_two_callbacks_of_one_flow_in_any_order_exchange_once_and_both_see_the_connection(registration: str) -> None:
    world, request = waiting(registration)

    def make() -> tuple[World, Sequence[Op[Any]]]:
        fork = world.fork()
        return fork, [finish(fork, request), finish(fork, request)]

    runs = 0
    for run in schedules(make, depth=14):
        assert exchanges(run.world, registration) == 1, run
        assert run.errors == [None, None], run
        assert sorted(finished.repeated for finished in run.results) == [False, True], run
        assert standing(run.world, registration).generation == 1, run
        runs += 1
    assert runs >= 20


@pytest.mark.parametrize("registration", PROTOCOLS)
def test_eight_callbacks_of_one_flow_exchange_once(registration: str) -> None:
    world, request = waiting(registration)

    def make() -> tuple[World, Sequence[Op[Any]]]:
        fork = world.fork()
        return fork, [finish(fork, request) for _ in range(8)]

    for run in random_schedules(make, seeds=25):
        assert exchanges(run.world, registration) == 1, run
        assert run.errors == [None] * 8, run


def test_two_flows_of_one_owner_in_any_order_end_in_one_working_connection() -> None:
    world = world_of()
    requests = [returning(world, begun(world)) for _ in range(2)]

    def make() -> tuple[World, Sequence[Op[Any]]]:
        fork = world.fork()
        return fork, [finish(fork, request) for request in requests]

    for run in schedules(make, depth=12):
        assert run.errors == [None, None], run
        assert standing(run.world).generation == 2
        assert works(run.world, run.world.run(token(run.world)))


# --- the store and the provider fail


@pytest.mark.parametrize("registration", PROTOCOLS)
@pytest.mark.parametrize("kind", [Load, Swap])
def test_an_outage_at_any_call_of_the_store_exchanges_at_most_once(registration: str, kind: type[AnyEffect]) -> None:
    world, request = waiting(registration)
    for at in range(40):
        fork = world.fork()
        count = -1

        def answer(effect: AnyEffect, fork: World = fork, at: int = at) -> object:
            nonlocal count
            count += isinstance(effect, kind)
            if isinstance(effect, kind) and count == at:
                message = "the store is out of reach: try again"
                raise StoreError(message)
            return fork.answer(effect)

        try:
            assert drive(finish(fork, request), answer).connection is not None
        except StoreError:
            assert exchanges(fork, registration) == 0, "only a claim that was not written stops a callback"
            assert fork.run(finish(fork, request)).connection is not None
        assert exchanges(fork, registration) == 1
        if count < at:
            return
    pytest.fail("it never ran past its last call")


@pytest.mark.parametrize("registration", PROTOCOLS)
def test_writes_whose_answers_are_lost_are_recognised(registration: str) -> None:
    world, request = waiting(registration)
    world.store.lost_answers = 3

    finished = world.run(finish(world, request))

    assert finished.connection is not None
    assert not finished.repeated
    assert standing(world, registration).generation == 1


def test_a_connection_that_was_refreshed_before_its_saver_knew_it_was_saved_is_not_overwritten() -> None:
    world, request = waiting("two")
    saved: list[AnyEffect] = []

    def answer(effect: AnyEffect) -> object:
        """The save happens, its answer is lost, the store goes away for a moment, and somebody refreshes."""
        if isinstance(effect, Swap) and effect.key.name.startswith("connection/") and not saved:
            saved.append(effect)
            _ = world.answer(effect)
            refused = credentials(world).current.access_token
            world.clock.time += 40
            _ = world.run(token(world, rejected=refused))
            message = "the store is out of reach: try again"
            raise StoreError(message)
        return world.answer(effect)

    _ = drive(finish(world, request), answer)

    assert standing(world).generation == 2
    assert works(world, credentials(world).current.access_token)


def test_an_answer_that_is_lost_leaves_the_flow_in_doubt_and_a_reload_does_not_send_the_code_again() -> None:
    world, request = waiting("two")
    world.sandbox.faults.add(endpoint="token", fault="lose_response")

    with pytest.raises(TransportError):
        _ = world.run(finish(world, request))
    with pytest.raises(CallbackError) as caught:
        _ = world.run(finish(world, request))

    assert caught.value.reason == "in_doubt"
    assert exchanges(world, "two") == 1


@pytest.mark.parametrize("registration", PROTOCOLS)
def test_a_request_that_never_left_lets_a_reload_try_again(registration: str) -> None:
    world, request = waiting(registration)
    refused: list[AnyEffect] = []

    def answer(effect: AnyEffect) -> object:
        if isinstance(effect, Send) and not refused:
            refused.append(effect)
            message = "the provider cannot be reached"
            raise TransportError(message, maybe_received=False)
        return world.answer(effect)

    with pytest.raises(TransportError):
        _ = drive(finish(world, request), answer)

    assert world.run(finish(world, request)).connection is not None


def test_a_code_that_the_provider_refuses_is_not_sent_again() -> None:
    world, request = waiting("two")
    world.sandbox.faults.add(endpoint="token", fault="error_with_status_200", error="invalid_grant")

    with pytest.raises(ProviderError):
        _ = world.run(finish(world, request))
    with pytest.raises(CallbackError) as caught:
        _ = world.run(finish(world, request))

    assert caught.value.reason == "already_used"
    assert row(world) is None


# --- connect links


def linked(world: World) -> tuple[World, str]:
    world.settings = replace(world.settings, completion_url="https://app.example/done")
    url = world.run(connect_url(world.settings, "two", resource_owner="alice"))
    return world, url.rpartition("/")[2]


def waiting_for_completion() -> tuple[World, str]:
    """A world where the browser has come back, and the application has the handle."""
    world, link = linked(world_of())
    redirect = world.run(begin_from_link(world.settings, link, resource_owner=None, cookies=()))
    finished = world.run(finish(world, returning(world, redirect), None))
    assert finished.connection is None
    return world, finished.return_to.rpartition("=")[2]


def complete(world: World, handle: str, resource_owner: str = "alice") -> Op[Any]:
    return complete_authorization(world.settings, handle, resource_owner=resource_owner)


def test_a_crash_while_a_link_is_made_or_opened_leaves_one_that_can_be_asked_for_again() -> None:
    world, link = linked(world_of())

    for crashed in crashes(world.fork, lambda at: connect_url(at.settings, "two", resource_owner="alice")):
        assert not crashed.world.store.rows._rows
    for crashed in crashes(
        world.fork, lambda at: begin_from_link(at.settings, link, resource_owner=None, cookies=()), every=False
    ):
        fresh = crashed.world.run(connect_url(crashed.world.settings, "two", resource_owner="alice")).rpartition("/")[2]
        opened = crashed.world.run(begin_from_link(crashed.world.settings, fresh, resource_owner=None, cookies=()))
        assert opened.location


def test_a_crash_at_any_effect_of_the_hand_over_exchanges_nothing() -> None:
    world, link = linked(world_of())
    redirect = world.run(begin_from_link(world.settings, link, resource_owner=None, cookies=()))
    request = returning(world, redirect)
    outcomes = set()

    for crashed in crashes(world.fork, lambda at: finish(at, request, None), every=False):
        try:
            finished = crashed.world.run(finish(crashed.world, request, None))
            assert finished.return_to.startswith("https://app.example/done?handle=")
        except CallbackError as error:
            outcomes.add(error.reason)
        assert exchanges(crashed.world, "two") == 0
    assert outcomes == {"already_used"}


def test_a_crash_at_any_effect_of_the_completion_exchanges_at_most_once() -> None:
    world, handle = waiting_for_completion()
    outcomes = set()

    for crashed in crashes(world.fork, lambda at: complete(at, handle)):
        try:
            assert crashed.world.run(complete(crashed.world, handle)).state == ACTIVE
            outcomes.add("connected")
        except CallbackError as error:
            outcomes.add(error.reason)
        assert exchanges(crashed.world, "two") <= 1
    assert outcomes == {"connected", "in_doubt"}


def test_two_completions_in_any_order_exchange_once_and_both_get_the_connection() -> None:
    world, handle = waiting_for_completion()

    def make() -> tuple[World, Sequence[Op[Any]]]:
        fork = world.fork()
        return fork, [complete(fork, handle), complete(fork, handle)]

    for run in schedules(make, depth=14):
        assert run.errors == [None, None], run
        assert exchanges(run.world, "two") == 1


def test_one_link_opened_by_two_browsers_at_once_starts_one_flow() -> None:
    world, link = linked(world_of())

    def make() -> tuple[World, Sequence[Op[Any]]]:
        fork = world.fork()
        program = [
            begin_from_link(fork.settings, link, resource_owner=None, cookies=()),
            begin_from_link(fork.settings, link, resource_owner=None, cookies=()),
        ]
        return fork, program

    for run in schedules(make, depth=14):
        errors = [error for error in run.errors if error is not None]
        assert len(errors) == 1
        assert isinstance(errors[0], ValetkeyError)
