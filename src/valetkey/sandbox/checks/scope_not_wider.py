"""A refresh asks for no more than was granted."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.sandbox.scope import read_scope


def scope_not_wider(exchange: Exchange) -> None:
    """RFC 6749 section 6. Sets `scope`; without the parameter, what the resource owner granted."""
    text = exchange.parameter("scope")
    scope = exchange.family.scope if text is None else read_scope(text)
    if not set(scope) <= set(exchange.family.scope):
        raise Refusal("invalid_scope", "The scope is more than the resource owner granted.")
    exchange.scope = scope
