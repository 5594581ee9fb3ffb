"""The client proved who it is, so that it may have a token for itself."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def client_proved(exchange: Exchange) -> None:
    """RFC 6749 section 4.4: client credentials are for confidential clients only."""
    if exchange.client.public:
        raise Refusal("unauthorized_client", "A public client gets no token for itself.")
