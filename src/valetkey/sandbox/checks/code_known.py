"""The code was issued, to this client."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.sandbox.state import fingerprint


def code_known(exchange: Exchange) -> None:
    """RFC 6749 section 4.1.3: a code is bound to its client. Sets `code`. Another client's attempt changes nothing."""
    text = exchange.parameter("code")
    if text is None:
        raise Refusal("invalid_request", "The code is missing.")
    code = exchange.sandbox.state.codes.get(fingerprint(text))
    if code is None or code.client_id != exchange.client.client_id:
        raise Refusal("invalid_grant", "The code is not one that was issued to this client.")
    exchange.notes["code"] = fingerprint(text)[:12]
    exchange.code = code
