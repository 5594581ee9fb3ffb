"""The refresh token may still be used; if it is spent, what that means depends on the rotation mode."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.sandbox.rotation import may_be_used, reuse_kills_family
from valetkey.sandbox.tokens import revoke_family


def refresh_token_usable(exchange: Exchange) -> None:
    """RFC 9700 section 4.14.2: a spent token is refused; who sent it may have stolen it, or its successor."""
    token = exchange.refresh_token
    if may_be_used(token, exchange.client, now=exchange.now):
        return
    if reuse_kills_family(exchange.client):
        revoke_family(exchange.sandbox, token.family)
        raise Refusal("invalid_grant", "The refresh token was used before; its grant is revoked.")
    raise Refusal("invalid_grant", "The refresh token was used before.")
