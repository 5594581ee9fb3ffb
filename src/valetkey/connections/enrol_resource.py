"""From a resource's URL to a registration at the authorization server that the resource trusts.

    URL -> its metadata (RFC 9728) -> the issuer's metadata (RFC 8414) -> a client:
             configured by the operator -> our document as its name -> registered there (RFC 7591)

The one rule: everything that a URL leads to came from outside: it lies on the public internet or is refused, and what
one server says is never used with another. Not here: making the client (`enrolment`).
"""

from __future__ import annotations

from valetkey.connections.by_oauth2 import refuse_unrequestable
from valetkey.connections.discovery import issuer_metadata, with_metadata
from valetkey.connections.enrolled import as_registration, is_configured_for, reach_of
from valetkey.connections.enrolled_rows import Enrolled, enrolled_key, enrolled_name, load_enrolled
from valetkey.connections.enrolment import Offer, document_url, enrolled_client
from valetkey.connections.grant import exchange_deadline
from valetkey.connections.seat import is_seated, seat_of
from valetkey.effects import Now
from valetkey.errors import ConfigurationError, RequestRefused
from valetkey.http import is_loopback, read_url, shown_address
from valetkey.oauth2.kept import KeptMetadata
from valetkey.oauth2.protected_resource import fetch_resource_metadata, is_same_resource, read_resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op, Reach
    from valetkey.oauth2.metadata import Metadata
    from valetkey.oauth2.protected_resource import ResourceMetadata
    from valetkey.oauth2.server import AuthorizationServer
    from valetkey.providers.registration import Registration

LOOPBACK_ADVICE = "; for development, VALETKEY_MCP_ACCEPT_LOOPBACK=true accepts servers on this machine over http"
OFFLINE = "offline_access"


def _is_here(url: str) -> bool:
    try:
        return is_loopback(read_url(url).host)
    except ValueError:
        return False


def enrol_resource(settings: Settings, url: str) -> Op[Registration]:
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
    row, client = yield from enrolled_client(settings, offer, row)
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
        server = with_metadata(_bare(issuer, found.resource, reach), metadata)  # refuses without S256
        if server.require_signed_request_object:
            raise RequestRefused("resource_refused", _by_hand(found.resource, issuer))
        scope = _scope(found, metadata)
        refuse_unrequestable(server, scope=scope)
        if seat is None or not is_seated(metadata, seat):
            seat = seat_of(metadata)
    except (ValueError, ConfigurationError) as why:
        raise RequestRefused("resource_refused", f"its authorization server cannot be used: {why}") from None
    listed = metadata.protected_resources
    if listed is not None and not any(is_same_resource(each, resource, reach=reach) for each in listed):
        message = "its authorization server names the resources that it issues tokens for, and this is none of them"
        raise RequestRefused("resource_refused", message)  # 9728 s4: who trusts whom is said by both
    name = enrolled_name(enrolled_key(resource), issuer, seat)
    return Offer(
        enrolled_key(resource),
        name,
        found.resource,
        issuer,
        metadata,
        reach,
        scope,
        _more_scope(found, metadata, scope),
        seat=seat,
        bound=found.dpop_bound_access_tokens_required,
        document=document_url(settings, name) if _reads_documents(settings, metadata) else "",
    )


def _scope(found: ResourceMetadata, metadata: Metadata) -> tuple[str, ...]:
    """What to ask for: what the resource wants, and a refresh token where that has a scope of its own."""
    wanted = found.scope
    offline = wanted and OFFLINE in (metadata.scopes_supported or ()) and OFFLINE not in wanted
    return (*wanted, OFFLINE) if offline else wanted


def _more_scope(found: ResourceMetadata, metadata: Metadata, scope: tuple[str, ...]) -> tuple[str, ...]:
    """What else both list: some servers refuse a client what it was not registered for, and it may be wanted later.

    A client without a scope of its own is held to none (RFC 7591 section 2). What does not fit into a registration any
    more is left out.
    """
    from valetkey.oauth2.registration import MAX_SCOPE

    known, more = metadata.scopes_supported or (), list(scope)
    for word in found.scopes_supported if scope else ():
        if word in known and word not in more and len(" ".join((*more, word))) <= MAX_SCOPE:
            more.append(word)
    return tuple(more[len(scope) :])


def _reads_documents(settings: Settings, metadata: Metadata) -> bool:
    """Whether the server can read our document, and takes a client that has no secret."""
    if not metadata.client_id_metadata_document_supported or not settings.mcp.client_documents:
        return False
    public = settings.secure and not is_loopback(read_url(settings.base_url).host)
    alone = "none" in metadata.token_endpoint_auth_methods_supported or not metadata.registration_endpoint
    return public and alone


def _bare(issuer: str, resource: str, reach: Reach) -> AuthorizationServer:
    from valetkey.oauth2.server import AuthorizationServer

    return AuthorizationServer(issuer, "", "", discovery="oauth2", resources=(resource,), reach=reach)


def _by_hand(resource: str, issuer: str) -> str:
    """What to do where requests must be signed with a key that the server knows (RFC 9101 section 10.5)."""
    return (
        f"its authorization server takes signed authorization requests alone: register the application at {issuer}, "
        "and configure the client with REQUEST_OBJECT_SIGNING_ALG, its PRIVATE_KEY and "
        f"`resources` = {shown_address(resource)}"
    )
