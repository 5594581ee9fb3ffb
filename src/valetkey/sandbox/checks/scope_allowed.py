"""The scope is within what the client may ask for."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.sandbox.scope import read_scope


def scope_allowed(exchange: Exchange) -> None:
    """RFC 6749 section 3.3. Sets `scope`; without the parameter, all that the client is registered for."""
    text = exchange.parameter("scope")
    scope = exchange.client.scopes if text is None else read_scope(text)
    if not set(scope) <= set(exchange.client.scopes):
        raise Refusal("invalid_scope", "The scope is more than this client is registered for.")
    exchange.scope = scope
