"""The answer comes back in a way that there is."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.sandbox.responses import RESPONSE_MODES


def response_mode_known(exchange: Exchange) -> None:
    """OAuth 2.0 Multiple Response Type Encoding Practices, section 2.1: one that is left out is `query` for a code."""
    if exchange.response_type != "code":  # looked at already
        return
    if exchange.parameter("response_mode") not in (None, *RESPONSE_MODES):
        raise Refusal("invalid_request", f"The response_mode is none of {', '.join(RESPONSE_MODES)}.")
