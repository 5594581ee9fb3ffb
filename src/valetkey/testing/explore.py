"""Every run of a few callers, to a bound: each order, one death anywhere, one freeze anywhere of each length class.

    for found in explore("strict", depth=12): ...     counts runs; raises Violation with the choices that led to it

At each of the first `depth` choices somebody goes on, dies (once a run), or freezes (once a run): before what it does
next, or with the answer in its hands, for less than its lease, for more, or for more than a token lives. After that
everybody goes on in turn. A request is two choices: the check of its deadline, and what the provider does with it.
The one rule: nothing is drawn. Not here: more callers and more misfortune at once (`storm`); to the end of every run
(`exhaust`).
"""

from __future__ import annotations

from valetkey.effects import Load, Swap
from valetkey.testing.ledger import Violation
from valetkey.testing.simulator import ANSWERED, Simulation
from valetkey.testing.storm import ROTATIONS, TOKEN_SECONDS, ask_at_the_end, join, world_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeAlias

    from valetkey.sandbox.clients import RotationMode
    from valetkey.testing.ledger import Worker

    Option: TypeAlias = tuple[str, Worker, float]

FREEZES = (5.0, 20.0, TOKEN_SECONDS + 60.0)  # shorter than a lease, longer than a lease, longer than a token's life
MAX_STEPS = 5_000
EXPIRED = TOKEN_SECONDS + 1
CLASSES = (5.0, 12.0, 20.0, 45.0, 90.0, TOKEN_SECONDS + 60.0)
"""One of each: within the request's deadline; past it and within the lease; past the lease and within the invocation;
past that and within the provider's window; past the window and within the token's life; past everything."""
CHANCE = b"\x80"


class Exploration:
    """One run: the choices that it made, and how many there were to choose from each time.

    finely: a request is three choices, as what the provider does and the arrival of its answer are apart; an answer
    from the provider can be held too; jitter is always the same, so that states can be told apart by what is left.
    """

    def __init__(
        self, mode: RotationMode, kinds: Sequence[str], *, freezes: Sequence[float] = FREEZES, finely: bool = False
    ) -> None:
        world, callbacks = world_of(mode, EXPIRED)
        self.simulation = Simulation(world.fork(), mode=mode, rotation=ROTATIONS[mode])
        self.freezes = freezes
        self.choices: list[int] = []
        self.options: list[int] = []
        self.deaths_left = self.freezes_left = 1
        self.alike, self.finely = len(set(kinds)) == 1, finely
        self.simulation.chance = CHANCE if finely else None
        for kind in kinds:
            join(self.simulation, kind, list(callbacks), at=world.clock.time)

    def run(
        self,
        prefix: Sequence[int],
        depth: float,
        watch: Callable[[Simulation], None] | None = None,
        known: Callable[[Exploration], bool] | None = None,
    ) -> Exploration:
        """The run that begins with those choices, and takes the first of each from there on. Raises Violation.

        known: asked at each choice that is new; where it says yes, the run ends there.
        """
        simulation = self.simulation
        for _ in range(MAX_STEPS):
            living = simulation.living()
            if not living:
                break
            now = simulation.world.clock.time
            able = [worker for worker in living if worker.wakes_at <= now]
            if not able:
                simulation.world.clock.time = min(worker.wakes_at for worker in living)
                continue
            turn = len(self.choices)
            options = self._options(able) if turn < depth else [("go", able[simulation.steps % len(able)], 0.0)]
            if known is not None and turn >= len(prefix) and known(self):
                return self
            if len(options) > 1:
                chosen = prefix[turn] if turn < len(prefix) else 0
                self.choices.append(chosen)
                self.options.append(len(options))
                self._do(*options[chosen])
            else:
                self._do(*options[0])
            if watch is not None:
                watch(simulation)
        else:
            message = "somebody is still running"
            raise Violation(message)
        ask_at_the_end(simulation, calm=False)
        return self

    def _options(self, able: list[Worker]) -> list[Option]:
        if self.alike and not self.simulation.steps:
            able = able[:1]  # they are alike until one of them has begun
        options: list[Option] = [("go", worker, 0.0) for worker in able]
        awake = [worker for worker in able if not worker.frozen]
        if self.deaths_left:
            options += [("die", worker, 0.0) for worker in awake]
        if self.freezes_left:
            options += [("freeze", worker, seconds) for worker in awake for seconds in self.freezes]
            options += [
                ("in_hand", worker, seconds)
                for worker in awake
                if isinstance(worker.effect, Load | Swap) or (self.finely and worker.phase == ANSWERED)
                for seconds in self.freezes
            ]
        return options

    def _do(self, what: str, worker: Worker, seconds: float) -> None:
        if what == "go":
            self.simulation.step(worker, at_once=not self.finely)
        elif what == "die":
            self.deaths_left = 0
            self.simulation.crash(worker)
        elif what == "freeze":
            self.freezes_left = 0
            self.simulation.freeze(worker, seconds)
        else:
            self.freezes_left = 0
            self.simulation.step(worker, in_hand=seconds)


def explore(
    mode: RotationMode,
    *,
    depth: int,
    kinds: Sequence[str] = ("token", "token"),
    freezes: Sequence[float] = FREEZES,
    begin: Sequence[int] = (),
    watch: Callable[[Simulation], None] | None = None,
) -> Iterator[Exploration]:
    """Every run that differs in its first `depth` choices. A Violation has the run's choices as its second argument.

    begin: only those that begin with these choices.
    """
    prefix = list(begin)
    while True:
        exploration = Exploration(mode, kinds, freezes=freezes)
        try:
            yield exploration.run(prefix, depth, watch)
        except Violation as violation:
            raise Violation(str(violation), exploration.choices) from None
        taken, options = exploration.choices, exploration.options
        while len(taken) > len(begin) and taken[-1] + 1 == options[len(taken) - 1]:
            _ = taken.pop()
        if len(taken) <= len(begin):
            return
        prefix = [*taken[:-1], taken[-1] + 1]
