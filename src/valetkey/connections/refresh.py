"""Tokens that work, refreshed once for all callers (RFC 6749 section 6).

Lease, write-ahead intent and commit all live in the connection's own row, by `Swap`:

    caller A  --load--claim------------send------------commit--> new token
    caller B  ----load--(still valid: use it) ... ----load-----> new token
                    the claim takes the lease and writes the intent before the provider is touched

The one rule: only the holder of a live lease sends a refresh token, and a late result never overwrites a newer one.
Not here: when to refresh (`refresh_plan`), how a claim ends (`refresh_commit`), tokens that came too late (`rescue`).
"""

from __future__ import annotations

from valetkey.connections.cache import CachedRecord
from valetkey.connections.codec import connection_key
from valetkey.connections.connection import (
    NEEDS_REAUTHORIZATION,
    REFRESHING,
    USABLE,
    Doubt,
    next_state,
    was_set_back,
)
from valetkey.connections.discovery import described, ready
from valetkey.connections.grant import EXCHANGE_SECONDS, RESERVE_SECONDS
from valetkey.connections.lifetimes import SKEW_SECONDS
from valetkey.connections.records import load_record, open_record, sealing_key, write_record
from valetkey.connections.refresh_plan import plan
from valetkey.effects import Now, Random, Remaining, Sleep
from valetkey.errors import (
    ConfigurationError,
    ProviderError,
    ReauthorizationRequired,
    RefreshInProgress,
    StoreError,
    TransportError,
    find_explanation,
)
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.connection import Connection, Credentials, Tokens
    from valetkey.connections.records import Record
    from valetkey.connections.refresh_plan import Plan
    from valetkey.connections.settings import Settings
    from valetkey.effects import Key, Op
    from valetkey.providers.registration import Registration
    from valetkey.secret import Secret

ROUNDS = 500
POLL_SECONDS = 0.05
MAX_POLL_SECONDS = 1.0
MAX_DOUBTS = 12
PUT_BACK_ROUNDS = 3


def current_tokens(
    settings: Settings,
    registration: Registration,
    *,
    resource_owner: str,
    account: str = "",
    rejected: Secret | None = None,
) -> Op[Tokens]:
    """The connection's tokens, refreshed if they must be; the old ones while they live and somebody else is at it.

    rejected: an access token that the provider has just refused: it is refreshed if it is still the stored one.
    Raises ReauthorizationRequired, RefreshInProgress, ProviderError, TransportError, StoreError, and ConfigurationError
    where the token must be refreshed and the function's whole timeout can never suffice for that.
    """
    key = connection_key(registration.name, resource_owner, account)
    pause, put_back_left = POLL_SECONDS, PUT_BACK_ROUNDS
    for _ in range(ROUNDS):
        now = yield from Now()
        mark = 0 if settings.cache is None else settings.cache.mark
        cached = None if rejected or settings.cache is None else settings.cache.fresh(key, now=now)
        if cached is not None:
            return cached.credentials.current
        try:
            record = yield from load_record(registration.name, resource_owner=resource_owner, account=account)
        except StoreError:
            surviving = None if rejected or settings.cache is None else settings.cache.surviving(key, now=now)
            if surviving is None:
                raise
            return surviving.credentials.current
        if put_back_left and (yield from _put_back(settings, key, record)):
            put_back_left -= 1
            continue
        try:
            record = yield from _usable(settings, registration, record)
        except ReauthorizationRequired:
            _drop(settings, key)  # or an outage of the store would bring a dead token back
            raise
        credentials = yield from open_record(settings, record)
        found = plan(
            (yield from _as_it_counts(settings, registration, record, credentials)),
            rotation=registration.provider.rotation,
            can_refresh=credentials.current.refresh_token is not None or registration.renews_alone,
            rejected=rejected is not None and rejected == credentials.current.access_token,
            now=now,
            can_ask=_can_be_asked(registration),
        )
        if found.step == "use":
            if settings.cache is not None:
                settings.cache.keep(key, CachedRecord(record, credentials, now), since=mark)
            return credentials.current
        if found.step == "claim":
            tokens = yield from _claim_and_refresh(settings, registration, record, credentials, found, now)
            if tokens is not None:
                return tokens
            continue
        if found.step == "expired":
            from valetkey.connections.ended import end

            over = now >= record.connection.access_expires_at > 0
            yield from end(settings, record, "expired_without_refresh_token", certain=over)
            continue
        yield from _wait_or_raise(found, now, pause)
        pause = min(pause * 1.5, MAX_POLL_SECONDS)
    raise RefreshInProgress(MAX_POLL_SECONDS)


