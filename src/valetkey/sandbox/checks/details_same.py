"""The authorization details are those that were granted."""

from __future__ import annotations

from valetkey.sandbox.checks.details_known import PARAMETER
from valetkey.sandbox.exchange import Exchange, Refusal


def details_same(exchange: Exchange) -> None:
    """RFC 9396 section 6: where they are said again, they are no more than what was granted; here: the same."""
    granted = exchange.family.details if hasattr(exchange, "family") else exchange.code.details
    if exchange.parameter(PARAMETER) not in (None, granted):
        raise Refusal("invalid_authorization_details", "They are not the ones that were consented to.")
