"""The client is registered (authorization endpoint)."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def client_known(exchange: Exchange) -> None:
    """RFC 6749 section 4.1.1. Sets `client`."""
    client = exchange.sandbox.client(exchange.parameter("client_id") or "")
    if client is None:
        raise Refusal("invalid_client", "The client_id is missing, or nobody registered it.")
    exchange.notes["client_id"] = client.client_id
    exchange.client = client
