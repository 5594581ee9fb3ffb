"""Runs of two callers to their ends, every one of them; and that the states which are taken for one are one."""

from __future__ import annotations

import random
from math import inf
from typing import TYPE_CHECKING

import pytest
from tests.simulation.mutants import MUTANTS, worn

from valetkey.testing import canonical
from valetkey.testing.canonical import Writer, state_of
from valetkey.testing.exhaust import exhaust, whole_state
from valetkey.testing.explore import Exploration, explore
from valetkey.testing.ledger import Violation
from valetkey.testing.simulate import complete, main, replay
from valetkey.testing.storm import ROTATIONS
from valetkey.testing.telling import rough_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from valetkey.sandbox.clients import RotationMode

PAST_THE_LEASE = (20.0,)
PAIRS = [("token", "forced"), ("token", "revoke"), ("token", "forget"), ("token", "reconnect"), ("token", "reseal")]


@pytest.mark.parametrize("mode", list(ROTATIONS))
def test_every_run_of_two_refreshers_with_one_death_anywhere_keeps_every_invariant(mode: RotationMode) -> None:
    found = exhaust(mode, freezes=())

    assert found.frontier == 0
    assert len(found.states) > 500
    assert found.schedules > 80


def test_every_run_of_two_refreshers_with_one_death_and_one_freeze_past_the_lease_keeps_every_invariant() -> None:
    found = exhaust("strict_family", freezes=PAST_THE_LEASE)

    assert found.frontier == 0
    assert len(found.states) > 4_000
    assert strangers(found.states, "strict_family", 30, PAST_THE_LEASE) == 0, "and runs that are drawn find no others"


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_every_run_of_a_refresher_and_what_a_person_does_with_one_death_keeps_every_invariant(
    pair: tuple[str, str],
) -> None:
    found = exhaust("strict_family", kinds=pair, freezes=())

    assert found.frontier == 0
    assert len(found.states) > 40


def drawn(mode: RotationMode, seed: int, freezes: tuple[float, ...], look: Callable[[Exploration], None]) -> None:
    """One run whose choices are drawn, with nothing told apart; `look` sees each state at which there is a choice."""
    chance = random.Random(seed)
    run = Exploration(mode, ("token", "token"), freezes=freezes, finely=True)
    options = run._options

    def shuffled(able: list[object]) -> list[object]:
        look(run)
        found: list[object] = options(able)  # type: ignore[arg-type,assignment]
        misfortunes = [each for each in found if each[0] != "go"]  # type: ignore[index]
        going = [each for each in found if each[0] == "go"]  # type: ignore[index]
        return [chance.choice(misfortunes if misfortunes and chance.random() < 0.06 else going)]

    run._options = shuffled  # type: ignore[method-assign,assignment]
    _ = run.run((), inf)


def strangers(states: frozenset[bytes], mode: RotationMode, seeds: int, freezes: tuple[float, ...] = ()) -> int:
    """How many states drawn runs came to that are not among these."""
    met: set[bytes] = set()
    for seed in range(seeds):
        drawn(mode, seed, freezes, lambda run: met.add(whole_state(run)))
    assert len(met) > 150
    return len(met - states)


def test_a_run_that_nobody_cut_short_comes_to_no_state_that_was_not_looked_at() -> None:
    assert strangers(exhaust("strict", freezes=()).states, "strict", 120) == 0


def without_callers(run: Exploration) -> bytes:
    """Everything but where the callers stand."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canonical, "_write_worker", lambda *_: None)
        return whole_state(run)


def roughly(run: Exploration) -> bytes:
    """What states are counted by in storms: times as lapsed or not, callers without what they hold."""
    return str((rough_state(run.simulation), run.deaths_left)).encode()


@pytest.mark.parametrize("poor", [without_callers, roughly])
def test_a_digest_that_leaves_something_out_is_found_out(poor: Callable[[Exploration], bytes]) -> None:
    looked_at: set[bytes] = set()

    def digest(run: Exploration) -> bytes:
        looked_at.add(whole_state(run))
        return poor(run)

    _ = exhaust("strict", freezes=(), digest=digest)

    assert strangers(frozenset(looked_at), "strict", 120) > 0


FOUND_BY_TWO = [
    "the attempt is not written down before it is sent",
    "a live lease of another caller is not looked at",
    "the lease has no deadline for the request",
    "the generation stays when tokens are saved",
    "the store does not compare versions",
]


@pytest.mark.parametrize("name", FOUND_BY_TWO)
def test_a_guard_that_is_taken_away_is_missed_by_states_told_apart_and_by_every_run(name: str) -> None:
    mutant = next(each for each in MUTANTS if each.name == name)
    mode: RotationMode = next(known for known in ROTATIONS if known == mutant.mode)

    with worn(mutant):
        with pytest.raises(Violation) as told_apart:
            _ = exhaust(mode, freezes=PAST_THE_LEASE)
        with pytest.raises(Violation) as every_run:
            for _ in explore(mode, depth=12, freezes=PAST_THE_LEASE):
                pass

    assert str(told_apart.value.args[0])[:2] == str(every_run.value.args[0])[:2]


def test_states_that_differ_in_names_and_in_nothing_else_are_one() -> None:
    def digest(shift: float, draws: int, chance: bytes | None = b"\x80") -> bytes:
        run = Exploration("strict", ("token", "token"), finely=True)
        run.simulation.chance = chance
        run.simulation.world.clock.random(32 * draws)
        for _ in range(4):
            run.simulation.step(run.simulation.workers[0])
        run.simulation.world.clock.time += shift
        return state_of(run.simulation)

    assert digest(0.0, 0) == digest(0.0, 9)
    assert digest(0.0, 0) != digest(1.0, 0)


def test_what_is_not_understood_is_an_error() -> None:
    with pytest.raises(TypeError, match="a bytearray stands in a state"):
        Writer(0.0, {}, ()).write((1, bytearray(b"x")))


def test_it_says_what_it_left() -> None:
    assert exhaust("strict", most=3).frontier > 10


def test_a_violation_names_the_choices_that_replay_it(capsys: pytest.CaptureFixture[str]) -> None:
    with worn(next(each for each in MUTANTS if each.name == FOUND_BY_TWO[0])):
        found, line = complete("strict", "token,token")
        sentence, _, command = line.partition(": python -m valetkey.testing.simulate --replay ")

        assert found is None
        assert sentence.startswith("I2: ")
        assert replay(command.strip('"')) == sentence
        assert main(["--complete", "--mode", "strict", "--processes", "1"]) == 1
    assert "1 violations" in capsys.readouterr().out
