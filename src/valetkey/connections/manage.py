"""List, revoke and forget connections.

The one rule: nothing but `forget` and a finished revocation deletes a credential; a revocation that failed is kept as
begun, and is tried again by calling it again.
"""

from __future__ import annotations

from valetkey.connections.codec import CONNECTION, connection_key, partition_of, rescue_name
from valetkey.connections.connection import IN_DOUBT, NEEDS_REAUTHORIZATION, REFRESHING, REVOKING, next_state
from valetkey.connections.discovery import described
from valetkey.connections.grant import exchange_deadline, speaker
from valetkey.connections.records import (
    describe_record,
    emit,
    list_page,
    load_record,
    open_record,
    read_record,
    swap_settled,
    write_record,
)
from valetkey.connections.registrations import registered, registered_name
from valetkey.connections.rescue import adopt_rescue
from valetkey.effects import Key, Load, Now, Remaining, Sleep
from valetkey.errors import ProviderError, ReauthorizationRequired, StoreError, TransportError
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from valetkey.connections.connection import Connection
    from valetkey.connections.records import Record
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.providers.registration import Registration

    AtProvider: TypeAlias = Literal["revoked", "unsupported", "failed"]

ROUNDS = 60
POLL_SECONDS = 0.25


@value
class ConnectionPage:
    """A page of connections; cursor is empty on the last one.

    skipped: rows that cannot be read at all, such as those that a newer valetkey wrote.
    """

    connections: tuple[Connection, ...]
    cursor: str = ""
    skipped: int = 0


@value
class Revocation:
    """What became of a revocation.

    at_provider: `revoked`; `unsupported` where the provider has no endpoint for it, so that the resource owner may want
      to remove the application there; `failed` where it could not be reached: the connection stays as `revoking`.
    shared: whether the provider ends every connection of this resource owner with the application.
    """

    at_provider: AtProvider
    reason: str = ""
    shared: bool = False


def connections(settings: Settings, *, resource_owner: str | None = None, cursor: str = "") -> Op[ConnectionPage]:
    """A page of the resource owner's connections, or of everybody's, without tokens.

    One that cannot be opened is listed with its `problem`; the others are not held up.
    """
    partition = None if resource_owner is None else partition_of(resource_owner)
    page = yield from list_page(partition, cursor)
    found, skipped = [], 0
    for row in page.rows:
        if not row.key.name.startswith(CONNECTION):
            continue
        try:
            record = read_record(row, resource_owner=resource_owner or "")
        except StoreError:
            skipped += 1
            continue
        found.append((yield from describe_record(settings, record)))
    return ConnectionPage(tuple(found), page.cursor, skipped)


def connection(
    settings: Settings, registration: str, *, resource_owner: str, account: str = ""
) -> Op[Connection | None]:
    """One connection without its tokens, or None."""
    name = yield from registered_name(settings, registration, owner=resource_owner)
    record = yield from load_record(name, resource_owner=resource_owner, account=account)
    return None if record is None else (yield from describe_record(settings, record))


def revoke(settings: Settings, registration: str, *, resource_owner: str, account: str = "") -> Op[Revocation]:
    """End the grant at the provider, then delete the connection (RFC 7009). Calling it again goes on where it stopped.

    Raises ReauthorizationRequired where there is no such connection, StoreError.
    """
    at = yield from described(settings, (yield from registered(settings, registration, owner=resource_owner)))
    record = yield from _begin_revocation(settings, at, resource_owner, account)
    credentials = yield from open_record(settings, record)
    shared = at.provider.shared_grant_revocation
    if at.is_anothers(credentials.client, consent=record.connection.authorized_at):
        return (yield from _unrevoked(record, "client_ended", shared=shared))  # it is nobody else's to give back
    try:
        not_after = yield from exchange_deadline()
        at_provider = yield from speaker(at).revoke(at, credentials.current, not_after=not_after)
    except (ProviderError, TransportError) as error:
        word = error.error if isinstance(error, ProviderError) else "no_answer"
        return (yield from _unrevoked(record, word, shared=shared))
    yield from _delete_revoked(record)
    if settings.cache is not None:
        settings.cache.drop(record.key)  # a backup may have put the row back while the provider was told
    yield from emit("revoked", replace(record.connection, resource_owner=resource_owner), at_provider=at_provider)
    return Revocation(at_provider, "", shared)


