"""The two loops that run a program: same answers, same failures, in both colours."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from valetkey.drivers.drive import drive, drive_async
from valetkey.drivers.tasks import finish_tasks, run_shielded
from valetkey.effects import Now, Random, Remaining
from valetkey.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from valetkey.effects import AnyEffect, Op, WireOp

    Run = Callable[[Op[Any], Callable[[AnyEffect], object]], Any]


def in_sync(op: Op[Any], answer: Callable[[AnyEffect], object]) -> object:
    return drive(op, answer)


def in_async(op: Op[Any], answer: Callable[[AnyEffect], object]) -> object:
    return asyncio.run(drive_async(op, answer))


def awaited(op: Op[Any], answer: Callable[[AnyEffect], object]) -> object:
    """Every answer that is no program comes from a coroutine."""

    def later(effect: AnyEffect) -> object:
        reply = answer(effect)
        if hasattr(reply, "send"):
            return reply

        async def wait() -> object:
            await asyncio.sleep(0)
            return reply

        return wait()

    return asyncio.run(drive_async(op, later))


@pytest.fixture(params=[in_sync, in_async, awaited])
def run(request: pytest.FixtureRequest) -> Run:
    chosen: Run = request.param
    return chosen


def twice_the_time() -> WireOp[float]:
    return 2 * (yield from Now())


def answers(effect: AnyEffect) -> object:
    """Now is 21, what remains is a program, chance fails."""
    if isinstance(effect, Now):
        return 21.0
    if isinstance(effect, Remaining):
        return twice_the_time()
    message = "no chance"
    raise StoreError(message)


def test_each_effect_gets_its_answer_and_a_program_is_run(run: Run) -> None:
    def program() -> WireOp[tuple[float, float]]:
        first = yield from Now()
        second = yield from Remaining()
        return first, second

    assert run(program(), answers) == (21.0, 42.0)


def test_a_failure_is_raised_in_the_program_where_it_asked(run: Run) -> None:
    def program() -> WireOp[object]:
        try:
            yield from Random(4)
        except StoreError as error:
            return str(error), (yield from Now())
        return None

    assert run(program(), answers) == ("no chance", 21.0)


def test_a_failure_that_a_program_does_not_catch_reaches_the_caller(run: Run) -> None:
    def program() -> WireOp[bytes]:
        return (yield from Random(4))

    with pytest.raises(StoreError, match="no chance"):
        run(program(), answers)


def test_a_failure_inside_a_program_that_answers_reaches_the_one_that_asked(run: Run) -> None:
    def inner() -> WireOp[bytes]:
        return (yield from Random(4))

    def nested(effect: AnyEffect) -> object:
        return inner() if isinstance(effect, Remaining) else answers(effect)

    def program() -> WireOp[str]:
        try:
            yield from Remaining()
        except StoreError:
            return "caught"
        return "nothing to catch"

    assert run(program(), nested) == "caught"


def test_a_program_that_asks_nothing_has_its_result(run: Run) -> None:
    def program() -> WireOp[int]:
        return 7
        yield from Now()

    assert run(program(), answers) == 7


def test_a_cancelled_caller_leaves_the_program_running_to_its_end() -> None:
    steps: list[str] = []

    async def main() -> None:
        may_end = asyncio.Event()

        async def program() -> None:
            steps.append("begun")
            await may_end.wait()
            steps.append("ended")

        caller = asyncio.create_task(run_shielded(program()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert steps == ["begun"]
        may_end.set()
        await finish_tasks()

    asyncio.run(main())
    assert steps == ["begun", "ended"]
