"""From an answer to a connection: exchange it, keep the tokens, mark the flow as done; or find an earlier call's.

The one rule: the connection is saved before the claim is done, so that a claim without done can always be settled.
"""

from __future__ import annotations

from valetkey.connections.beside import beside
from valetkey.connections.claims import CLAIMED, DONE, FAILED, load_claim, move_claim, release_claim
from valetkey.connections.codec import connection_key, partition_of
from valetkey.connections.connection import GONE, Connection, Credentials, next_state
from valetkey.connections.discovery import heeded
from valetkey.connections.events import scope_change
from valetkey.connections.grant import exchange_deadline, speaker
from valetkey.connections.lifetimes import refresh_due_at
from valetkey.connections.records import (
    describe_record,
    emit,
    load_record,
    read_record,
    seal_credentials,
    sealing_key,
    write_record,
)
from valetkey.digest import sha256_hex
from valetkey.effects import Load, Now, Random, Remaining, Sleep
from valetkey.errors import (
    AuthorizationExpired,
    CallbackError,
    MalformedResponse,
    ProviderError,
    StoreError,
    TransportError,
)
from valetkey.secret import constant_time_equal
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.claims import Claim
    from valetkey.connections.grant import Grant
    from valetkey.connections.pending import Pending
    from valetkey.connections.records import Record
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.providers.registration import Registration
    from valetkey.secret import Secret

SAVE_ROUNDS = 8
SETTLE_ROUNDS = 40
POLL_SECONDS = 0.25


def establish(
    settings: Settings,
    registration: Registration,
    pending: Pending,
    answer: Secret | None,
    *,
    claim: Claim,
    resource_owner: str,
) -> Op[Connection]:
    """The connection that the answer brings. Only the holder of the flow's claim gets here."""
    try:
        _ = yield from sealing_key(settings)
        if registration.by_url:
            from valetkey.connections.enrolled import keep_enrolled

            yield from keep_enrolled(settings, registration)  # first, or a connection could outlive its client
    except StoreError:
        yield from release_claim(claim)  # nothing was sent: a reload may try again when the key is back
        raise
    not_after = yield from exchange_deadline()
    try:
        redeemed = speaker(registration).redeem(registration, pending, answer, not_after=not_after)
        grant = yield from heeded(settings, registration, redeemed)
    except TransportError as error:
        if error.maybe_received:
            raise
        yield from release_claim(claim)  # the code was never sent: a reload may try again
        raise
    except CallbackError:  # the id_token: its tokens are discarded, and the code is spent
        _ = yield from move_claim(claim, FAILED)
        raise
    except ProviderError as error:
        if not isinstance(error, MalformedResponse) and error.status < 500:
            _ = yield from move_claim(claim, FAILED)
        raise
    grant = replace(grant, callback_parameters=pending.brought)
    by = flow_mark(pending.flow)
    connection = yield from save_grant(
        settings, registration, grant, resource_owner=resource_owner, account=pending.account, authorized_by=by
    )
    try:
        _ = yield from move_claim(claim, DONE)
    except StoreError:  # the connection is saved and says by which flow: the claim settles itself
        return connection
    return connection


def flow_mark(flow: str) -> str:
    """How a connection names the flow that brought it."""
    return sha256_hex(flow)[:32]