def _unrevoked(record: Record, reason: str, *, shared: bool) -> Op[Revocation]:
    """The revocation that failed; the connection stays as begun, and says why."""
    failed = replace(record.connection, last_error=reason)
    _ = yield from write_record(record.key, record.version, failed, record.sealed)
    return Revocation("failed", reason, shared)


def _begin_revocation(settings: Settings, registration: Registration, resource_owner: str, account: str) -> Op[Record]:
    """The record, moved to REVOKING; a refresh that is under way is waited for, so that its tokens are revoked too."""
    for _ in range(ROUNDS):
        record = yield from load_record(registration.name, resource_owner=resource_owner, account=account)
        if record is None:
            raise ReauthorizationRequired(registration.name, "not_connected")
        held = record.connection
        leased = held.attempt and held.lease_until > (yield from Now())
        if leased and (yield from Remaining()) > POLL_SECONDS * 8:
            yield from Sleep(POLL_SECONDS)
            continue
        # The newest tokens may stand in a rescue record: it is they that the provider knows.
        in_doubt = not leased and held.state in (REFRESHING, IN_DOUBT, NEEDS_REAUTHORIZATION)
        if in_doubt and (yield from adopt_rescue(settings, registration, record)) is not None:
            continue
        revoking = replace(
            held, state=next_state(held.state, "revocation_begun"), attempt="", lease_until=0, doubts=held.doubts
        )
        written = yield from write_record(record.key, record.version, revoking, record.sealed)
        if written is not None:
            if settings.cache is not None:
                settings.cache.drop(record.key)
            assert written.connection.state == REVOKING
            return written
    message = "the connection could not be written because others kept writing it: try again"
    raise StoreError(message)


def forget(settings: Settings, registration: str, *, resource_owner: str, account: str = "") -> Op[None]:
    """Delete the connection here and say nothing to the provider. That there is none is not an error."""
    name = yield from registered_name(settings, registration, owner=resource_owner)
    key = connection_key(name, resource_owner, account)
    record = yield from load_record(name, resource_owner=resource_owner, account=account)
    yield from _delete(key)
    if settings.cache is not None:
        settings.cache.drop(key)
    if record is not None:
        yield from emit("forgotten", record.connection)


def _delete_revoked(revoked: Record) -> Op[None]:
    """Delete the row whose grant has ended; a connection that was made anew meanwhile stays."""
    ours = revoked.connection
    for _ in range(ROUNDS):
        row = yield from Load(revoked.key)
        if row is None:
            return
        record = read_record(row, resource_owner=ours.resource_owner)
        found = record.connection
        if found.state != REVOKING or (found.incarnation, found.generation) != (ours.incarnation, ours.generation):
            return
        if (yield from _delete_record(record)):
            return
    message = "the revoked connection could not be deleted because others kept writing it: revoke it again"
    raise StoreError(message)


def _delete(key: Key) -> Op[None]:
    """Delete a connection's row, whatever its version."""
    for _ in range(ROUNDS):
        row = yield from Load(key)
        if row is None or (yield from _delete_record(read_record(row, resource_owner=""))):
            return
    message = "the connection could not be deleted because others kept writing it: try again"
    raise StoreError(message)


def _delete_record(record: Record) -> Op[bool]:
    """Whether exactly this version of the row is gone now, with the rescue records that it knows of."""
    for doubt in record.connection.doubts:
        rescue = yield from Load(Key(record.key.partition, rescue_name(record.key.name, doubt.attempt)))
        if rescue is not None:
            _ = yield from swap_settled(rescue.key, rescue.version, None)
    return (yield from swap_settled(record.key, record.version, None))
