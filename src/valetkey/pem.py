"""Private keys and certificates as people keep them: PEM text (RFC 7468), or a PKCS #12 file (RFC 7292) in base64.

The one rule: what is wrong is said in words that tell what to do, and nothing of a key is in them.
Not here: signing (`keys`), presenting a certificate (`drivers.transports.certificates`).
"""

from __future__ import annotations

from valetkey.digest import sha256
from valetkey.effects import ClientCertificate, PrivateKey
from valetkey.errors import ConfigurationError
from valetkey.http import base64url
from valetkey.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
    from cryptography.x509 import Certificate

MAX_PEM_OCTETS = 65_536
MAX_CERTIFICATES = 10
LEAST_RSA_BITS = 2048
_CERTIFICATE = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----")


def load_pem(octets: bytes, password: bytes | None) -> PrivateKeyTypes:
    """The private key in a PEM text. Raises ConfigurationError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if len(octets) > MAX_PEM_OCTETS:
        message = f"a private key's PEM text has at most {MAX_PEM_OCTETS} octets"
        raise ConfigurationError(message)
    try:
        return load_pem_private_key(octets, password)
    except TypeError:
        if password is None:
            message = "the private key is encrypted with a passphrase: configure its password, or decrypt it"
        else:
            message = "the private key has a password configured, but is not encrypted: remove the password"
        raise ConfigurationError(message) from None
    except (ValueError, UnsupportedAlgorithm):
        message = (
            "the private key is not in PEM form (-----BEGIN PRIVATE KEY-----); in an environment variable its lines"
            " must be real line breaks, not \\n"
        )
        if password is not None:
            message = "the private key cannot be decrypted: its password is wrong, or it is not in PEM form"
        raise ConfigurationError(message) from None


def load_pkcs12(octets: bytes, password: bytes | None) -> tuple[PrivateKeyTypes, list[Certificate]]:
    """The private key of a PKCS #12 file (.p12, .pfx), given in base64, and its certificates, the key's own first.

    Raises ConfigurationError.
    """
    from binascii import a2b_base64

    from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates

    if len(octets) > MAX_PEM_OCTETS:
        message = f"a PKCS #12 file has at most {MAX_PEM_OCTETS} octets in base64"
        raise ConfigurationError(message)
    try:
        key, own, others = load_key_and_certificates(a2b_base64(octets), password)
    except (ValueError, TypeError):  # the library says the same of a wrong password and of a file of another kind
        message = "the PKCS #12 file cannot be opened: its password is wrong or missing, or it is no PKCS #12 file"
        raise ConfigurationError(message) from None
    if key is None:
        message = "the PKCS #12 file holds no private key: export it with the key"
        raise ConfigurationError(message)
    return key, [*([] if own is None else [own]), *others]


def read_certificate(given: ClientCertificate) -> ClientCertificate:
    """The same certificate and key, checked to belong together, as plain PEM with the days that they are valid.

    What was read once is answered as it is. Whether it is valid today is the caller's matter, who has a clock.
    Raises ConfigurationError.
    """
    if given.ends_at:
        return given
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key, chain = _load(given)
    if len(chain) > MAX_CERTIFICATES:
        message = f"it holds {len(chain)} certificates: keep the client's own and those that lead to its authority"
        raise ConfigurationError(message)
    _check_pair(key, chain)
    begins_at, ends_at = _validity(chain)
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return ClientCertificate(
        Secret("".join(one.public_bytes(Encoding.PEM).decode() for one in chain)),
        PrivateKey(Secret(plain)),
        begins_at,
        ends_at,
    )


def validity_problem(certificate: ClientCertificate, now: float) -> str:
    """Why no server should take the certificate at this time (Unix seconds); empty where it is valid."""
    from valetkey.dates import write_time

    if now < certificate.begins_at:
        begins = write_time(certificate.begins_at)
        return f"it is valid from {begins}: until then configure the one before it, or set this machine's clock"
    if now >= certificate.ends_at:
        return f"it ended at {write_time(certificate.ends_at)}: configure the one that replaces it"
    return ""


def certificate_thumbprint(certificate: ClientCertificate) -> str:
    """What tokens that are bound to it carry as `x5t#S256` (RFC 8705 section 3.1). certificate: one that was read."""
    from binascii import a2b_base64

    text = certificate.pem.reveal().partition(_CERTIFICATE[0])[2].partition(_CERTIFICATE[1])[0]
    return base64url(sha256(a2b_base64(text)).digest())


def _load(given: ClientCertificate) -> tuple[PrivateKeyTypes, list[Certificate]]:
    """The key, and the certificates with the client's own first."""
    key, text = given.key or PrivateKey(), given.pem.reveal().strip()
    password = key.password.reveal().encode("utf-8", "surrogatepass") if key.password is not None else None
    if key.signer is not None:
        message = "a key that only its signer has cannot be used in TLS: configure the key's text"
        raise ConfigurationError(message)
    if key.pkcs12 is not None:
        loaded, chain = load_pkcs12(key.pkcs12.reveal().encode("utf-8", "surrogatepass"), password)
        if not chain:
            message = "the PKCS #12 file holds no certificate: export it with the certificate of the key"
            raise ConfigurationError(message)
        return loaded, chain
    pem = key.pem.reveal() or _key_block(text)
    if not pem:
        message = "it has no private key: put the key into the same PEM text, or configure it on its own"
        raise ConfigurationError(message)
    return load_pem((pem.strip() + "\n").encode("utf-8", "surrogatepass"), password), _load_certificates(text)


