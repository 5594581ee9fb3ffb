"""A connection's steps in the implicit grant (RFC 6749 section 4.2; OpenID Connect Core 1.0 section 3.2).

    begin      response_type `token` or `id_token token`; no PKCE, for there is no code
    callback   our page takes the fragment out of the address and posts it; the flow is found and claimed as ever
    redeem     whose token is it?   id_token   signature, claims, nonce and at_hash, every one of them
                                    none       introspection (RFC 7662) must show this client's identifier

The one rule: without the registration's `accept_implicit_grant` nothing is asked for and nothing is read; and a token
that the provider does not say was issued to this client is not kept (RFC 6749 section 10.16), whatever else is right.
There is no refresh token: when the access token has ended the resource owner is asked again.
"""

from __future__ import annotations

from valetkey.connections.by_oauth2 import (
    NONCE_OCTETS,
    OPENID,
    authorize,
    check_same_issuer,
    granted,
    parts,
    refresh,
    request_location,
    revoke,
)
from valetkey.connections.pending import MAX_COMPLETION_SECONDS
from valetkey.effects import Now, Random
from valetkey.errors import CallbackError, ConfigurationError, MalformedResponse, ProviderError, TransportError
from valetkey.http import base64url
from valetkey.secret import Secret
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from valetkey.connections.grant import Grant
    from valetkey.connections.pending import Pending
    from valetkey.effects import WireOp
    from valetkey.http import Pairs
    from valetkey.oauth2.client import Client
    from valetkey.oauth2.introspection import Introspection
    from valetkey.oauth2.server import AuthorizationServer
    from valetkey.oauth2.token_response import TokenResponse
    from valetkey.providers.registration import Registration

ACCESS_TOKEN: Literal["access_token"] = "access_token"  # noqa: S105 - a word of RFC 7009, not a token
__all__ = ["authorize", "begin", "read_callback", "redeem", "refresh", "revoke"]


def begin(
    registration: Registration, pending: Pending, *, state: str, scope: tuple[str, ...], not_after: float
) -> WireOp[tuple[str, Pending]]:
    """The authorization request (RFC 6749 section 4.2.1), with a nonce where it asks for an id_token (Core 3.2.2.1)."""
    from valetkey.oauth2.authorization import authorization_parameters

    server, client = _accepted(registration)
    if _wants_id_token(server):
        if OPENID not in scope:
            message = f"{registration.name}: response_type id_token token needs `openid` in the scope"
            raise ConfigurationError(message)
        pending = replace(pending, nonce=base64url((yield from Random(NONCE_OCTETS))))
    asked = authorization_parameters(
        server, client, state=state, scope=scope, code_challenge=None, nonce=pending.nonce or None
    )
    location = yield from request_location(server, client, asked, not_after=not_after)
    return location, replace(pending, issuer=server.issuer or "")


def read_callback(registration: Registration, pending: Pending, pairs: Pairs) -> tuple[Secret | None, Pairs]:
    """The answer (RFC 6749 section 4.2.2), from the issuer that was asked (RFC 9207 section 2.4); not believed yet."""
    from valetkey.oauth2.implicit import beside_tokens, read_implicit_answer

    server, _ = _accepted(registration)
    check_same_issuer(pending.issuer, server)
    return read_implicit_answer(pairs, server=server), beside_tokens(pairs)


def redeem(registration: Registration, pending: Pending, answer: Secret | None, *, not_after: float) -> WireOp[Grant]:
    """The tokens in the answer, once it is known that they are this client's, and of this flow.

    Nothing is spent by asking: where nobody can be asked the error is a TransportError of a request that never was, so
    that the same answer can be tried again. Raises CallbackError `id_token_...` and `token_...`, ProviderError.
    """
    from valetkey.oauth2.implicit import implicit_tokens

    server, client = _accepted(registration)
    # Behind a connect link the answer has waited for the resource owner to confirm: nobody wrote down how long.
    received_at = (yield from Now()) - (MAX_COMPLETION_SECONDS if pending.link else 0)
    response = implicit_tokens(answer or Secret(""), server=server, received_at=received_at)
    response = replace(response, extra=())  # the browser's word, and kept as that
    asked = tuple(pending.scope.split(" ")) if pending.scope else registration.scope
    if _wants_id_token(server):
        return (yield from _with_identity(registration, pending, response, asked=asked, not_after=not_after))
    known = yield from _introspected(server, client, response, not_after=not_after)
    scope = response.scope if known.scope is None else known.scope  # the provider's word, not the browser's
    ends = [moment for moment in (response.expires_at, known.expires_at) if moment]
    response = replace(response, refresh_token=None, scope=scope, expires_at=min(ends, default=None))
    return granted(response, asked=asked, before=None)


def _accepted(registration: Registration) -> tuple[AuthorizationServer, Client]:
    if not registration.accept_implicit_grant:
        message = (
            f"{registration.name}: the implicit grant puts tokens into addresses, which RFC 9700 section 2.1.2 advises "
            "against; use response_type code, or set accept_implicit_grant if the provider has nothing else"
        )
        raise ConfigurationError(message)
    return parts(registration)


def _wants_id_token(server: AuthorizationServer) -> bool:
    return server.response_type == "id_token token"


def _with_identity(
    registration: Registration, pending: Pending, response: TokenResponse, *, asked: tuple[str, ...], not_after: float
) -> WireOp[Grant]:
    from valetkey.connections.identity import check_implicit_id_token
    from valetkey.connections.issuer_keys import fetch_keys
    from valetkey.oauth2.id_token import refuse

    server, client = parts(registration)
    if not pending.nonce:  # the flow was begun for something else
        raise refuse("nonce", "this flow was begun without one")
    kept = yield from fetch_keys(registration, server, not_after=not_after)
    who = yield from check_implicit_id_token(
        server, client, response, kept=kept, nonce=pending.nonce, not_after=not_after
    )
    tokens = replace(response, refresh_token=None)
    return replace(granted(tokens, asked=asked, before=None), subject=who.subject, issuer=who.issuer)


def _introspected(
    server: AuthorizationServer, client: Client, response: TokenResponse, *, not_after: float
) -> WireOp[Introspection]:
    """What the provider says of the token, if it says that it is active and this client's."""
    from valetkey.oauth2.introspection import introspect_token

    try:
        found = yield from introspect_token(
            server, client, token=response.access_token, token_type_hint=ACCESS_TOKEN, not_after=not_after
        )
    except TransportError:
        raise _nobody_to_ask() from None
    except MalformedResponse:
        message = "the provider's introspection endpoint does not say whose token it is: it is not kept"
        raise CallbackError("token_unverified", message) from None
    except ProviderError as error:
        if error.status == 429 or error.status >= 500:
            raise _nobody_to_ask() from None
        raise
    if not found.active:
        raise CallbackError("token_inactive", "the provider says that the token of this answer is none: start again")
    if found.client_id != client.client_id:
        message = "the token of this answer was not issued to this client, as far as the provider says: it is not kept"
        raise CallbackError("token_unverified" if found.client_id is None else "token_of_another_client", message)
    return found


def _nobody_to_ask() -> TransportError:
    message = "the provider cannot be asked now whose token it is, so it was not kept"
    return TransportError(message, maybe_received=False)
