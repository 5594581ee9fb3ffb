"""The answer comes in the query."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def response_mode_query(exchange: Exchange) -> None:
    """OAuth 2.0 Multiple Response Type Encoding Practices, section 2.1."""
    if exchange.parameter("response_mode") not in (None, "query"):
        raise Refusal("invalid_request", "The only response_mode is query.")
