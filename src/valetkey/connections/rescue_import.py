"""Rescue records that come back: from the line that `on_unsaved` or the log kept, and those that wait in the store.

The one rule: a line changes nothing unless it opens for exactly the connection, incarnation and generation that are
there now; importing it twice is importing it once.
"""

from __future__ import annotations

from valetkey.connections.codec import CONNECTION, number
from valetkey.connections.connection import IN_DOUBT, NEEDS_REAUTHORIZATION, REFRESHING, REVOKING, Doubt
from valetkey.connections.records import list_page, read_record, swap_settled
from valetkey.connections.registrations import find_registration
from valetkey.connections.rescue import adopt_rescue, belongs, open_rescue
from valetkey.connections.rescue_line import read_rescue_line
from valetkey.effects import Key, Load, Now, Random
from valetkey.errors import KeyUnavailable, SealBroken, StoreError
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from valetkey.connections.connection import Connection
    from valetkey.connections.records import Record
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op, Row
    from valetkey.providers.registration import Registration

    Fate: TypeAlias = Literal[
        "adopted",
        "kept",
        "superseded",
        "no_connection",
        "not_configured",
        "key_unavailable",
        "seal_broken",
        "malformed",
        "nothing",
    ]

RESCUE = "rescue/"
FATES: dict[Fate, str] = {
    "adopted": "the tokens stand in the connection now",
    "kept": "the record stands beside the connection; somebody is refreshing, and the next caller adopts it",
    "superseded": "the connection has newer tokens, or was connected anew or is being revoked: the line is not needed",
    "no_connection": "there is no such connection (any more): nothing was written",
    "not_configured": "the line belongs to a registration that is not configured here: nothing was written",
    "key_unavailable": "the line is sealed with a key that is not here: add the key, last, and import it again",
    "seal_broken": "the line was altered, or belongs to another environment: nothing was written",
    "malformed": "the line was cut short or altered: look for the whole of it",
    "nothing": "there is no rescue record in this line",
}
"""What can become of a line."""


@value
class Rescue:
    """A rescue record in the store.

    waiting: whether it replaces what its connection has now, so that the next caller who needs it adopts it.
    """

    registration: str
    partition: str
    name: str
    generation: int
    expires_at: int
    waiting: bool


@value
class RescuePage:
    """A page of rescue records; cursor is empty on the last one."""

    rescues: tuple[Rescue, ...]
    cursor: str = ""


def import_rescue(settings: Settings, line: str) -> Op[Fate]:
    """What became of a line. Raises StoreError where the store fails: import it again."""
    try:
        row = read_rescue_line(line, version=(yield from Random(16)))
    except ValueError:
        return "malformed"
    if row is None:
        return "nothing"
    found = yield from Load(connection_of(row.key))
    if found is None:
        return "no_connection"
    record = read_record(found, resource_owner="")
    registration = yield from find_registration(settings, record.connection.registration)
    if registration is None or registration.name != row.clear["registration"]:
        return "not_configured"
    connection = record.connection
    wanted = (belongs(row.clear, connection) and _in_doubt(connection, row)) or _newer_than_backup(connection, row)
    return (yield from _import(settings, registration, row, record)) if wanted else "superseded"


def _newer_than_backup(connection: Connection, row: Row) -> bool:
    """Whether the connection came out of a backup (`restored`), and the line holds what was given after it."""
    same = row.clear.get("incarnation") == connection.incarnation and connection.state != REVOKING
    return same and connection.verify_first > 0 and number(row.clear, "generation") >= connection.generation


def _import(settings: Settings, registration: Registration, row: Row, record: Record) -> Op[Fate]:
    """Put the record beside its connection, and adopt it unless somebody holds the lease."""
    ahead = _newer_than_backup(record.connection, row)
    if ahead:
        attempt, generation = row.key.name.rpartition("/")[2], number(row.clear, "generation")
        as_it_was = replace(record.connection, state=IN_DOUBT, generation=generation, doubts=(Doubt(attempt, 0, 0),))
        record = replace(record, connection=as_it_was)
    try:
        credentials = yield from open_rescue(settings, record, row.sealed)
    except SealBroken:
        return "seal_broken"
    except KeyUnavailable:
        return "key_unavailable"
    if not (yield from _beside(row)):
        message = "the rescue record could not be written because others kept writing it: import the line again"
        raise StoreError(message)
    if not ahead and record.connection.attempt and (yield from Now()) < record.connection.lease_until:
        return "kept"
    # A lapsed lease is taken off: its own attempt may be the one that left the rescue record.
    mine = replace(record.connection, resource_owner=credentials.resource_owner, attempt="", lease_until=0)
    if (yield from adopt_rescue(settings, registration, replace(record, connection=mine))) is None:
        return "kept"
    if settings.cache is not None:
        settings.cache.drop(record.key)
    return "adopted"


def rescues(settings: Settings, *, cursor: str = "") -> Op[RescuePage]:
    """A page of the rescue records in the store, of all connections, for operators. Raises StoreError."""
    del settings  # every row says by itself what it is
    page = yield from list_page(None, cursor)
    found = []
    for row in page.rows:
        if not row.key.name.startswith(RESCUE):
            continue
        beside = yield from Load(connection_of(row.key))
        waiting = beside is not None and _waits(row, beside)
        generation = number(row.clear, "generation")
        registration = str(row.clear.get("registration", ""))
        found.append(Rescue(registration, row.key.partition, row.key.name, generation, row.expires_at, waiting))
    return RescuePage(tuple(found), page.cursor)


def connection_of(rescue: Key) -> Key:
    """The key of the connection that a rescue record stands beside."""
    return Key(rescue.partition, CONNECTION + rescue.name.removeprefix(RESCUE).rpartition("/")[0])


def _waits(row: Row, beside: Row) -> bool:
    try:
        connection = read_record(beside, resource_owner="").connection
    except StoreError:  # a newer valetkey wrote it
        return False
    return belongs(row.clear, connection) and _in_doubt(connection, row)


def _in_doubt(connection: Connection, row: Row) -> bool:
    """Whether the connection waits for what this attempt brought."""
    attempt = row.key.name.rpartition("/")[2]
    known = any(doubt.attempt == attempt for doubt in connection.doubts)
    return known and connection.state in (REFRESHING, IN_DOUBT, NEEDS_REAUTHORIZATION)


def _beside(row: Row) -> Op[bool]:
    """Whether the rescue record stands in the store: written now, or by an earlier import of the same line.

    Whatever else stands in its place does not open, or was brought by the same attempt.
    """
    if (yield from swap_settled(row.key, None, row)):
        return True
    there = yield from Load(row.key)
    if there is None or there.sealed == row.sealed:
        return there is not None
    return (yield from swap_settled(row.key, there.version, row))
