"""Access a protected resource on the resource owner's behalf (RFC 6749 section 7, RFC 5849 section 3).

The one rule: after a 401 the token that was refused is refreshed and the request sent again, once, and only where the
token that was refused is still the stored one. Not here: redirects and bodies (`drivers.session`).
"""

from __future__ import annotations

from valetkey.connections.grant import speaker
from valetkey.connections.refresh import current_tokens
from valetkey.connections.sign import check_target
from valetkey.effects import CONFIGURED, Now, Remaining, Send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.http import Request, Response

MAX_CALL_SECONDS = 60.0


def call(
    settings: Settings, request: Request, *, registration: str, resource_owner: str, account: str = ""
) -> Op[Response]:
    """What the resource server answers to the authorized request. Raises what `sign` raises, TransportError."""
    at = settings.registration(registration)
    check_target(at, request)
    tokens = yield from current_tokens(settings, at, resource_owner=resource_owner, account=account)
    signed = yield from speaker(at).authorize(at, request, tokens)
    response = yield from Send(signed, CONFIGURED, (yield from _deadline()), kept=True)
    if response.status != 401 or tokens.refresh_token is None:  # 6750 s3.1: 401 is invalid_token
        return response
    renewed = yield from current_tokens(
        settings, at, resource_owner=resource_owner, account=account, rejected=tokens.access_token
    )
    signed = yield from speaker(at).authorize(at, request, renewed)
    return (yield from Send(signed, CONFIGURED, (yield from _deadline()), kept=True))


def _deadline() -> Op[float]:
    left = yield from Remaining()
    return (yield from Now()) + min(MAX_CALL_SECONDS, left)
