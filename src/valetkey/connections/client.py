"""Tokens of the application itself, for no resource owner (RFC 6749 section 4.4), one for the whole fleet.

    first caller   --create the row, empty and expired--claim--ask--commit--> token
    all others     --load ... wait ...--load-------------------------------> the same token

The one rule: it is a connection like any other, of an owner that no caller can name; lease, commit and recovery are
those of `refresh`. A different scope is a different connection.
"""

from __future__ import annotations

from valetkey.connections.codec import APPLICATION, connection_key
from valetkey.connections.connection import GONE, Connection, Credentials, Tokens, next_state
from valetkey.connections.records import describe_record, load_record, seal_credentials, write_record
from valetkey.connections.refresh import current_tokens
from valetkey.connections.registrations import refuse_by_url, registered
from valetkey.connections.sign import refuse_bound, refuse_certificate_bound
from valetkey.digest import sha256_hex
from valetkey.effects import Load, Now, Random
from valetkey.errors import ConfigurationError, ReauthorizationRequired
from valetkey.providers.provider import Rotation
from valetkey.secret import Secret
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.providers.registration import Registration

MAX_LABEL = 100


def client_token(
    settings: Settings, registration: str, *, scope: tuple[str, ...] | None = None, rejected: Secret | None = None
) -> Op[Secret]:
    """An access token of the client itself that works now, asked for once for all who need it.

    scope: None asks for the registration's. rejected: a token that the provider has just refused.
    Raises ConfigurationError for OAuth 1.0a, public clients and those that a URL led to, RefreshInProgress,
    ProviderError, TransportError, StoreError.
    """
    at = client_registration((yield from registered(settings, registration)), scope)
    refuse_certificate_bound(at)
    tokens = yield from client_tokens(settings, at, rejected=rejected)
    refuse_bound(at, tokens)
    return tokens.access_token


def client_connection(settings: Settings, registration: str, *, scope: tuple[str, ...] | None = None) -> Op[Connection]:
    """The client's own connection, with a token that works now: its scope, its times and what was answered beside it.

    Raises what `client_token` raises.
    """
    at = client_registration((yield from registered(settings, registration)), scope)
    _ = yield from client_tokens(settings, at)
    record = yield from load_record(at.name, resource_owner=APPLICATION, account=scope_label(at.scope))
    if record is None:
        raise ReauthorizationRequired(at.name, "not_connected")
    return (yield from describe_record(settings, record))


def client_registration(registration: Registration, scope: tuple[str, ...] | None = None) -> Registration:
    """The registration as the client uses it for itself. Raises ConfigurationError where it cannot."""
    refuse_by_url(registration)
    server = registration.provider.server
    if registration.provider.protocol != "oauth2":
        message = f"{registration.name} speaks OAuth 1.0a, where clients alone sign: use sign_as_client"
        raise ConfigurationError(message)
    if getattr(server, "token_endpoint_auth_method", "none") == "none":
        message = f"{registration.name} is a public client: only one that can prove who it is gets a token for itself"
        raise ConfigurationError(message)
    alone = replace(registration.provider, rotation=Rotation("none"))
    asked = registration.scope if scope is None else scope
    return replace(registration, provider=alone, scope=asked, grant="client_credentials")


def client_tokens(settings: Settings, at: Registration, *, rejected: Secret | None = None) -> Op[Tokens]:
    """The client's tokens. at: from `client_registration`."""
    label = scope_label(at.scope)
    for _ in range(2):
        try:
            return (
                yield from current_tokens(settings, at, resource_owner=APPLICATION, account=label, rejected=rejected)
            )
        except ReauthorizationRequired as error:
            if error.reason != "not_connected":
                raise
        yield from _create(settings, at, label)
    message = f"{at.name}: the row of the client's own token vanishes as soon as it is written: look at the store"
    raise ConfigurationError(message)


def scope_label(scope: tuple[str, ...]) -> str:
    """Which of the client's own connections it is: its scope in any order, or the SHA-256 of a long one."""
    text = " ".join(sorted(set(scope)))
    return text if len(text) <= MAX_LABEL and text.isascii() else sha256_hex(text)


def _create(settings: Settings, at: Registration, label: str) -> Op[None]:
    """A connection that has expired before anything was in it, so that the next step is an ordinary refresh."""
    key = connection_key(at.name, APPLICATION, label)
    if (yield from Load(key)) is not None:
        return
    connection = Connection(
        registration=at.name,
        resource_owner=APPLICATION,
        account=label,
        state=next_state(GONE, "connected"),
        scope=at.scope,
        incarnation=(yield from Random(16)).hex(),
        access_expires_at=1,
        refresh_due_at=1,
        created_at=int((yield from Now())),
    )
    empty = Credentials(APPLICATION, Tokens(Secret("")), scope=at.scope)
    connection, sealed = yield from seal_credentials(settings, key, connection, empty)
    _ = yield from write_record(key, None, connection, sealed)  # lost: somebody else has made it
