"""The proof of possession is right, where there is one (token endpoint)."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.sandbox.proofs import proved_key


def dpop_proved(exchange: Exchange) -> None:
    """RFC 9449 section 5. Sets `bound_to`, empty for tokens that are not bound to a key."""
    exchange.bound_to = proved_key(exchange)
    if exchange.client.dpop_bound_access_tokens and not exchange.bound_to:
        raise Refusal("invalid_dpop_proof", "This client is registered for tokens that are bound to a key.")
