"""The code is redeemed with the key that it was asked for with."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def code_bound(exchange: Exchange) -> None:
    """RFC 9449 section 10: only where the authorization request named a key (`dpop_jkt`)."""
    if exchange.code.bound_to not in ("", exchange.bound_to):
        raise Refusal("invalid_grant", "The code is bound to another key.")
