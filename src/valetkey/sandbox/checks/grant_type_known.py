"""The grant type is one of those that there are."""

from __future__ import annotations

from valetkey.sandbox.clients import GRANT_TYPES
from valetkey.sandbox.exchange import Exchange, Refusal


def grant_type_known(exchange: Exchange) -> None:
    """RFC 6749 section 5.2: missing is invalid_request, another one is unsupported_grant_type."""
    grant_type = exchange.parameter("grant_type")
    if grant_type is None:
        raise Refusal("invalid_request", "The grant_type is missing.")
    if grant_type not in GRANT_TYPES:
        raise Refusal("unsupported_grant_type", f"The grant types are {', '.join(GRANT_TYPES)}.")
