"""The refresh token was issued, to this client, and its grant stands."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.sandbox.state import fingerprint
from valetkey.sandbox.tokens import REFRESH_TOKEN_SECONDS


def refresh_token_known(exchange: Exchange) -> None:
    """RFC 6749 section 6. Sets `refresh_token` and `family`. Another client's attempt changes nothing."""
    text = exchange.parameter("refresh_token")
    if text is None:
        raise Refusal("invalid_request", "The refresh_token is missing.")
    exchange.notes["refresh_token"] = fingerprint(text)[:12]
    state = exchange.sandbox.state
    token = state.refresh_tokens.get(fingerprint(text))
    family = None if token is None else state.families.get(token.family)
    if token is None or family is None or family.client_id != exchange.client.client_id:
        raise Refusal("invalid_grant", "The refresh token is not one that was issued to this client.")
    if family.revoked or exchange.now >= token.issued_at + REFRESH_TOKEN_SECONDS:
        raise Refusal("invalid_grant", "The grant was revoked or has expired.")
    exchange.refresh_token, exchange.family = token, family
