"""Every run of a few callers to its end: each order, one death anywhere, one freeze anywhere of each length class.

    exhaust("strict_family")     answers how much that was; raises Violation with the choices that led to it

No choice is left out and none is bounded. A run that comes to a state in which an earlier run has been ends there: what
can follow has been followed (`canonical` says when two states are the same). Programs cannot be copied, so each branch
is run again from its beginning. It is done when no branch is left.
The one rule: nothing is drawn. Not here: more callers and more misfortune at once (`storm`).
"""

from __future__ import annotations

from math import inf

from valetkey.testing.canonical import state_of
from valetkey.testing.explore import CLASSES, Exploration
from valetkey.testing.ledger import Violation
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from valetkey.sandbox.clients import RotationMode

    Digest = Callable[[Exploration], bytes]


@value
class Exhausted:
    """What it came to: branches that were run, different states, steps, questions that were asked of them.

    frontier: branches that were found and not run: none, or it was told to stop.
    """

    schedules: int
    states: frozenset[bytes]
    steps: int
    checks: int
    frontier: int


def whole_state(run: Exploration) -> bytes:
    """Everything that the rest of the run depends on."""
    return state_of(run.simulation, run.deaths_left, run.freezes_left)


def exhaust(
    mode: RotationMode,
    *,
    kinds: Sequence[str] = ("token", "token"),
    freezes: Sequence[float] = CLASSES,
    most: float = inf,
    digest: Digest = whole_state,
) -> Exhausted:
    """All of it. A Violation has the run's choices as its second argument.

    most: so many branches, and then stop. digest: what tells states apart.
    """
    states: set[bytes] = set()
    frontier = [b""]  # choices, one octet each
    schedules = steps = checks = 0

    def known(run: Exploration) -> bool:
        found = digest(run)
        if found in states:
            return True
        states.add(found)
        return False

    while frontier and schedules < most:
        prefix = frontier.pop()
        run = Exploration(mode, kinds, freezes=freezes, finely=True)
        try:
            _ = run.run(prefix, inf, known=known)
        except Violation as violation:
            raise Violation(str(violation), run.choices) from None
        schedules, steps, checks = schedules + 1, steps + run.simulation.steps, checks + run.simulation.checks
        for turn in range(len(prefix), len(run.choices)):
            taken = bytes(run.choices[:turn])
            frontier += [taken + bytes((other,)) for other in range(1, run.options[turn])]
    return Exhausted(schedules, frozenset(states), steps, checks, len(frontier))
