"""A nonce is there where an id_token comes through the browser."""

from __future__ import annotations

from valetkey.sandbox.clients import OPENID
from valetkey.sandbox.exchange import Exchange, Refusal


def nonce_given(exchange: Exchange) -> None:
    """OpenID Connect Core 1.0 section 3.2.2.1; without `openid` there is no id_token to ask for (section 3.1.2.1)."""
    if exchange.response_type != "id_token token":
        return
    if OPENID not in exchange.scope:
        raise Refusal("invalid_scope", "An id_token needs openid in the scope.")
    if exchange.parameter("nonce") is None:
        raise Refusal("invalid_request", "The nonce is missing.")
