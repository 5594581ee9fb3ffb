"""The temporary credentials of an authorization page wait for an answer."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.sandbox.state import fingerprint
from valetkey.value import replace


def temporary_pending(exchange: Exchange) -> None:
    """RFC 5849 section 2.2. Sets `temporary` and `client`. One that was answered is not asked again."""
    temporary = exchange.sandbox.state.temporary.get(fingerprint(exchange.parameter("oauth_token") or ""))
    client = None if temporary is None else exchange.sandbox.client(temporary.client_id)
    if temporary is None or client is None or exchange.now >= temporary.expires_at:
        raise Refusal("token_rejected", "This authorization is unknown, finished or too old. Start again.")
    if temporary.verifier or temporary.denied:
        raise Refusal("token_used", "This authorization was answered before. Go back to the application.")
    if client.callback_at_authorization:
        callback = exchange.parameter("oauth_callback") or ""
        if callback.partition("?")[0] not in client.callbacks:
            raise Refusal("parameter_rejected", "The oauth_callback is not one that is registered.")
        temporary = replace(temporary, callback=callback)
        exchange.sandbox.state.temporary[fingerprint(exchange.parameter("oauth_token") or "")] = temporary
    exchange.notes["client_id"] = client.client_id
    exchange.temporary, exchange.client = temporary, client