def _as_it_counts(
    settings: Settings, registration: Registration, record: Record, credentials: Credentials
) -> Op[Connection]:
    """The connection; with a token of another issuer's it is refused, or has expired where nobody is asked for one."""
    if not registration.is_elsewhere(credentials.client):
        return record.connection
    if not registration.renews_alone:
        from valetkey.connections.present_client import refuse_elsewhere

        yield from refuse_elsewhere(settings, registration)
    return replace(record.connection, access_expires_at=1, refresh_due_at=1)


def _put_back(settings: Settings, key: Key, record: Record | None) -> Op[bool]:
    """Whether this process remembers newer tokens than a row that a backup has set back: they are written there."""
    known = None if settings.cache is None or settings.store_unfit else settings.cache.known(key)
    if known is None or record is None or not was_set_back(record.connection, known.record.connection):
        return False
    from valetkey.connections.restored import put_back

    _ = yield from put_back(record, known.record.connection, known.record.sealed)
    return True


def _can_be_asked(registration: Registration) -> bool:
    """Whether the provider has, or may turn out to have, an introspection endpoint (RFC 7662)."""
    server = registration.provider.server
    return bool(getattr(server, "introspection_endpoint", None) or getattr(server, "discovery", ""))


def _usable(settings: Settings, registration: Registration, record: Record | None) -> Op[Record]:
    """The record, if tokens may be taken from it; a dead one is looked at once for a rescue record."""
    connect_url = settings.connect_page(registration.name)
    if record is None:
        raise ReauthorizationRequired(registration.name, "not_connected", connect_url=connect_url)
    connection = record.connection
    if connection.state == NEEDS_REAUTHORIZATION and connection.doubts:
        from valetkey.connections.rescue import adopt_rescue

        adopted = yield from adopt_rescue(settings, registration, record)
        if adopted is None:  # there was nothing, or another caller was faster: what stands there now counts
            owner, account = connection.resource_owner, connection.account
            adopted = yield from load_record(connection.registration, resource_owner=owner, account=account)
        if adopted is None:
            raise ReauthorizationRequired(registration.name, "not_connected", connect_url=connect_url)
        record, connection = adopted, adopted.connection
    if connection.state not in USABLE:
        reason = connection.last_error or connection.state
        why = find_explanation(registration.provider.server.errors, (reason,))
        raise ReauthorizationRequired(registration.name, reason, connect_url=connect_url, explanation=why)
    return record


def _wait_or_raise(found: Plan, now: float, pause: float) -> Op[None]:
    """Wait for another caller's refresh, within the invocation; everything else that keeps a token away is raised."""
    if found.step == "rejected_again":
        message = "the provider refuses an access token that it has just issued: look at its scope and audience"
        raise ProviderError(message, error="access_token_rejected", status=401)
    left = (yield from Remaining()) - RESERVE_SECONDS
    if found.step == "cool" or left < pause:
        raise RefreshInProgress(max(0.1, found.until - now))
    chance = yield from Random(1)
    yield from Sleep(pause * (0.5 + chance[0] / 256))


