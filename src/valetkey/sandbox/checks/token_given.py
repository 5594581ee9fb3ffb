"""There is a token to revoke or to introspect."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def token_given(exchange: Exchange) -> None:
    """RFC 7009 section 2.1, RFC 7662 section 2.1."""
    if exchange.parameter("token") is None:
        raise Refusal("invalid_request", "The token is missing.")