def save_grant(
    settings: Settings,
    registration: Registration,
    grant: Grant,
    *,
    resource_owner: str,
    account: str,
    authorized_by: str,
) -> Op[Connection]:
    """The connection, created or with a new generation; a store that fails is asked again while there is time.

    What a connection held before is discarded, not revoked: the new tokens may belong to the same grant.
    """
    key = connection_key(registration.name, resource_owner, account)
    extra = beside(grant.extra, tokens=grant.tokens)
    brought = beside(grant.callback_parameters, tokens=grant.tokens)
    for attempt in range(SAVE_ROUNDS):
        try:
            row = yield from Load(key)
            found = None if row is None else read_record(row, resource_owner=resource_owner)
            before = None if found is None else found.connection
            if found is not None and found.connection.authorized_by == authorized_by:
                # it was written after all, and may have been refreshed since
                return (yield from describe_record(settings, found))
            connection = yield from _next_connection(registration, grant, before, resource_owner, account)
            connection = replace(connection, authorized_by=authorized_by)
            credentials = Credentials(
                resource_owner,
                grant.tokens,
                scope=grant.scope,
                extra=extra,
                issuer=grant.issuer,
                subject=grant.subject,
                withheld=grant.withheld,
                callback_parameters=brought,
                client=registration.made_client,
            )
            connection, sealed = yield from seal_credentials(settings, key, connection, credentials)
            written = yield from write_record(key, row.version if row else None, connection, sealed)
        except StoreError:
            pause = POLL_SECONDS * 2**attempt
            if attempt + 1 == SAVE_ROUNDS or (yield from Remaining()) < pause + 1:
                raise
            yield from Sleep(pause)
            continue
        if written is not None:
            if settings.cache is not None:
                settings.cache.drop(key)
            yield from _tell(settings, connection, found)
            return replace(connection, extra=extra, callback_parameters=brought)
    message = "the connection could not be written because others kept writing it: start again"
    raise StoreError(message)


def _tell(settings: Settings, connection: Connection, before: Record | None) -> Op[None]:
    yield from emit("connected", connection, again=int(before is not None))
    if before is None:
        return
    known = yield from describe_record(settings, before)
    changed = {} if known.problem else scope_change(known.scope, connection.scope)
    if changed:
        yield from emit("scope_changed", connection, **changed)


def _next_connection(
    registration: Registration, grant: Grant, before: Connection | None, resource_owner: str, account: str
) -> Op[Connection]:
    now = yield from Now()
    due = refresh_due_at(now, grant.expires_at, chance=(yield from Random(1)))
    if before is None:
        incarnation, created_at, generation = (yield from Random(16)).hex(), int(now), 1
        state = next_state(GONE, "connected")
    else:
        incarnation, created_at, generation = before.incarnation, before.created_at, before.generation + 1
        state = next_state(before.state, "reauthorized")
    return Connection(
        registration=registration.name,
        resource_owner=resource_owner,
        account=account,
        state=state,
        scope=grant.scope,
        issuer=grant.issuer,
        subject=grant.subject,
        incarnation=incarnation,
        generation=generation,
        access_expires_at=grant.expires_at,
        refresh_due_at=due,
        created_at=created_at,
        authorized_at=int(now),
        refreshed_at=int(now),
    )


def settle(
    settings: Settings, registration: Registration, flow: str, *, resource_owner: str, account: str | None
) -> Op[Connection]:
    """The connection that a flow brought which somebody else has claimed; waits while they are at it.

    account: as the flow's cookie says; None takes the claim's word. Raises AuthorizationExpired where it brought none,
    CallbackError where it was another's.
    """
    reason = "already_used"
    for _ in range(SETTLE_ROUNDS):
        claim = yield from load_claim(flow)
        if claim is None:
            raise AuthorizationExpired("already_used", "this authorization was used before: start again")
        _check_claim(claim, registration, resource_owner)
        label = str(claim.clear.get("account", "")) if account is None else account
        record = yield from load_record(registration.name, resource_owner=resource_owner, account=label)
        if record is not None and (claim.state == DONE or record.connection.authorized_by == flow_mark(flow)):
            return (yield from describe_record(settings, record))
        reason = "in_doubt" if claim.state == CLAIMED else "already_used"
        if claim.state != CLAIMED or (yield from Remaining()) < 2:
            break
        yield from Sleep(POLL_SECONDS)
    raise AuthorizationExpired(reason, "this authorization was used before and brought no connection: start again")


def _check_claim(claim: Claim, registration: Registration, resource_owner: str) -> None:
    if claim.clear.get("registration") != registration.name:
        raise CallbackError("context_mismatch", "the answer came to another registration's callback: start again")
    if not constant_time_equal(str(claim.clear.get("owner", "")), partition_of(resource_owner)):
        message = "another person is signed in now than when the authorization was begun: start again"
        raise CallbackError("user_changed", message)
