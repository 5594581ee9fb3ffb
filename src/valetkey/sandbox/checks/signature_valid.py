"""The signature is that of this request, by this client and its token."""

from __future__ import annotations

from valetkey.oauth1 import verify
from valetkey.sandbox.checks.oauth1_client_known import NOBODY
from valetkey.sandbox.tokens import oauth1_secret
from valetkey.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.sandbox.exchange import Exchange


def signature_valid(exchange: Exchange) -> None:
    """RFC 5849 section 3.2. An unknown client is checked with keys that nothing fits, and takes as long."""
    signed, client = exchange.signed, exchange.client
    if client is NOBODY:
        verify.check_signature(signed, verify.NOBODY)
    token = signed.token_identifier
    keys = verify.Keys(
        client.secret,
        Secret(oauth1_secret(exchange.sandbox, token)) if token else None,
        client.rsa_public_key or None,
    )
    verify.check_signature(signed, keys)
