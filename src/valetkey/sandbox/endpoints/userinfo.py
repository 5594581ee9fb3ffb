"""Claims about the account whose access token it is (OpenID Connect Core 1.0 section 5.3)."""

from __future__ import annotations

from valetkey.http import Headers, Response
from valetkey.sandbox.answers import NO_STORE, json_answer
from valetkey.sandbox.signing import signed
from valetkey.sandbox.spoilt import spoil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.sandbox.exchange import Exchange


def userinfo(exchange: Exchange) -> Response:
    """The subject, and what the token's scope covers (section 5.4); signed, where the client is registered for that."""
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
    client = exchange.client
    if not client.userinfo_signed_response_alg:
        return json_answer(spoil(claims, exchange.fault, now=exchange.now))
    claims |= {"iss": exchange.sandbox.issuer, "aud": client.client_id}
    token = signed(exchange, claims, client=client, algorithm=client.userinfo_signed_response_alg)
    return Response(200, Headers((("Content-Type", "application/jwt"), *NO_STORE)), token.encode())
