"""A registration that names only its issuer: the endpoints come from its metadata (RFC 8414, OpenID Discovery).

    this process, an hour  ->  the store, an hour  ->  the issuer  ->  what the store kept, up to a day

The one rule: metadata is believed only from its own issuer, and an error is never kept in its place.
Not here: reading metadata (`oauth2.metadata`).
"""

from __future__ import annotations

from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from valetkey.connections.settings import Settings
    from valetkey.effects import Op, Place, Reach
    from valetkey.oauth2.kept import KeptMetadata
    from valetkey.oauth2.metadata import Metadata
    from valetkey.oauth2.server import AuthorizationServer
    from valetkey.providers.registration import Registration

    T = TypeVar("T")

FRESH_SECONDS = 3600
LAST_GOOD_SECONDS = 86_400
AGAIN_SECONDS = 60  # how long the last good one is used before an issuer that failed is asked again
NAME = "discovery/metadata"


def ready(settings: Settings, registration: Registration, grant_type: str) -> Op[Registration]:
    """The same as `described`, to begin something: a client that is made at run time is made here, if there is none.

    grant_type: what the tokens will be had by. Raises what `enrol_configured` raises as well.
    """
    if registration.client_registration is not None:
        from valetkey.connections.enrol_configured import enrol_configured

        registration = yield from enrol_configured(settings, registration, grant_type)
    return (yield from described(settings, registration))


def described(settings: Settings, registration: Registration) -> Op[Registration]:
    """The registration with its server's endpoints and its client; it has both unless it names only the issuer.

    Raises ProviderError, MalformedResponse, TransportError where they cannot be had, ServerUnusable where the
    server cannot be used safely; ReauthorizationRequired instead where the client was made at run time.
    """
    if registration.awaits_client:
        from valetkey.connections.present_client import renewed

        registration = yield from renewed(settings, registration)
    return (yield from with_endpoints(settings, registration))


def heeded(settings: Settings, registration: Registration, program: Op[T]) -> Op[T]:
    """What the program answers; a client that was made at run time, and is refused, is made anew the next time."""
    if registration.enrolment != "dynamic":
        return (yield from program)
    from valetkey.errors import ProviderError

    try:
        return (yield from program)
    except ProviderError as error:
        if error.error == "invalid_client":
            from valetkey.connections.present_client import client_refused

            yield from client_refused(settings, registration)
        raise


def with_endpoints(settings: Settings, registration: Registration) -> Op[Registration]:
    """The registration with its server's endpoints, whether or not there is a client. Raises as `described` does."""
    server = registration.provider.server
    if not getattr(server, "discovery", ""):
        return registration
    from valetkey.oauth2.server import AuthorizationServer

    assert isinstance(server, AuthorizationServer)
    from valetkey.oauth2.kept import KeptMetadata

    kept = registration.kept_metadata or KeptMetadata()
    metadata = yield from issuer_metadata(settings, server.issuer or "", kept=kept, reach=server.reach)
    if registration.by_url:
        found = _as_enrolled(settings, registration, server, metadata)
    else:
        found = with_metadata(server, metadata)
    if registration.keeps_client and not registration.awaits_client:
        # The client was registered for one way to authenticate, whatever the server offers to others by now.
        found = replace(found, token_endpoint_auth_method=server.token_endpoint_auth_method)
    elif found.token_endpoint_auth_method != server.token_endpoint_auth_method:
        _refuse_unprovable(registration, found)
    return replace(registration, provider=replace(registration.provider, server=found))


def _refuse_unprovable(registration: Registration, server: AuthorizationServer) -> None:
    """Refuse where the server wants a proof of who the client is that it has not, before anybody consents in vain."""
    from valetkey.errors import ServerUnusable
    from valetkey.oauth2.server import TLS_METHODS

    needs = {"private_key_jwt": "private_key", "client_secret_jwt": "client_secret"}
    needs |= dict.fromkeys(TLS_METHODS, "certificate")
    missing = needs.get(server.token_endpoint_auth_method, "")
    if missing and registration.client is not None and getattr(registration.client, missing, None) is None:
        message = (
            f"{server.issuer} takes {server.token_endpoint_auth_method} alone of what valetkey can do: configure "
            f"{missing.upper()} of {registration.name}"
        )
        raise ServerUnusable(message)


