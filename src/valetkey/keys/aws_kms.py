"""Data keys wrapped by AWS KMS, over HTTP without an SDK.

    k-1f3c:aws-kms:arn:aws:kms:eu-central-1:111122223333:key/1234abcd-...:AQIDAHh...

Environment and key id are the encryption context, so a wrapped key opens for no other. The one rule: the key that
unwraps is named in the request and compared in the answer; KMS would otherwise take whichever one the blob names.
API reference: AWS Key Management Service, Decrypt and GenerateDataKeyWithoutPlaintext; the new key's plaintext never
leaves KMS until it is first used.
"""

from __future__ import annotations

from binascii import b2a_base64

from valetkey.clouds.aws_sigv4 import sign_request
from valetkey.clouds.service import read_endpoint
from valetkey.effects import Now
from valetkey.http import Headers, Request
from valetkey.keys.aead import KEY_OCTETS
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

    from valetkey.clouds.aws_credentials import AwsCredentialSource
    from valetkey.effects import WireOp

SERVICE = "aws-kms"
FORM = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
EXPIRED = "ExpiredTokenException"
# Throttling comes with status 400; KMSInvalidStateException is final: the key is disabled or about to be deleted.
TRANSIENT = frozenset({"ThrottlingException", "Throttling", "LimitExceededException", "RequestLimitExceeded", EXPIRED})
ADVICE = {
    "AccessDeniedException": "access denied: allow this function's role kms:Decrypt on that key, in the role's policy"
    " and in the key's",
    "DisabledException": "the key is disabled: enable it in KMS",
    "KMSInvalidStateException": "the key is disabled or waits for its deletion: cancel that in KMS",
    "NotFoundException": "there is no such key in this region and account: restore it, or correct its ARN",
    "InvalidCiphertextException": "the wrapped key was altered, or wrapped for another key id or environment: restore"
    " this key's line, and VALETKEY_ENVIRONMENT as it was when the key was made",
    "IncorrectKeyException": "it was wrapped by another key of KMS: correct the ARN",
    "InvalidKeyUsageException": "that key does not encrypt: name a symmetric key for encryption",
    "UnrecognizedClientException": "AWS does not know these credentials: check the access key",
    "InvalidSignatureException": "AWS refused the signature: check the secret key and this machine's clock",
    EXPIRED: "the credentials have expired: renew them",
}
PARTITIONS = {"aws": "amazonaws.com", "aws-us-gov": "amazonaws.com", "aws-cn": "amazonaws.com.cn"}
_RESOURCE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/")


def name_problem(name: str) -> str:
    """Why this cannot be the name of a key in KMS; empty where it can."""
    parts = name.split(":")
    kind, _, label = parts[-1].partition("/")
    right = (
        len(parts) == 6
        and parts[0] == "arn"
        and parts[1] in PARTITIONS
        and parts[2] == "kms"
        and parts[3].replace("-", "").isalnum()
        and len(parts[4]) == 12
        and parts[4].isdigit()
        and kind in ("key", "alias")
        and 0 < len(label) <= 256
        and _RESOURCE.issuperset(label)
    )
    return "" if right and name.isascii() else f"a key of AWS KMS is named by its ARN, such as {FORM}"


class AwsKms:
    """Asks KMS in the region that a key's ARN names."""

    def __init__(self, *, credentials: AwsCredentialSource, endpoint: str = "") -> None:
        """endpoint: another address than the region's own, such as a VPC endpoint or a test's server."""
        self._endpoint = read_endpoint(endpoint, what="the endpoint of AWS KMS") + "/" if endpoint else ""
        self._credentials = credentials

    def unwrap(self, key: WrappedKey, *, environment: str, patient: bool = True) -> WireOp[bytes]:
        """The data key, by Decrypt. Raises KeyUnavailable, StoreError, ConfigurationError."""
        content = {
            "KeyId": key.name,
            "CiphertextBlob": _base64(key.wrapped),
            "EncryptionContext": _context(key.key_id, environment),
        }
        answer = yield from self._ask("Decrypt", key.name, content, patient=patient)
        if isinstance(answer, Refused):
            raise refusal(key.key_id, _description(key.name), answer, advice=ADVICE)
        octets = read_octets(answer.get("Plaintext"), most=KEY_OCTETS)
        # An alias may have been moved to another key since; the blob then opens only under the key that wrapped it.
        right_key = answer.get("KeyId") == key.name or ":alias/" in key.name
        if octets is None or len(octets) != KEY_OCTETS or not right_key:
            raise not_a_key(key.key_id, _description(key.name))
        return octets

    def wrap(self, name: str, *, key_id: str, environment: str) -> WireOp[WrappedKey]:
        """A fresh data key that KMS made; under an alias, the line names the key behind it."""
        content = {"KeyId": name, "KeySpec": "AES_256", "EncryptionContext": _context(key_id, environment)}
        answer = yield from self._ask("GenerateDataKeyWithoutPlaintext", name, content)
        if isinstance(answer, Refused):
            denied = "access denied: allow yourself kms:GenerateDataKeyWithoutPlaintext on that key"
            advice = {**ADVICE, "AccessDeniedException": denied}
            raise refusal(key_id, _description(name), answer, advice=advice, deed="made")
        wrapped = read_octets(answer.get("CiphertextBlob"), most=MAX_WRAPPED_OCTETS)
        found = answer.get("KeyId")
        if not wrapped or not isinstance(found, str) or name_problem(found):
            raise not_a_key(key_id, _description(name))
        return WrappedKey(key_id, SERVICE, found, wrapped)

    def _ask(
        self, operation: str, name: str, content: Mapping[str, object], *, patient: bool = True
    ) -> WireOp[Mapping[str, Any] | Refused]:
        from json import dumps

        body = dumps(content).encode()
        _, partition, _, region, _, _ = name.split(":")
        url = self._endpoint or f"https://kms.{region}.{PARTITIONS[partition]}/"
        headers = Headers(
            (("Content-Type", "application/x-amz-json-1.1"), ("X-Amz-Target", f"TrentService.{operation}"))
        )

        def prepare() -> WireOp[Request]:
            credentials = yield from self._credentials.current()
            now = yield from Now()
            request = Request("POST", url, headers, body)
            return sign_request(request, credentials, region=region, service="kms", now=int(now))

        def transient(refused: Refused) -> bool:
            if refused.code == EXPIRED:
                self._credentials.forget()
            return refused.code in TRANSIENT

        return (yield from ask(_description(name), prepare, transient=transient, patient=patient))

    def __repr__(self) -> str:
        return "AwsKms()"


def _context(key_id: str, environment: str) -> Mapping[str, str]:
    # It stands in CloudTrail in the clear: who reads the log sees which environment used which key.
    return {"valetkey:environment": environment, "valetkey:key": key_id}


def _description(name: str) -> str:
    return f"AWS KMS ({name})"


def _base64(octets: bytes) -> str:
    return b2a_base64(octets, newline=False).decode()
