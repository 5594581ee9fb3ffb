"""Programs as tasks of an event loop, so that a caller who is cancelled does not take a half-done write along.

The one rule: a program that has begun is run to its end; who was waiting for it may go.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import Task
    from collections.abc import Coroutine
    from typing import Any, TypeVar

    T = TypeVar("T")

_running: set[Task[Any]] = set()  # a loop holds its tasks weakly: without this, one could vanish half-way


async def run_shielded(program: Coroutine[Any, Any, T]) -> T:
    """The coroutine's result; cancelling the caller leaves the coroutine running."""
    import asyncio

    task = asyncio.get_running_loop().create_task(program)
    _running.add(task)
    task.add_done_callback(_ended)
    return await asyncio.shield(task)


def _ended(task: Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled():
        task.exception()  # looked at, so that a caller who has gone does not leave a warning behind


async def finish_tasks() -> None:
    """Wait until every program that was begun on this loop has ended."""
    import asyncio

    loop = asyncio.get_running_loop()
    mine = [task for task in _running if task.get_loop() is loop]
    if mine:
        await asyncio.wait(mine)