def _as_enrolled(
    settings: Settings, registration: Registration, server: AuthorizationServer, metadata: Metadata
) -> AuthorizationServer:
    """The same for a server that somebody named: it may say anything by now, which is no mistake of the operator's."""
    from valetkey.connections.seat import is_seated
    from valetkey.errors import ConfigurationError, ReauthorizationRequired

    connect_url = settings.connect_page(registration.name)
    changed = ReauthorizationRequired(registration.name, "server_changed", connect_url=connect_url)
    if not is_seated(metadata, registration.seat):
        raise changed
    try:
        return with_metadata(server, metadata)
    except ConfigurationError:
        raise changed from None


def with_metadata(server: AuthorizationServer, metadata: Metadata) -> AuthorizationServer:
    """The server with what its metadata says; what the registration chose stays. Raises ServerUnusable."""
    from valetkey.effects import PUBLIC
    from valetkey.errors import ConfigurationError, ServerUnusable
    from valetkey.oauth2.metadata import authorization_server
    from valetkey.oauth2.server import TLS_METHODS, AuthorizationServer

    if server.discovery == "oauth2" and metadata.code_challenge_methods_supported is None:
        # Without a nonce nothing else keeps a stolen code from being used: RFC 9700 section 2.1.1.
        message = f"{metadata.issuer} does not say that it takes S256 code challenges: it cannot be used by discovery"
        raise ServerUnusable(message)
    try:
        reach = PUBLIC if server.reach == PUBLIC else reach_of(metadata, mutual_tls=server.mutual_tls)
        found = authorization_server(metadata, reach=reach)
    except (ValueError, ConfigurationError) as why:
        raise ServerUnusable(f"{metadata.issuer}: {why}") from None
    # Whatever metadata says counts over a default; what the registration chose beyond that stays.
    defaults: dict[str, object] = AuthorizationServer.__field_defaults__  # type: ignore[attr-defined]
    names: tuple[str, ...] = AuthorizationServer.__match_args__
    said = {name: getattr(found, name) for name in names if getattr(found, name) != defaults.get(name, "")}
    method, offered = server.token_endpoint_auth_method, metadata.token_endpoint_auth_methods_supported
    # A client with a certificate has nothing else to prove itself with: which of both names is used is all the same.
    chosen = method if method in ("none", *TLS_METHODS, *offered) else found.token_endpoint_auth_method
    kept: dict[str, Any] = {**said, "token_endpoint_auth_method": chosen, "reach": found.reach, "discovery": ""}
    for name in ("authorization_response_algorithms", "id_token_algorithms"):
        if getattr(server, name) != defaults[name]:
            _ = kept.pop(name, None)  # the registration's own
    if server.require_pushed_authorization_requests:
        if metadata.pushed_authorization_request_endpoint is None:
            message = (
                f"{metadata.issuer} has no pushed_authorization_request_endpoint, and this registration requires it: "
                "remove REQUIRE_PUSHED_AUTHORIZATION_REQUESTS, or have the provider offer them (RFC 9126)"
            )
            raise ServerUnusable(message)
        kept["pushed_authorization_request_endpoint"] = metadata.pushed_authorization_request_endpoint
    try:
        return replace(server, **kept)
    except ConfigurationError as why:  # what the registration wants, it does not have
        raise ServerUnusable([f"{metadata.issuer}: {problem}" for problem in why.problems]) from None


