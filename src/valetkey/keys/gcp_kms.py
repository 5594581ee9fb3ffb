"""Data keys wrapped by Google Cloud KMS, over its REST API.

    k-1f3c:gcp-kms:projects/P/locations/L/keyRings/R/cryptoKeys/K:CiQA...

Environment and key id are the additional authenticated data, so a wrapped key opens for no other. The one rule: what
goes and what comes carries its CRC32C, as Google asks of its callers; an answer without one is refused.
API reference: projects.locations.keyRings.cryptoKeys, methods encrypt and decrypt.
"""

from __future__ import annotations

from binascii import b2a_base64

from valetkey.clouds.service import read_endpoint
from valetkey.effects import Random
from valetkey.http import Headers, Request
from valetkey.keys.aead import KEY_OCTETS, length_prefixed
from valetkey.keys.key_service import (
    MAX_WRAPPED_OCTETS,
    Refused,
    WrappedKey,
    ask,
    not_a_key,
    read_octets,
    refusal,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from valetkey.clouds.tokens import TokenSource
    from valetkey.effects import WireOp

SERVICE = "gcp-kms"
FORM = "projects/P/locations/L/keyRings/R/cryptoKeys/K"
ENDPOINT = "https://cloudkms.googleapis.com/"
SCOPE = "https://www.googleapis.com/auth/cloudkms"
ADVICE = {
    "PERMISSION_DENIED": "access denied: give this function's service account the role"
    " roles/cloudkms.cryptoKeyDecrypter on that key, and enable the Cloud KMS API",
    "FAILED_PRECONDITION": "the key's version is disabled or destroyed: enable or restore it in Cloud KMS",
    "NOT_FOUND": "there is no such key: restore it, or correct its name",
    "INVALID_ARGUMENT": "the wrapped key was altered, or wrapped for another key id or environment: restore this"
    " key's line, and VALETKEY_ENVIRONMENT as it was when the key was made",
    "UNAUTHENTICATED": "Google does not know this access token: check the service account",
}
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:")
POLYNOMIAL = 0x82F63B78  # Castagnoli's, reflected (RFC 3720 appendix B.4)


def name_problem(name: str) -> str:
    """Why this cannot be the name of a key in Cloud KMS; empty where it can."""
    parts = name.split("/")
    right = parts[::2] == ["projects", "locations", "keyRings", "cryptoKeys"] and len(parts) == 8
    if right and all(part and len(part) <= 100 and _NAME.issuperset(part) for part in parts[1::2]):
        return ""
    return f"a key of Google Cloud KMS is named {FORM}, without a version"


class GcpKms:
    """Asks Cloud KMS with the function's own service account."""

    def __init__(self, *, credentials: TokenSource, endpoint: str = ENDPOINT) -> None:
        """endpoint: another address than Google's own, for tests."""
        self._credentials = credentials
        self._endpoint = read_endpoint(endpoint, what="the endpoint of Google Cloud KMS") + "/"

    def unwrap(self, key: WrappedKey, *, environment: str, patient: bool = True) -> WireOp[bytes]:
        """The data key, by decrypt. Raises KeyUnavailable, StoreError, ConfigurationError."""
        content = _with_checksums({"ciphertext": key.wrapped}, _associated_data(key.key_id, environment))
        answer = yield from self._ask("decrypt", key.name, content, patient=patient)
        if isinstance(answer, Refused):
            raise refusal(key.key_id, _description(key.name), answer, advice=ADVICE)
        octets = read_octets(answer.get("plaintext"), most=KEY_OCTETS)
        if octets is None or len(octets) != KEY_OCTETS or not _matches(answer.get("plaintextCrc32c"), octets):
            raise not_a_key(key.key_id, _description(key.name))
        return octets

    def wrap(self, name: str, *, key_id: str, environment: str) -> WireOp[WrappedKey]:
        """A fresh data key, made here and wrapped there."""
        octets = yield from Random(KEY_OCTETS)
        content = _with_checksums({"plaintext": octets}, _associated_data(key_id, environment))
        answer = yield from self._ask("encrypt", name, content)
        if isinstance(answer, Refused):
            denied = "access denied: give yourself the role roles/cloudkms.cryptoKeyEncrypter on that key"
            advice = {**ADVICE, "PERMISSION_DENIED": denied}
            raise refusal(key_id, _description(name), answer, advice=advice, deed="wrapped")
        wrapped = read_octets(answer.get("ciphertext"), most=MAX_WRAPPED_OCTETS)
        verified = answer.get("verifiedPlaintextCrc32c") is True
        verified = verified and answer.get("verifiedAdditionalAuthenticatedDataCrc32c") is True
        if not wrapped or not verified or not _matches(answer.get("ciphertextCrc32c"), wrapped):
            raise not_a_key(key_id, _description(name))
        return WrappedKey(key_id, SERVICE, name, wrapped)

    def _ask(
        self, method: str, name: str, content: Mapping[str, str], *, patient: bool = True
    ) -> WireOp[Mapping[str, Any] | Refused]:
        from json import dumps

        body = dumps(content).encode()

        def prepare() -> WireOp[Request]:
            token = yield from self._credentials.current()
            authorization = ("Authorization", f"Bearer {token.reveal()}")
            headers = Headers((("Content-Type", "application/json"), authorization))
            return Request("POST", f"{self._endpoint}v1/{name}:{method}", headers, body)

        def transient(refused: Refused) -> bool:
            if refused.status == 401:
                self._credentials.forget()
            return refused.status == 401

        return (yield from ask(_description(name), prepare, transient=transient, patient=patient))

    def __repr__(self) -> str:
        return "GcpKms()"


def crc32c(octets: bytes) -> int:
    """CRC-32C (RFC 3720 appendix B.4). Bit by bit: a data key has 32 octets."""
    remainder = 0xFFFFFFFF
    for octet in octets:
        remainder ^= octet
        for _ in range(8):
            remainder = remainder >> 1 ^ (POLYNOMIAL if remainder & 1 else 0)
    return remainder ^ 0xFFFFFFFF


def _with_checksums(fields: Mapping[str, bytes], associated_data: bytes) -> Mapping[str, str]:
    content = {}
    for name, octets in {**fields, "additionalAuthenticatedData": associated_data}.items():
        content[name] = b2a_base64(octets, newline=False).decode()
        content[f"{name}Crc32c"] = str(crc32c(octets))  # int64 in JSON is text
    return content


def _matches(checksum: object, octets: bytes) -> bool:
    return isinstance(checksum, str | int) and str(checksum) == str(crc32c(octets))


def _associated_data(key_id: str, environment: str) -> bytes:
    return length_prefixed(("valetkey", environment, key_id))


def _description(name: str) -> str:
    return f"Google Cloud KMS ({name})"
