"""The simulator: storms and exhaustive runs in which every invariant holds, and guards whose absence it notices."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.simulation.mutants import MUTANTS, worn

from valetkey.testing.explore import FREEZES, explore
from valetkey.testing.ledger import Violation
from valetkey.testing.simulate import Seen, main, replay
from valetkey.testing.storm import ROTATIONS, Storm

if TYPE_CHECKING:
    from tests.simulation.mutants import Mutant

    from valetkey.sandbox.clients import RotationMode

SEEDS = 400
MUTANT_SEEDS = 1500
DEPTH = 5

PAIRS = [("token", "token"), ("token", "forced"), ("token", "revoke"), ("token", "forget"), ("token", "reconnect")]

REGRESSIONS: tuple[tuple[RotationMode, int], ...] = (
    ("window", 12428),  # a clock 40 s ahead slept through the window
    ("stable", 13674),  # a caller that thawed with no time left
    ("until_new_used", 14077),
    ("strict", 5253),  # a refused holder finds the rescue record of a late one
    ("strict", 945),  # the store lost the adoption of a rescue record
    ("strict_family", 1282),  # a backup was put back while a revocation was told to the provider
    ("strict_family", 11306),  # the slower one of two callers that adopt a rescue record
    ("until_new_used", 10716),  # a process puts its newer tokens over a backup, and need not look again
    ("window", 16657),  # the holder's connection is forgotten, and comes back out of a backup while it stands still
)


@pytest.mark.parametrize("mode", list(ROTATIONS))
def test_every_invariant_holds_after_every_step_of_drawn_storms(mode: RotationMode) -> None:
    misfortunes: set[str] = set()

    for seed in range(SEEDS):
        misfortunes |= Storm(mode, seed).run().misfortunes

    assert {"answer_lost", "died", "store_failed", "sent_late"} <= misfortunes, "the storms were too mild"


@pytest.mark.parametrize(("mode", "seed"), REGRESSIONS)
def test_every_invariant_holds_where_one_was_once_in_question(mode: RotationMode, seed: int) -> None:
    assert Storm(mode, seed).run().checks > 0


@pytest.mark.parametrize("mode", list(ROTATIONS))
def test_every_order_of_two_callers_with_one_death_and_one_freeze_keeps_every_invariant(mode: RotationMode) -> None:
    runs = sum(1 for _ in explore(mode, depth=DEPTH))

    assert runs > 200


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_every_order_of_a_refresh_and_what_a_person_does_keeps_every_invariant(pair: tuple[str, str]) -> None:
    runs = sum(1 for _ in explore("strict_family", depth=DEPTH, kinds=pair, freezes=FREEZES[1:2]))

    assert runs > 100


def first_violation(mode: RotationMode, seeds: int, *, stale: bool = False) -> tuple[int, str] | None:
    """The seed of the first storm that breaks an invariant, and which."""
    for seed in range(seeds):
        try:
            _ = Storm(mode, seed, stale=stale).run()
        except Violation as violation:
            return seed, str(violation.args[0])
    return None


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name.replace(" ", "_") for mutant in MUTANTS])
def test_a_guard_that_is_taken_away_is_missed(mutant: Mutant) -> None:
    mode: RotationMode = next(known for known in ROTATIONS if known == mutant.mode)

    with worn(mutant):
        assert first_violation(mode, MUTANT_SEEDS) is not None

    assert replay(f"seed=0 mode={mutant.mode}") is None, "and with the guard in its place all is well"


def test_stores_whose_reads_are_stale_break_what_strong_reads_keep() -> None:
    stale, strong = first_violation("strict", 300, stale=True), first_violation("strict", 300)

    assert strong is None
    assert stale is not None
    assert stale[1] == "I6: a connection was ended although a rescue record held its newer tokens"


def test_drawn_runs_with_stale_reads_tell_what_breaks_and_fail_only_for_what_must_hold(
    capsys: pytest.CaptureFixture[str],
) -> None:
    drawn = ["--seeds", "60", "--stale", "--mode", "strict", "--processes", "1"]
    assert main(drawn) == 0
    assert "I6: a connection was ended although a rescue record held its newer tokens" in capsys.readouterr().out

    with worn(next(mutant for mutant in MUTANTS if mutant.name == "the store does not compare versions")):
        assert main(["--seeds", "60", "--stale", "--mode", "window", "--processes", "1"]) == 1
    assert "I1: " in capsys.readouterr().out


def test_a_run_is_the_same_each_time() -> None:
    def told(seed: int) -> list[str]:
        storm, lines = Storm("strict", seed), list[str]()
        storm.simulation.log = lines.append
        _ = storm.run()
        return lines

    assert told(7) == told(7)
    assert told(7) != told(8)


def test_a_violation_is_one_line_that_replays_it(capsys: pytest.CaptureFixture[str]) -> None:
    with worn(MUTANTS[1]):
        status = main(["--seeds", "40", "--mode", "strict", "--processes", "1"])
        lines = capsys.readouterr().out.splitlines()
        sentence, _, command = lines[1].partition(": python -m valetkey.testing.simulate --replay ")

        assert status == 1
        assert "schedules" in lines[0]
        assert replay(command.strip('"')) == sentence
        _ = capsys.readouterr()
        assert main(["--exhaustive", "5", "--mode", "strict", "--processes", "1"]) == 1
        lines = capsys.readouterr().out.splitlines()
        sentence, _, command = lines[1].partition(": python -m valetkey.testing.simulate --replay ")
        assert replay(command.strip('"')) == sentence


def test_the_command_counts_schedules_and_states() -> None:
    command = [sys.executable, "-m", "valetkey.testing.simulate", "--seeds", "60", "--processes", "2"]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert "60 schedules" in done.stdout
    assert "distinct states, 0 violations" in done.stdout


def test_states_are_counted_once() -> None:
    one, other = Seen(), Seen()
    for number in range(5_000):
        one.add(number * 7_919)
        other.add((number + 2_500) * 7_919)

    one.join(other)

    assert abs(one.count() - 7_500) < 20
