"""Connections that an assertion brings (RFC 7521): somebody who vouches for the resource owner, and no browser.

The one rule: who vouches for whom is the application's matter: it names the resource owner, and the assertion that it
passes must be about them. Where the provider gives no refresh token, the application brings a new assertion when
ReauthorizationRequired says `expired_without_refresh_token`.
"""

from __future__ import annotations

from valetkey.connections.beside import beside
from valetkey.connections.by_oauth2 import granted, new_key, parts, proof_key
from valetkey.connections.codec import connection_key
from valetkey.connections.connection import Tokens
from valetkey.connections.discovery import heeded, ready
from valetkey.connections.establish import flow_mark, save_grant
from valetkey.connections.grant import exchange_deadline
from valetkey.connections.identity import OPENID, check_id_token, identified, keys_for
from valetkey.connections.records import sealing_key
from valetkey.connections.registrations import refuse_by_url, refuse_oauth1, registered
from valetkey.connections.sign import refuse_certificate_bound
from valetkey.effects import Random
from valetkey.errors import ConfigurationError
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from valetkey.connections.connection import Connection
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op, WireOp
    from valetkey.oauth2.client import Client
    from valetkey.oauth2.kept import KeptKeys
    from valetkey.oauth2.server import AuthorizationServer
    from valetkey.oauth2.token_exchange import ExchangedToken
    from valetkey.secret import Secret

    AssertionKind: TypeAlias = Literal["jwt", "saml"]


def connect_by_assertion(
    settings: Settings,
    registration: str,
    *,
    resource_owner: str,
    assertion: Secret,
    kind: AssertionKind = "jwt",
    scope: tuple[str, ...] | None = None,
    account: str = "",
) -> Op[Connection]:
    """The connection that the provider gives for a JWT (RFC 7523 section 2.1) or SAML assertion (RFC 7522 section 2.1).

    assertion: a JWT in compact form, or the SAML assertion's XML in base64url.
    Raises ConfigurationError, ProviderError, CallbackError `id_token_...`, TransportError, StoreError.
    """
    from valetkey.oauth2.assertion import JWT_BEARER, SAML_BEARER, jwt_bearer_grant, saml_bearer_grant

    if kind not in ("jwt", "saml"):
        message = f"kind is 'jwt' or 'saml', not {kind!r}"
        raise ConfigurationError(message)
    named = yield from registered(settings, registration, owner=resource_owner)
    refuse_by_url(named)
    refuse_oauth1(named, "assertions")
    at = yield from ready(settings, named, JWT_BEARER if kind == "jwt" else SAML_BEARER)
    server, client = parts(at)
    _ = connection_key(at.name, resource_owner, account)  # what cannot be stored is refused before anything is sent
    _ = yield from sealing_key(settings)
    asked = at.scope if scope is None else scope
    mark = flow_mark((yield from Random(16)).hex())
    not_after = yield from exchange_deadline()
    program = jwt_bearer_grant if kind == "jwt" else saml_bearer_grant
    kept = yield from keys_for(at, server, asked, not_after=not_after)
    key = yield from new_key(server)
    response = yield from heeded(
        settings,
        at,
        program(server, client, assertion=assertion, scope=asked, proof_key=proof_key(at, key), not_after=not_after),
    )
    found = granted(response, asked=asked, before=None, key=key), response
    grant = yield from identified(server, client, *found, kept=kept, not_after=not_after)
    return (
        yield from save_grant(settings, at, grant, resource_owner=resource_owner, account=account, authorized_by=mark)
    )


def exchange_token(
    settings: Settings,
    registration: str,
    *,
    subject_token: Secret,
    subject_token_type: str = "",
    actor_token: Secret | None = None,
    actor_token_type: str = "",
    requested_token_type: str = "",
    audience: tuple[str, ...] = (),
    resource: tuple[str, ...] = (),
    scope: tuple[str, ...] = (),
) -> Op[ExchangedToken]:
    """A token for the one who is named by another token (RFC 8693). It is handed out and not stored.

    subject_token_type: empty says that it is an access token.
    An id_token that was asked for, in the token's place or by `openid` beside it, is checked as one of this client's
    and says whose account it is. One that was asked for another audience or resource is theirs to check.
    Raises ConfigurationError, ProviderError, CallbackError `id_token_...`, TransportError.
    """
    from valetkey.oauth2.token_exchange import ACCESS_TOKEN, ID_TOKEN, TOKEN_EXCHANGE
    from valetkey.oauth2.token_exchange import exchange_token as program

    at = yield from registered(settings, registration)
    refuse_by_url(at)
    refuse_oauth1(at, "token exchange")
    refuse_certificate_bound(at)
    at = yield from ready(settings, at, TOKEN_EXCHANGE)
    server, client = parts(at)
    not_after = yield from exchange_deadline()
    kept = None
    if not audience and not resource:
        wanted = (*scope, OPENID) if requested_token_type == ID_TOKEN else scope
        kept = yield from keys_for(at, server, wanted, not_after=not_after)
    found = yield from heeded(
        settings,
        at,
        program(
            server,
            client,
            subject_token=subject_token,
            subject_token_type=subject_token_type or ACCESS_TOKEN,
            actor_token=actor_token,
            actor_token_type=actor_token_type,
            requested_token_type=requested_token_type,
            audience=audience,
            resource=resource,
            scope=scope,
            not_after=not_after,
        ),
    )
    return (yield from _identified(server, client, found, kept=kept, not_after=not_after))


def _identified(
    server: AuthorizationServer, client: Client, found: ExchangedToken, *, kept: KeptKeys | None, not_after: float
) -> WireOp[ExchangedToken]:
    """The token with whose account it is, where an id_token was asked for and came; one not checked is left out."""
    from valetkey.oauth2.token_exchange import ID_TOKEN

    extra = beside(found.extra, tokens=Tokens(found.token, found.refresh_token))
    if kept is None:
        return replace(found, id_token=None, extra=extra)
    alone = found.issued_token_type == ID_TOKEN
    id_token = found.token if alone else found.id_token
    if id_token is None:
        return replace(found, extra=extra)
    token = None if alone else found.token
    who = yield from check_id_token(
        server, client, id_token, kept=kept, nonce=None, access_token=token, not_after=not_after
    )
    return replace(found, issuer=who.issuer, subject=who.subject, extra=extra)
