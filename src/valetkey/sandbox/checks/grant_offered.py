"""The grant type is one that some client of the sandbox is registered for."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def grant_offered(exchange: Exchange) -> None:
    """RFC 6749 section 5.2: what nobody may use is not supported, so that the old grants are there on request only."""
    grant_type = exchange.parameter("grant_type")
    if not any(grant_type in client.grant_types for client in exchange.sandbox.clients):
        raise Refusal("unsupported_grant_type", "No client of this server is registered for the grant type.")
