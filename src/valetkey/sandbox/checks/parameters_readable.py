"""The request can be read in one way only."""

from __future__ import annotations

from valetkey.sandbox.exchange import MAX_BODY, Exchange, Refusal


def parameters_readable(exchange: Exchange) -> None:
    """Sizes are bounded, escapes are whole and spell UTF-8."""
    if len(exchange.request.body) > MAX_BODY:
        raise Refusal("invalid_request", "The body is longer than 64 KiB.", status=413)
    if exchange.malformed:
        raise Refusal(
            "invalid_request", "A percent sign is not followed by two hexadecimal digits, or text is not UTF-8."
        )
