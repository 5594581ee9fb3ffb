"""From a resource's URL to a registration at the authorization server that the resource trusts.

    URL -> its metadata (RFC 9728) -> the issuer's metadata (RFC 8414) -> a client:
             configured by the operator -> our document as its name -> registered there (RFC 7591)

    first caller   --claim--register--save--> client
    all others     --load ... wait ... load-> the same client

The one rule: everything that a URL leads to came from outside: it lies on the public internet or is refused, and what
one server says is never used with another.
"""

from __future__ import annotations

from valetkey.connections.discovery import issuer_metadata, with_metadata
from valetkey.connections.enrolled import as_registration, is_configured_for, reach_of
from valetkey.connections.enrolled_rows import (
    ROUNDS,
    UNUSED_SECONDS,
    Enrolled,
    EnrolledClient,
    enrolled_key,
    enrolled_name,
    load_enrolled,
    save_enrolled,
)
from valetkey.connections.grant import EXCHANGE_SECONDS, exchange_deadline
from valetkey.connections.seat import is_seated, seat_of
from valetkey.effects import Now, Random, Remaining, Sleep
from valetkey.errors import ConfigurationError, RefreshInProgress, RequestRefused, StoreError, ValetkeyError
from valetkey.http import is_loopback, read_url, shown_address
from valetkey.oauth2.kept import KeptMetadata
from valetkey.oauth2.protected_resource import fetch_resource_metadata, is_same_resource, read_resource
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op, Reach
    from valetkey.oauth2.metadata import Metadata
    from valetkey.oauth2.protected_resource import ResourceMetadata
    from valetkey.oauth2.registration import RegisteredClient
    from valetkey.oauth2.server import AuthorizationServer
    from valetkey.providers.registration import Registration

CLAIM_SECONDS = EXCHANGE_SECONDS + 5
POLL_SECONDS = 0.25
WAIT_ROUNDS = 120
LOOPBACK_ADVICE = "; for development, VALETKEY_MCP_ACCEPT_LOOPBACK=true accepts servers on this machine over http"
OFFLINE = "offline_access"


@value
class Offer:
    """What a resource and its authorization server say, as far as a client needs it. resource: in canonical form."""

    resource: str
    described: ResourceMetadata
    issuer: str
    metadata: Metadata
    seat: str
    reach: Reach

    @property
    def scope(self) -> tuple[str, ...]:
        """What to ask for: what the resource wants, and a refresh token where that has a scope of its own."""
        wanted = self.described.scope
        offline = wanted and OFFLINE in (self.metadata.scopes_supported or ()) and OFFLINE not in wanted
        return (*wanted, OFFLINE) if offline else wanted


def _is_here(url: str) -> bool:
    try:
        return is_loopback(read_url(url).host)
    except ValueError:
        return False


def enrol(settings: Settings, url: str) -> Op[Registration]:
    """The registration for a resource, made where there is none; its present issuer's, whatever that was before.

    Raises RequestRefused: `resource_url_refused`, `resource_refused` with what is wrong; ProviderError,
    TransportError, StoreError, RefreshInProgress where another caller is registering.
    """
    reach = reach_of(settings, url)
    try:
        resource = read_resource(url, reach=reach)
    except ValueError as why:
        advice = "" if settings.mcp.accept_loopback or not _is_here(url) else LOOPBACK_ADVICE
        raise RequestRefused("resource_url_refused", f"this URL cannot be connected: {why}{advice}") from None
    not_after = yield from exchange_deadline()
    found = yield from fetch_resource_metadata(resource, reach=reach, not_after=not_after)
    for registration in settings.registrations.values():
        if is_configured_for(registration, resource):
            return _same_issuer(registration, found)
    key = enrolled_key(resource)
    row = (yield from load_enrolled(settings, key)) or Enrolled(key, None, found.resource)
    # The issuer that it had is kept as long as the resource names it, so that connections are not made in vain.
    issuer = row.issuer if row.issuer in found.authorization_servers else found.authorization_servers[0]
    seat = row.seat if row.client_at(issuer, row.seat) else None
    offer = yield from _offer(settings, resource, found, issuer, seat=seat, reach=reach)
    row, client = yield from _client(settings, offer, row)
    return as_registration(settings, row, client, now=(yield from Now()))


