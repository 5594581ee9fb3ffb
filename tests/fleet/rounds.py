"""Expiries, one after the other, and who dies in them.

A round: the access token ends, every thread of every process asks for one, and processes are killed meanwhile. The
promise that is checked after it: one refresh request, and one more for each holder of the lease that died; every
survivor gets the same working token, or, where a strict provider has acted for the dead, every one is told to have the
resource owner connect again, and after that every one gets the new token without any refresh.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.fleet.deployment import LEASE_SECONDS

from valetkey.value import value

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from tests.fleet.crew import Asked, Crew
    from tests.fleet.deployment import Deployment
    from tests.fleet.provider import Held

ACTED = "acted"  # the holder is killed while it waits for the answer, and the provider acts: the answer is lost
NEVER_ACTED = "never_acted"  # the holder is killed while it waits, and its request is lost
BYSTANDER = "bystander"  # a process that waits for the holder is killed
ANY_TIME = "any_time"  # the holder is killed at a moment that was drawn: before it asks, while it waits, after it saved
DEAD = "ReauthorizationRequired: invalid_grant"
PATIENCE_SECONDS = 120.0
SLOW_SECONDS = 0.03
SETTLE_SECONDS = 0.1  # until what the dead have sent has reached the provider


@value
class Tally:
    """What came of rounds. dead_pairs: rounds that ended with a refresh token that the provider no longer takes."""

    expiries: int = 0
    processes_killed: int = 0
    holders_killed: int = 0
    refresh_requests: int = 0
    invalid_grants: int = 0
    dead_pairs: int = 0
    tokens: int = 0
    told_to_reconnect: int = 0

    def __add__(self, other: Tally) -> Tally:
        names = [name for name in dir(self) if not name.startswith("_")]
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in names})


def play(fleet: Deployment, crew: Crew, deaths: Sequence[str], chance: Random) -> Tally:
    """One round. Raises AssertionError where the promise is broken."""
    requests, refused = fleet.provider.refresh_requests, fleet.refused()
    fleet.expire()
    fleet.provider.hold(sum(death != ANY_TIME for death in deaths))
    asked = crew.ask()
    holders = killed = expected = 0
    for death in deaths:
        if death == ANY_TIME:
            died, arrived = _any_time(fleet, crew, asked, chance)
            holders, expected = holders + died, arrived + died
        else:
            holders += _while_held(fleet, crew, asked, death, chance)
        killed += 1
    answers = asked.finish()
    began, requests = requests, fleet.provider.refresh_requests - requests
    refused = fleet.refused() - refused

    assert len(answers) == crew.callers - killed * crew.threads, "each survivor is answered"
    assert len(set(answers)) == 1, f"the survivors differ: {sorted(set(answers))}"
    if ANY_TIME in deaths:
        assert began + requests == expected, (
            "one request by survivors for a holder that died, none for one that had saved"
        )
        assert 1 <= requests <= 1 + holders, f"{requests} refresh requests, {holders} holders died"
    else:
        assert requests == 1 + holders, f"{requests} refresh requests, {holders} holders died"
    dead = answers[0] == DEAD
    if dead:
        assert holders, "only a death can lose a pair"
        assert fleet.setup["rotation"]["kind"] == "strict"
        assert refused >= 1, "the provider has refused the pair before anybody is asked to connect again"
        fleet.connect()
        tally = _reconnected(fleet, crew)
    else:
        assert answers[0] == fleet.working_token(), answers[0]
        assert ACTED not in deaths or fleet.setup["rotation"]["kind"] == "window"
        assert refused == 0, "somebody saw invalid_grant, and the pair is alive"
        tally = Tally(tokens=len(answers))
    return tally + Tally(
        expiries=1,
        processes_killed=killed,
        holders_killed=holders,
        refresh_requests=requests,
        invalid_grants=refused,
        dead_pairs=int(dead),
        told_to_reconnect=len(answers) if dead else 0,
    )


def _reconnected(fleet: Deployment, crew: Crew) -> Tally:
    requests = fleet.provider.refresh_requests
    answers = crew.ask().finish()
    assert len(answers) == crew.callers
    assert set(answers) == {fleet.working_token()}
    assert fleet.provider.refresh_requests == requests, "a new connection needs no refresh"
    return Tally(tokens=len(answers))


def _while_held(fleet: Deployment, crew: Crew, asked: Asked, death: str, chance: Random) -> int:
    """How many holders died: one, or none where it was somebody else."""
    held: Held = fleet.provider.held.get(timeout=PATIENCE_SECONDS)
    holder = fleet.holder()
    assert holder in range(len(crew.workers)), "a refresh token is sent under a lease only"
    if death == BYSTANDER:
        others = [number for number in range(len(crew.workers)) if number != holder and number not in asked.killed]
        asked.kill(chance.choice(others))
        held.let_go(acts=True)
        return 0
    asked.kill(holder)
    held.let_go(acts=death == ACTED)
    fleet.pass_time(LEASE_SECONDS)
    return 1


def _any_time(fleet: Deployment, crew: Crew, asked: Asked, chance: Random) -> tuple[int, int]:
    """How many holders died, and how many requests had arrived by then.

    Whoever has the lease is killed a drawn moment later, when it may have done anything; nobody else sends before the
    dead one's lease ends.
    """
    slow, moment = chance.choice(("before", "after")), chance.uniform(0.0, 2 * SLOW_SECONDS)
    fleet.provider.faults.add(endpoint="token", fault="delay", seconds=SLOW_SECONDS, when=slow)
    victim, end = -1, time.monotonic() + PATIENCE_SECONDS
    while victim == -1:
        assert time.monotonic() < end, "nobody took the lease"
        victim = fleet.holder()
    time.sleep(moment)
    asked.kill(victim)
    time.sleep(SETTLE_SECONDS)
    while fleet.provider.open_requests and victim == fleet.holder():
        time.sleep(0.01)  # a lease outlasts what was sent under it, also where time is moved
    while time.monotonic() < end:
        if fleet.holder() == victim:  # and will be until its lease ends
            arrived = fleet.provider.refresh_requests
            fleet.pass_time(LEASE_SECONDS)
            return 1, arrived
        if asked.wait(1.0):
            fleet.provider.faults.clear()
            return 0, fleet.provider.refresh_requests
    message = "the survivors were never answered"
    raise AssertionError(message)
