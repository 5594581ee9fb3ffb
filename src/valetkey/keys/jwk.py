"""Public keys as JSON Web Keys, and keys that are made here (RFC 7517, RFC 7518 section 6).

The one rule: nothing of a private key leaves but as PEM inside a `PrivateKey`.
"""

from __future__ import annotations

from valetkey.effects import PrivateKey
from valetkey.errors import ConfigurationError
from valetkey.http import base64url
from valetkey.keys.signer import LocalSigner
from valetkey.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Pairs

COORDINATE_OCTETS = 32
_keys = LocalSigner()


def make_key() -> PrivateKey:
    """A new private key on P-256."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    made = generate_private_key(SECP256R1())
    return PrivateKey(Secret(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()))


def public_jwk(key: PrivateKey) -> Pairs:
    """The required members of the public key's JWK, by name (RFC 7638 section 3.2). Raises ConfigurationError."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    if key.signer is not None:
        message = "a private key that only its signer has needs a key id: configure the one that the provider knows"
        raise ConfigurationError(message)
    parsed = _keys.parsed(key)
    if isinstance(parsed, EllipticCurvePrivateKey):
        point = parsed.public_key().public_numbers()
        x, y = (base64url(number.to_bytes(COORDINATE_OCTETS, "big")) for number in (point.x, point.y))
        return (("crv", "P-256"), ("kty", "EC"), ("x", x), ("y", y))
    numbers = parsed.public_key().public_numbers()
    e, n = (base64url(number.to_bytes((number.bit_length() + 7) // 8, "big")) for number in (numbers.e, numbers.n))
    return (("e", e), ("kty", "RSA"), ("n", n))
