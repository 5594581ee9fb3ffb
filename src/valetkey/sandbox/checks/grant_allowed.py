"""The client is registered for the grant type."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def grant_allowed(exchange: Exchange) -> None:
    """RFC 6749 section 5.2: unauthorized_client."""
    if exchange.parameter("grant_type") not in exchange.client.grant_types:
        raise Refusal("unauthorized_client", "The client is not registered for this grant type.")
