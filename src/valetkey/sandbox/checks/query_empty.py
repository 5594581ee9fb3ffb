"""Nothing in the URL's query."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def query_empty(exchange: Exchange) -> None:
    """RFC 6749 section 2.3.1: parameters, secrets above all, are never in the request URI."""
    if exchange.raw_query:
        raise Refusal("invalid_request", "Send the parameters in the body: the query is logged on its way.")
