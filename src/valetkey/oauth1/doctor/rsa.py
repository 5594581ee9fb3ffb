"""What an RSA signature says of itself where it is opened with the public key (RFC 8017 sections 8.1.2 and 8.2.2).

The one rule: it is written out with whole numbers, in the plainest way: so an opened signature tells by which hash and
padding it was made, and no crypto policy forbids to look at SHA-1. Nothing is verified here for anybody's protection:
`oauth1.verify` does that.
"""

from __future__ import annotations

from binascii import a2b_base64, a2b_hex, b2a_base64

from valetkey.errors import ConfigurationError
from valetkey.oauth1.doctor.mistake import Mistake
from valetkey.oauth1.doctor.mistakes_of_keys import output_mistake
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

# RFC 8017 section 9.2, note 1: what stands before the hash in PKCS #1 v1.5.
DIGEST_INFOS = {
    "MD5": "3020300c06082a864886f70d020505000410",
    "SHA-1": "3021300906052b0e03021a05000414",
    "SHA-224": "302d300d06096086480165030402040500041c",
    "SHA-256": "3031300d060960864801650304020105000420",
    "SHA-384": "3041300d060960864801650304020205000430",
    "SHA-512": "3051300d060960864801650304020305000440",
}
PLAIN, PSS = "PKCS #1 v1.5", "PSS"
SCHEMES = {"RSA-SHA1": (PLAIN, "SHA-1"), "RSA-SHA256": (PLAIN, "SHA-256"), "RSA-SHA512": (PLAIN, "SHA-512"),
           "RSA-PSS": (PSS, "SHA-256")}  # fmt: skip
SALT_OCTETS = 32  # of RSA-PSS, as large as its hash
SECTION = "3.4.3"


@value
class RsaKey:
    """The numbers of a public key. octets: how long its signatures are."""

    modulus: int
    exponent: int

    @property
    def octets(self) -> int:
        """How many octets the modulus has."""
        return (self.modulus.bit_length() + 7) // 8


@value
class Opened:
    """One way to read a signature: padding, hash, and what of the base string it holds.

    mask, salt: of PSS. bare: the hash stood alone, without its name. mistakes: in how its octets were written.
    is_certain: it cannot look like this by chance.
    """

    padding: str
    hash_name: str
    digest: bytes
    mistakes: tuple[Mistake, ...] = ()
    mask: str = ""
    salt: bytes = b""
    bare: bool = False
    is_certain: bool = True

    def is_of(self, base_string: str) -> bool:
        """Whether it is a signature of this base string."""
        found = _hash(self.hash_name, base_string.encode())
        if self.padding == PSS:
            found = _hash(self.hash_name, bytes(8) + found + self.salt)
        return found == self.digest

    def mistakes_against(self, method: str) -> tuple[Mistake, ...]:
        """What was done otherwise than the signature method says."""
        padding, hash_name = SCHEMES[method]
        found = [*self.mistakes]
        if self.padding != padding:
            found.append(_other("padding", f"padded by {self.padding}, not by {padding}", self.padding))
        if self.hash_name != hash_name:
            found.append(_other("hash", f"made with {self.hash_name}, not with {hash_name}", self.hash_name))
        if self.padding == padding == PSS and self.mask != hash_name:
            found.append(_other("mask_hash", f"masked with {self.mask}, not with {hash_name}", self.mask))
        if self.padding == padding == PSS and len(self.salt) != SALT_OCTETS:
            said = f"salted with {len(self.salt)} octets, not with {SALT_OCTETS}"
            found.append(_other("salt", said, str(len(self.salt))))
        if self.bare:
            found.append(_other("digest_info", "made of the hash alone, without the name of the hash (DigestInfo)", ""))
        return tuple(found)

    def __repr__(self) -> str:
        return f"Opened({self.padding!r}, {self.hash_name!r})"


def _other(what: str, says: str, name: str) -> Mistake:
    return Mistake(
        f"other_{what}:{name}" if name else f"no_{what}",
        SECTION,
        f"the signature was {says}",
        "sign by the method that oauth_signature_method names, or name the one that signs",
        lambda making: making,
    )


