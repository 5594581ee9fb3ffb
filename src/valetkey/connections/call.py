"""Access a protected resource on the resource owner's behalf (RFC 6749 section 7, RFC 5849 section 3).

The one rule: what is sent after an answer is `attempt.next_attempt`'s to say; here it is only sent. Not here: redirects
and bodies (`drivers.session`).
"""

from __future__ import annotations

from valetkey.connections.attempt import (
    MAX_ATTEMPTS,
    first_attempt,
    first_attempt_as_client,
    next_attempt,
)
from valetkey.connections.grant import exchange_deadline
from valetkey.connections.registrations import registered_lately
from valetkey.effects import Now, Remaining, Send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.attempt import Attempt
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op, Reach, WireOp
    from valetkey.http import Request, Response

MAX_CALL_SECONDS = 60.0


def call(
    settings: Settings, request: Request, *, registration: str, resource_owner: str, account: str = ""
) -> Op[Response]:
    """What the resource server answers to the authorized request. Raises what `sign` raises, TransportError.

    OAuth 1.0a: a refused timestamp is tried again at the server's time, once; ProviderError (`clock_skew`) names both
    times where that cannot help.

    An answer that asks for scope which the connection lacks is raised as ReauthorizationRequired (6750 section 3.1).
    """
    at = yield from registered_lately(settings, registration, owner=resource_owner)
    first = yield from first_attempt(settings, at, request, resource_owner=resource_owner, account=account)
    return (yield from _answer(settings, first))


def call_as_client(
    settings: Settings, request: Request, *, registration: str, scope: tuple[str, ...] | None = None
) -> Op[Response]:
    """What the resource server answers to a request of the client alone. Raises what `sign_as_client` does.

    OAuth 2.0: a token that is refused is renewed and the request sent again, once.
    """
    at = yield from registered_lately(settings, registration)
    first = yield from first_attempt_as_client(settings, at, request, scope=scope)
    return (yield from _answer(settings, first))


def _answer(settings: Settings, first: Attempt) -> Op[Response]:
    """The answer that stands."""
    attempt, response = first, (yield from _send(first))
    for _ in range(MAX_ATTEMPTS):
        following = yield from next_attempt(settings, attempt, response)
        if following is None:
            break
        attempt = following
        at_their_time = attempt.changed[-1] == "clock"
        response = yield from (_send_at_their_time(attempt) if at_their_time else _send(attempt))
    return response


def _send(attempt: Attempt) -> WireOp[Response]:
    """The answer to one attempt, on a connection that is kept for the next call."""
    not_after = yield from _deadline()
    return (yield from _exchange(attempt, attempt.registration.provider.api_reach, not_after, kept=True))


def _send_at_their_time(attempt: Attempt) -> WireOp[Response]:
    """The same, with a name of its own in traces."""
    not_after = yield from _deadline()
    return (yield from _exchange(attempt, attempt.registration.provider.api_reach, not_after, kept=True))


def answer_of_server(settings: Settings, first: Attempt, reach: Reach) -> Op[Response]:
    """The answer that stands of an endpoint of the authorization server, each exchange in the time that one has."""
    attempt = first
    response = yield from _exchange(attempt, reach, (yield from exchange_deadline()))
    for _ in range(MAX_ATTEMPTS):
        following = yield from next_attempt(settings, attempt, response)
        if following is None:
            break
        attempt = following
        response = yield from _exchange(attempt, reach, (yield from exchange_deadline()))
    return response


def _exchange(attempt: Attempt, reach: Reach, not_after: float, *, kept: bool = False) -> WireOp[Response]:
    """The answer to one attempt, the client's certificate presented where tokens are bound to it."""
    at, certificate = attempt.registration, None
    if at.provider.protocol == "oauth2":
        from valetkey.connections.by_oauth2 import bound_certificate

        certificate = bound_certificate(at)
    return (yield from Send(attempt.signed, reach, not_after, kept=kept, certificate=certificate))


def _deadline() -> WireOp[float]:
    left = yield from Remaining()
    return (yield from Now()) + min(MAX_CALL_SECONDS, left)
