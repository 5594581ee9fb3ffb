"""The resource owner said yes."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def temporary_approved(exchange: Exchange) -> None:
    """RFC 5849 section 2.3."""
    if exchange.temporary.denied:
        raise Refusal("permission_denied", "The resource owner did not allow access.", status=401)
    if not exchange.temporary.verifier:
        raise Refusal("permission_unknown", "The resource owner has not answered yet.", status=401)
