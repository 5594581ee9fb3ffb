"""The device code was issued, to this client."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.sandbox.state import fingerprint


def device_code_known(exchange: Exchange) -> None:
    """RFC 8628 section 3.4. Sets `device` and `device_grant`."""
    text = exchange.parameter("device_code")
    if text is None:
        raise Refusal("invalid_request", "The device_code is missing.")
    name = fingerprint(text)
    grant = exchange.sandbox.state.device_grants.get(name)
    if grant is None or grant.client_id != exchange.client.client_id:
        raise Refusal("invalid_grant", "The device code is not one that was issued to this client.")
    if exchange.now >= grant.expires_at:
        raise Refusal("expired_token", "The device code has expired.")
    exchange.device, exchange.device_grant = name, grant
