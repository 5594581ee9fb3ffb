"""Pushed authorization requests (RFC 9126)."""

from __future__ import annotations

from valetkey.sandbox.answers import json_answer
from valetkey.sandbox.state import PushedRequest, fingerprint
from valetkey.sandbox.tokens import new_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Response
    from valetkey.sandbox.exchange import Exchange

PUSHED_SECONDS = 600  # as long as a consent page waits
OF_THE_CLIENT = ("client_id", "client_secret", "client_assertion", "client_assertion_type")


def push(exchange: Exchange) -> Response:
    """A reference to the request, which every check of the authorization endpoint let through (section 2.2)."""
    reference = f"urn:ietf:params:oauth:request_uri:{new_text(exchange.sandbox, 'request')}"
    pairs = tuple(pair for pair in exchange.form if pair[0] not in OF_THE_CLIENT)
    expires_at = exchange.now + PUSHED_SECONDS
    exchange.sandbox.state.pushed[fingerprint(reference)] = PushedRequest(exchange.client.client_id, pairs, expires_at)
    return json_answer({"request_uri": reference, "expires_in": PUSHED_SECONDS}, status=201)