def _same_issuer(registration: Registration, found: ResourceMetadata) -> Registration:
    """The operator's registration, if the resource trusts its issuer (MCP: credentials are bound to their issuer)."""
    issuer = getattr(registration.provider.server, "issuer", None)
    if issuer not in found.authorization_servers:
        message = f"the resource trusts other issuers than {issuer}, where {registration.name} is registered"
        raise RequestRefused("resource_refused", message)
    return registration


def _offer(
    settings: Settings, resource: str, found: ResourceMetadata, issuer: str, *, seat: str | None, reach: Reach
) -> Op[Offer]:
    """What the issuer publishes, if it can be used safely by somebody who does not know it.

    seat: where a client of ours is already; it stays there as long as it can.
    """
    try:
        metadata = yield from issuer_metadata(settings, issuer, kept=KeptMetadata(), reach=reach)
        _ = with_metadata(_bare(issuer, reach), metadata)  # refuses without S256
        if seat is None or not is_seated(metadata, seat):
            seat = seat_of(metadata)
    except (ValueError, ConfigurationError) as why:
        raise RequestRefused("resource_refused", f"its authorization server cannot be used: {why}") from None
    listed = metadata.protected_resources
    if listed is not None and not any(is_same_resource(each, resource, reach=reach) for each in listed):
        message = "its authorization server names the resources that it issues tokens for, and this is none of them"
        raise RequestRefused("resource_refused", message)  # 9728 s4: who trusts whom is said by both
    return Offer(resource, found, issuer, metadata, seat, reach)


def _bare(issuer: str, reach: Reach) -> AuthorizationServer:
    from valetkey.oauth2.server import AuthorizationServer

    return AuthorizationServer(issuer, "", "", discovery="oauth2", reach=reach)


def _client(settings: Settings, offer: Offer, row: Enrolled) -> Op[tuple[Enrolled, EnrolledClient]]:
    """The row and the client in it; registered by one caller, waited for by all others."""
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
        elif _has_document(settings, offer):
            saved = yield from save_enrolled(settings, _lasting(row.with_client(_document(settings, offer, now)), now))
            row = saved or row
        else:
            mine = yield from _claim(settings, row, now)
            if mine is not None:
                return (yield from _register(settings, offer, mine))
        row = (yield from load_enrolled(settings, row.key)) or Enrolled(row.key, None, offer.described.resource)
    raise RefreshInProgress(POLL_SECONDS * 8)


def _lasting(row: Enrolled, now: float) -> Enrolled:
    """The row, which lapses in a day unless somebody connects or has connected."""
    return replace(row, expires_at=0 if row.version is not None and row.expires_at == 0 else int(now) + UNUSED_SECONDS)


def _present(
    settings: Settings, offer: Offer, row: Enrolled, client: EnrolledClient, now: float
) -> Op[tuple[Enrolled, EnrolledClient] | None]:
    """The same client, asking for what the resource wants now; None where another write was faster."""
    wanted = replace(
        client, scope=_asked(offer, client.allowed), bound=offer.described.dpop_bound_access_tokens_required
    )
    lasting = row.expires_at == 0 or row.expires_at > now + UNUSED_SECONDS / 2
    present = (row.issuer, row.seat, row.resource) == (offer.issuer, offer.seat, offer.described.resource)
    if wanted == client and present and lasting:
        return row, client
    changed = replace(_lasting(row.with_client(wanted), now), resource=offer.described.resource)
    saved = yield from save_enrolled(settings, changed)
    return None if saved is None else (saved, wanted)


