"""The JWT assertion vouches for an account, by the client's registered key, once."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.sandbox.state import fingerprint

LONGEST_SECONDS = 3600
SKEW_SECONDS = 60


def assertion_trusted(exchange: Exchange) -> None:
    """RFC 7523 section 3: issuer, subject, audience, time and signature; a token id works once. Sets `account`."""
    from valetkey.oauth2.jws import read_jws

    text = exchange.parameter("assertion")
    if text is None:
        raise Refusal("invalid_request", "The assertion is missing.")
    try:
        jws = read_jws(text)
    except ValueError:
        raise _refused("The assertion is not a signed JWT.") from None
    if jws.algorithm != "RS256" or not _signed_by(exchange.client.assertion_public_key, jws.signed, jws.signature):
        raise _refused("The assertion is not signed by this client's registered key.")
    claims, sandbox = jws.claims, exchange.sandbox
    if claims.get("iss") != exchange.client.client_id:
        raise _refused("The issuer is not this client.")
    if claims.get("aud") not in (sandbox.issuer, f"{sandbox.base_url}/oauth2/token"):
        raise _refused("The audience is not this server.")
    until = claims.get("exp")
    if isinstance(until, bool) or not isinstance(until, int | float):
        raise _refused("The assertion says not when it ends.")
    if not exchange.now - SKEW_SECONDS < until <= exchange.now + LONGEST_SECONDS:
        raise _refused("The assertion has ended, or would live for too long.")
    account = sandbox.accounts.get(str(claims.get("sub", "")))
    used = fingerprint(f"{exchange.client.client_id} {claims.get('jti', text)}")
    if account is None or used in sandbox.state.assertions:
        raise _refused("The subject is not known, or the assertion was used before.")
    sandbox.state.assertions[used] = until + SKEW_SECONDS
    exchange.account = account
    exchange.notes["account"] = account.name


def _signed_by(pem: str, message: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if not pem:
        return False
    key = load_pem_public_key(pem.encode())
    assert isinstance(key, RSAPublicKey)
    try:
        key.verify(signature, message, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def _refused(description: str) -> Refusal:
    return Refusal("invalid_grant", description)
