"""Events: what is told of a connection, to the log, to a hook and to a webhook. The table is the whole set.

The one rule: an event is told after what it tells of has been written, and once: nothing is told twice of a state that
has not changed meanwhile. Fields are words, names and numbers; no token is ever among them.
Not here: who listens (`drivers.events`), how a webhook gets them (`webhook`, `outbox`).
"""

from __future__ import annotations

from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

COMMON: Mapping[str, str] = {
    "partition": "SHA-256 of the resource owner, in hexadecimal: who it was, for those who know whom to look for",
    "account": "the account's label, empty where there is one account",
    "generation": "which set of tokens the connection has now",
}
"""The fields that every event has but `unsaved`, which has its own."""


@value
class EventKind:
    """A row of the table.

    meaning: when it is told. fields: those that it has besides the common ones. level: how the log writes it.
    """

    meaning: str
    fields: Mapping[str, str]
    level: str = "INFO"


EVENTS: Mapping[str, EventKind] = {
    "connected": EventKind(
        "a resource owner has connected, for the first time or again",
        {"again": "1 where there was a connection before, else 0"},
    ),
    "refreshed": EventKind("new tokens are stored", {}),
    "refresh_failed": EventKind(
        "a refresh failed and the connection was kept; told once for each kind of failure until a refresh succeeds",
        {"error": "the provider's registered error code, `no_answer`, or `verify_first` after a backup was put back"},
        "WARNING",
    ),
    "needs_reauthorization": EventKind(
        "only the resource owner can bring the connection back, by connecting again; told once",
        {"reason": "such as `invalid_grant`"},
        "WARNING",
    ),
    "recovered": EventKind(
        "after failures, doubt or `needs_reauthorization` the connection has working tokens again",
        {
            "by": "`refresh`; `rescue` where tokens were found that had come too late to be stored; `put_back` where"
            " this process held newer ones than a backup"
        },
    ),
    "revoked": EventKind(
        "the grant was ended and the connection deleted",
        {"at_provider": "`revoked`, or `unsupported` where the provider has no revocation"},
    ),
    "forgotten": EventKind("the connection was deleted here, and the provider was not told", {}),
    "scope_changed": EventKind(
        "a refresh or a new connection brought another scope than before",
        {"added": "scope tokens, separated by blanks", "removed": "scope tokens, separated by blanks"},
    ),
    "unsaved": EventKind(
        "fresh tokens could not be stored: the line must be kept and imported with `valetkey rescue import`",
        {
            "partition": COMMON["partition"],
            "generation": "which set of tokens the fresh ones replace",
            "record": "the sealed tokens as one line: ciphertext",
        },
        "ERROR",
    ),
}


def scope_change(before: tuple[str, ...], after: tuple[str, ...]) -> dict[str, str | int]:
    """The fields of `scope_changed`; empty where the two hold the same, in whatever order."""
    added = [token for token in after if token not in before]
    removed = [token for token in before if token not in after]
    return {"added": " ".join(added), "removed": " ".join(removed)} if added or removed else {}
