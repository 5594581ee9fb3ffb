"""Interleavings: several programs in one world, stepped effect by effect in every order.

    for run in schedules(make, depth=10):       # make() builds a world and its programs anew
        assert run.world.refresh_requests() == 1, run

A caller that sleeps may go on when the world's time has come; time passes when nobody else can. A caller can be frozen
before or after one of its effects, as platforms do to functions, and thaws later with its answer in hand.
The one rule: a schedule is a list of choices, so that each run can be repeated from what its repr says.
"""

from __future__ import annotations

from valetkey.effects import Emit, Now, Open, Random, Remaining, Seal, Sign, Sleep
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, TypeAlias

    from valetkey.effects import AnyEffect, Op
    from valetkey.testing.world import World

    Make: TypeAlias = Callable[[], tuple[World, Sequence[Op[Any]]]]

MAX_STEPS = 5_000
UNSEEN = (Now, Remaining, Random, Seal, Open, Emit, Sign)
"""Effects that no other caller can notice, so that their order among callers makes no difference."""


@value
class Freeze:
    """Where a caller freezes: at its n-th effect that others can see, before it or with its answer in hand."""

    caller: int
    at: int
    performed: bool
    seconds: float


class Caller:
    """One program on its way. `effect` is what it asks for next, None once it has ended."""

    def __init__(self, program: Op[Any]) -> None:
        self.program = program
        self.result: Any = None
        self.error: Exception | None = None
        self.effect: AnyEffect | None = None
        self.wakes_at = 0.0
        self.steps = 0
        self._held: tuple[object, Exception | None] | None = None
        self._resume(None, None)

    @property
    def ended(self) -> bool:
        """Whether it has returned or raised."""
        return self.effect is None

    @property
    def frozen(self) -> bool:
        """Whether it froze with an answer in hand."""
        return self._held is not None

    def hold(self, reply: object, failure: Exception | None) -> None:
        """Keep the answer for after the thaw."""
        self._held = (reply, failure)

    def thaw(self) -> None:
        """Go on with the answer that was held."""
        held, self._held = self._held, None
        if held is not None:
            self._resume(*held)

    def _resume(self, reply: object, failure: Exception | None) -> None:
        try:
            self.effect = self.program.send(reply) if failure is None else self.program.throw(failure)
        except StopIteration as done:
            self.effect, self.result = None, done.value
        except Exception as error:  # noqa: BLE001 - the run's outcome, whatever it is
            self.effect, self.error = None, error

    def perform(self, answer: Callable[[AnyEffect], object]) -> tuple[object, Exception | None]:
        """The answer to what it asks for, or the failure."""
        assert self.effect is not None
        self.steps += 1
        try:
            return answer(self.effect), None
        except Exception as failure:  # noqa: BLE001 - thrown into the program
            return None, failure

    def step(self, answer: Callable[[AnyEffect], object]) -> None:
        """Perform what it asks for and let it go on to its next question."""
        self._resume(*self.perform(answer))


