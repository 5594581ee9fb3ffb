"""The client is registered for OAuth 1.0a; one that is not goes on as nobody, to take as long."""

from __future__ import annotations

from valetkey.sandbox.clients import SandboxClient

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.sandbox.exchange import Exchange

NOBODY = SandboxClient("nobody")


def oauth1_client_known(exchange: Exchange) -> None:
    """Sets `client`. The refusal is `signature_valid`'s, the same as for a wrong signature."""
    client = exchange.sandbox.client(exchange.signed.client_identifier)
    if client is None or not client.callbacks:
        exchange.client = NOBODY
        return
    exchange.notes["client_id"] = client.client_id
    exchange.client = client
