"""Connections that a user name and a password buy (RFC 6749 section 4.3), for providers that have no other way in.

The one rule: only a registration with `accept_password_grant` may do it: RFC 9700 section 2.4 forbids the grant. The
password is sent once, kept nowhere and in no error; a wrong one leaves a connection that is there as it was. How often
somebody may try is the application's matter.
"""

from __future__ import annotations

from valetkey.connections.by_oauth2 import granted, new_key, parts, proof_key
from valetkey.connections.codec import connection_key
from valetkey.connections.discovery import heeded, ready
from valetkey.connections.establish import flow_mark, save_grant
from valetkey.connections.grant import exchange_deadline
from valetkey.connections.identity import identified, keys_for
from valetkey.connections.records import sealing_key
from valetkey.connections.registrations import refuse_by_url, refuse_oauth1, registered
from valetkey.effects import Random
from valetkey.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.connection import Connection
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.secret import Secret


def connect_by_password(
    settings: Settings,
    registration: str,
    *,
    resource_owner: str,
    username: str,
    password: Secret,
    scope: tuple[str, ...] | None = None,
    account: str = "",
) -> Op[Connection]:
    """The connection that the provider gives for a user name and a password (RFC 6749 section 4.3).

    Raises ConfigurationError where the registration did not accept that; RequestRefused for a user name or password
    that cannot be sent; ProviderError, with error `invalid_grant` where one is wrong; CallbackError `id_token_...`;
    TransportError, StoreError.
    """
    from valetkey.oauth2.password import password_grant

    named = yield from registered(settings, registration, owner=resource_owner)
    refuse_by_url(named)
    refuse_oauth1(named, "password grant")
    if not named.accept_password_grant:
        message = (
            f"{registration}: the password grant hands the resource owner's password to this application, which RFC "
            "9700 section 2.4 forbids; set accept_password_grant if the provider has no other way in"
        )
        raise ConfigurationError(message)
    at = yield from ready(settings, named, "password")
    server, client = parts(at)
    _ = connection_key(at.name, resource_owner, account)  # what cannot be stored is refused before anything is sent
    _ = yield from sealing_key(settings)
    asked = at.scope if scope is None else scope
    mark = flow_mark((yield from Random(16)).hex())
    not_after = yield from exchange_deadline()
    kept = yield from keys_for(at, server, asked, not_after=not_after)
    key = yield from new_key(server)
    response = yield from heeded(
        settings,
        at,
        password_grant(
            server,
            client,
            username=username,
            password=password,
            scope=asked,
            proof_key=proof_key(at, key),
            not_after=not_after,
        ),
    )
    found = granted(response, asked=asked, before=None, key=key), response
    grant = yield from identified(server, client, *found, kept=kept, not_after=not_after)
    return (
        yield from save_grant(settings, at, grant, resource_owner=resource_owner, account=account, authorized_by=mark)
    )
