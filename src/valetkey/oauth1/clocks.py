"""What this process has learned of other people's clocks (RFC 5849 section 3.3).

The one rule: an offset is learned from a server that refused our time, for that host alone, and never beyond a day.
"""

from __future__ import annotations

MAX_HOSTS = 256
MAX_OFFSET_SECONDS = 86_400


class ClockOffsets:
    """Seconds by which hosts are ahead of our clock; the oldest is forgotten first. Safe for threads.

    Two of them are equal: what was learned is no part of what a registration is.
    """

    __slots__ = ("_offsets",)

    def __init__(self) -> None:
        self._offsets: dict[str, int] = {}

    def of(self, host: str) -> int:
        """Seconds to add to our clock for that host; 0 where nothing was learned."""
        return self._offsets.get(host, 0)

    def learn(self, host: str, offset: int) -> None:
        """Remember it; one beyond a day is not believed."""
        if abs(offset) > MAX_OFFSET_SECONDS:
            return
        while len(self._offsets) >= MAX_HOSTS and host not in self._offsets:
            _ = self._offsets.pop(next(iter(self._offsets), host), None)
        self._offsets[host] = offset

    def forget(self, host: str) -> None:
        """Go back to our own clock: the offset did not help."""
        _ = self._offsets.pop(host, None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClockOffsets)

    def __hash__(self) -> int:
        return hash(ClockOffsets)

    def __repr__(self) -> str:
        return f"ClockOffsets({len(self._offsets)} hosts)"
