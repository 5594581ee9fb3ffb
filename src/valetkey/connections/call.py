"""Access a protected resource on the resource owner's behalf (RFC 6749 section 7, RFC 5849 section 3).

The one rule: after a 401 the token that was refused is refreshed and the request sent again, once, and only where the
token that was refused is still the stored one. Not here: redirects and bodies (`drivers.session`).
"""

from __future__ import annotations

from valetkey.connections.grant import speaker
from valetkey.connections.refresh import current_tokens
from valetkey.connections.registrations import registered_lately
from valetkey.connections.sign import check_target, sign_as_client
from valetkey.effects import Now, Remaining, Send
from valetkey.http import read_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.connection import Tokens
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op, Reach
    from valetkey.http import Request, Response
    from valetkey.providers.registration import Registration

MAX_CALL_SECONDS = 60.0


def call(
    settings: Settings, request: Request, *, registration: str, resource_owner: str, account: str = ""
) -> Op[Response]:
    """What the resource server answers to the authorized request. Raises what `sign` raises, TransportError.

    An answer that asks for scope which the connection lacks is raised as ReauthorizationRequired (6750 section 3.1).
    """
    at = yield from registered_lately(settings, registration)
    response = yield from _call(settings, at, request, resource_owner, account)
    if response.status == 403 and at.provider.protocol == "oauth2":
        from valetkey.connections.scope import check_scope

        yield from check_scope(settings, at, response, resource_owner=resource_owner, account=account)
    return response


def _call(settings: Settings, at: Registration, request: Request, resource_owner: str, account: str) -> Op[Response]:
    check_target(at, request)
    tokens = yield from current_tokens(settings, at, resource_owner=resource_owner, account=account)
    response = yield from _send(at, request, tokens)
    if at.provider.protocol == "oauth1" and response.status in (400, 401):
        response = yield from _at_their_time(at, request, response, tokens)
    if response.status != 401 or tokens.refresh_token is None:  # 6750 s3.1: 401 is invalid_token
        return response
    renewed = yield from current_tokens(
        settings, at, resource_owner=resource_owner, account=account, rejected=tokens.access_token
    )
    return (yield from _send(at, request, renewed))


def _send(at: Registration, request: Request, tokens: Tokens) -> Op[Response]:
    """The answer to the request with these tokens, on a connection that is kept for the next."""
    not_after = yield from _deadline()
    return (yield from send_with(at, request, tokens, reach=at.provider.api_reach, not_after=not_after, kept=True))


def send_with(
    at: Registration, request: Request, tokens: Tokens, *, reach: Reach, not_after: float, kept: bool = False
) -> Op[Response]:
    """The answer to the request with these tokens; with bound ones, after at most one more try with the nonce."""
    certificate = None
    if at.provider.protocol == "oauth2":
        from valetkey.connections.by_oauth2 import bound_certificate

        certificate = bound_certificate(at)
    signed = yield from speaker(at).authorize(at, request, tokens)
    response = yield from Send(signed, reach, not_after, kept=kept, certificate=certificate)
    if tokens.proof_key is None:
        return response
    from valetkey.connections.by_oauth2 import must_prove_again

    if not must_prove_again(at, request, response):
        return response
    proved = yield from speaker(at).authorize(at, request, tokens)
    again = yield from Send(proved, reach, not_after, kept=kept, certificate=certificate)
    _ = must_prove_again(at, request, again)  # it may have given out the next one
    return again


def call_as_client(
    settings: Settings, request: Request, *, registration: str, scope: tuple[str, ...] | None = None
) -> Op[Response]:
    """What the resource server answers to a request of the client alone. Raises what `sign_as_client` does.

    OAuth 2.0: a token that is refused is renewed and the request sent again, once.
    """
    at = yield from registered_lately(settings, registration)
    if at.provider.protocol == "oauth2":
        return (yield from _call_with_own_token(settings, at, request, scope))
    signed = yield from sign_as_client(settings, request, registration=registration)
    response = yield from Send(signed, at.provider.api_reach, (yield from _deadline()), kept=True)
    if response.status not in (400, 401):
        return response
    return (yield from _at_their_time(at, request, response, None))


def _call_with_own_token(
    settings: Settings, registration: Registration, request: Request, scope: tuple[str, ...] | None
) -> Op[Response]:
    from valetkey.connections.client import client_registration, client_tokens

    check_target(registration, request)
    alone = client_registration(registration, scope)
    tokens = yield from client_tokens(settings, alone)
    response = yield from _send(alone, request, tokens)
    if response.status != 401:
        return response
    renewed = yield from client_tokens(settings, alone, rejected=tokens.access_token)
    return (yield from _send(alone, request, renewed))


def _at_their_time(
    registration: Registration, request: Request, response: Response, tokens: Tokens | None
) -> Op[Response]:
    """The answer to the request signed at the server's own time, if that may be why it was refused (5849 s3.3)."""
    from valetkey.connections.by_oauth1 import authorize, authorize_as_client, learn_clock

    if not (yield from learn_clock(registration, request, response)):
        return response
    if tokens is None:
        signed = yield from authorize_as_client(registration, request)
    else:
        signed = yield from authorize(registration, request, tokens)
    again = yield from Send(signed, registration.provider.api_reach, (yield from _deadline()), kept=True)
    if again.status in (400, 401) and registration.clocks is not None:
        registration.clocks.forget(read_url(request.url).host)
    return again


def _deadline() -> Op[float]:
    left = yield from Remaining()
    return (yield from Now()) + min(MAX_CALL_SECONDS, left)