def _claim_and_refresh(  # noqa: PLR0911 - each thing that keeps a refresh from beginning
    settings: Settings,
    registration: Registration,
    record: Record,
    credentials: Credentials,
    found: Plan,
    now: float,
) -> Op[Tokens | None]:
    """The tokens that this caller's refresh brought, the old ones while they live, or None to look again."""
    from valetkey.connections.refresh_commit import refresh_under_lease

    if settings.store_unfit:
        if found.usable:
            return credentials.current
        message = (
            f"{settings.store_unfit}: nothing is refreshed from it, since two callers could use one refresh token: use"
            " a store with strong reads and compare-and-swap; `valetkey store check` says what one lacks"
        )
        raise ConfigurationError(message)
    limit = yield from _seconds_for_it()
    if limit < 1:
        if found.usable:
            return credentials.current
        yield from _refuse_short_timeout()
        raise RefreshInProgress(1.0)
    try:
        _ = yield from sealing_key(settings)
    except StoreError:  # new tokens could not be kept: none are asked for
        if found.usable:
            return credentials.current
        raise
    try:
        registration = yield from _made_ready(settings, registration, record, credentials)
    except (ProviderError, TransportError, ReauthorizationRequired, RefreshInProgress, StoreError) as failure:
        if found.usable:
            return credentials.current
        if isinstance(failure, ReauthorizationRequired):
            from valetkey.connections.ended import end

            # Where there is no client, the configuration may be what is wrong: then nothing has ended yet.
            yield from end(settings, record, failure.reason, certain=failure.reason != "not_registered")
            return None
        raise
    if registration.client_registration is not None:  # it may have waited for a client: the limit above is that of then
        now, limit = (yield from Now()), (yield from _seconds_for_it())
        if limit < 1:
            return None
    claimed = yield from _claim(record, now, limit)
    if claimed is None:
        return None
    _drop(settings, record.key)
    tokens = yield from refresh_under_lease(
        settings, registration, claimed, credentials, not_after=now + limit, usable=found.usable
    )
    _drop(settings, record.key)  # another thread may have kept the old token meanwhile
    return tokens


def _seconds_for_it() -> Op[float]:
    """How long the exchange may take, of what is left of the invocation."""
    return min(EXCHANGE_SECONDS, (yield from Remaining()) - RESERVE_SECONDS)


def _made_ready(
    settings: Settings, registration: Registration, record: Record, credentials: Credentials
) -> Op[Registration]:
    """The registration with its endpoints and its present client, before the lease: an issuer may be out of reach."""
    if registration.renews_alone and not registration.by_url:  # each time it begins anew, with whatever client there is
        return (yield from ready(settings, registration, registration.grant))
    if registration.keeps_client:
        from valetkey.connections.present_client import CLIENT_ENDED, renewed

        registration = yield from renewed(settings, registration)
        if registration.stale or registration.is_anothers(
            credentials.client, consent=record.connection.authorized_at
        ):  # a refresh token is good with the client that it was given to (RFC 6749 section 6)
            connect_url = settings.connect_page(registration.name)
            raise ReauthorizationRequired(registration.name, CLIENT_ENDED, connect_url=connect_url)
    return (yield from described(settings, registration))


def _refuse_short_timeout() -> Op[None]:
    """Raise ConfigurationError where no invocation of this process ever had the time that a refresh takes."""
    whole = yield from Remaining(whole=True)
    least = RESERVE_SECONDS + 1
    if whole < least:
        message = (
            f"the access token must be refreshed, and the function's timeout of {whole:.1f} s can never suffice for "
            f"that: give it more than {least} s, better {EXCHANGE_SECONDS + RESERVE_SECONDS:.0f}"
        )
        raise ConfigurationError(message)


def _drop(settings: Settings, key: Key) -> None:
    if settings.cache is not None:
        settings.cache.drop(key)


def _claim(record: Record, now: float, limit: float) -> Op[Record | None]:
    """The record under this caller's lease, or None where another was faster.

    One write is the lease, the intent and the proof that the store can be written to.
    """
    attempt = (yield from Random(16)).hex()
    connection = record.connection
    doubts = (*connection.doubts, Doubt(attempt, int(now), int(now + limit) + 1))
    if len(doubts) > MAX_DOUBTS:
        doubts = (doubts[0], *doubts[-MAX_DOUBTS + 1 :])  # the oldest one says when the window ends
    leased = replace(
        connection,
        state=next_state(connection.state, "claimed"),
        attempt=attempt,
        lease_until=int(now + limit + RESERVE_SECONDS + 2 * SKEW_SECONDS) + 1,
        doubts=doubts,
    )
    assert leased.state == REFRESHING
    return (yield from write_record(record.key, record.version, leased, record.sealed))
