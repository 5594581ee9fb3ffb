"""The access token was given in somebody's name."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def account_present(exchange: Exchange) -> None:
    """A token that the client got for itself (RFC 6749 section 4.4) opens nobody's account."""
    if not exchange.family.account:
        raise Refusal(
            "insufficient_scope", "This token is the client's own: there is no account behind it.", status=403
        )
