"""Access tokens of this process, so that a warm function need not ask the store for each request.

The one rule: an entry belongs to one row key and is never handed to another; it is served for at most 30 s, and longer
only while the store is out of reach and the token itself still lives. What was loaded before something was dropped is
not kept: another thread may have ended that connection in between.
"""

from __future__ import annotations

from itertools import count

from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.connection import Credentials
    from valetkey.connections.records import Record
    from valetkey.effects import Key
    from valetkey.providers.registration import Registration

FRESH_SECONDS = 30
REGISTRATION_SECONDS = 60
MAX_ENTRIES = 1000


@value
class CachedRecord:
    """An opened record and when it was loaded (Unix seconds)."""

    record: Record
    credentials: Credentials
    loaded_at: float


class TokenCache:
    """The opened records of one vault, the oldest dropped first. Safe for threads: every step is one dict operation."""

    __slots__ = ("_drops", "_entries", "_registrations", "mark")

    def __init__(self) -> None:
        self._entries: dict[Key, CachedRecord] = {}
        self._registrations: dict[str, tuple[float, Registration]] = {}
        self._drops = count(1)
        self.mark = 0

    def fresh(self, key: Key, *, now: float) -> CachedRecord | None:
        """The entry, if it was loaded in the last 30 s and no refresh is due."""
        entry = self._entries.get(key)
        if entry is None or not 0 <= now - entry.loaded_at < FRESH_SECONDS:
            return None
        due = entry.record.connection.refresh_due_at
        return None if due and now >= due else entry

    def surviving(self, key: Key, *, now: float) -> CachedRecord | None:
        """The entry while its token lives, for when the store is out of reach."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        expires_at = entry.record.connection.access_expires_at
        return entry if expires_at and now < expires_at else None

    def known(self, key: Key) -> CachedRecord | None:
        """The entry, however old: what this process has seen cannot be unseen by a backup (`restored`)."""
        return self._entries.get(key)

    def keep(self, key: Key, entry: CachedRecord, *, since: int) -> None:
        """Remember the entry, unless anything was dropped since `mark` was that, which was before it was loaded."""
        if self.mark != since:
            return
        while len(self._entries) >= MAX_ENTRIES:
            _ = self._entries.pop(next(iter(self._entries), key), None)
        self._entries[key] = entry
        if self.mark != since:
            _ = self._entries.pop(key, None)

    def drop(self, key: Key) -> None:
        """Forget the entry: the connection changed here."""
        self.mark = next(self._drops)  # first, so that whoever keeps at this moment sees it or is undone here
        _ = self._entries.pop(key, None)

    def registration(self, name: str, *, now: float) -> Registration | None:
        """A registration of the store's, if it was loaded in the last minute."""
        kept_at, found = self._registrations.get(name, (0.0, None))
        return found if 0 <= now - kept_at < REGISTRATION_SECONDS else None

    def keep_registration(self, name: str, registration: Registration, *, now: float) -> None:
        """Remember it."""
        while len(self._registrations) >= MAX_ENTRIES:
            _ = self._registrations.pop(next(iter(self._registrations), name), None)
        self._registrations[name] = now, registration

    def __repr__(self) -> str:
        return f"TokenCache({len(self._entries)} entries)"
