"""Revocation of OAuth 2.0 tokens (RFC 7009)."""

from __future__ import annotations

from valetkey.sandbox.answers import empty_answer
from valetkey.sandbox.state import fingerprint
from valetkey.sandbox.tokens import revoke_family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Response
    from valetkey.sandbox.exchange import Exchange


def revoke(exchange: Exchange) -> Response:
    """A refresh token ends its grant, an access token itself; an unknown one, or another client's, nothing.

    The answer is 200 in every case (RFC 7009 section 2.2), and the hint is not needed.
    """
    state = exchange.sandbox.state
    name = fingerprint(exchange.parameter("token") or "")
    exchange.notes["token"] = name[:12]
    token = state.refresh_tokens.get(name) or state.access_tokens.get(name)
    family = None if token is None else state.families.get(token.family)
    if token is None or family is None or family.client_id != exchange.client.client_id:
        return empty_answer()
    if name in state.refresh_tokens:
        revoke_family(exchange.sandbox, token.family)
    else:
        del state.access_tokens[name]
    return empty_answer()