def reach_of(metadata: Metadata, *, mutual_tls: bool = False) -> Reach:
    """How far the endpoints may lie: on the issuer's own origin as the operator configured it, else public.

    mutual_tls: whether the aliases for clients with a certificate are used, and so count.
    """
    from valetkey.effects import CONFIGURED, PUBLIC
    from valetkey.http import read_url

    names: tuple[str, ...] = type(metadata).__match_args__
    urls = [getattr(metadata, name) for name in names if name.endswith(("_endpoint", "_uri"))]
    urls += [url for _, url in metadata.mtls_endpoint_aliases if mutual_tls]
    origin = read_url(metadata.issuer).origin
    return CONFIGURED if all(read_url(url).origin == origin for url in urls if url) else PUBLIC


def issuer_metadata(settings: Settings, issuer: str, *, kept: KeptMetadata, reach: Reach) -> Op[Metadata]:
    """What the issuer publishes, from the nearest place that has it.

    reach: PUBLIC where somebody else named the issuer. Raises ProviderError, MalformedResponse, TransportError.
    """
    from valetkey.connections.grant import exchange_deadline
    from valetkey.effects import Now
    from valetkey.errors import ProviderError, TransportError
    from valetkey.oauth2.metadata import fetch_metadata

    now = yield from Now()
    if kept.found is not None and kept.found.issuer == issuer and now < kept.fresh_until:
        return kept.found
    stored, fetched_at = yield from _load(settings, issuer, reach)
    if stored is not None and 0 <= now - fetched_at < FRESH_SECONDS:
        kept.found, kept.fresh_until = stored, fetched_at + FRESH_SECONDS
        return stored
    try:
        found = yield from fetch_metadata(issuer, not_after=(yield from exchange_deadline()), reach=reach)
    except (ProviderError, TransportError):
        if stored is None or not 0 <= now - fetched_at < LAST_GOOD_SECONDS:
            raise
        kept.found, kept.fresh_until = stored, now + AGAIN_SECONDS
        return stored
    kept.found, kept.fresh_until = found, now + FRESH_SECONDS
    yield from _save(settings, found, now)
    return found


def _load(settings: Settings, issuer: str, reach: Reach) -> Op[tuple[Metadata | None, float]]:
    """What the store has, whenever it was fetched; None where it has nothing or cannot say."""
    from valetkey.effects import Key, Load, Open
    from valetkey.errors import MalformedResponse, StoreError
    from valetkey.http import Headers, Response
    from valetkey.oauth2.metadata import read_metadata

    try:
        row = yield from Load(Key(_partition(issuer), NAME))
        if row is None:
            return None, 0
        octets = yield from Open(_place(settings, issuer), row.sealed)
        return read_metadata(Response(200, Headers(), octets), issuer=issuer, reach=reach), int(
            row.clear.get("fetched_at", 0)
        )
    except (StoreError, MalformedResponse):  # it is only a copy: the issuer is asked
        return None, 0


def _save(settings: Settings, metadata: Metadata, now: float) -> Op[None]:
    """Keep it for the fleet. Sealed, so that who can write to the store cannot lead the client's secret elsewhere."""
    from valetkey.effects import Key, Load, Random, Row, Seal, Swap
    from valetkey.errors import StoreError
    from valetkey.oauth2.metadata import write_metadata

    key = Key(_partition(metadata.issuer), NAME)
    try:
        sealed = yield from Seal(_place(settings, metadata.issuer), write_metadata(metadata))
        row = yield from Load(key)
        new = Row(key, (yield from Random(16)), {"fetched_at": int(now)}, sealed, int(now) + LAST_GOOD_SECONDS)
        _ = yield from Swap(key, row.version if row else None, new)  # another caller's is as good
    except (StoreError, ValueError):  # metadata that is too long for a row: each process reads it by itself
        return


def _partition(issuer: str) -> str:
    from valetkey.digest import sha256_hex

    return sha256_hex(f"issuer {issuer}")


def _place(settings: Settings, issuer: str) -> Place:
    from valetkey.connections.seal import discovery_place

    return discovery_place(settings.environment, issuer)
