"""The clock and chance: the wall clock, what is left of the invocation, waiting, random octets.

The one rule: this is the only place that reads them; programs ask with Now, Remaining, Sleep and Random.
"""

from __future__ import annotations

import os
import time
from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping
    from contextvars import Token

UNTOLD_SECONDS = 30.0
"""What is left of an invocation where nobody said."""

TIMEOUT_VARIABLES = (
    "CLOUD_RUN_TIMEOUT_SECONDS",  # Google Cloud Run and the functions on it; their context says nothing of time
    "FUNCTION_TIMEOUT_SEC",  # older Google Cloud Functions
    "AzureFunctionsJobHost__functionTimeout",  # where an app setting overrides host.json: [d.]hh:mm:ss
)

_longest = 0.0
"""The longest that an invocation of this process had when it began."""

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

    def whole(self) -> float:
        """Seconds that the longest invocation of this process had when it began; 30 where nobody said.

        The longest, because a handler may tell of its invocation late: a little time then says nothing of the timeout.
        """
        return UNTOLD_SECONDS if invocation_deadline.get() is None else _longest

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
        global _longest  # noqa: PLW0603 - a process has one timeout
        _longest = max(_longest, self._seconds_left)
        deadline = time.monotonic() + self._seconds_left
        outer = invocation_deadline.get()
        self._tokens.append(invocation_deadline.set(deadline if outer is None else min(outer, deadline)))

    def __exit__(self, *_: object) -> None:
        invocation_deadline.reset(self._tokens.pop())


def seconds_left(context: object, environ: Mapping[str, str] = os.environ) -> float:
    """How many seconds an invocation has: what AWS Lambda's context says, or a number; else what the platform was told.

    The contexts of Google Cloud Functions and Azure Functions do not say: there it is the whole timeout, where a
    variable of the environment has it. Pass a number where you know better. 30 where nobody said.
    """
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    if callable(remaining):
        return float(remaining()) / 1000
    if isinstance(context, int | float) and not isinstance(context, bool):
        return float(context)
    told = (_timeout(environ.get(variable, "")) for variable in TIMEOUT_VARIABLES)
    return next((seconds for seconds in told if seconds), UNTOLD_SECONDS)


def _timeout(text: str) -> float:
    """Seconds from `540`, `00:09:00` or `1.00:00:00`; 0 where it is none of them, or without an end (-1)."""
    days, dot, clock = text.rpartition(".")
    parts = (clock if dot else text).split(":")
    numbers = [*parts, days] if dot else parts
    sound = len(parts) == 3 or (len(parts) == 1 and not dot)
    if not sound or not all(part.isascii() and part.isdigit() for part in numbers):
        return 0.0
    seconds = 0
    for part in parts:
        seconds = seconds * 60 + int(part)
    return float(seconds + (86_400 * int(days) if dot else 0))
