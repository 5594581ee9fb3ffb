"""A callback with a signed answer (JARM) and introspection: killed at every effect, and two callbacks in every order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.steps import alice_key, begun, row
from tests.connections.test_response_modes import coming, world_with

from valetkey.connections.authorize import finish_authorization
from valetkey.connections.connection import ACTIVE
from valetkey.connections.introspect import introspect
from valetkey.drivers.drive import drive
from valetkey.effects import Random, Seal, Send, Swap
from valetkey.errors import CallbackError
from valetkey.oauth2.kept import KeptKeys
from valetkey.testing.crash import crashes
from valetkey.testing.interleave import schedules
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from valetkey.effects import AnyEffect, Op
    from valetkey.http import Request
    from valetkey.testing.world import World

MODE = "form_post.jwt"


def waiting() -> tuple[Callable[[], World], Request]:
    """Worlds in which the browser comes back just now, each a process that knows no keys yet."""
    world = world_with(MODE)
    request = coming(world, begun(world), MODE)

    def make() -> World:
        fork = world.fork()
        two = replace(fork.settings.registrations["two"], kept_keys=KeptKeys())
        fork.settings = replace(fork.settings, registrations={**fork.settings.registrations, "two": two})
        return fork

    return make, request


def finish(world: World, request: Request) -> Op[Any]:
    return finish_authorization(world.settings, request, resource_owner="alice")


def exchanges(world: World) -> int:
    return sum(url.endswith("/oauth2/token") for url in world.network.sent)


def test_a_crash_at_any_effect_exchanges_at_most_once_and_never_strands_the_owner() -> None:
    make, request = waiting()
    outcomes, fetched = set(), 0

    for crashed in crashes(make, lambda at: finish(at, request)):
        after = crashed.world
        fetched += after.network.sent[:1] == ["http://127.0.0.1:8400/oauth2/jwks"]
        try:
            assert after.run(finish(after, request)).connection is not None
            outcomes.add("connected")
        except CallbackError as error:
            outcomes.add(error.reason)
        assert exchanges(after) <= 1, crashed
        again = begun(after)
        assert after.run(finish(after, coming(after, again, MODE))).connection.state == ACTIVE
    assert outcomes == {"connected", "in_doubt"}
    assert fetched, "the keys are fetched on the way"


def test_nothing_is_sealed_or_written_for_an_answer_that_is_not_verified() -> None:
    make, _ = waiting()
    world = make()
    world.sandbox.faults.add(endpoint="consent", fault="signature_wrong")
    forged = coming(world, begun(world), MODE)
    asked: list[AnyEffect] = []

    with pytest.raises(CallbackError, match="signature"):
        _ = watched(world, finish(world, forged), asked)

    assert not any(isinstance(effect, (Swap, Seal, Random)) for effect in asked)


def test_the_keys_are_at_hand_before_the_flow_is_claimed() -> None:
    make, request = waiting()
    world = make()
    asked: list[AnyEffect] = []

    _ = watched(world, finish(world, request), asked)

    kinds = [effect.request.url.rpartition("/")[2] if isinstance(effect, Send) else type(effect) for effect in asked]
    assert kinds.index("jwks") < kinds.index(Swap) < kinds.index("token")


def watched(world: World, op: Op[Any], asked: list[AnyEffect]) -> Any:
    def answer(effect: AnyEffect) -> object:
        asked.append(effect)
        return world.answer(effect)

    return drive(op, answer)


def test_two_callbacks_of_one_flow_in_any_order_exchange_once_and_both_see_the_connection() -> None:
    make, request = waiting()

    def both() -> tuple[World, Sequence[Op[Any]]]:
        world = make()
        return world, [finish(world, request), finish(world, request)]

    runs = 0
    for run in schedules(both, depth=12):
        assert exchanges(run.world) == 1, run
        assert run.errors == [None, None], run
        assert sorted(finished.repeated for finished in run.results) == [False, True], run
        runs += 1
    assert runs >= 10


def test_a_crash_while_introspecting_changes_nothing() -> None:
    world = world_with("query")
    _ = world.connect()
    before = world.store.rows.load(alice_key())

    for crashed in crashes(world.fork, lambda at: introspect(at.settings, "two", resource_owner="alice")):
        assert crashed.world.store.rows.load(alice_key()) == before
        assert crashed.world.run(introspect(crashed.world.settings, "two", resource_owner="alice")).active
    assert row(world) is not None
