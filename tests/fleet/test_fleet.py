"""Ten processes of twenty threads each, real stores, real sockets: one refresh for each expiry, whoever is killed."""

from __future__ import annotations

import os
import signal
import time
from random import Random
from typing import TYPE_CHECKING

import pytest
from tests.fleet.deployment import LEASE_SECONDS, deployed
from tests.fleet.rounds import ACTED, ANY_TIME, BYSTANDER, DEAD, NEVER_ACTED, Tally, play

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fleet.crew import Crew

SHA256_DIGITS = 64
STORES = ("postgres", "redis", "moto", "dynalite")


@pytest.mark.parametrize("store", STORES, indirect=True)
def test_two_hundred_callers_of_ten_processes_refresh_an_expired_token_once(
    store: str, crew: Crew, tmp_path: Path
) -> None:
    with deployed(store, tmp_path) as fleet:
        crew.open(fleet.setup)

        tally = play(fleet, crew, (), Random(0))

    assert tally == Tally(expiries=1, refresh_requests=1, tokens=200)


@pytest.mark.parametrize("store", STORES, indirect=True)
def test_a_strict_provider_is_asked_once_for_each_expiry_and_each_holder_that_is_killed(
    store: str, crew: Crew, tmp_path: Path
) -> None:
    chance = Random(4)
    with deployed(store, tmp_path) as fleet:
        crew.open(fleet.setup)

        tally = Tally()
        for deaths in ((NEVER_ACTED,), (ACTED,), (BYSTANDER,)):
            tally += play(fleet, crew, deaths, chance)

    assert tally == Tally(
        expiries=3,
        processes_killed=3,
        holders_killed=2,
        refresh_requests=5,
        invalid_grants=1,
        dead_pairs=1,
        tokens=180 + 200 + 180,
        told_to_reconnect=180,
    )


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_two_holders_killed_one_after_the_other_lose_nothing_inside_the_window(
    store: str, crew: Crew, tmp_path: Path
) -> None:
    with deployed(store, tmp_path, mode="window") as fleet:
        crew.open(fleet.setup)

        tally = play(fleet, crew, (ACTED, ACTED), Random(5))

    assert tally == Tally(expiries=1, processes_killed=2, holders_killed=2, refresh_requests=3, tokens=160)


# not moto: under this load it answers more slowly than a lease lasts here, so that nobody sees who holds it
@pytest.mark.parametrize("store", ["postgres", "redis", "dynalite"], indirect=True)
def test_holders_killed_at_any_moment_cost_at_most_one_more_request_each(
    store: str, crew: Crew, tmp_path: Path
) -> None:
    chance, tally = Random(11), Tally()
    with deployed(store, tmp_path) as fleet:
        crew.open(fleet.setup)

        for _ in range(4):
            tally += play(fleet, crew, (ANY_TIME,), chance)

    assert (tally.expiries, tally.processes_killed) == (4, 4)
    assert tally.refresh_requests <= tally.expiries + tally.holders_killed
    assert tally.invalid_grants == tally.dead_pairs <= tally.holders_killed
    assert tally.tokens >= 4 * 180


@pytest.mark.parametrize("store", ["postgres", "redis"], indirect=True)
def test_callers_that_never_stop_asking_cost_one_refresh_for_each_short_lived_token(
    store: str, crew: Crew, tmp_path: Path
) -> None:
    with deployed(store, tmp_path, token_seconds=2) as fleet:
        crew.open(fleet.setup)
        began, before = time.monotonic(), fleet.connection().generation

        answers = set(crew.keep_asking(5.0).finish())

        refreshes = fleet.connection().generation - before
        assert fleet.provider.refresh_requests == refreshes, "each request brought a generation"
        assert fleet.refused() == 0
        assert 1 <= refreshes <= (time.monotonic() - began) + 1  # one is due a second before the end at the earliest
        assert all(len(answer) == SHA256_DIGITS for answer in answers), answers
        assert len(answers) <= refreshes + 1


def stop(process: int) -> None:
    """Stop a child and wait until every thread of it has: the signal alone takes effect a moment later."""
    os.kill(process, signal.SIGSTOP)
    _, status = os.waitpid(process, os.WUNTRACED)
    assert os.WIFSTOPPED(status)


@pytest.mark.parametrize("store", ["postgres", "redis"], indirect=True)
def test_a_holder_that_was_frozen_past_its_lease_brings_what_the_provider_had_answered(
    store: str, crew: Crew, tmp_path: Path
) -> None:
    with deployed(store, tmp_path, mode="strict") as fleet:
        crew.open(fleet.setup)
        fleet.expire()
        fleet.provider.hold(1)
        asked = crew.ask()
        held = fleet.provider.held.get(timeout=60)
        frozen = crew.workers[fleet.holder()]
        stop(frozen.process.pid)
        held.let_go(acts=True)
        fleet.pass_time(LEASE_SECONDS)

        survivors = asked.without(frozen)
        os.kill(frozen.process.pid, signal.SIGCONT)
        answers = asked.finish()

        assert set(survivors) == {DEAD}, "the pair that they know is dead"
        assert len(survivors) == crew.callers - crew.threads
        token = fleet.working_token()
        assert token in answers[len(survivors) :], "the frozen one has the living pair"
        assert fleet.provider.refresh_requests == 2
        assert set(crew.ask().finish()) == {token}, "and everybody has it now, nobody connected again"
