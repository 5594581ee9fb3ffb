"""The access token was not issued for another resource."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def audience_right(exchange: Exchange) -> None:
    """RFC 8707 section 2: a token for one resource is good there and nowhere else."""
    if exchange.family.resource not in ("", f"{exchange.sandbox.base_url}{exchange.path}"):
        raise Refusal("invalid_token", "The access token was issued for something else.", status=401)
