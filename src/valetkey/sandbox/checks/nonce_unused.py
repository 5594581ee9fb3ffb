"""The nonce was not used before."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def nonce_unused(exchange: Exchange) -> None:
    """RFC 5849 section 3.3: unique across requests with the same timestamp, client and token.

    To look is to use, so this stands after the signature. It is remembered for as long as its timestamp would pass.
    """
    signed = exchange.signed
    if signed.timestamp is None or signed.nonce is None:
        return  # 3.1: PLAINTEXT without both
    key = (signed.client_identifier, signed.token_identifier or "", str(signed.timestamp), signed.nonce)
    expires_at = signed.timestamp + exchange.sandbox.timestamp_window
    if not exchange.sandbox.nonces.add(key, expires_at=expires_at, now=exchange.now):
        raise Refusal("nonce_used", "The oauth_nonce was used before.", status=401)
