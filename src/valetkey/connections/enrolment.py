"""A client for a registration that has none: registered by one caller, waited for by all others, kept in the store.

    first caller   --claim--register--save--> client
    all others     --load ... wait ... load-> the same client

Who wants one says so in an `Offer`: a resource that somebody named (`enrol_resource`), or a registration of the
configuration (`enrol_configured`). The one rule: nothing is sent without the row's claim, and what came of it is
written down before it is used.
"""

from __future__ import annotations

from valetkey.connections.enrolled_rows import (
    ROUNDS,
    UNUSED_SECONDS,
    Enrolled,
    EnrolledClient,
    load_enrolled,
    save_enrolled,
)
from valetkey.connections.grant import EXCHANGE_SECONDS, exchange_deadline
from valetkey.effects import Now, Random, Remaining, Sleep
from valetkey.errors import RefreshInProgress, RequestRefused, ServerUnusable, StoreError, ValetkeyError
from valetkey.http import shown_address
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.settings import Settings
    from valetkey.effects import Key, Op, Reach
    from valetkey.oauth2.metadata import Metadata
    from valetkey.oauth2.registration import RegisteredClient
    from valetkey.oauth2.server import AuthMethod
    from valetkey.providers.registration import Registration

CLAIM_SECONDS = EXCHANGE_SECONDS + 5
POLL_SECONDS = 0.25
WAIT_ROUNDS = 120


@value
class Offer:
    """A client that is wanted: where, under what name, for what.

    key, resource: of its row, see `enrolled_rows`. name: of the registration. scope: what to ask for.
    more_scope: what may be asked for later, which a client is registered for as well.
    bound: tokens are bound to a key. document: the URL of ours that is to be the client; empty: it is registered.
    configured: the operator's registration; None where somebody named the resource, whose row lapses unused.
    """

    key: Key
    name: str
    resource: str
    issuer: str
    metadata: Metadata
    reach: Reach
    scope: tuple[str, ...]
    more_scope: tuple[str, ...] = ()
    seat: str = ""
    bound: bool = False
    document: str = ""
    configured: Registration | None = None


def enrolled_client(settings: Settings, offer: Offer, row: Enrolled) -> Op[tuple[Enrolled, EnrolledClient]]:
    """The row and the client in it; registered by one caller, waited for by all others.

    Raises RequestRefused (`resource_refused`) or, of a configured registration, ServerUnusable where the server
    registers nobody; ProviderError, TransportError, StoreError, RefreshInProgress.
    """
    for _ in range(WAIT_ROUNDS):
        now = yield from Now()
        client = row.client_at(offer.issuer, offer.seat)
        if client is not None and not client.is_stale(now):
            present = yield from _present(settings, offer, row, client, now)
            if present is not None:
                return present
        elif row.attempt and row.claimed_until > now:
            if (yield from Remaining()) < POLL_SECONDS * 8:
                break
            yield from Sleep(POLL_SECONDS)
        elif offer.document:
            mine = row.with_client(_document(offer, now))
            row = (yield from save_enrolled(settings, _lasting(offer, mine, now))) or row
        else:
            claimed = yield from claim_row(settings, _lasting(offer, row, now), now)
            if claimed is not None:
                return (yield from _register(settings, offer, claimed))
        row = (yield from load_enrolled(settings, row.key)) or Enrolled(row.key, None, offer.resource)
    raise RefreshInProgress(POLL_SECONDS * 8)


def _lasting(offer: Offer, row: Enrolled, now: float) -> Enrolled:
    """The row, which lapses in a day unless somebody connects or has connected; not one that the operator asked for."""
    kept = offer.configured is not None or (row.version is not None and row.expires_at == 0)
    return replace(row, expires_at=0 if kept else int(now) + UNUSED_SECONDS)


def _present(
    settings: Settings, offer: Offer, row: Enrolled, client: EnrolledClient, now: float
) -> Op[tuple[Enrolled, EnrolledClient] | None]:
    """The same client, asking for what the resource wants now; None where another write was faster."""
    wanted = replace(client, scope=_asked(offer, client.allowed), bound=offer.bound)
    lasting = row.expires_at == 0 or row.expires_at > now + UNUSED_SECONDS / 2
    present = (row.issuer, row.seat, row.resource) == (offer.issuer, offer.seat, offer.resource)
    if wanted == client and present and lasting:
        return row, client
    changed = replace(_lasting(offer, row.with_client(wanted), now), resource=offer.resource)
    saved = yield from save_enrolled(settings, changed)
    return None if saved is None else (saved, wanted)


def _document(offer: Offer, now: float) -> EnrolledClient:
    """Our document as the client: nothing is sent to anybody."""
    return EnrolledClient(
        offer.issuer,
        "document",
        offer.document,
        None,
        "none",
        offer.scope,
        int(now),
        bound=offer.bound,
        seat=offer.seat,
    )


