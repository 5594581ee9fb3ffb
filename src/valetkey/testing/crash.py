"""Crashes: the process dies at each effect of a program in turn, and somebody else has to go on from there.

    for crashed in crashes(make_world, lambda world: access_token(world.settings, "two", resource_owner="alice")):
        crashed.world.clock.time += 60
        assert crashed.world.run(...)  # the next caller finds a usable state

The one rule: the dead clean up nothing. `Crash` is no Exception, so no driver hands it to the program, and the program
stays referenced, so that nothing of it runs while its world is looked at.
"""

from __future__ import annotations

from valetkey.drivers.drive import drive
from valetkey.effects import Emit, Now, Open, Random, Remaining, Seal
from valetkey.errors import ValetkeyError
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Protocol, TypeVar

    from valetkey.effects import AnyEffect, Op

    T = TypeVar("T")
    W = TypeVar("W", bound="Answering")

    class Answering(Protocol):
        """A world: whatever performs effects."""

        def answer(self, effect: AnyEffect, /) -> object:
            """Perform one effect."""
            ...


MAX_EFFECTS = 2_000
UNNOTICED = (Now, Remaining, Random, Seal, Open, Emit)
"""Effects that change nothing that anybody else sees: to die after one of them is to die before the next."""


class Crash(BaseException):
    """The process died."""


@value
class Crashed:
    """What a crash left behind.

    at: how many effects were performed and answered. performed: whether the fatal one happened too, its answer lost.
    effect: the fatal one. program: the dead program, kept so that it is not collected.
    """

    world: Any
    at: int
    performed: bool
    effect: AnyEffect
    program: Any

    def __repr__(self) -> str:
        when = "after" if self.performed else "before"
        return f"Crashed({when} effect {self.at}, {type(self.effect).__name__})"


def crashes(make_world: Callable[[], W], program: Callable[[W], Op[Any]], *, every: bool = True) -> Iterator[Crashed]:
    """What is left behind by a crash before each effect and one after it, until the program outruns them all.

    every: False leaves out the deaths after effects that change nothing (`UNNOTICED`).
    Raises AssertionError where the program has more than 2,000 effects.
    """
    for performed in (False, True):
        for at in range(MAX_EFFECTS):
            world = make_world()
            dying = program(world)
            died = crash(dying, world.answer, at=at, performed=performed)
            if died is None:
                break
            if every or not (performed and isinstance(died, UNNOTICED)):
                yield Crashed(world, at, performed, died, dying)
        else:
            message = f"the program has more than {MAX_EFFECTS} effects"
            raise AssertionError(message)


def crash(
    program: Op[Any], answer: Callable[[AnyEffect], object], *, at: int, performed: bool = False
) -> AnyEffect | None:
    """Run a program that dies at that effect, counted from 0; the fatal effect, or None where it ended before."""
    count = -1
    fatal: AnyEffect | None = None

    def dying(effect: AnyEffect) -> object:
        nonlocal count, fatal
        count += 1
        if count != at:
            return answer(effect)
        fatal = effect
        if performed:
            try:
                _ = answer(effect)
            except ValetkeyError:
                raise Crash from None  # it failed, and nobody was left to hear of it
        raise Crash

    try:
        _ = drive(program, dying)
    except Crash:
        return fatal
    except ValetkeyError:
        return None
    return None
