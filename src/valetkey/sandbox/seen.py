"""What was asked of the sandbox, and how it was answered.

The one rule: no secrets. Codes and tokens are the first twelve hexadecimal digits of their SHA-256.
"""

from __future__ import annotations

from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_ENTRIES = 10_000


@value
class Entry:
    """One request. outcome: `ok`, an error code, or `fault`; fields: client_id, grant_type, account, ..."""

    at: float
    endpoint: str
    method: str
    status: int
    outcome: str
    fields: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str:
        """A field, empty where it is not there."""
        return dict(self.fields).get(name, "")


class Seen:
    """The log of requests, the last 10,000 of them."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def note(self, entry: Entry) -> None:
        """Write down one request."""
        if len(self._entries) >= MAX_ENTRIES:
            del self._entries[: MAX_ENTRIES // 10]
        self._entries.append(entry)

    def entries(self, endpoint: str | None = None, **fields: str) -> tuple[Entry, ...]:
        """The requests to an endpoint, oldest first, of which `outcome`, `method` and other fields are as given."""
        return tuple(entry for entry in tuple(self._entries) if _matches(entry, endpoint, fields))

    def count(self, endpoint: str | None = None, **fields: str) -> int:
        """How many requests there were: `count("token", grant_type="refresh_token", outcome="ok")`."""
        return len(self.entries(endpoint, **fields))

    def counters(self) -> dict[str, int]:
        """How many requests there were, by endpoint, grant type and outcome."""
        found: dict[str, int] = {}
        for entry in self:
            words = (entry.endpoint, entry.get("grant_type"), entry.outcome)
            key = " ".join(word for word in words if word)
            found[key] = found.get(key, 0) + 1
        return found

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        return len(self._entries)


def _matches(entry: Entry, endpoint: str | None, fields: dict[str, str]) -> bool:
    if endpoint is not None and entry.endpoint != endpoint:
        return False
    own = {"outcome": entry.outcome, "method": entry.method, "status": str(entry.status)}
    return all((own.get(name) or entry.get(name)) == str(wanted) for name, wanted in fields.items())
