"""Rows in memory: for tests and for one long-lived process that may forget. Safe for threads."""

from __future__ import annotations

import threading
import time

from valetkey.effects import LOST, WON, Key, Page
from valetkey.stores import rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from valetkey.effects import Outcome, Row

SWEEP_SECONDS = 60


class MemoryStore:
    """Rows in a dict, lost when the process ends."""

    description = "memory"
    blocking = False
    local = True

    def __init__(self, *, now: Callable[[], float] | None = None) -> None:
        """now: Unix seconds, the system's clock unless a test brings its own."""
        self._rows: dict[tuple[str, str], Row] = {}
        self._lock = threading.Lock()
        self._now = now or time.time
        self._swept_at = 0.0

    def load(self, key: Key) -> Row | None:
        """The row, or None."""
        rows.check_key(key)
        with self._lock:
            row = self._rows.get((key.partition, key.name))
        return None if row is None else rows.detached(row)

    def swap(self, key: Key, expected: bytes | None, new: Row | None) -> Outcome:
        """Create, replace or delete by version; never unknown."""
        rows.check_swap(key, expected, new)
        place = (key.partition, key.name)
        with self._lock:
            self._sweep()
            row = self._rows.get(place)
            if (None if row is None else row.version) != expected:
                return LOST
            if new is None:
                del self._rows[place]
            else:
                self._rows[place] = rows.detached(new)
            return WON

    def list(self, partition: str | None, cursor: str) -> Page:
        """At most 100 rows in key order after the cursor."""
        after = rows.read_cursor(cursor, partition) if cursor else Key("", "")
        with self._lock:
            places = sorted(
                place for place in self._rows if place > (after.partition, after.name) and partition in (None, place[0])
            )
            found = tuple(rows.detached(self._rows[place]) for place in places[: rows.PAGE_ROWS])
        return Page(found, rows.write_cursor(found[-1].key) if len(places) > rows.PAGE_ROWS else "")

    def create(self) -> None:
        """Nothing has to be made."""

    def check(self) -> tuple[str, ...]:
        """Nothing can be missing; that it forgets is refused where it matters, when its URL is read."""
        return ()

    def close(self) -> None:
        """Forget nothing: the rows live as long as the store."""

    def _sweep(self) -> None:
        now = self._now()
        if 0 <= now - self._swept_at < SWEEP_SECONDS:
            return
        self._swept_at = now
        expired = [place for place, row in self._rows.items() if 0 < row.expires_at <= now]
        for place in expired:
            del self._rows[place]
