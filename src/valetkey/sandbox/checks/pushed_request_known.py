"""The request was pushed before, or may come as it is (authorization endpoint)."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.sandbox.state import fingerprint


def pushed_request_known(exchange: Exchange) -> None:
    """RFC 9126 section 4: the reference stands for what its own client pushed. Sets `query` and `request_uri`."""
    reference = exchange.parameter("request_uri")
    if reference is None:
        if exchange.client.require_pushed_authorization_requests:
            raise Refusal("invalid_request", "This client's authorization requests are pushed first.")
        return
    pushed = exchange.sandbox.state.pushed.get(fingerprint(reference))
    if pushed is None or pushed.client_id != exchange.client.client_id or exchange.now >= pushed.expires_at:
        raise Refusal("invalid_request_uri", "The request_uri is unknown, used, expired, or another client's.")
    exchange.query = (("client_id", pushed.client_id), *pushed.parameters)
    exchange.request_uri = fingerprint(reference)
