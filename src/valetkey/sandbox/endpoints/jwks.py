"""The sandbox's public keys (RFC 7517 section 5)."""

from __future__ import annotations

from valetkey.sandbox.answers import json_answer
from valetkey.sandbox.spoilt import spoil_header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Response
    from valetkey.sandbox.exchange import Exchange


def jwks(exchange: Exchange) -> Response:
    """The key set."""
    if exchange.fault == "keys_missing":
        return json_answer({"keys": []})
    spare = 2 if exchange.fault == "keys_several" else 0
    keys = exchange.sandbox.signing_keys.published(spare=spare)
    return json_answer({"keys": [spoil_header(key, exchange.fault) for key in keys]})
