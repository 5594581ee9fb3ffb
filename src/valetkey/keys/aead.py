"""Sealing: AES-256-GCM with a key of its own for every place, and the text form of what was sealed.

    vk1.<key id>.<base64url(commitment 16 | nonce 12 | ciphertext | tag 16)>

    master key --HKDF-SHA256(salt = hash of the place's fields, info = purpose)--> 32 octets of key, 16 of commitment

The one rule: a sealed value opens with the key that it names, in the place it was sealed for, in the spelling it was
given, or not at all. A key per place keeps each far below the 2^32 random nonces that NIST SP 800-38D section 8.3
allows; the commitment stops a ciphertext that opens under two keys, which GCM alone permits.
Not here: which keys there are (`local`), what a place is made of (`connections`).
"""

from __future__ import annotations

from _operator import _compare_digest

from valetkey.digest import hmac_sha256, keyed_sha256, sha256
from valetkey.errors import KeyMismatch, SealBroken
from valetkey.http import base64url, base64url_decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from valetkey.effects import Place

FORMAT = "vk1"
KEY_OCTETS = 32
NONCE_OCTETS = 12
TAG_OCTETS = 16
COMMITMENT_OCTETS = 16
MAX_SEALED_OCTETS = 65_536
MAX_PLAINTEXT_OCTETS = 49_000  # what fits into MAX_SEALED_OCTETS after base64, with the longest key id
KEY_ID_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
MAX_KEY_ID_CHARACTERS = 32


def is_key_id(text: str) -> bool:
    """Whether the text can name a key: 1 to 32 of a-z, 0-9 and the hyphen."""
    return 0 < len(text) <= MAX_KEY_ID_CHARACTERS and KEY_ID_CHARACTERS.issuperset(text)


def length_prefixed(fields: Iterable[str]) -> bytes:
    """The fields as octets, each after its length in four octets: no two sequences of fields give the same."""
    parts = []
    for field in fields:
        octets = field.encode("utf-8", "surrogatepass")  # byte-exact: nothing is normalized, nothing raises
        parts += [len(octets).to_bytes(4, "big"), octets]
    return b"".join(parts)


def seal(key: bytes, place: Place, *, key_id: str, plaintext: bytes, nonce: bytes) -> bytes:
    """`vk1.<key id>.<base64url>` as ASCII octets. The nonce is 12 fresh random octets."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(nonce) != NONCE_OCTETS:
        message = f"a nonce has {NONCE_OCTETS} octets"
        raise ValueError(message)
    if len(plaintext) > MAX_PLAINTEXT_OCTETS:
        message = f"at most {MAX_PLAINTEXT_OCTETS} octets are sealed at once: keep fewer or shorter values in it"
        raise ValueError(message)
    fields = length_prefixed(place.fields)
    derived, commitment = _derive(key, place.purpose, fields)
    ciphertext = AESGCM(derived).encrypt(nonce, plaintext, _associated_data(key_id, place.purpose, fields))
    return f"{FORMAT}.{key_id}.{base64url(commitment + nonce + ciphertext)}".encode()


def key_id_of(sealed: bytes) -> str:
    """The id of the key that sealed it, read from the front alone. Raises SealBroken where it is no sealed value."""
    form, _, rest = sealed[: len(FORMAT) + MAX_KEY_ID_CHARACTERS + 2].partition(b".")
    key_id, dot, _ = rest.decode("ascii", "replace").partition(".")
    if form != FORMAT.encode() or not dot or not is_key_id(key_id):
        raise _malformed()
    return key_id


def open_sealed(key: bytes, place: Place, *, sealed: bytes) -> bytes:
    """The plaintext. Raises SealBroken where it was altered, KeyMismatch where another key or place sealed it."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key_id, payload = _take_apart(sealed)
    commitment, nonce = payload[:COMMITMENT_OCTETS], payload[COMMITMENT_OCTETS : COMMITMENT_OCTETS + NONCE_OCTETS]
    fields = length_prefixed(place.fields)
    derived, expected = _derive(key, place.purpose, fields)
    if not _compare_digest(commitment, expected):
        message = (
            f"what was sealed as {place.purpose} does not open with sealing key {key_id!r}: that id stands for another "
            "key now, or it was sealed in another VALETKEY_ENVIRONMENT, altered or moved. Bring back what sealed it; "
            "it is kept"
        )
        raise KeyMismatch(key_id, message)
    try:
        ciphertext, associated = (
            payload[COMMITMENT_OCTETS + NONCE_OCTETS :],
            _associated_data(key_id, place.purpose, fields),
        )
        return AESGCM(derived).decrypt(nonce, ciphertext, associated)
    except InvalidTag:
        message = f"a sealed value does not open as {place.purpose}: it was altered; it is kept for inspection"
        raise SealBroken(message) from None


def _take_apart(sealed: bytes) -> tuple[str, bytes]:
    if len(sealed) > MAX_SEALED_OCTETS:
        message = f"a sealed value has at most {MAX_SEALED_OCTETS} octets"
        raise SealBroken(message)
    try:
        form, key_id, encoded = sealed.decode("ascii").split(".")
        payload = base64url_decode(encoded)
    except ValueError:
        raise _malformed() from None
    if form != FORMAT or not is_key_id(key_id) or len(payload) < COMMITMENT_OCTETS + NONCE_OCTETS + TAG_OCTETS:
        raise _malformed()
    return key_id, payload


def _malformed() -> SealBroken:
    return SealBroken("a sealed value is not in the form vk1.<key id>.<base64url>")


def derive(key: bytes, place: Place) -> bytes:
    """The place's own key, for another use than sealing: the place must be one where nothing is ever sealed."""
    return _derive(key, place.purpose, length_prefixed(place.fields))[0]


def _derive(key: bytes, purpose: str, fields: bytes) -> tuple[bytes, bytes]:
    """The place's own key and its commitment: HKDF-SHA256 (RFC 5869) to 48 octets. fields: the place's, prefixed."""
    info = b"valetkey/1/" + purpose.encode("utf-8", "surrogatepass")
    expand = keyed_sha256(hmac_sha256(sha256(fields).digest(), key))
    first = expand(info + b"\x01")
    return first, expand(first + info + b"\x02")[:COMMITMENT_OCTETS]


def _associated_data(key_id: str, purpose: str, fields: bytes) -> bytes:
    return length_prefixed((FORMAT, key_id, purpose)) + fields
