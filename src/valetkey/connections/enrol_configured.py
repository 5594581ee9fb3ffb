"""A client for a registration of the configuration that names none: registered at its issuer, or our document.

    ISSUER  ->  its metadata (RFC 8414)  ->  the client in the store, registered there if there is none (RFC 7591)

The one rule: a client is used at the issuer that it was registered at, for what it was registered for, and with
nobody else; what it cannot do after a change of the configuration is told, since a new one would end every connection.
Not here: making the client (`enrolment`), what it says of itself (`own_metadata`).
"""

from __future__ import annotations

from valetkey.connections.by_oauth2 import refuse_unrequestable
from valetkey.connections.discovery import issuer_metadata, with_metadata
from valetkey.connections.enrolled_rows import Enrolled, configured_key, load_enrolled
from valetkey.connections.enrolment import Offer, enrolled_client
from valetkey.connections.own_metadata import key_thumbprint
from valetkey.effects import Now
from valetkey.errors import ConfigurationError, ReauthorizationRequired, ServerUnusable
from valetkey.oauth2.kept import KeptMetadata
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.enrolled_rows import EnrolledClient
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.oauth2.server import AuthorizationServer
    from valetkey.providers.registration import Registration

NOT_REGISTERED = "not_registered"
ANEW = (
    "`valetkey registrations update {name}` tells the issuer; where it cannot be told, `valetkey registrations forget "
    "{name}` has another client registered, and its connections must then be made anew"
)


def enrol_configured(settings: Settings, registration: Registration, grant_type: str) -> Op[Registration]:
    """The registration with its client, made where there is none; for a verb that begins something.

    grant_type: what the tokens will be had by. Raises ConfigurationError where the client is not for that, or
    (ServerUnusable) the issuer cannot have it; ProviderError, TransportError, StoreError, RefreshInProgress where
    another registers.
    """
    own = registration.client_registration
    assert own is not None
    if grant_type not in own.grant_types:
        message = (
            f"{registration.name}: its client is for {', '.join(own.grant_types)}: name {grant_type} in grant_types as "
            "well"
        )
        raise ConfigurationError(message)
    server: AuthorizationServer = registration.provider.server  # type: ignore[assignment] # `register` has seen to it
    kept = registration.kept_metadata or KeptMetadata()
    metadata = yield from issuer_metadata(settings, server.issuer or "", kept=kept, reach=server.reach)
    if own.way == "document":
        if not metadata.client_id_metadata_document_supported:
            message = (
                f"{registration.name}: {server.issuer} does not say that it reads client id metadata documents: use "
                "client_registration dynamic, or register the application there"
            )
            raise ServerUnusable(message)
        return registration
    found, key = with_metadata(server, metadata), configured_key(registration.name)
    if grant_type == "authorization_code":
        refuse_unrequestable(found, scope=registration.scope)
    row = (yield from load_enrolled(settings, key)) or Enrolled(key, None, registration.name)
    offer = Offer(
        key,
        registration.name,
        registration.name,
        metadata.issuer,
        metadata,
        found.reach,
        registration.scope,
        bound=server.dpop_bound_access_tokens,
        configured=registration,
    )
    _, client = yield from enrolled_client(settings, offer, row)
    problem = unfit(registration, client, grant_type) or (yield from other_key(registration, client))
    if problem:
        raise ConfigurationError(f"{registration.name}: {problem}")
    return with_client(registration, client, now=(yield from Now()))


def stored_client(settings: Settings, registration: Registration) -> Op[tuple[Enrolled, EnrolledClient] | None]:
    """The row and the client at the registration's issuer, if one was registered. Raises StoreError."""
    row = yield from load_enrolled(settings, configured_key(registration.name))
    client = None if row is None else row.client_at(getattr(registration.provider.server, "issuer", "") or "", "")
    return None if row is None or client is None else (row, client)


def with_client(registration: Registration, client: EnrolledClient, *, now: float) -> Registration:
    """The registration as that client has it: its identifier, its secret, its way to prove who it is."""
    server = replace(registration.provider.server, token_endpoint_auth_method=client.method)
    return replace(
        registration,
        provider=replace(registration.provider, server=server),
        client=replace(registration.client, client_id=client.client_id, client_secret=client.client_secret),
        stale=client.is_stale(now),
        registered_at=client.registered_at,
    )


def unfit(registration: Registration, client: EnrolledClient, grant_type: str) -> str:
    """Why the client cannot do what the configuration says by now, and what to do; empty where it can.

    It goes on with what it was registered for, whatever else was changed.
    """
    anew = ANEW.format(name=registration.name)
    if grant_type not in client.grant_types:
        return f"its client was registered before grant_types named {grant_type}: {anew}"
    if grant_type == "authorization_code" and client.redirect_uri != registration.redirect_uri:
        return (
            f"its client was registered for the redirect URI {client.redirect_uri}, and VALETKEY_BASE_URL makes it "
            f"{registration.redirect_uri} now: {anew}"
        )
    if client.method == "private_key_jwt" and getattr(registration.client, "private_key", None) is None:
        return f"its client proves itself by private_key_jwt, and there is no private_key: set it again; or {anew}"
    return ""


def other_key(registration: Registration, client: EnrolledClient) -> Op[str]:
    """The same of the private key. Raises ConfigurationError where that is unusable."""
    if not client.key or (yield from key_thumbprint(registration, client)) == client.key:
        return ""
    anew = ANEW.format(name=registration.name)
    return f"its client was registered with another private key than is configured now: {anew}"


def not_registered(settings: Settings, registration: Registration) -> ReauthorizationRequired:
    """No client of ours is at that issuer: it was never registered, forgotten, or the issuer is another one now."""
    page = settings.connect_page(registration.name)
    return ReauthorizationRequired(registration.name, NOT_REGISTERED, connect_url=page)
