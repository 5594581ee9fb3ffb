"""JWTs that clients signed: assertions of who they are (RFC 7523) and request objects (RFC 9101)."""

from __future__ import annotations

from valetkey.digest import hmac_sha256
from valetkey.keys.verify import signature_is_right
from valetkey.oauth2.jwks import VerificationKey
from valetkey.oauth2.jws import read_jws
from valetkey.secret import constant_time_equal
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from valetkey.oauth2.jws import Jws
    from valetkey.sandbox.clients import SandboxClient
    from valetkey.sandbox.sandbox import Sandbox

SKEW_SECONDS = 60
LONGEST_SECONDS = 3600
COORDINATE_OCTETS = 32


@value
class ClientJwt:
    """What a client's token says, once its signature was found right."""

    algorithm: str
    type: str
    claims: dict[str, Any]


def read_client_jwt(sandbox: Sandbox, client: SandboxClient, text: str, *, alone: bool) -> ClientJwt:
    """The token, signed with the client's registered key or secret, for this server and for now. Raises ValueError.

    alone: its audience is the issuer identifier as a text, and no list (draft-ietf-oauth-rfc7523bis section 4).
    """
    jws, now = read_jws(text), sandbox.now()
    if not _is_signed_by(client, jws):
        raise ValueError("it is not signed with what this client is registered with")
    claims = jws.claims
    if claims.get("iss") != client.client_id:
        raise ValueError("its iss is not this client")
    audience = claims.get("aud")
    if audience != sandbox.issuer and (alone or not isinstance(audience, list) or sandbox.issuer not in audience):
        raise ValueError("its aud is not this server's issuer identifier")
    until = claims.get("exp")
    if isinstance(until, bool) or not isinstance(until, int | float):
        raise ValueError("it does not say when it ends")  # noqa: TRY004 - what came from outside is a value
    if not now - SKEW_SECONDS < until <= now + LONGEST_SECONDS:
        raise ValueError("it has ended, or would live for too long")
    since = claims.get("nbf", claims.get("iat", now))
    if isinstance(since, bool) or not isinstance(since, int | float):
        raise ValueError("it does not say when it begins")  # noqa: TRY004 - as above
    if not now - LONGEST_SECONDS <= since <= now + SKEW_SECONDS:
        raise ValueError("it is from the future, or of long ago")
    return ClientJwt(jws.algorithm, jws.type, claims)


def _is_signed_by(client: SandboxClient, jws: Jws) -> bool:
    if jws.algorithm != "HS256":
        key = verification_key(client.public_key) if client.public_key else None
        return key is not None and signature_is_right(key, jws.algorithm, jws.signed, signature=jws.signature)
    if client.secret is None:
        return False
    right = hmac_sha256(client.secret.reveal().encode(), jws.signed)
    return constant_time_equal(right.hex(), jws.signature.hex())


def verification_key(pem: str) -> VerificationKey:
    """The RSA or P-256 public key in PEM form. Raises ValueError for any other."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(pem.encode())
    if isinstance(key, RSAPublicKey):
        numbers = key.public_numbers()
        return VerificationKey("RSA", "", "", _octets(numbers.n), _octets(numbers.e))
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        point = key.public_numbers()
        x, y = (number.to_bytes(COORDINATE_OCTETS, "big") for number in (point.x, point.y))
        return VerificationKey("EC", "", "", x, y)
    raise ValueError("neither an RSA key nor one on P-256")


def _octets(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
