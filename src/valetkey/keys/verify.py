"""Whether a signature is by the owner of a public key, with `cryptography`.

The one rule: the caller says which algorithm; a key of the wrong kind, a signature of the wrong length and one that is
wrong are the same answer.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.oauth2.jwks import VerificationKey

P256_OCTETS = 32


def signature_is_right(key: VerificationKey, algorithm: str, message: bytes, *, signature: bytes) -> bool:
    """RS256, PS256 and ES256 of RFC 7518 sections 3.3 to 3.5; every other algorithm is wrong."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    if not key.serves(algorithm):
        return False
    try:
        if algorithm == "ES256":
            _verify_ec(key, message, signature)
        elif algorithm in ("RS256", "PS256"):
            _verify_rsa(key, algorithm, message, signature)
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _verify_rsa(key: VerificationKey, algorithm: str, message: bytes, signature: bytes) -> None:
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.hashes import SHA256

    modulus, exponent = int.from_bytes(key.first, "big"), int.from_bytes(key.second, "big")
    if len(signature) != len(key.first):  # 8017 s8.1.2, s8.2.2
        raise ValueError
    pss = padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=SHA256.digest_size)
    chosen: padding.AsymmetricPadding = pss if algorithm == "PS256" else padding.PKCS1v15()
    rsa.RSAPublicNumbers(exponent, modulus).public_key().verify(signature, message, chosen, SHA256())


def _verify_ec(key: VerificationKey, message: bytes, signature: bytes) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    if len(signature) != 2 * P256_OCTETS:  # 7518 s3.4: r and s as they are, never DER
        raise ValueError
    r, s = (int.from_bytes(half, "big") for half in (signature[:P256_OCTETS], signature[P256_OCTETS:]))
    x, y = int.from_bytes(key.first, "big"), int.from_bytes(key.second, "big")
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    public.verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
