"""The access token's scope covers the protected resource."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def scope_sufficient(exchange: Exchange) -> None:
    """RFC 6750 section 3.1: insufficient_scope is a 403, and says which scope is needed."""
    needed = exchange.endpoint.scope if exchange.endpoint is not None else ""
    if needed not in exchange.access_token.scope:
        raise Refusal("insufficient_scope", "The access token does not cover this.", status=403)
