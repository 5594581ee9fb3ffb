"""The whole of the difference between sync and async: two loops that run a program against its ports."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from valetkey.effects import AnyEffect, Op

    T = TypeVar("T")


GeneratorType = type(_ for _ in ())


def drive(op: Op[T], answer: Callable[[AnyEffect], object]) -> T:
    """The program's result, each effect answered at once; an answer that is itself a program is run too.

    A failure of a port is raised inside the program, at its own `yield from`.
    """
    replies: list[Any] = [None]  # emptied as it is handed on: what was opened must not stand in a traceback
    failure: Exception | None = None
    while True:
        try:
            effect = op.send(replies.pop()) if failure is None else op.throw(failure)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        failure = None
        try:
            replies.append(answer(effect))
            if type(replies[0]) is GeneratorType:
                replies.append(drive(replies.pop(), answer))
        except Exception as error:  # noqa: BLE001 - thrown into the program
            failure = error


async def drive_async(op: Op[T], answer: Callable[[AnyEffect], object]) -> T:
    """The same with awaited ports: an answer may be a value, an awaitable or a program."""
    replies: list[Any] = [None]
    failure: Exception | None = None
    while True:
        try:
            effect = op.send(replies.pop()) if failure is None else op.throw(failure)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        failure = None
        try:
            replies.append(answer(effect))
            if type(replies[0]) is GeneratorType:
                replies.append(await drive_async(replies.pop(), answer))
            elif hasattr(replies[0], "__await__"):
                replies.append(await replies.pop())
        except Exception as error:  # noqa: BLE001 - thrown into the program
            failure = error
