"""The client is registered for device authorization."""

from __future__ import annotations

from valetkey.sandbox.clients import DEVICE_CODE
from valetkey.sandbox.exchange import Exchange, Refusal


def device_grant_allowed(exchange: Exchange) -> None:
    """RFC 8628 section 3.1, RFC 6749 section 5.2."""
    if DEVICE_CODE not in exchange.client.grant_types:
        raise Refusal("unauthorized_client", "The client is not registered for device authorization.")
