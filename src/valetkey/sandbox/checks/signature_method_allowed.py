"""The signature method is one that this client is registered for."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def signature_method_allowed(exchange: Exchange) -> None:
    """RFC 5849 section 3.4: a client that left SHA-1 behind cannot be imitated with it."""
    if exchange.signed.signature_method not in exchange.client.signature_methods:
        raise Refusal("signature_method_rejected", "This client is registered for other signature methods.", status=401)
