"""A code is asked for."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def response_type_code(exchange: Exchange) -> None:
    """RFC 9700 section 2.1.2: tokens are never given out by the authorization endpoint."""
    response_type = exchange.parameter("response_type")
    if response_type is None:
        raise Refusal("invalid_request", "The response_type is missing: ask for code.")
    if response_type != "code":
        raise Refusal("unsupported_response_type", "The only response_type is code.")
