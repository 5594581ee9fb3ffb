"""The signed request is by the client (authorization endpoint, pushed requests)."""

from __future__ import annotations

from valetkey.sandbox.client_jwt import read_client_jwt
from valetkey.sandbox.exchange import Exchange, Refusal

OF_THE_TOKEN = ("iss", "aud", "sub", "exp", "nbf", "iat", "jti")


def request_object_valid(exchange: Exchange) -> None:
    """RFC 9101 sections 5 and 6: what is signed counts, and nothing beside it. Sets `query`, or `form` of a push."""
    text = exchange.parameter("request")
    if text is None:
        if exchange.client.require_signed_request_object and not exchange.request_uri:  # it was looked at when pushed
            raise Refusal("invalid_request", "This client's authorization requests are signed.")
        return
    try:
        found = read_client_jwt(exchange.sandbox, exchange.client, text, alone=False)
    except ValueError as why:
        raise Refusal("invalid_request_object", f"The request object is refused: {why}.") from None
    claims = found.claims
    if found.type != "oauth-authz-req+jwt" or "nbf" not in claims or "request_uri" in claims or "request" in claims:
        raise Refusal("invalid_request_object", "The request object is not one.")
    if claims.get("client_id") != exchange.client.client_id:
        raise Refusal("invalid_request_object", "The client_id in the request object is another.")
    pairs = tuple((name, _text(claim)) for name, claim in claims.items() if name not in OF_THE_TOKEN)
    if exchange.request.method == "POST":
        exchange.form = pairs
    else:
        exchange.query = pairs


def _text(claim: object) -> str:
    import json

    return claim if isinstance(claim, str) else json.dumps(claim)
