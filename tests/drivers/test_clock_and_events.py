"""The clock, what is left of an invocation, and events that go to the log."""

from __future__ import annotations

import asyncio
import logging
import threading
import time

import pytest

from valetkey.drivers.clock import AsyncClock, SystemClock, invocation, seconds_left
from valetkey.drivers.events import LogEvents
from valetkey.effects import Event


def test_thirty_seconds_are_left_where_nobody_said() -> None:
    assert SystemClock().remaining() == 30


def test_an_invocation_says_what_is_left() -> None:
    clock = SystemClock()

    with invocation(12.5):
        assert 12 < clock.remaining() <= 12.5
    assert clock.remaining() == 30


def test_an_invocation_inside_another_can_only_shorten_it() -> None:
    clock = SystemClock()

    with invocation(5):
        with invocation(60):
            assert clock.remaining() <= 5
        with invocation(1):
            assert clock.remaining() <= 1
        assert 4 < clock.remaining() <= 5


def test_what_is_left_is_never_negative() -> None:
    with invocation(-1):
        assert SystemClock().remaining() == 0


def test_what_is_left_does_not_follow_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    with invocation(5):
        monkeypatch.setattr(time, "time", lambda: 0.0)

        assert SystemClock().remaining() > 4


def test_invocations_of_other_threads_and_tasks_are_their_own() -> None:
    clock, seen = SystemClock(), []
    with invocation(5):
        thread = threading.Thread(target=lambda: seen.append(clock.remaining()))
        thread.start()
        thread.join()
    assert seen == [30]

    async def task(seconds: float) -> float:
        with invocation(seconds):
            await asyncio.sleep(0)
            return clock.remaining()

    async def both() -> tuple[float, float]:
        return await asyncio.gather(task(3), task(7))

    first, second = asyncio.run(both())
    assert 2 < first <= 3
    assert 6 < second <= 7


class LambdaContext:
    """The part of AWS Lambda's context that says how long there is."""

    def get_remaining_time_in_millis(self) -> int:
        return 2500


@pytest.mark.parametrize(
    ("context", "seconds"), [(LambdaContext(), 2.5), (7, 7.0), (0.5, 0.5), (None, 30.0), (True, 30.0)]
)
def test_a_platforms_context_says_how_many_seconds_are_left(context: object, seconds: float) -> None:
    assert seconds_left(context) == seconds


def test_the_clock_tells_unix_seconds_and_draws_octets() -> None:
    clock = SystemClock()

    assert abs(clock.now() - time.time()) < 5
    assert len(clock.random(16)) == 16
    assert clock.random(16) != clock.random(16)


def test_waiting_takes_the_time_and_a_negative_one_takes_none() -> None:
    started = time.monotonic()
    SystemClock().sleep(-3)
    assert time.monotonic() - started < 1
    SystemClock().sleep(0.02)
    assert time.monotonic() - started >= 0.02


def test_waiting_on_a_loop_lets_others_run() -> None:
    async def main() -> list[str]:
        order: list[str] = []

        async def wait() -> None:
            waiting = AsyncClock().sleep(0.01)
            assert waiting is not None
            await waiting
            order.append("waited")

        async def run() -> None:
            order.append("ran")

        await asyncio.gather(wait(), run())
        return order

    assert asyncio.run(main()) == ["ran", "waited"]


def test_an_event_is_one_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "valetkey"):
        LogEvents().emit(Event("refreshed", "github", {"generation": 3}))

    assert caplog.messages == ["refreshed github generation=3"]
    assert vars(caplog.records[0])["valetkey"] == {"event": "refreshed", "registration": "github", "generation": 3}


def test_a_log_that_fails_does_not_stop_what_is_told() -> None:
    class Full(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            message = "no space left"
            raise OSError(message)

    log, handler = logging.getLogger("valetkey"), Full()
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        LogEvents().emit(Event("refreshed", "github", {}))
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
