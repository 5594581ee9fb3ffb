"""What is pushed says where it leads (FAPI 2.0 Security Profile section 5.3.2.2)."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def redirect_uri_given(exchange: Exchange) -> None:
    """A pushed request names its redirect URI, also where only one is registered."""
    if exchange.parameter("redirect_uri") is None:
        raise Refusal("invalid_request", "The redirect_uri is missing.")