def _load_certificates(text: str) -> list[Certificate]:
    from cryptography.x509 import load_pem_x509_certificates

    octets = text.encode("utf-8", "surrogatepass")
    if len(octets) > MAX_PEM_OCTETS:
        message = f"the PEM text of certificates has at most {MAX_PEM_OCTETS} octets"
        raise ConfigurationError(message)
    blocks = text.split(_CERTIFICATE[0])[1:]  # what else stands between them is the key, or what openssl tells of it
    try:
        return load_pem_x509_certificates(
            "".join(f"{_CERTIFICATE[0]}{block.partition(_CERTIFICATE[1])[0]}{_CERTIFICATE[1]}\n" for block in blocks)
            .encode("utf-8", "surrogatepass")
        )  # fmt: skip
    except ValueError:
        message = "it must be certificates in PEM form, beginning with -----BEGIN CERTIFICATE-----, the client's first"
        raise ConfigurationError(message) from None


def _key_block(text: str) -> str:
    """The private key that stands beside certificates in one PEM text; empty where there is none."""
    for part in text.split("-----BEGIN ")[1:]:
        label = part.partition("-----")[0]
        end = f"-----END {label}-----"
        if label.endswith("PRIVATE KEY") and end in part:
            return f"-----BEGIN {part.partition(end)[0]}{end}\n"
    return ""


def _check_pair(key: PrivateKeyTypes, chain: list[Certificate]) -> None:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    if isinstance(key, RSAPrivateKey) and key.key_size < LEAST_RSA_BITS:
        message = f"its RSA key has {key.key_size} bits, which TLS does not take: make one of {LEAST_RSA_BITS} or more"
        raise ConfigurationError(message)
    public = _octets(key.public_key())
    matching = [index for index, one in enumerate(chain) if _octets_of(one) == public]
    if not matching:
        message = "the private key does not belong to the certificate: configure the two that were made together"
        raise ConfigurationError(message)
    if matching[0]:
        message = f"the key belongs to the certificate that stands at place {matching[0] + 1}: put that one first"
        raise ConfigurationError(message)


def _octets_of(certificate: Certificate) -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return _octets(certificate.public_key())
    except (ValueError, UnsupportedAlgorithm):  # an authority's may be of a kind that is not known here
        return b""


def _octets(key: PublicKeyTypes) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _validity(chain: list[Certificate]) -> tuple[int, int]:
    """When the certificate begins and ends, or one on the way to its authority, whose own is the server's matter."""
    led = [one for one in chain[1:] if one.subject != one.issuer]
    begins = [int(one.not_valid_before_utc.timestamp()) for one in (chain[0], *led)]
    ends = [int(one.not_valid_after_utc.timestamp()) for one in (chain[0], *led)]
    return max(begins), min(ends)
