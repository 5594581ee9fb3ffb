"""A program that stands still around its first request to the provider until it is told to go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from valetkey.effects import Send
from valetkey.testing.interleave import Caller

if TYPE_CHECKING:
    from valetkey.effects import Op
    from valetkey.testing.world import World


class Paused:
    """A caller that waits; `finish` lets it run to its end."""

    def __init__(self, world: World, caller: Caller) -> None:
        self._world, self._caller = world, caller

    def finish(self) -> Any:
        """Its result, or its error raised."""
        self._caller.thaw()
        while not self._caller.ended:
            self._caller.step(self._world.answer)
        if self._caller.error is not None:
            raise self._caller.error
        return self._caller.result


def until_after_send(world: World, program: Op[Any], *, performed: bool = True, number: int = 0) -> Paused:
    """Run the program until its n-th request was answered (`performed`) or is about to be sent."""
    caller = Caller(program)
    for _ in range(number + 1):
        while not isinstance(caller.effect, Send):
            assert not caller.ended, caller.error
            caller.step(world.answer)
        if number:
            number -= 1
            caller.step(world.answer)
    if performed:
        caller.hold(*caller.perform(world.answer))
    return Paused(world, caller)
