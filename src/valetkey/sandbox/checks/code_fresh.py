"""The code has not expired."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def code_fresh(exchange: Exchange) -> None:
    """RFC 6749 section 4.1.2."""
    if exchange.now >= exchange.code.expires_at:
        raise Refusal("invalid_grant", "The code has expired.")
