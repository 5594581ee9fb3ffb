"""The client proved who it is with a secret."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def client_confidential(exchange: Exchange) -> None:
    """RFC 7662 section 2.1: introspection needs authorization, or it tells anybody which tokens live."""
    if exchange.client.public:
        raise Refusal("invalid_client", "Introspection is for clients that have a secret.", status=401)
