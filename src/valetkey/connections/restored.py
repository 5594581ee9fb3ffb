"""A backup that was put back: its rows hold tokens from then, and the living ones may be in the hands of functions.

    valetkey store restored     marks every connection: `verify_first`
    a caller                    uses the access token while it lives, then, before a refresh token is presented:
      the provider says `active` (RFC 7662)      -> it is the living one: refresh, and the mark is gone
      anything else, and the mark still waits    -> RefreshInProgress: whoever holds newer tokens has its time
      nobody came                                -> present it once: success, or the resource owner connects again
    a holder that comes late, a process that remembers newer tokens   -> puts them back

Presenting a refresh token that was replaced can end the grant for whoever holds its successor, so it waits until nobody
can. After that it risks nothing: the alternative is to ask every resource owner, and most backups hold the living one.
The one rule: a row goes forward only to tokens that are newer by its own generation, of the same grant.
"""

from __future__ import annotations

from valetkey.connections.codec import APPLICATION, CONNECTION, partition_of, read_clear
from valetkey.connections.connection import REVOKING, next_state, was_set_back
from valetkey.connections.records import emit, list_page, load_record, seal_credentials, write_record
from valetkey.effects import Load, Now
from valetkey.errors import ConfigurationError, ProviderError, StoreError, TransportError
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from valetkey.connections.connection import Connection, Credentials, Tokens
    from valetkey.connections.records import Record
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op, Row
    from valetkey.providers.registration import Registration

    Outcome: TypeAlias = Literal["marked", "already", "leased", "busy", "unreadable"]

HOLD_SECONDS = 60
"""A lease (at most 16 s), what a process remembers (30 s), and clocks that disagree."""
ROUNDS = 5


@value
class Marked:
    """What became of a page of rows; cursor is empty on the last one.

    marked, already: marked now, and marked before until then or later.
    leased, busy: left alone because somebody is refreshing them, or kept writing them: run it again.
    unreadable: written by a newer valetkey, or by something else.
    """

    cursor: str = ""
    marked: int = 0
    already: int = 0
    leased: int = 0
    busy: int = 0
    unreadable: int = 0

    @property
    def left(self) -> int:
        """How many connections are not marked."""
        return self.leased + self.busy + self.unreadable


def mark_page(settings: Settings, *, cursor: str = "", wait: float = HOLD_SECONDS) -> Op[Marked]:
    """Mark one page of the store's connections as coming out of a backup. Raises StoreError: take it up again.

    cursor: as the page before answered; empty begins. wait: seconds for which functions that hold newer tokens may
    bring them, before a token is presented that nobody knows to live.
    """
    del settings  # no key is needed: only a clear column changes
    page = yield from list_page(None, cursor)
    counts: dict[str, int] = {}
    alone = partition_of(APPLICATION)  # the client's own tokens: there is no refresh token to lose
    for row in page.rows:
        if not row.key.name.startswith(CONNECTION) or row.key.partition == alone:
            continue
        outcome = yield from _mark(row, wait)
        if outcome is not None:
            counts[outcome] = counts.get(outcome, 0) + 1
    return Marked(page.cursor, **counts)


def _mark(row: Row, wait: float) -> Op[Outcome | None]:
    """What became of one row; None where there is nothing to mark."""
    found: Row | None = row
    for _ in range(ROUNDS):
        if found is None:
            return None
        try:
            connection = read_clear(found.clear, found.key)
        except StoreError:
            return "unreadable"
        if connection.state == REVOKING:
            return None
        now = yield from Now()
        until = int(now + wait)
        leased = bool(connection.attempt) and now < connection.lease_until
        if leased or connection.verify_first >= until:
            return "leased" if leased else "already"
        marked = replace(connection, verify_first=until)
        if (yield from write_record(found.key, found.version, marked, found.sealed)) is not None:
            return "marked"
        found = yield from Load(row.key)
    return "busy"


def may_not_be_presented(registration: Registration, claimed: Connection, tokens: Tokens) -> Op[ProviderError | None]:
    """Why the refresh token of a marked connection is not presented now, or None where it may be.

    An answer other than `active` does not end anything: many providers say it of every refresh token.
    """
    until, now = claimed.verify_first, (yield from Now())
    if now >= until or tokens.refresh_token is None:
        return None
    problem: ProviderError | TransportError | ConfigurationError | None = None
    from valetkey.connections.introspect import introspect_at

    try:
        if (yield from introspect_at(registration, tokens.refresh_token, hint="refresh_token")).active:
            return None
    except (ProviderError, TransportError, ConfigurationError) as error:
        problem = error
    left = max(1.0, until - now)
    again = left if problem is None or isinstance(problem, ConfigurationError) else None
    message = "the connection came out of a backup, and its refresh token may have been replaced since: try again later"
    return ProviderError(message, error="verify_first", status=409, retry_after=again)


def put_back(found: Record, newer: Connection, sealed: bytes) -> Op[bool]:
    """Whether newer tokens stand now where a backup had set the row back; False where somebody else wrote it.

    The row stays marked: there may be newer ones still.
    """
    hold = found.connection.verify_first or int((yield from Now()) + HOLD_SECONDS)
    state = next_state(found.connection.state, "put_back", doubts_remain=bool(newer.doubts))
    forward = replace(newer, state=state, attempt="", lease_until=0, cool_until=0, verify_first=hold)
    written = yield from write_record(found.key, found.version, forward, sealed)
    if written is not None:
        yield from emit("recovered", forward, by="put_back")
    return written is not None


def put_back_fresh(
    settings: Settings, claimed: Record, found: Record, renewed: Credentials, connection: Connection
) -> Op[Tokens | None]:
    """The tokens that a holder has just received, where they could be put back; None to look at the row again.

    found: the row as it was put in the place of the holder's. connection: as it is with the new tokens.
    Raises StoreError where they could not be written.
    """
    connection, sealed = yield from seal_credentials(settings, claimed.key, connection, renewed)
    at = claimed.connection
    for _ in range(ROUNDS):
        if (yield from put_back(found, connection, sealed)):
            return renewed.current
        current = yield from load_record(at.registration, resource_owner=at.resource_owner, account=at.account)
        if current is None or not was_set_back(current.connection, replace(connection, refreshed_at=at.refreshed_at)):
            return None
        found = current
    message = "the connection could not be put back because others kept writing it"
    raise StoreError(message)
