"""Connections that a password buys (xAuth), for providers that have no other way in.

The one rule: only a registration with `accept_xauth` may do it. The resource owner's password passes through the
application, which OAuth was made to end (RFC 5849 section 1; of OAuth 2.0, RFC 9700 section 2.4); it is
sent once, over a connection of its own, and kept nowhere.
"""

from __future__ import annotations

from valetkey.connections.by_oauth1 import granted, parts
from valetkey.connections.codec import connection_key
from valetkey.connections.establish import flow_mark, save_grant
from valetkey.connections.grant import exchange_deadline
from valetkey.connections.registrations import refuse_by_url, registered
from valetkey.effects import Random
from valetkey.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.connection import Connection
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.secret import Secret


def connect_by_xauth(
    settings: Settings, registration: str, *, resource_owner: str, username: str, password: Secret, account: str = ""
) -> Op[Connection]:
    """The connection that the provider gives for a user name and a password.

    Raises ConfigurationError where the registration did not accept that, ProviderError, TransportError, StoreError.
    """
    from valetkey.oauth1.renewal import request_token_by_password

    at = yield from registered(settings, registration, owner=resource_owner)
    refuse_by_url(at)
    if at.provider.protocol != "oauth1":
        message = f"{at.name} speaks OAuth 2.0, and xAuth is OAuth 1.0a's: use begin_authorization"
        raise ConfigurationError(message)
    if not at.accept_xauth:
        message = f"{registration}: xAuth takes the resource owner's password; set accept_xauth if that is acceptable"
        raise ConfigurationError(message)
    server, client = parts(at)
    _ = connection_key(at.name, resource_owner, account)  # what cannot be stored is refused before anything is sent
    mark = flow_mark((yield from Random(16)).hex())
    not_after = yield from exchange_deadline()
    token = yield from request_token_by_password(
        server, client, username=username, password=password, not_after=not_after, clocks=at.clocks
    )
    grant = yield from granted(at, token, before=None)
    return (
        yield from save_grant(settings, at, grant, resource_owner=resource_owner, account=account, authorized_by=mark)
    )
