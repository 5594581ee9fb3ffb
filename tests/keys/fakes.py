"""Google Cloud KMS and Azure Key Vault in memory.

These are no emulators: neither company publishes one. They were written from the REST references (Cloud KMS v1,
`cryptoKeys.encrypt` and `.decrypt`; Key Vault 7.4, `wrapKey` and `unwrapKey`) and refuse whatever those do not describe:
another method, path, header, field, encoding or checksum is a failure of the test, not an error of the service.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from valetkey.clouds.tokens import AccessToken, TokenSource
from valetkey.effects import CONFIGURED
from valetkey.http import Headers, Response
from valetkey.keys.gcp_kms import crc32c
from valetkey.secret import Secret

if TYPE_CHECKING:
    from valetkey.effects import Send, WireOp


class Tokens(TokenSource):
    """A source of tokens; each one it gives is new."""

    def __init__(self) -> None:
        super().__init__()
        self.given = 0

    def _ask(self) -> WireOp[AccessToken]:
        self.given += 1
        return AccessToken(Secret(f"canary-token-{self.given}"), 2_000_000_000)
        yield


def answer(status: int, content: object) -> Response:
    return Response(status, Headers((("Content-Type", "application/json"),)), json.dumps(content).encode())


class _Fake:
    """What both do with a request before they look at it. revoked: tokens that are no longer taken."""

    def __init__(self) -> None:
        self.revoked: set[str] = set()
        self.denied = False
        self.tamper: dict[str, object] = {}

    def _content(self, effect: Send, fields: set[str]) -> tuple[str, dict[str, str]]:
        request = effect.request
        assert effect.reach == CONFIGURED
        assert request.method == "POST"
        assert request.headers.get("content-type") == "application/json"
        scheme, _, token = str(request.headers.get("authorization")).partition(" ")
        assert scheme == "Bearer"
        content = json.loads(request.body)
        assert set(content) == fields
        assert all(isinstance(text, str) for text in content.values())
        return token, content


class GoogleKms(_Fake):
    """One key in Cloud KMS. disabled: its version is; ring: which key it is."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.disabled = name, False
        self._key = AESGCM(AESGCM.generate_key(256))

    def send(self, effect: Send) -> Response:
        """Answer as Cloud KMS does."""
        method = effect.request.url.rpartition(":")[2]
        given = {"encrypt": "plaintext", "decrypt": "ciphertext"}[method]
        data = "additionalAuthenticatedData"
        token, content = self._content(effect, {given, f"{given}Crc32c", data, f"{data}Crc32c"})
        if token in self.revoked:
            return self._error(401, "UNAUTHENTICATED")
        if effect.request.url != f"https://cloudkms.googleapis.com/v1/{self.name}:{method}":
            return self._error(404, "NOT_FOUND")
        if self.denied:
            return self._error(403, "PERMISSION_DENIED")
        if self.disabled:
            return self._error(400, "FAILED_PRECONDITION")
        octets, associated = (b64decode(content[name], validate=True) for name in (given, data))
        for name, found in ((given, octets), (data, associated)):
            if content[f"{name}Crc32c"] != str(crc32c(found)):
                return self._error(400, "INVALID_ARGUMENT")
        return (self._encrypt if method == "encrypt" else self._decrypt)(octets, associated)

    def _encrypt(self, plaintext: bytes, associated: bytes) -> Response:
        nonce = os.urandom(12)
        ciphertext = nonce + self._key.encrypt(nonce, plaintext, associated)
        found: dict[str, object] = {
            "name": f"{self.name}/cryptoKeyVersions/1",
            "ciphertext": b64encode(ciphertext).decode(),
            "ciphertextCrc32c": str(crc32c(ciphertext)),
            "verifiedPlaintextCrc32c": True,
            "verifiedAdditionalAuthenticatedDataCrc32c": True,
            "protectionLevel": "SOFTWARE",
        }
        return answer(200, found | self.tamper)

    def _decrypt(self, ciphertext: bytes, associated: bytes) -> Response:
        try:
            plaintext = self._key.decrypt(ciphertext[:12], ciphertext[12:], associated)
        except InvalidTag:
            return self._error(400, "INVALID_ARGUMENT")
        found: dict[str, object] = {
            "plaintext": b64encode(plaintext).decode(),
            "plaintextCrc32c": str(crc32c(plaintext)),
            "usedPrimary": True,
            "protectionLevel": "SOFTWARE",
        }
        return answer(200, found | self.tamper)

    def _error(self, status: int, word: str) -> Response:
        return answer(status, {"error": {"code": status, "message": "canary-body", "status": word}})


class KeyVault(_Fake):
    """One RSA key in a vault. error: the inner code of every answer, such as `KeyDisabled`."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.error = name, ""
        self._key = rsa.generate_private_key(65537, 2048)
        self._padding = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)

    def send(self, effect: Send) -> Response:
        """Answer as Key Vault does."""
        token, content = self._content(effect, {"alg", "value"})
        assert content["alg"] == "RSA-OAEP-256"
        assert "=" not in content["value"]
        place, _, query = effect.request.url.partition("?")
        assert query == "api-version=7.4"
        name, _, operation = place.rpartition("/")
        if token in self.revoked:
            return self._refuse(401, "Unauthorized")
        if name != self.name:
            return self._refuse(404, "KeyNotFound")
        if self.denied:
            return self._refuse(403, "Forbidden", "ForbiddenByRbac")
        if self.error:
            return self._refuse(403, "Forbidden", self.error)
        octets = urlsafe_b64decode(content["value"] + "=" * (-len(content["value"]) % 4))
        try:
            found = {"wrapkey": self._wrap, "unwrapkey": self._unwrap}[operation](octets)
        except ValueError:
            return self._refuse(400, "BadParameter")
        value = urlsafe_b64encode(found).decode().rstrip("=")
        return answer(200, {"kid": self.name, "value": value, **self.tamper})

    def _wrap(self, octets: bytes) -> bytes:
        return self._key.public_key().encrypt(octets, self._padding)

    def _unwrap(self, octets: bytes) -> bytes:
        return self._key.decrypt(octets, self._padding)

    def _refuse(self, status: int, code: str, inner: str = "") -> Response:
        error: dict[str, Any] = {"code": code, "message": "canary-body"}
        return answer(status, {"error": {**error, **({"innererror": {"code": inner}} if inner else {})}})