def read_rsa_key(pem: str) -> RsaKey:
    """The key of a PEM text: a public key, a certificate, or a private key, of which only the public half is kept.

    Raises ConfigurationError, with nothing of the text in it.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

    try:
        key = _load(pem.encode())
    except TypeError:
        message = "the private key is encrypted: give its public key, which openssl pkey -pubout takes out of it"
        raise ConfigurationError(message) from None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if isinstance(key, RSAPrivateKey):
        key = key.public_key()
    if not isinstance(key, RSAPublicKey):
        message = (
            "the client's key is no RSA key in PEM form: give its public key (-----BEGIN PUBLIC KEY-----),"
            " its certificate or its private key"
        )
        raise ConfigurationError(message)
    numbers = key.public_numbers()
    return RsaKey(numbers.n, numbers.e)


def _load(pem: bytes) -> PublicKeyTypes | PrivateKeyTypes:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
    from cryptography.x509 import load_pem_x509_certificate

    if b"PRIVATE KEY-----" in pem:
        return load_pem_private_key(pem, None)
    if b"-----BEGIN CERTIFICATE-----" in pem:
        return load_pem_x509_certificate(pem).public_key()
    return load_pem_public_key(pem)


def open_signature(key: RsaKey, text: str) -> tuple[Opened, ...]:
    """Every way to read the text as a signature by this key; none where the key did not make it."""
    found = list[Opened]()
    for octets, mistakes in _octets(text):
        number = int.from_bytes(octets, "big")
        if len(octets) != key.octets or number >= key.modulus:
            continue
        block = pow(number, key.exponent, key.modulus).to_bytes(key.octets, "big")
        found += [*_plain(block, mistakes), *_pss(block, key.modulus.bit_length() - 1, mistakes)]
    return tuple(found)


def octets_of(text: str) -> int:
    """How many octets the text stands for, read as base64; 0 where it cannot be read."""
    return len(next((octets for octets, _ in _octets(text)), b""))


def _octets(text: str) -> Iterator[tuple[bytes, tuple[Mistake, ...]]]:
    """The octets that the text may stand for, the right way first."""
    padded = text + "=" * (-len(text) % 4)
    url = padded.replace("-", "+").replace("_", "/")
    ways = [("", text), ("unpadded", padded), ("base64url" if "=" in text else "base64url_unpadded", url)]
    seen = set[bytes]()
    for name, written in ways:
        try:
            octets = a2b_base64(written, strict_mode=True)
        except ValueError:
            continue
        mistakes: tuple[Mistake, ...] = (output_mistake(name),) if name else ()
        if b2a_base64(octets, newline=False).decode() != written:
            mistakes += (output_mistake("loose"),)
        if octets not in seen:
            seen.add(octets)
            yield octets, mistakes
            yield from _of_hex(octets, (*mistakes, output_mistake("base64_of_hex")))
    yield from _of_hex(text.encode("ascii", "replace"), (output_mistake("hex"),))


def _of_hex(digits: bytes, mistakes: tuple[Mistake, ...]) -> Iterator[tuple[bytes, tuple[Mistake, ...]]]:
    try:
        yield a2b_hex(digits), mistakes
    except ValueError:
        return


def _plain(block: bytes, mistakes: tuple[Mistake, ...]) -> Iterator[Opened]:
    """RFC 8017 section 9.2: 00 01, many FF, 00, and the hash behind its name."""
    filled, _, info = block[2:].partition(b"\0")
    if block[:2] != b"\0\1" or len(filled) < 8 or filled.strip(b"\xff"):
        return
    for name, prefix in DIGEST_INFOS.items():
        octets = bytes.fromhex(prefix)
        if info[: len(octets)] == octets and len(info) == len(octets) + octets[-1]:
            yield Opened(PLAIN, name, info[len(octets) :], mistakes)
        elif len(info) == octets[-1]:
            yield Opened(PLAIN, name, info, mistakes, bare=True)


def _pss(block: bytes, bits: int, mistakes: tuple[Mistake, ...]) -> Iterator[Opened]:
    """RFC 8017 section 9.1.2, for every pair of hashes; the salt is as long as it is."""
    encoded = block[-((bits + 7) // 8) :]
    if encoded[-1:] != b"\xbc" or block[: -len(encoded)].strip(b"\0"):
        return
    for hash_name, prefix in DIGEST_INFOS.items():
        length = int(prefix[-2:], 16)
        masked, digest = encoded[: -length - 1], encoded[-length - 1 : -1]
        if not masked:  # step 3: the key is too short for this hash
            continue
        for mask in DIGEST_INFOS:
            opened = bytearray(a ^ b for a, b in zip(masked, _mask(mask, digest, len(masked)), strict=True))
            opened[0] &= 0xFF >> (8 * len(encoded) - bits)
            one = bytes(opened).lstrip(b"\0")
            if one[:1] == b"\1":
                is_certain = len(opened) - len(one) >= 8
                yield Opened(PSS, hash_name, digest, mistakes, mask, one[1:], is_certain=is_certain)


def _mask(hash_name: str, seed: bytes, length: int) -> bytes:
    """MGF1 (RFC 8017 appendix B.2.1)."""
    made = b""
    while len(made) < length:
        made += _hash(hash_name, seed + (len(made) // len(_hash(hash_name, b""))).to_bytes(4, "big"))
    return made[:length]


def _hash(name: str, octets: bytes) -> bytes:
    import hashlib

    return hashlib.new(name.replace("-", "").lower(), octets, usedforsecurity=False).digest()
