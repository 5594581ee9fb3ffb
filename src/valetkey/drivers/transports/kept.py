"""Connections that are kept for the next request to the same place.

The one rule: a connection belongs to one process, one origin, one reach and one client certificate; and one that has
been quiet for too long, or that says something unasked, is not used again.
"""

from __future__ import annotations

import os
from _thread import allocate_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from valetkey.drivers.transports.wire import Wire
    from valetkey.effects import ClientCertificate

    Origin = tuple[str, str, int, str, ClientCertificate | None]

MAX_IDLE_PER_ORIGIN = 8
MAX_IDLE = 32
MAX_IDLE_SECONDS = 50.0  # most load balancers close after 60


class KeptConnections:
    """Idle connections by origin and reach, the freshest first; a child process starts with none."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._start()

    def _start(self) -> None:
        self._process = os.getpid()
        self._lock = allocate_lock()
        self._idle: dict[Origin, list[Wire]] = {}

    def _after_fork(self) -> None:
        if self._process != os.getpid():  # two processes on one TLS connection would garble it
            inherited = self._idle
            self._start()  # a new lock: the old one may have been held by a thread that is not here
            _close_all(inherited)

    def take(self, origin: Origin) -> Wire | None:
        """A connection that seems alive, or None."""
        self._after_fork()
        with self._lock:
            idle = self._idle.pop(origin, [])
            wire = idle.pop() if idle else None
            if idle:
                self._idle[origin] = idle
        while wire is not None:
            if 0 <= self._wall() - wire.idle_since < MAX_IDLE_SECONDS and wire.is_quiet():
                return wire
            wire.close()
            with self._lock:
                idle = self._idle.get(origin, [])
                wire = idle.pop() if idle else None
                if not idle:
                    self._idle.pop(origin, None)
        return None

    def give(self, origin: Origin, wire: Wire) -> bool:
        """Keep the connection; False where there are enough."""
        self._after_fork()
        wire.idle_since = self._wall()
        with self._lock:
            idle = self._idle.setdefault(origin, [])
            if len(idle) >= MAX_IDLE_PER_ORIGIN:
                return False
            if sum(map(len, self._idle.values())) >= MAX_IDLE:
                oldest = min((kept for kept in self._idle.values() if kept), key=lambda kept: kept[0].idle_since)
                oldest.pop(0).close()
                self._idle = {other: kept for other, kept in self._idle.items() if kept or other == origin}
            idle.append(wire)
        return True

    def close(self) -> None:
        """Close them all."""
        self._after_fork()
        with self._lock:
            idle, self._idle = self._idle, {}
        _close_all(idle)

    def __del__(self) -> None:
        _close_all(self._idle)


def _close_all(idle: dict[Origin, list[Wire]]) -> None:
    for wires in idle.values():
        for wire in wires:
            wire.close()
