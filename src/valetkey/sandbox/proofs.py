"""Proofs of possession (RFC 9449 section 4.3), and the nonces that they may have to hold (section 8)."""

from __future__ import annotations

import json
from hmac import digest

from valetkey.digest import sha256
from valetkey.http import Headers, Response, base64url, base64url_decode
from valetkey.keys.verify import signature_is_right
from valetkey.oauth2.jwks import read_key_set
from valetkey.oauth2.jws import read_jws
from valetkey.oauth2.signed_jwt import thumbprint
from valetkey.oauth2.strict_json import read_json_object
from valetkey.sandbox.exchange import Refusal
from valetkey.sandbox.state import fingerprint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from valetkey.sandbox.exchange import Exchange

PROOF_SECONDS = 300  # either way
NONCE_SECONDS = 300
MAX_HEADER_OCTETS = 4096
_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y")}


def current_nonce(exchange: Exchange) -> str:
    """The nonce of these five minutes."""
    turn = int(exchange.now // NONCE_SECONDS)
    return base64url(digest(exchange.sandbox.key, f"dpop nonce {turn}".encode(), "sha256")[:16])


def proved_key(exchange: Exchange, *, access_token: str = "", status: int = 400) -> str:
    """The thumbprint of the key that the request's proof was made with; empty where it has none. Raises Refusal."""
    proofs = exchange.request.headers.all("DPoP")
    if not proofs:
        return ""
    if len(proofs) > 1:
        raise Refusal("invalid_dpop_proof", "There is more than one DPoP proof.", status=status)
    try:
        claims, key = _read(proofs[0])
        _check(exchange, claims, access_token)
    except ValueError as why:
        message = f"The DPoP proof is refused: {why}."
        raise Refusal("invalid_dpop_proof", message, status=status) from None
    nonce = current_nonce(exchange)
    if exchange.sandbox.dpop_nonces and claims.get("nonce") != nonce:
        message = "Repeat the request with a proof that holds this nonce."
        raise Refusal("use_dpop_nonce", message, status=status, headers=(("DPoP-Nonce", nonce),))
    used = fingerprint(f"dpop {key} {claims.get('jti')}")
    if used in exchange.sandbox.state.assertions:
        raise Refusal("invalid_dpop_proof", "The DPoP proof was used before.", status=status)
    exchange.sandbox.state.assertions[used] = exchange.now + 2 * PROOF_SECONDS
    return key


def _read(proof: str) -> tuple[dict[str, Any], str]:
    """Claims and thumbprint, once the signature is right. Raises ValueError."""
    jws = read_jws(proof)
    jwk = read_json_object(base64url_decode(proof.partition(".")[0]), limit=MAX_HEADER_OCTETS).get("jwk")
    if jws.type != "dpop+jwt" or not isinstance(jwk, dict) or "d" in jwk:
        raise ValueError("its header is not a proof's")
    keys = read_key_set(Response(200, Headers(), json.dumps({"keys": [jwk]}).encode())).keys
    if not any(signature_is_right(key, jws.algorithm, jws.signed, signature=jws.signature) for key in keys):
        raise ValueError("it is not signed with the key in its header")
    return jws.claims, thumbprint(tuple((name, jwk[name]) for name in _MEMBERS[jwk["kty"]]))


def _check(exchange: Exchange, claims: dict[str, Any], access_token: str) -> None:
    made_at = claims.get("iat")
    if not isinstance(claims.get("jti"), str) or isinstance(made_at, bool) or not isinstance(made_at, int):
        raise ValueError("jti or iat is missing")  # noqa: TRY004 - what came from outside is a value
    if claims.get("htm") != exchange.request.method:
        raise ValueError("htm is another method")
    if claims.get("htu") != exchange.sandbox.base_url + exchange.target.partition("?")[0]:
        raise ValueError("htu is another URL")
    if abs(exchange.now - made_at) > PROOF_SECONDS:
        raise ValueError("it is not of these minutes")
    if access_token and claims.get("ath") != base64url(sha256(access_token.encode()).digest()):
        raise ValueError("ath is of another access token")
