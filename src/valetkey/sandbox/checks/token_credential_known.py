"""The token credentials were issued to this client and still stand."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.sandbox.state import fingerprint


def token_credential_known(exchange: Exchange) -> None:
    """RFC 5849 section 3.2. Sets `token_credential` and `account`."""
    text = exchange.signed.token_identifier or ""
    if not text:
        raise Refusal("parameter_absent", "The oauth_token is missing.")
    exchange.notes["token"] = fingerprint(text)[:12]
    found = exchange.sandbox.state.token_credentials.get(fingerprint(text))
    if found is None or found.client_id != exchange.client.client_id:
        raise Refusal("token_rejected", "The token is not one that was issued to this client.", status=401)
    if found.revoked:
        raise Refusal("token_revoked", "The token was revoked.", status=401)
    renewing = exchange.endpoint is not None and exchange.endpoint.name == "oauth1_renew"
    if found.expires_at and exchange.now >= found.expires_at and not renewing:
        raise Refusal("token_expired", "The token has expired.", status=401)
    exchange.token_credential, exchange.account = found, exchange.sandbox.accounts[found.account]
