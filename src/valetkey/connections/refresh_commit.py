"""What the holder of a lease does: send the refresh token once, and bring what came of it into the row.

    answer                          the row becomes
    new tokens                      ACTIVE, next generation
    invalid_grant                   NEEDS_REAUTHORIZATION, unless somebody has moved it on or a kept token still works
    refused before it was looked at ACTIVE as before (IN_DOUBT where older doubts remain), cooling down
    nobody knows                    IN_DOUBT, cooling down

The one rule: every write is fenced by the attempt's id. What cannot be committed is kept as a sealed rescue record.
"""

from __future__ import annotations

from valetkey.connections.beside import beside, newer
from valetkey.connections.connection import next_state
from valetkey.connections.events import scope_change
from valetkey.connections.grant import speaker
from valetkey.connections.lifetimes import cool_until, is_unverified, refresh_due_at
from valetkey.connections.records import emit, load_record, seal_credentials, write_record
from valetkey.connections.rescue import adopt_rescue, keep_rescue, outlived
from valetkey.effects import Now, Random, Sleep
from valetkey.errors import (
    ConfigurationError,
    MalformedResponse,
    ProviderError,
    ReauthorizationRequired,
    StoreError,
    TransportError,
)
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from valetkey.connections.connection import Connection, Credentials, Tokens
    from valetkey.connections.grant import Grant
    from valetkey.connections.records import Record
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.errors import Explanation
    from valetkey.providers.registration import Registration

    Verdict: TypeAlias = Literal["refused", "not_processed", "unknown"]

COMMIT_ROUNDS = 12
COMMIT_PAUSE_SECONDS = 0.1
GRACE_SECONDS = 1.0  # of the lease's reserve, for a store that is slow to come back


def verdict_of(error: ProviderError | TransportError) -> Verdict:
    """What a failed refresh says about the refresh token: dead, untouched, or nobody knows."""
    if isinstance(error, TransportError):
        return "unknown" if error.maybe_received else "not_processed"
    # With another status too: Slack's may have come half way (2026-11-28).
    if isinstance(error, MalformedResponse) or error.status >= 500 or error.error == "server_error":
        return "unknown"
    return "refused" if error.error == "invalid_grant" else "not_processed"


def refresh_under_lease(
    settings: Settings,
    registration: Registration,
    claimed: Record,
    credentials: Credentials,
    *,
    not_after: float,
    usable: bool,
) -> Op[Tokens | None]:
    """The new tokens; the old ones where refreshing failed and they still live; None to look at the row again.

    usable: whether the old access token may still be used. not_after: Unix seconds; nothing is sent later.
    """
    if len(claimed.connection.doubts) > 1 and (yield from adopt_rescue(settings, registration, claimed)) is not None:
        return None
    assert credentials.current.refresh_token is not None or registration.renews_alone
    if is_unverified(claimed.connection, registration.provider.rotation):
        from valetkey.connections.restored import may_not_be_presented

        unsure = yield from may_not_be_presented(registration, claimed.connection, credentials.current)
        if unsure is not None:
            _ = yield from _postpone(registration, claimed, unsure)
            return credentials.current if usable else None
    try:
        grant = yield from speaker(registration).refresh(
            registration, credentials.current, scope=credentials.scope, not_after=not_after
        )
        _check_subject(grant, credentials)
    except (ProviderError, TransportError) as error:
        if verdict_of(error) == "refused":
            explained = error.explanation if isinstance(error, ProviderError) else None
            return (yield from _refused(settings, registration, claimed, credentials, not_after, explained))
        released = yield from _postpone(registration, claimed, error)
        if registration.enrolment == "dynamic" and getattr(error, "error", "") == "invalid_client":
            from valetkey.connections.present_client import client_refused

            yield from client_refused(settings, registration)
        if usable:
            return credentials.current
        if not released:
            return None  # somebody has moved the row on: what they brought counts
        raise
    except ConfigurationError:  # a key or certificate that cannot be used: nothing was sent, and nobody need wait
        _ = yield from _postpone(registration, claimed, TransportError("nothing was sent", maybe_received=False))
        raise
    return (yield from _commit(settings, registration, claimed, credentials, grant, not_after))


def _commit(
    settings: Settings,
    registration: Registration,
    claimed: Record,
    credentials: Credentials,
    grant: Grant,
    not_after: float,
) -> Op[Tokens | None]:
    """Write the new generation over whatever write of ours is there; keep what can no longer be written."""
    now = yield from Now()
    connection = _saved(claimed.connection, registration, grant, now, chance=(yield from Random(1)))
    previous = credentials.current if grant.tokens.refresh_token != credentials.current.refresh_token else None
    extra = newer(beside(grant.extra, tokens=grant.tokens), credentials.extra)
    renewed = replace(credentials, current=grant.tokens, previous=previous, scope=grant.scope, extra=extra)
    if registration.renews_alone:  # with whatever client there is by now
        renewed = replace(renewed, client=registration.made_client)
    connection, sealed = yield from seal_credentials(settings, claimed.key, connection, renewed)
    current = claimed
    for attempt in range(COMMIT_ROUNDS):
        try:
            if (yield from write_record(claimed.key, current.version, connection, sealed)) is not None:
                yield from _tell(claimed.connection, connection, credentials.scope)
                return grant.tokens
            found = yield from _reload(claimed)
        except StoreError:
            pause = COMMIT_PAUSE_SECONDS * 2**attempt
            if (yield from Now()) + pause > not_after + GRACE_SECONDS:
                break
            yield from Sleep(pause)
            continue
        if found is None or not _is_ours(found.connection, claimed.connection):
            return (yield from outlived(settings, registration, claimed, found, renewed, connection))
        current = found
    yield from keep_rescue(settings, claimed, renewed, connection, store_is_down=True)
    return grant.tokens


