"""One clock for every process of a fleet: the machine's, and as far ahead of it as a file says.

Where an expiry or the lease of a dead process would have to be waited for, the file is written instead.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from typing import TYPE_CHECKING

from valetkey.drivers.clock import AsyncClock, SystemClock

if TYPE_CHECKING:
    from pathlib import Path

AHEAD = struct.Struct("d")


class FleetClock(SystemClock):
    """The clock of one process. Attempts and versions that it draws begin with the octet that names the process."""

    def __init__(self, file: Path, *, process: int = 255) -> None:
        with file.open("r+b") as opened:
            self._ahead = mmap.mmap(opened.fileno(), AHEAD.size)
        self._process = process

    def now(self) -> float:
        seconds: float = AHEAD.unpack_from(self._ahead)[0]
        return time.time() + seconds

    def random(self, octets: int) -> bytes:
        drawn = os.urandom(octets)
        return bytes([self._process]) + drawn[1:] if octets == 16 else drawn

    def move(self, seconds: float) -> None:
        """Let it be later, for every process at once."""
        # In one piece: pack_into zeroes what it is about to write, and another process would live in the past meanwhile.
        self._ahead[:] = AHEAD.pack(AHEAD.unpack_from(self._ahead)[0] + seconds)

    def close(self) -> None:
        self._ahead.close()


class AsyncFleetClock(FleetClock, AsyncClock):
    """The same, for callers on an event loop."""


def make_clock(file: Path) -> FleetClock:
    """A clock that is not ahead yet."""
    _ = file.write_bytes(AHEAD.pack(0.0))
    return FleetClock(file)


def process_of(attempt: str) -> int:
    """The process that drew the attempt's id; -1 where there is none."""
    return int(attempt[:2], 16) if attempt else -1
