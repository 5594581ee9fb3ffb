"""A connection in its row: load it, write it by compare-and-swap, settle a write whose outcome is not known.

The one rule: `write` answers won or lost, nothing between; the version it drew tells its own write from all others.
"""

from __future__ import annotations

from valetkey.connections.codec import connection_key, read_clear, read_credentials, write_clear, write_credentials
from valetkey.connections.seal import connection_place, key_id_of
from valetkey.effects import UNKNOWN, WON, Emit, Event, Key, List, Load, Open, Place, Random, Row, Seal, Swap
from valetkey.errors import ConfigurationError, KeyUnavailable, SealBroken, StoreError
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.connection import Connection, Credentials
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op, Page

VERSION_OCTETS = 16
SETTLE_ROUNDS = 3


@value
class Record:
    """A connection as it was read: its key, its row's version and what is sealed in it, not yet opened."""

    key: Key
    version: bytes
    connection: Connection
    sealed: bytes


def load_record(registration: str, *, resource_owner: str, account: str = "") -> Op[Record | None]:
    """The connection's record, or None where there is none."""
    row = yield from Load(connection_key(registration, resource_owner, account))
    return None if row is None else read_record(row, resource_owner=resource_owner)


def read_record(row: Row, *, resource_owner: str) -> Record:
    """The record behind a row."""
    connection = read_clear(row.clear, row.key, resource_owner=resource_owner)
    return Record(row.key, row.version, connection, row.sealed)


def open_record(settings: Settings, record: Record) -> Op[Credentials]:
    """The credentials of the record. Raises KeyUnavailable, SealBroken; the row stays as it is."""
    at = record.connection
    place = connection_place(settings.environment, record.key, at.incarnation, at.generation)
    return read_credentials((yield from Open(place, record.sealed)))


def describe_record(settings: Settings, record: Record) -> Op[Connection]:
    """The connection with its owner and scope from inside the seal; `problem` says why it could not be read."""
    try:
        credentials = yield from open_record(settings, record)
    except SealBroken:
        return replace(record.connection, problem="seal_broken")
    except KeyUnavailable:
        return replace(record.connection, problem="key_unavailable")
    except StoreError:
        return replace(record.connection, problem="unreadable")
    from valetkey.connections.beside import beside

    return replace(
        record.connection,
        resource_owner=credentials.resource_owner,
        scope=credentials.scope,
        issuer=credentials.issuer,
        subject=credentials.subject,
        # once more: an older valetkey kept whatever came
        extra=beside(credentials.extra, tokens=credentials.current),
        callback_parameters=beside(credentials.callback_parameters, tokens=credentials.current),
    )


def seal_credentials(
    settings: Settings, key: Key, connection: Connection, credentials: Credentials
) -> Op[tuple[Connection, bytes]]:
    """The connection with the sealing key's id, and its credentials sealed for its incarnation and generation."""
    place = connection_place(settings.environment, key, connection.incarnation, connection.generation)
    sealed = yield from Seal(place, write_credentials(credentials))
    return replace(connection, key_id=key_id_of(sealed)), sealed


def sealing_key(settings: Settings) -> Op[str]:
    """The id of the key that seals now. Raises KeyUnavailable, StoreError where none can.

    Ask before anything is fetched that must be kept: a key service may be out of reach when an answer is there.
    """
    return key_id_of((yield from Seal(Place("probe", (settings.environment,)), b"")))


def write_record(key: Key, expected: bytes | None, connection: Connection, sealed: bytes) -> Op[Record | None]:
    """The record as written over the row of version `expected` (None creates it), or None where another was faster.

    Raises StoreError where the store cannot be asked whether an uncertain write happened.
    """
    key_id = key_id_of(sealed)
    if connection.key_id != key_id:  # the row was sealed anew while its holder was refreshing
        connection = replace(connection, key_id=key_id)
    version = yield from Random(VERSION_OCTETS)
    won = yield from swap_settled(key, expected, Row(key, version, write_clear(connection), sealed))
    return Record(key, version, connection, sealed) if won else None


def swap_settled(key: Key, expected: bytes | None, new: Row | None) -> Op[bool]:
    """Whether the swap happened; an unknown outcome is settled by reading whether one's own version is there."""
    uncertain = False
    for _ in range(SETTLE_ROUNDS):
        outcome = yield from Swap(key, expected, new)
        if outcome == WON:
            return True
        uncertain = uncertain or outcome == UNKNOWN
        if not uncertain:
            return False
        row = yield from Load(key)
        found = None if row is None else row.version
        if found == (None if new is None else new.version):
            return True
        if found != expected:
            return False  # ours may have come and gone: whoever wrote since has seen it, and so must the caller
    return False


def list_page(partition: str | None, cursor: str) -> Op[Page]:
    """The page after a cursor that somebody hands in. Raises ConfigurationError where no listing gave it out."""
    try:
        return (yield from List(partition, cursor))
    except ValueError as error:
        message = str(error)
    raise ConfigurationError(message)


def emit(name: str, connection: Connection, **fields: str | int) -> Op[None]:
    """Tell whoever listens what happened to a connection: a name of `events.EVENTS`, and names and words only."""
    about: dict[str, str | int] = {
        "partition": connection_key(connection.registration, connection.resource_owner, connection.account).partition,
        "account": connection.account,
        "generation": connection.generation,
    }
    yield from Emit(Event(name, connection.registration, {**about, **fields}, connection.resource_owner))