def _tell(before: Connection, after: Connection, scope: tuple[str, ...]) -> Op[None]:
    yield from emit("refreshed", after)
    if before.last_error or len(before.doubts) > 1:
        yield from emit("recovered", after, by="refresh")
    changed = scope_change(scope, after.scope)
    if changed:
        yield from emit("scope_changed", after, **changed)


def _check_subject(grant: Grant, credentials: Credentials) -> None:
    """Refuse tokens whose id_token is another account's (OpenID Connect Core 1.0 section 12.2); the old ones stay."""
    if credentials.subject and (grant.refused or grant.subject not in ("", credentials.subject)):
        message = "the provider refreshed with the id_token of another account: the new tokens are not used"
        raise ProviderError(message, error=grant.refused or "subject_changed", status=200)


def _saved(before: Connection, registration: Registration, grant: Grant, now: float, *, chance: bytes) -> Connection:
    return replace(
        before,
        state=next_state(before.state, "saved"),
        generation=before.generation + 1,
        scope=grant.scope,
        attempt="",
        lease_until=0,
        doubts=(),
        cool_until=0,
        access_expires_at=grant.expires_at,
        refresh_due_at=refresh_due_at(now, grant.expires_at, chance=chance),
        previous_until=int(now) + registration.provider.rotation.window_seconds,
        refreshed_at=int(now),
        last_error="",
        verify_first=0,
    )


def _reload(claimed: Record) -> Op[Record | None]:
    at = claimed.connection
    return (yield from load_record(at.registration, resource_owner=at.resource_owner, account=at.account))


def _is_ours(found: Connection, ours: Connection) -> bool:
    """Whether the row is still the one that this attempt holds; a re-seal moves only its version."""
    return (found.incarnation, found.generation, found.attempt, found.state) == (
        ours.incarnation,
        ours.generation,
        ours.attempt,
        ours.state,
    )


def _postpone(registration: Registration, claimed: Record, error: ProviderError | TransportError) -> Op[bool]:
    """Give the lease back after a failure that leaves the refresh token as it was, or in doubt; then cool down.

    Answers False where the row is no longer this attempt's, and so was left alone.
    """
    now = yield from Now()
    happening: Literal["unknown", "not_processed"] = "unknown"
    doubts = claimed.connection.doubts
    if verdict_of(error) == "not_processed":
        happening = "not_processed"
        doubts = tuple(doubt for doubt in doubts if doubt.attempt != claimed.connection.attempt)
    word = error.error if isinstance(error, ProviderError) else "no_answer"
    retry_after = error.retry_after if isinstance(error, ProviderError) else None
    released = replace(
        claimed.connection,
        state=next_state(claimed.connection.state, happening, doubts_remain=bool(doubts)),
        attempt="",
        lease_until=0,
        doubts=doubts,
        last_error=word,
    )
    chance = yield from Random(1)
    until = cool_until(now, released, registration.provider.rotation, retry_after=retry_after, chance=chance)
    released = replace(released, cool_until=until)
    current = claimed
    for _ in range(COMMIT_ROUNDS):
        try:
            if (yield from write_record(claimed.key, current.version, released, current.sealed)) is not None:
                if word != claimed.connection.last_error:
                    yield from emit("refresh_failed", released, error=word)
                return True
            found = yield from _reload(claimed)
        except StoreError:
            return True  # the lease lapses by itself, and the doubt stays written down
        if found is None or not _is_ours(found.connection, claimed.connection):
            return False
        current = found
    return True


def _refused(
    settings: Settings,
    registration: Registration,
    claimed: Record,
    credentials: Credentials,
    not_after: float,
    explained: Explanation | None,
) -> Op[Tokens | None]:
    """`invalid_grant`: the newer tokens, if there are any; then kept ones; else the resource owner connects again."""
    current = yield from _reload(claimed)
    if current is None or not _is_ours(current.connection, claimed.connection):
        return None
    if (yield from adopt_rescue(settings, registration, current)) is not None:
        return None
    try:
        grant = yield from _try_previous(registration, claimed, credentials, not_after)
    except (ProviderError, TransportError) as error:  # an outage never asks a resource owner to connect again
        released = yield from _postpone(registration, current, error)
        if not released:
            return None
        raise
    if grant is not None:
        return (yield from _commit(settings, registration, current, credentials, grant, not_after))
    dead = replace(
        current.connection,
        state=next_state(current.connection.state, "refused"),
        attempt="",
        lease_until=0,
        last_error="invalid_grant",
    )
    if (yield from write_record(current.key, current.version, dead, current.sealed)) is None:
        return None
    yield from emit("needs_reauthorization", dead, reason="invalid_grant")
    connect_url = settings.connect_page(registration.name)
    raise ReauthorizationRequired(registration.name, "invalid_grant", connect_url=connect_url, explanation=explained)


def _try_previous(
    registration: Registration, claimed: Record, credentials: Credentials, not_after: float
) -> Op[Grant | None]:
    """What the refresh token before this one brings, once, inside its window; None where it is dead too."""
    previous = credentials.previous
    now = yield from Now()
    if previous is None or previous.refresh_token is None or now >= claimed.connection.previous_until:
        return None
    try:
        grant = yield from speaker(registration).refresh(
            registration, previous, scope=credentials.scope, not_after=not_after
        )
        _check_subject(grant, credentials)
    except ProviderError as error:
        if verdict_of(error) != "refused":
            raise
        return None
    return grant