class Run:
    """Several callers in a world, and the choices that were made among them.

    unseen: whether each effect is a step of its own, even one that nobody else can notice.
    """

    def __init__(
        self, world: World, programs: Sequence[Op[Any]], freeze: Freeze | None = None, *, unseen: bool = False
    ) -> None:
        self.world = world
        self._unseen = unseen
        self.callers = [Caller(program) for program in programs]
        self.choices: list[int] = []
        self.options: list[int] = []
        self._freeze = freeze
        self._seen = [0] * len(self.callers)
        for caller in self.callers:
            self._skip_unseen(caller)

    @property
    def results(self) -> list[Any]:
        """What the callers returned, None for those that raised."""
        return [caller.result for caller in self.callers]

    @property
    def errors(self) -> list[Exception | None]:
        """What the callers raised."""
        return [caller.error for caller in self.callers]

    def runnable(self) -> list[int]:
        """Who can go on now."""
        now = self.world.clock.now()
        return [index for index, caller in enumerate(self.callers) if not caller.ended and caller.wakes_at <= now]

    def go(self, choose: Callable[[list[int]], int]) -> Run:
        """Run everybody to the end; `choose` picks one of those who can go on. AssertionError if it never ends."""
        for _ in range(MAX_STEPS):
            waiting = [caller.wakes_at for caller in self.callers if not caller.ended]
            if not waiting:
                return self
            able = self.runnable()
            if not able:
                self.world.clock.time = min(waiting)
                continue
            index = able[0]
            if len(able) > 1:
                index = choose(able)
                self.choices.append(able.index(index))
                self.options.append(len(able))
            self._step(index)
        message = f"after {MAX_STEPS} steps somebody is still running: {self!r}"
        raise AssertionError(message)

    def _step(self, index: int) -> None:
        caller = self.callers[index]
        if caller.frozen:
            caller.thaw()
            self._skip_unseen(caller)
            return
        freeze = self._freeze
        here = freeze is not None and freeze.caller == index and freeze.at == self._seen[index]
        if freeze is not None and here and not freeze.performed:
            self._freeze = None
            caller.wakes_at = self.world.clock.now() + freeze.seconds
            return
        self._seen[index] += 1
        if isinstance(caller.effect, Sleep):
            caller.wakes_at = self.world.clock.now() + caller.effect.seconds
            caller.hold(None, None)
            return
        reply, failure = caller.perform(self.world.answer)
        if freeze is not None and here:
            self._freeze = None
            caller.wakes_at = self.world.clock.now() + freeze.seconds
            caller.hold(reply, failure)
            return
        caller.hold(reply, failure)
        caller.thaw()
        self._skip_unseen(caller)

    def _skip_unseen(self, caller: Caller) -> None:
        while not self._unseen and isinstance(caller.effect, UNSEEN):
            caller.step(self.world.answer)

    @property
    def froze(self) -> bool:
        """Whether the freeze that was asked for has happened."""
        return self._freeze is None

    def __repr__(self) -> str:
        ends = [
            type(caller.error).__name__ if caller.error else "returned" if caller.ended else "running"
            for caller in self.callers
        ]
        return f"Run(choices={self.choices}, ends={ends}, seen={self.world.sandbox.seen.counters()})"


def replay(make: Make, choices: Sequence[int], *, depth: int = 0, unseen: bool = False) -> Run:
    """The run that makes those choices, the first possible ones up to the depth, and then goes on in turn."""
    world, programs = make()
    run = Run(world, programs, unseen=unseen)

    def choose(able: list[int]) -> int:
        turn = len(run.choices)
        if turn < len(choices):
            return able[min(choices[turn], len(able) - 1)]
        return able[0] if turn < depth else able[turn % len(able)]

    return run.go(choose)


def schedules(make: Make, *, depth: int, unseen: bool = False) -> Iterator[Run]:
    """Every run that differs in its first `depth` choices; in turn from there on.

    A choice is who performs the next effect that others can see, and is made only where more than one could.
    unseen: let the other effects (`UNSEEN`) be choices too, which takes far more runs to say the same.
    """
    prefix: list[int] = []
    while True:
        run = replay(make, prefix, depth=depth, unseen=unseen)
        yield run
        made = min(depth, len(run.choices))
        taken, options = run.choices[:made], run.options[:made]
        while taken and taken[-1] + 1 == options[len(taken) - 1]:
            _ = taken.pop()
        if not taken:
            return
        prefix = [*taken[:-1], taken[-1] + 1]


def random_schedules(make: Make, *, seeds: int) -> Iterator[Run]:
    """As many runs whose choices are drawn, each from its own seed, the seeds counting from 0."""
    import random

    for seed in range(seeds):
        chance = random.Random(seed)  # noqa: S311 - a schedule is no secret
        world, programs = make()
        yield Run(world, programs).go(chance.choice)


def freezes(make: Make, *, seconds: float, caller: int = 0) -> Iterator[tuple[Freeze, Run]]:
    """For every effect of a caller that others can see: a run in which it freezes there, before it and after it.

    The others run only while it is frozen: it goes first, and last.
    """
    for performed in (False, True):
        for at in range(MAX_STEPS):
            world, programs = make()
            freeze = Freeze(caller, at, performed, seconds)
            run = Run(world, programs, freeze)
            _ = run.go(lambda able: caller if caller in able else able[0])
            if not run.froze:
                break
            yield freeze, run