def document_url(settings: Settings, name: str) -> str:
    """Where the document of a registration is, and what the server calls the client."""
    return f"{settings.base_url}/client/{name}"


def claim_row(settings: Settings, row: Enrolled, now: float) -> Op[Enrolled | None]:
    """The row under this caller's claim, or None where another was faster. Raises StoreError."""
    attempt = (yield from Random(16)).hex()
    return (
        yield from save_enrolled(settings, replace(row, attempt=attempt, claimed_until=int(now + CLAIM_SECONDS) + 1))
    )


def _register(settings: Settings, offer: Offer, mine: Enrolled) -> Op[tuple[Enrolled, EnrolledClient]]:
    """Register, and write the client down; only the holder of the row's claim gets here."""
    try:
        found = yield from _ask(settings, offer)
    except ValetkeyError:
        yield from release_row(settings, mine)
        raise
    at = int((yield from Now()))
    client = EnrolledClient(
        offer.issuer,
        "dynamic",
        found.client_id,
        found.client_secret,
        found.token_endpoint_auth_method,
        _asked(offer, found.scope),
        at,
        found.secret_expires_at,
        found.configuration_uri,
        found.registration_token,
        bound=offer.bound,
        allowed=found.scope,
        seat=offer.seat,
    )
    if offer.configured is not None:
        from valetkey.connections.own_metadata import registered_for

        client = yield from registered_for(offer.configured, client)
    return (yield from commit_client(settings, mine, client))


def _asked(offer: Offer, allowed: tuple[str, ...] | None) -> tuple[str, ...]:
    """What to ask for, of what the server has registered the client for."""
    return offer.scope if allowed is None else tuple(word for word in offer.scope if word in allowed)


def _ask(settings: Settings, offer: Offer) -> Op[RegisteredClient]:
    from valetkey.oauth2.client_metadata import client_metadata
    from valetkey.oauth2.registration import METHODS, chosen_method, register_client

    configured = offer.configured
    own = None if configured is None else configured.client_registration
    methods: tuple[AuthMethod, ...] = METHODS if own is None else own.methods or METHODS
    endpoint = offer.metadata.registration_endpoint
    method = chosen_method(offer.metadata.token_endpoint_auth_methods_supported, methods)
    if not endpoint or method is None:
        raise _by_hand(offer)
    said = client_metadata(
        redirect_uri=f"{settings.base_url}/callback/{offer.name}",
        application=settings.application,
        home=settings.origin,
        method=method,
        scope=(*offer.scope, *offer.more_scope),
    )
    token = dict(settings.mcp.initial_access_tokens).get(offer.issuer)
    if configured is not None and own is not None:
        from valetkey.connections.own_metadata import own_metadata

        said, token = (yield from own_metadata(settings, configured, method)), own.initial_access_token or token
    return (
        yield from register_client(
            endpoint,
            said,
            methods=methods,
            initial_access_token=token,
            reach=offer.reach,
            not_after=(yield from exchange_deadline()),
        )
    )


def _by_hand(offer: Offer) -> ValetkeyError:
    """What to do where the server registers nobody, or nobody of our kind."""
    why = "registers no clients by itself, or none that valetkey can be"
    if offer.configured is not None:
        message = (
            f"{offer.name}: {offer.issuer} {why}: register the application there, and configure its client_id in place "
            "of client_registration"
        )
        return ServerUnusable(message)
    message = (
        f"its authorization server {why}: register the application at {offer.issuer} and configure the client, with "
        f"`resources` = {shown_address(offer.resource)}"
    )
    return RequestRefused("resource_refused", message)


def commit_client(settings: Settings, mine: Enrolled, client: EnrolledClient) -> Op[tuple[Enrolled, EnrolledClient]]:
    """Write the client over our claim; whoever took the claim over meanwhile is believed instead."""
    row: Enrolled | None = mine
    for attempt in range(ROUNDS):
        try:
            if row is not None and row.attempt == mine.attempt:
                done = replace(row.with_client(client), attempt="", claimed_until=0)
                saved = yield from save_enrolled(settings, done)
                if saved is not None:
                    return saved, client
            row = yield from load_enrolled(settings, mine.key)
        except StoreError:
            if attempt + 1 == ROUNDS or (yield from Remaining()) < 2:
                raise
            yield from Sleep(POLL_SECONDS)
            continue
        if row is not None and row.attempt == mine.attempt:
            continue  # somebody wrote beside our claim
        theirs = None if row is None else row.client_at(client.issuer, client.seat)
        if row is not None and theirs is not None and not theirs.is_stale((yield from Now())):
            return row, theirs
        break
    raise RefreshInProgress(POLL_SECONDS * 8)


def release_row(settings: Settings, mine: Enrolled) -> Op[None]:
    """Give the claim back: no client came of it. A store that is down lets it lapse."""
    try:
        _ = yield from save_enrolled(settings, replace(mine, attempt="", claimed_until=0))
    except StoreError:
        return
