"""Signatures with private keys: PEM or PKCS #12 (RFC 7292) from the configuration, or a callable that has the key.

    RS1, RS256, RS512   RSASSA-PKCS1-v1_5 with SHA-1, SHA-256, SHA-512 (RFC 8017 section 8.2)
    PS256               RSASSA-PSS with SHA-256 and a salt of 32 octets (RFC 7518 section 3.5)
    ES256               ECDSA on P-256, as r and s of 32 octets each (RFC 7518 section 3.4)

The one rule: a key is parsed once and kept under the hash of its text, never under the text. SHA-1 is here only
because RFC 5849 section 3.4.3 has no other hash; nothing else may ask for RS1.
"""

from __future__ import annotations

from valetkey.digest import sha256
from valetkey.errors import ConfigurationError
from valetkey.pem import LEAST_RSA_BITS, load_pem, load_pkcs12

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from valetkey.effects import PrivateKey, SignatureAlgorithm

MAX_KEPT_KEYS = 16
MOST_RSA_BITS = 16_384  # a signature with more takes seconds


class LocalSigner:
    """Signs in this process, with `cryptography`."""

    def __init__(self, *, least_rsa_bits: int = LEAST_RSA_BITS) -> None:
        """least_rsa_bits: lower it only for a provider that registered a shorter key and takes no other."""
        self._least_rsa_bits = least_rsa_bits
        self._kept: dict[bytes, RSAPrivateKey | EllipticCurvePrivateKey] = {}

    def sign(self, key: PrivateKey, algorithm: SignatureAlgorithm, message: bytes) -> bytes | Awaitable[bytes]:
        """The raw signature; a key that has its own signer is signed with by that, which may be awaited.

        Raises ConfigurationError where the key is unusable for the algorithm.
        """
        return key.signer(algorithm, message) if key.signer is not None else self.sign_here(key, algorithm, message)

    def sign_here(self, key: PrivateKey, algorithm: SignatureAlgorithm, message: bytes) -> bytes:
        """The raw signature by a key whose text is here. Raises ConfigurationError."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

        parsed = self.parsed(key)
        if isinstance(parsed, EllipticCurvePrivateKey) is not (algorithm == "ES256"):
            needed = "an EC key on P-256" if algorithm == "ES256" else "an RSA key"
            raise ConfigurationError(f"signing with {algorithm} needs {needed}: configure that one")
        try:
            if isinstance(parsed, EllipticCurvePrivateKey):
                return _sign_ec(parsed, message)
            return _sign_rsa(parsed, algorithm, message)
        except (UnsupportedAlgorithm, ValueError):
            # A FIPS or RHEL policy says so from OpenSSL; which of its errors it is differs between versions.
            advice = "use RSA-SHA256 where the provider takes it" if algorithm == "RS1" else "use another algorithm"
            raise ConfigurationError(f"this machine's crypto policy refuses {algorithm}: {advice}") from None

    def __repr__(self) -> str:
        return f"LocalSigner({len(self._kept)} keys)"

    def __reduce__(self) -> str:
        message = "a signer is not pickled: make another one"
        raise TypeError(message)

    def parsed(self, key: PrivateKey) -> RSAPrivateKey | EllipticCurvePrivateKey:
        """The key whose text is here. Raises ConfigurationError."""
        octets = (key.pkcs12 or key.pem).reveal().encode("utf-8", "surrogatepass")
        password = key.password.reveal().encode() if key.password is not None else None
        if not octets:
            message = "there is no PEM text in this private key: one that lives in a key service needs its signer"
            raise ConfigurationError(message)
        place = sha256(octets + b"\0" + (password or b"")).digest()
        kept = self._kept.get(place)
        if kept is None:
            load = _load_pkcs12 if key.pkcs12 is not None else load_pem
            kept = _checked(load(octets, password), self._least_rsa_bits)
            for oldest in list(self._kept)[: max(0, len(self._kept) - MAX_KEPT_KEYS + 1)]:
                _ = self._kept.pop(oldest, None)  # another thread may have been first
            self._kept[place] = kept
        return kept


def _load_pkcs12(octets: bytes, password: bytes | None) -> object:
    return load_pkcs12(octets, password)[0]


def _checked(key: object, least_rsa_bits: int) -> RSAPrivateKey | EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    if isinstance(key, EllipticCurvePrivateKey):
        if not isinstance(key.curve, SECP256R1):
            message = "the EC private key is not on the curve P-256"
            raise ConfigurationError(message)
        return key
    if not isinstance(key, RSAPrivateKey):
        message = "the private key is neither RSA nor EC on P-256"
        raise ConfigurationError(message)
    if not least_rsa_bits <= key.key_size <= MOST_RSA_BITS:
        message = f"the RSA private key has {key.key_size} bits: register one of {least_rsa_bits} to {MOST_RSA_BITS}"
        raise ConfigurationError(message)
    return key


def _sign_ec(key: EllipticCurvePrivateKey, message: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    r, s = decode_dss_signature(key.sign(message, ECDSA(SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _sign_rsa(key: RSAPrivateKey, algorithm: SignatureAlgorithm, message: bytes) -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15

    if algorithm == "PS256":
        return key.sign(message, PSS(MGF1(hashes.SHA256()), salt_length=32), hashes.SHA256())
    if algorithm == "RS1":
        return key.sign(message, PKCS1v15(), hashes.SHA1())  # noqa: S303 - RFC 5849 section 3.4.3
    return key.sign(message, PKCS1v15(), hashes.SHA256() if algorithm == "RS256" else hashes.SHA512())
