"""What the provider says of a connection's token (RFC 7662).

The one rule: it is a question. Nothing that is stored changes, no token is refreshed for it, and none is in the answer.
"""

from __future__ import annotations

from valetkey.connections.discovery import described
from valetkey.connections.grant import exchange_deadline
from valetkey.connections.records import load_record, open_record
from valetkey.connections.registrations import registered
from valetkey.errors import ConfigurationError, ReauthorizationRequired
from valetkey.oauth2.server import AuthorizationServer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from valetkey.connections.settings import Settings
    from valetkey.effects import Op, WireOp
    from valetkey.oauth2.introspection import Introspection
    from valetkey.providers.registration import Registration
    from valetkey.secret import Secret


def introspect(settings: Settings, registration: str, *, resource_owner: str, account: str = "") -> Op[Introspection]:
    """What the connection's access token is good for, as the provider sees it now; it may have expired.

    In any state of the connection, so that a dead one can be looked into. Raises ReauthorizationRequired where there
    is no such connection; ConfigurationError where its provider has no introspection endpoint; ProviderError,
    MalformedResponse, TransportError, StoreError.
    """
    at = yield from described(settings, (yield from registered(settings, registration, owner=resource_owner)))
    refuse_unaskable(at)
    record = yield from load_record(at.name, resource_owner=resource_owner, account=account)
    if record is None:
        raise ReauthorizationRequired(at.name, "not_connected", connect_url=settings.connect_page(at.name))
    credentials = yield from open_record(settings, record)
    if at.is_anothers(credentials.client, consent=record.connection.authorized_at):
        raise ReauthorizationRequired(at.name, "client_ended", connect_url=settings.connect_page(at.name))
    return (yield from introspect_at(at, credentials.current.access_token, hint="access_token"))


def introspect_at(
    registration: Registration, token: Secret, *, hint: Literal["access_token", "refresh_token"]
) -> WireOp[Introspection]:
    """What the registration's provider says of one token (RFC 7662 section 2), asked as the client itself.

    registration: with its endpoints, see `discovery.described`. Raises as `introspect` does.
    """
    from valetkey.connections.by_oauth2 import parts
    from valetkey.oauth2.introspection import introspect_token

    refuse_unaskable(registration)
    server, client = parts(registration)
    not_after = yield from exchange_deadline()
    return (yield from introspect_token(server, client, token=token, token_type_hint=hint, not_after=not_after))


def refuse_unaskable(registration: Registration) -> None:
    """Raises ConfigurationError where the provider has nobody to ask."""
    server = registration.provider.server
    if not isinstance(server, AuthorizationServer):
        message = f"{registration.name} speaks OAuth 1.0a, which knows no introspection: call the API with it instead"
        raise ConfigurationError(message)
    if not server.introspection_endpoint:
        message = (
            f"{registration.name} has no introspection endpoint: "
            "add introspection_endpoint to its provider's entry, or call the API with the token instead"
        )
        raise ConfigurationError(message)
