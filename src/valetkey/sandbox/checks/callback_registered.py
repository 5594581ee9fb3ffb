"""The callback is one that the client registered; its query is the client's own."""

from __future__ import annotations

from valetkey.sandbox.checks.oauth1_client_known import NOBODY
from valetkey.sandbox.clients import OUT_OF_BAND
from valetkey.sandbox.exchange import Exchange, Refusal


def callback_registered(exchange: Exchange) -> None:
    """RFC 5849 section 2.1: an absolute URI, or `oob`."""
    callback = exchange.signed.parameter("oauth_callback")
    if not callback and exchange.client.callback_at_authorization:
        return
    if not callback:
        raise Refusal("parameter_absent", "The oauth_callback is missing; without a callback it is oob.")
    if callback != OUT_OF_BAND and not _is_absolute(callback):
        raise Refusal("parameter_rejected", "The oauth_callback is not an absolute URI without a fragment, nor oob.")
    if callback.partition("?")[0] not in exchange.client.callbacks and exchange.client is not NOBODY:
        raise Refusal("parameter_rejected", "The oauth_callback is not one that is registered.")


def _is_absolute(text: str) -> bool:
    return ":" in text and "#" not in text and text.isascii() and text.isprintable() and " " not in text
