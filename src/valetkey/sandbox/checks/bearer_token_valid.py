"""A live access token came in the Authorization header, with the proof that it is bound to."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.sandbox.proofs import proved_key
from valetkey.sandbox.state import fingerprint

_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=")


def bearer_token_valid(exchange: Exchange) -> None:
    """RFC 6750 sections 2.1 and 3.1, RFC 9449 section 7.1. Sets `access_token`, `family` and `account`."""
    headers = exchange.request.headers.all("Authorization")
    if any(name == "access_token" for name, _ in exchange.query + exchange.form):  # 9700 s4.3.2
        raise Refusal("invalid_request", "Send the access token in the Authorization header only.")
    if len(headers) > 1:
        raise Refusal("invalid_request", "There is more than one Authorization header.")
    scheme, _, token = (headers[0] if headers else "").partition(" ")
    if scheme.lower() not in ("bearer", "dpop"):
        raise Refusal("token_missing", "Send an access token.", status=401)
    if not token or not _LETTERS.issuperset(token):
        raise Refusal("invalid_request", "The Authorization header is not a scheme, one space and a token.")
    state = exchange.sandbox.state
    exchange.notes["access_token"] = fingerprint(token)[:12]
    found = state.access_tokens.get(fingerprint(token))
    family = None if found is None else state.families.get(found.family)
    if found is None or family is None or family.revoked or exchange.now >= found.expires_at:
        raise Refusal("invalid_token", "The access token is unknown, expired or revoked.", status=401)
    proved = proved_key(exchange, access_token=token, status=401) if scheme.lower() == "dpop" else ""
    if proved != found.bound_to or bool(found.bound_to) is not (scheme.lower() == "dpop"):
        raise Refusal("invalid_token", "The access token is bound to another key, or to none.", status=401)
    exchange.access_token, exchange.family = found, family
    if family.account:  # else it is the client's own: RFC 6749 section 4.4
        exchange.account = exchange.sandbox.accounts[family.account]
    client = exchange.sandbox.client(family.client_id)
    if client is not None:
        exchange.client = client
    exchange.notes["client_id"] = family.client_id
