"""What the token is for is what was consented to."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def resource_same(exchange: Exchange) -> None:
    """RFC 8707 section 2.2: where it is said again, it is the same."""
    granted = exchange.family.resource if hasattr(exchange, "family") else exchange.code.resource
    if exchange.parameter("resource") not in (None, granted):
        raise Refusal("invalid_target", "The resource is not the one that was consented to.")
