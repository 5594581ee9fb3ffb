"""Every request: the right credentials, for the provider's own hosts only.

The one rule: nothing that a caller passes can send credentials to a host that the provider's entry does not name.
"""

from __future__ import annotations

from valetkey.connections.grant import speaker
from valetkey.connections.refresh import current_tokens
from valetkey.connections.registrations import registered_lately
from valetkey.errors import ConfigurationError, TargetRefused
from valetkey.http import DEFAULT_PORTS, is_loopback, read_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.connection import Tokens
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.http import Request, Url
    from valetkey.providers.provider import Provider
    from valetkey.providers.registration import Registration
    from valetkey.secret import Secret


def sign(
    settings: Settings,
    request: Request,
    *,
    registration: str,
    resource_owner: str,
    account: str = "",
    rejected: Secret | None = None,
) -> Op[Request]:
    """The request, signed (RFC 5849 section 3) or with its bearer token (RFC 6750 section 2.1).

    rejected: the access token that the provider answered 401 to, so that it is refreshed if it is still the stored one.
    Raises ConfigurationError for a host that is not the provider's, for an Authorization header of the caller's own,
    and where whoever sends the request must present the client's certificate (RFC 8705).
    """
    at = yield from registered_lately(settings, registration, owner=resource_owner)
    check_target(at, request)
    refuse_certificate_bound(at)
    tokens = yield from current_tokens(settings, at, resource_owner=resource_owner, account=account, rejected=rejected)
    return (yield from speaker(at).authorize(at, request, tokens))


def sign_as_client(
    settings: Settings, request: Request, *, registration: str, scope: tuple[str, ...] | None = None
) -> Op[Request]:
    """The request of the client alone, for no resource owner (RFC 5849 section 3.1, RFC 6749 section 4.4).

    OAuth 1.0a: signed without a token. OAuth 2.0: with a token of the client's own.
    Raises ConfigurationError for a host that is not the provider's; for OAuth 2.0 what `client_token` raises.
    """
    from valetkey.connections.attempt import attempt_as_client

    return (yield from attempt_as_client(settings, request, registration=registration, scope=scope)).signed


def access_token(
    settings: Settings,
    registration: str,
    *,
    resource_owner: str,
    account: str = "",
    rejected: Secret | None = None,
) -> Op[Secret]:
    """An access token that works now, refreshed once for all who ask. Raises what `current_tokens` raises.

    For OAuth 1.0a, whose tokens are of no use without a signature, ConfigurationError.
    """
    at = yield from registered_lately(settings, registration, owner=resource_owner)
    if at.provider.protocol == "oauth1":
        message = f"{registration} speaks OAuth 1.0a, whose requests are signed: use session() or sign()"
        raise ConfigurationError(message)
    refuse_certificate_bound(at)
    tokens = yield from current_tokens(settings, at, resource_owner=resource_owner, account=account, rejected=rejected)
    refuse_bound(at, tokens)
    return tokens.access_token


def refuse_bound(registration: Registration, tokens: Tokens) -> None:
    """Refuse to hand out a token that is of no use without its key (RFC 9449). Raises ConfigurationError."""
    if tokens.proof_key is not None:
        message = f"{registration.name}: its tokens are bound to a key and need proofs: use session() or sign()"
        raise ConfigurationError(message)


def refuse_certificate_bound(registration: Registration) -> None:
    """Refuse to hand out tokens that are of no use without the client's certificate (RFC 8705 section 3).

    Raises ConfigurationError.
    """
    if getattr(registration.provider.server, "tls_client_certificate_bound_access_tokens", False):
        message = (
            f"{registration.name}: its tokens are bound to the client's certificate, which no header carries: use "
            "session() or client_session(), which present it; other HTTP clients are given none of these tokens"
        )
        raise ConfigurationError(message)


def check_target(registration: Registration, request: Request) -> None:
    """Refuse a request that must not carry this registration's credentials.

    Raises ConfigurationError; TargetRefused where it is for where it goes.
    """
    if request.headers.get("authorization") is not None:
        message = "the request has an Authorization header already: remove it, valetkey writes it"
        raise ConfigurationError(message)
    try:
        url = read_url(request.url)
    except ValueError as error:
        message = f"the request's URL cannot be signed: {error}"
        raise ConfigurationError(message) from None
    provider = registration.provider
    on_loopback = provider.loopback_allowed and is_loopback(url.host)
    if url.scheme != "https" and not on_loopback:
        message = f"requests to {provider.title} use https: credentials do not travel in the clear"
        raise TargetRefused(message)
    if provider.api_url and not _lies_below(provider.api_url, url):
        message = f"{url.host} with that port and path is not {provider.title}: it does not get its credentials"
        raise TargetRefused(message)
    if not any(_matches(host, url.host) for host in provider.api_hosts):
        hosts = ", ".join(provider.api_hosts)
        message = f"host {url.host} is not one of {provider.title}'s ({hosts}): it does not get its credentials"
        raise TargetRefused(message)
    if (
        url.port not in (None, DEFAULT_PORTS[url.scheme])
        and not on_loopback
        and url.port not in _own_ports(provider, url)
    ):
        message = f"port {url.port} of {url.host} is not {provider.title}'s: it does not get its credentials"
        raise TargetRefused(message)


def _lies_below(api_url: str, url: Url) -> bool:
    """Whether the URL is the API's or below it, whoever reads its path: a host may be shared with strangers."""
    from valetkey.oauth2.protected_resource import is_plain_path

    api = read_url(api_url)
    if url.origin != api.origin or not is_plain_path(url.path):
        return False
    return url.path == api.path or url.path.startswith(api.path.rstrip("/") + "/")


def _matches(allowed: str, host: str) -> bool:
    """`api.example.com` is itself; `*.example.com` is what lies below it."""
    if not allowed.startswith("*."):
        return host == allowed
    return host.endswith(allowed[1:]) and all(host.split("."))


def _own_ports(provider: Provider, url: Url) -> set[int | None]:
    """The ports of the provider's own endpoints on that host, where an operator runs one elsewhere than on 443."""
    server = provider.server
    written = (server.authorization_endpoint, server.token_endpoint, getattr(server, "issuer", None) or "")
    endpoints = [read_url(endpoint) for endpoint in written if endpoint]  # a provider may have none: only signatures
    return {endpoint.port for endpoint in endpoints if endpoint.host == url.host}
