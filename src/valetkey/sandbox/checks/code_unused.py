"""The code was not used before; if it was, what it gave is revoked."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.sandbox.tokens import revoke_family


def code_unused(exchange: Exchange) -> None:
    """RFC 6749 section 4.1.2: a second use is denied and revokes the tokens of the first.

    The client is authenticated and the code is its own by now, so nobody else can revoke anything by it.
    """
    if exchange.code.family:
        revoke_family(exchange.sandbox, exchange.code.family)
        raise Refusal("invalid_grant", "The code was used before; the tokens that it gave are revoked.")
