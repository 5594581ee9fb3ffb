"""Tokens that came too late to be committed: kept beside the connection, sealed, and adopted by whoever needs them.

The one rule: a rescue record is deleted only after its tokens stand in the connection's row; a sibling token is never
revoked, since that may end the grant.
"""

from __future__ import annotations

from valetkey.connections.codec import number, read_credentials, rescue_name, write_credentials
from valetkey.connections.connection import NEEDS_REAUTHORIZATION, REVOKING, next_state, was_set_back
from valetkey.connections.events import scope_change
from valetkey.connections.grant import exchange_deadline, speaker
from valetkey.connections.records import describe_record, emit, seal_credentials, swap_settled, write_record
from valetkey.connections.rescue_line import write_rescue_line
from valetkey.connections.seal import rescue_place
from valetkey.effects import Emit, Event, Key, Load, Now, Open, Random, Row, Seal
from valetkey.errors import (
    KeyUnavailable,
    ProviderError,
    ReauthorizationRequired,
    SealBroken,
    StoreError,
    TransportError,
)
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.connection import Connection, Credentials, Tokens
    from valetkey.connections.records import Record
    from valetkey.connections.settings import Settings
    from valetkey.effects import Clear, Op
    from valetkey.providers.registration import Registration

RESCUE_SECONDS = 90 * 86_400


def outlived(
    settings: Settings,
    registration: Registration,
    claimed: Record,
    current: Record | None,
    renewed: Credentials,
    connection: Connection,
) -> Op[Tokens | None]:
    """What a holder does whose row has moved on: revoke after a disconnect, discard after a reconnect, else keep.

    current: the row as it is now. Answers the fresh tokens where they may be used, None to look at the row again.
    """
    ours = claimed.connection
    if current is None or current.connection.state == REVOKING:
        yield from _revoke_fresh(registration, renewed)
        raise ReauthorizationRequired(registration.name, "disconnected")
    found = current.connection
    if (found.incarnation, found.authorized_by) != (ours.incarnation, ours.authorized_by):
        return None  # connected anew: these tokens may share its grant, so they are left to lapse
    forgotten = found.generation == ours.generation and all(doubt.attempt != ours.attempt for doubt in found.doubts)
    if forgotten or was_set_back(found, ours):  # a backup was put in the place of the row
        from valetkey.connections.restored import put_back_fresh

        try:
            return (yield from put_back_fresh(settings, claimed, current, renewed, connection))
        except StoreError:
            yield from keep_rescue(settings, claimed, renewed, connection, store_is_down=True)
            return renewed.current
    if found.generation != ours.generation:
        return None  # a sibling was committed: it counts
    yield from keep_rescue(settings, claimed, renewed, connection, store_is_down=False)
    if found.state == NEEDS_REAUTHORIZATION:
        _ = yield from adopt_rescue(settings, registration, current)
    return renewed.current


def _revoke_fresh(registration: Registration, renewed: Credentials) -> Op[None]:
    try:
        not_after = yield from exchange_deadline()
        _ = yield from speaker(registration).revoke(registration, renewed.current, not_after=not_after)
    except (ProviderError, TransportError):
        return  # they lapse by themselves; nobody holds them


def keep_rescue(
    settings: Settings, claimed: Record, renewed: Credentials, connection: Connection, *, store_is_down: bool
) -> Op[None]:
    """Write the tokens down beside the row; where the store is out of reach, hand them, sealed, to whoever listens."""
    ours = claimed.connection
    place = rescue_place(settings.environment, claimed.key, ours.incarnation, ours.generation)
    sealed = yield from Seal(place, write_credentials(renewed))
    now, version = (yield from Now()), (yield from Random(16))
    key = Key(claimed.key.partition, rescue_name(claimed.key.name, ours.attempt))
    clear: dict[str, str | int] = {
        "registration": ours.registration,
        "state": "rescue",
        "incarnation": ours.incarnation,
        "generation": ours.generation,
        "access_expires_at": connection.access_expires_at,
        "refresh_due_at": connection.refresh_due_at,
    }
    row = Row(key, version, clear, sealed, int(now) + RESCUE_SECONDS)
    if not store_is_down:
        try:
            store_is_down = not (yield from swap_settled(key, None, row))
        except StoreError:
            store_is_down = True
    if store_is_down:
        line = write_rescue_line(row)
        told: dict[str, str | int] = {"partition": key.partition, "generation": ours.generation, "record": line}
        yield from Emit(Event("unsaved", ours.registration, told, ours.resource_owner))


def adopt_rescue(settings: Settings, registration: Registration, record: Record) -> Op[Record | None]:
    """The record with tokens that an attempt in doubt left beside it, committed as the next generation, or None.

    None too where somebody else has moved the row on. Raises StoreError.
    """
    ours = record.connection
    for doubt in ours.doubts:
        key = Key(record.key.partition, rescue_name(record.key.name, doubt.attempt))
        row = yield from Load(key)
        if row is None or doubt.attempt == ours.attempt:
            continue
        if not belongs(row.clear, ours):
            continue
        try:
            credentials = yield from open_rescue(settings, record, row.sealed)
        except (KeyUnavailable, SealBroken):  # it is kept, and must not hold up the connection; an outage must
            continue
        adopted = yield from _commit_rescued(settings, registration, record, credentials, row)
        if adopted is not None:
            _ = yield from swap_settled(key, row.version, None)
        elif (yield from _stands_as_it_was(record)):  # or a refusal would end what this record brings back
            message = "a connection could not be written, and its newer tokens are kept beside it: try again"
            raise StoreError(message)
        return adopted
    return None


def _stands_as_it_was(record: Record) -> Op[bool]:
    """Whether nobody else wrote the row: what was written has been lost."""
    row = yield from Load(record.key)
    return row is not None and row.version == record.version


def belongs(clear: Clear, connection: Connection) -> bool:
    """Whether a rescue record replaces the tokens that the connection has now."""
    return (clear.get("incarnation"), clear.get("generation")) == (connection.incarnation, connection.generation)


def open_rescue(settings: Settings, record: Record, sealed: bytes) -> Op[Credentials]:
    """The credentials of a rescue record of this connection. Raises KeyUnavailable, SealBroken."""
    ours = record.connection
    place = rescue_place(settings.environment, record.key, ours.incarnation, ours.generation)
    return read_credentials((yield from Open(place, sealed)))


def _commit_rescued(
    settings: Settings, registration: Registration, record: Record, credentials: Credentials, row: Row
) -> Op[Record | None]:
    now = yield from Now()
    before = yield from describe_record(settings, record)
    connection = replace(
        record.connection,
        state=next_state(record.connection.state, "rescued"),
        generation=record.connection.generation + 1,
        scope=credentials.scope,
        attempt="",
        lease_until=0,
        doubts=(),
        cool_until=0,
        access_expires_at=number(row.clear, "access_expires_at"),
        refresh_due_at=number(row.clear, "refresh_due_at"),
        previous_until=int(now) + registration.provider.rotation.window_seconds,
        refreshed_at=int(now),
        last_error="",
    )
    connection, sealed = yield from seal_credentials(settings, record.key, connection, credentials)
    written = yield from write_record(record.key, record.version, connection, sealed)
    if written is not None:
        yield from emit("recovered", connection, by="rescue")
        changed = {} if before.problem else scope_change(before.scope, connection.scope)
        if changed:
            yield from emit("scope_changed", connection, **changed)
    return written
