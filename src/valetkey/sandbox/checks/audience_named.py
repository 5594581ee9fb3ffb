"""The access token was issued for this resource by name."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def audience_named(exchange: Exchange) -> None:
    """MCP authorization: a server takes only what was issued for it."""
    if not exchange.family.resource:
        raise Refusal("invalid_token", "The access token was issued for no resource in particular.", status=401)
