"""The authorization details are of types that the client may ask for."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal

PARAMETER = "authorization_details"


def details_known(exchange: Exchange) -> None:
    """RFC 9396 sections 2 and 5. Sets `details`, as JSON; without the parameter it is empty."""
    exchange.details = exchange.parameter(PARAMETER) or ""
    if exchange.details and not _known(exchange.details, exchange.client.authorization_details_types):
        raise Refusal("invalid_authorization_details", "They are not of a type that this client is registered for.")


def _known(text: str, types: tuple[str, ...]) -> bool:
    import json

    from valetkey.oauth2.requested import details_problems

    return not details_problems(text) and all(one["type"] in types for one in json.loads(text))
