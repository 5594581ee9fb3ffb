"""What is pushed is the request itself (RFC 9126 section 2.1)."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def request_by_value(exchange: Exchange) -> None:
    """No reference to another request."""
    if any(name == "request_uri" for name, _ in exchange.form):
        raise Refusal("invalid_request", "A request_uri is not pushed.")