def _has_document(settings: Settings, offer: Offer) -> bool:
    """Whether the server can read our document, and takes a client that has no secret."""
    metadata = offer.metadata
    if not metadata.client_id_metadata_document_supported or not settings.mcp.client_documents:
        return False
    public = settings.secure and not is_loopback(read_url(settings.base_url).host)
    alone = "none" in metadata.token_endpoint_auth_methods_supported or not metadata.registration_endpoint
    return public and alone


def _document(settings: Settings, offer: Offer, now: float) -> EnrolledClient:
    """Our document as the client: nothing is sent to anybody."""
    client_id = document_url(settings, enrolled_name(enrolled_key(offer.resource), offer.issuer, offer.seat))
    bound, seat = offer.described.dpop_bound_access_tokens_required, offer.seat
    return EnrolledClient(
        offer.issuer, "document", client_id, None, "none", offer.scope, int(now), bound=bound, seat=seat
    )


def document_url(settings: Settings, name: str) -> str:
    """Where the document of a registration is, and what the server calls the client."""
    return f"{settings.base_url}/client/{name}"


def _claim(settings: Settings, row: Enrolled, now: float) -> Op[Enrolled | None]:
    attempt = (yield from Random(16)).hex()
    claimed = replace(_lasting(row, now), attempt=attempt, claimed_until=int(now + CLAIM_SECONDS) + 1)
    return (yield from save_enrolled(settings, claimed))


def _register(settings: Settings, offer: Offer, mine: Enrolled) -> Op[tuple[Enrolled, EnrolledClient]]:
    """Register, and write the client down; only the holder of the row's claim gets here."""
    try:
        found = yield from _ask(settings, offer, mine)
    except ValetkeyError:
        yield from _release(settings, mine)
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
        bound=offer.described.dpop_bound_access_tokens_required,
        allowed=found.scope,
        seat=offer.seat,
    )
    return (yield from _commit(settings, mine, client, offer))


def _asked(offer: Offer, allowed: tuple[str, ...] | None) -> tuple[str, ...]:
    """What to ask for, of what the server has registered the client for."""
    return offer.scope if allowed is None else tuple(word for word in offer.scope if word in allowed)


def _ask(settings: Settings, offer: Offer, mine: Enrolled) -> Op[RegisteredClient]:
    from valetkey.oauth2.registration import chosen_method, client_metadata, register_client

    endpoint, method = offer.metadata.registration_endpoint, None
    if endpoint:
        method = chosen_method(offer.metadata.token_endpoint_auth_methods_supported)
    if not endpoint or method is None:
        named = shown_address(offer.described.resource)
        message = (
            "its authorization server registers no clients by itself, or none that valetkey can be: register the "
            f"application at {offer.issuer} and configure the client, with `resources` = {named}"
        )
        raise RequestRefused("resource_refused", message)
    said = client_metadata(
        redirect_uri=f"{settings.base_url}/callback/{enrolled_name(mine.key, offer.issuer, offer.seat)}",
        application=settings.application,
        home=settings.origin,
        method=method,
        scope=offer.scope,
    )
    token = dict(settings.mcp.initial_access_tokens).get(offer.issuer)
    not_after = yield from exchange_deadline()
    return (
        yield from register_client(endpoint, said, initial_access_token=token, reach=offer.reach, not_after=not_after)
    )


def _commit(
    settings: Settings, mine: Enrolled, client: EnrolledClient, offer: Offer
) -> Op[tuple[Enrolled, EnrolledClient]]:
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
        theirs = None if row is None else row.client_at(offer.issuer, offer.seat)
        if row is not None and theirs is not None and not theirs.is_stale((yield from Now())):
            return row, theirs
        if row is None or row.attempt != mine.attempt:
            break
    raise RefreshInProgress(POLL_SECONDS * 8)


def _release(settings: Settings, mine: Enrolled) -> Op[None]:
    """Give the claim back: no client came of it. A store that is down lets it lapse."""
    try:
        _ = yield from save_enrolled(settings, replace(mine, attempt="", claimed_until=0))
    except StoreError:
        return
