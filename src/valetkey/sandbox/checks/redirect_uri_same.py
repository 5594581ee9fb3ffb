"""The redirect URI is the one that the code was sent to."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def redirect_uri_same(exchange: Exchange) -> None:
    """RFC 6749 section 4.1.3: required where the authorization request had it, and identical."""
    given = exchange.parameter("redirect_uri")
    if given is None:
        if exchange.code.redirect_uri_given:
            raise Refusal("invalid_grant", "The redirect_uri is missing; it was in the authorization request.")
    elif given != exchange.code.redirect_uri:
        raise Refusal("invalid_grant", "The redirect_uri is not the one of the authorization request.")
