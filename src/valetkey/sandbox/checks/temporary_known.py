"""The temporary credentials were issued to this client and have not expired."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.sandbox.state import fingerprint


def temporary_known(exchange: Exchange) -> None:
    """RFC 5849 section 2.3. Sets `temporary`."""
    text = exchange.signed.token_identifier or ""
    exchange.notes["token"] = fingerprint(text)[:12]
    temporary = exchange.sandbox.state.temporary.get(fingerprint(text))
    ours = temporary is not None and temporary.client_id == exchange.client.client_id
    if temporary is None or not ours or exchange.now >= temporary.expires_at:
        raise Refusal("token_rejected", "The temporary credentials are unknown, used or expired.", status=401)
    exchange.temporary = temporary
