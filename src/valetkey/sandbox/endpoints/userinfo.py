"""Claims about the account whose access token it is (OpenID Connect Core 1.0 section 5.3)."""

from __future__ import annotations

from valetkey.sandbox.answers import json_answer
from valetkey.sandbox.spoilt import spoil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Response
    from valetkey.sandbox.exchange import Exchange


def userinfo(exchange: Exchange) -> Response:
    """The subject, and what the token's scope covers (section 5.4)."""
    account, scope = exchange.account, exchange.access_token.scope
    exchange.notes["account"] = account.name
    claims: dict[str, object] = {"sub": account.name, "name": account.title}
    if "profile" in scope:
        claims["preferred_username"] = account.name
    if "email" in scope:
        claims |= {"email": f"{account.name}@accounts.example", "email_verified": True}
    if "phone" in scope:
        claims |= {"phone_number": "+1 555 0100", "phone_number_verified": False}
    if "address" in scope:
        claims["address"] = {"formatted": "1 Rabbit Hole, Wonderland"}
    return json_answer(spoil(claims, exchange.fault, now=exchange.now))
