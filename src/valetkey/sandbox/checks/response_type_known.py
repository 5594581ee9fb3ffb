"""A code is asked for; or tokens, by a client that is registered for the implicit grant."""

from __future__ import annotations

from valetkey.sandbox.clients import IMPLICIT
from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.sandbox.responses import TOKEN_RESPONSES


def response_type_known(exchange: Exchange) -> None:
    """RFC 6749 sections 3.1.1 and 4.2.2.1. Sets `response_type`.

    RFC 9700 section 2.1.2: no client gets tokens from the authorization endpoint unless it is registered for that.
    """
    response_type = exchange.parameter("response_type")
    if response_type is None:
        raise Refusal("invalid_request", "The response_type is missing: ask for code.")
    offered = any(IMPLICIT in client.grant_types for client in exchange.sandbox.clients)
    if response_type != "code" and not (offered and response_type in TOKEN_RESPONSES):
        raise Refusal("unsupported_response_type", "The only response_type is code.")
    if response_type != "code" and IMPLICIT not in exchange.client.grant_types:
        raise Refusal("unauthorized_client", "The client is not registered for the implicit grant.")
    if response_type != "code" and exchange.parameter("response_mode") not in (None, "fragment"):
        raise Refusal("invalid_request", "Tokens come in the fragment alone.")
    exchange.response_type = response_type
