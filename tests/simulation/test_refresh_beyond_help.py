"""What no lease can prevent: clocks that are far off, two stores for one grant, a backup put back, a rescue record lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.connections.steps import alice_key, credentials, eventually, expired, failure, standing, token, works
from tests.simulation.pausing import until_after_send

from valetkey.connections.connection import ACTIVE, NEEDS_REAUTHORIZATION
from valetkey.errors import ReauthorizationRequired
from valetkey.testing.ledger import Worker
from valetkey.testing.simulator import Simulation
from valetkey.testing.storm import ROTATIONS

if TYPE_CHECKING:
    from valetkey.sandbox.clients import RotationMode
    from valetkey.testing.world import World


def overtaken(mode: RotationMode) -> tuple[Simulation, Worker, Worker]:
    """A holder whose request is on its way, and another whose clock is 40 s ahead and who takes the lease for lapsed."""
    world = expired(mode)
    simulation = Simulation(world, mode=mode, rotation=ROTATIONS[mode])
    simulation.skewed = True
    simulation.misfortunes.add("clock_off")
    now = world.clock.time
    holder, hasty = (
        simulation.add(Worker(token(world), "token", at=now)),
        simulation.add(Worker(token(world), "token", at=now, skew=40.0)),
    )
    while holder.phase < 1:
        simulation.step(holder)
    return simulation, holder, hasty


@pytest.mark.parametrize("mode", ["stable", "window", "until_new_used"])
def test_a_clock_that_is_far_ahead_costs_a_second_request_and_nothing_else(mode: RotationMode) -> None:
    simulation, holder, hasty = overtaken(mode)
    world = simulation.world

    simulation.run_out(hasty)
    simulation.run_out(holder)

    assert world.refresh_requests() == 2
    assert standing(world).state == ACTIVE
    assert standing(world).generation == 2, "the later result overwrites nothing"
    assert works(world, eventually(world))


def test_a_clock_that_is_far_ahead_never_takes_a_strict_providers_only_pair_away() -> None:
    simulation, holder, hasty = overtaken("strict")
    world = simulation.world

    simulation.run_out(hasty)
    assert hasty.result is not None, "it was faster: its tokens count"
    simulation.run_out(holder)

    assert works(world, eventually(world))
    assert standing(world).state == ACTIVE


def second_deployment(world: World) -> World:
    """Another store with a copy of the row, before the same provider."""
    other = world.fork()
    other.sandbox.state = world.sandbox.state
    other.clock = world.clock
    return other


@pytest.mark.parametrize("mode", ["strict", "strict_family"])
def test_two_deployments_with_a_store_each_and_one_grant_are_told_by_the_refused_one(mode: RotationMode) -> None:
    world = expired(mode)
    other = second_deployment(world)

    fresh = world.run(token(world))
    refused = failure(other, token(other))

    assert isinstance(refused, ReauthorizationRequired)
    assert refused.reason == "invalid_grant"
    assert credentials(other).current.refresh_token is not None, "the ciphertext is kept"
    assert works(world, fresh) == (mode == "strict"), "where reuse counts as theft, both have lost"


def test_a_backup_that_was_put_back_works_inside_the_window_and_asks_again_after_it() -> None:
    for mode, wait, state in (("window", 10, ACTIVE), ("stable", 9_000, ACTIVE), ("strict", 10, NEEDS_REAUTHORIZATION)):
        world = expired(mode)  # type: ignore[arg-type]
        at = alice_key()
        backup = world.store.rows.load(at)
        _ = world.run(token(world))
        assert backup is not None
        world.store.rows._rows[at.partition, at.name] = backup
        world.clock.time += wait

        if state == ACTIVE:
            assert works(world, eventually(world)), mode
        else:
            assert isinstance(failure(world, token(world)), ReauthorizationRequired)
        assert standing(world).state == state


@pytest.mark.parametrize("mode", ["window", "strict"])
def test_a_rescue_record_that_is_lost_is_as_an_answer_that_was_lost(mode: RotationMode) -> None:
    world = expired(mode)
    late = until_after_send(world, token(world))
    world.clock.time += 20
    _holder = until_after_send(world, token(world), performed=False)
    _ = late.finish()
    rescues = [place for place in world.store.rows._rows if place[1].startswith("rescue/")]
    assert len(rescues) == 1

    del world.store.rows._rows[rescues[0]]
    world.clock.time += 20

    if mode == "window":
        assert works(world, eventually(world))
    else:
        assert isinstance(failure(world, token(world)), ReauthorizationRequired)
        assert credentials(world).current.refresh_token is not None
