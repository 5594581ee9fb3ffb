"""The clock and chance: the wall clock, what is left of the invocation, waiting, random octets.

The one rule: this is the only place that reads them; programs ask with Now, Remaining, Sleep and Random.
"""

from __future__ import annotations

import os
import time
from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from contextvars import Token

UNTOLD_SECONDS = 30.0
"""What is left of an invocation where nobody said."""

invocation_deadline: ContextVar[float | None] = ContextVar("valetkey_invocation_deadline", default=None)
"""When this invocation ends, on the monotonic clock; None where nobody said."""


class SystemClock:
    """The clock of this machine, for blocking callers."""

    def now(self) -> float:
        """Unix seconds."""
        return time.time()

    def remaining(self) -> float:
        """Seconds left of the invocation, never negative; 30 where nobody said."""
        deadline = invocation_deadline.get()
        return UNTOLD_SECONDS if deadline is None else max(0.0, deadline - time.monotonic())

    def sleep(self, seconds: float) -> Awaitable[None] | None:
        """Wait; a negative time is none."""
        time.sleep(max(0.0, seconds))
        return None

    def random(self, octets: int) -> bytes:
        """That many octets from the system's generator."""
        return os.urandom(octets)


class AsyncClock(SystemClock):
    """The same clock, for callers on an event loop."""

    def sleep(self, seconds: float) -> Awaitable[None] | None:
        """Wait without holding up the loop."""
        import asyncio  # who awaits has loaded it

        return asyncio.sleep(max(0.0, seconds))


class invocation:  # noqa: N801 - used as `with invocation(12.5):`
    """For the length of a `with` block, says how many seconds are left; a block inside can only shorten it."""

    def __init__(self, seconds_left: float) -> None:
        self._seconds_left = seconds_left
        self._tokens: list[Token[float | None]] = []

    def __enter__(self) -> None:
        deadline = time.monotonic() + self._seconds_left
        outer = invocation_deadline.get()
        self._tokens.append(invocation_deadline.set(deadline if outer is None else min(outer, deadline)))

    def __exit__(self, *_: object) -> None:
        invocation_deadline.reset(self._tokens.pop())


def seconds_left(context: object) -> float:
    """How many seconds an invocation has, from what the platform passed: AWS Lambda's context, a number, or nothing."""
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    if callable(remaining):
        return float(remaining()) / 1000
    if isinstance(context, int | float) and not isinstance(context, bool):
        return float(context)
    return UNTOLD_SECONDS
