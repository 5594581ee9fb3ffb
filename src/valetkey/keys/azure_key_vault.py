"""Data keys wrapped by an RSA key in Azure Key Vault, over its REST API.

    k-1f3c:azure-key-vault:https://NAME.vault.azure.net/keys/KEY/VERSION:gHq3...

    wrapped = RSA-OAEP-256(data key 32 | SHA-256(environment, key id) 32)

RSA has no associated data, so what the key was wrapped for is wrapped with it and compared afterwards. The one rule:
the version is part of the name, because a newer version of the vault's key cannot unwrap what an older one wrapped.
API reference: Key Vault keys, operations wrapKey and unwrapKey, version 7.4.
"""

from __future__ import annotations

from valetkey.digest import sha256
from valetkey.effects import Random
from valetkey.http import Headers, Request, base64url, is_loopback, read_url
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
from valetkey.secret import constant_time_equal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from valetkey.clouds.tokens import TokenSource
    from valetkey.effects import WireOp

SERVICE = "azure-key-vault"
FORM = "https://NAME.vault.azure.net/keys/KEY/VERSION"
API_VERSION = "7.4"
ALGORITHM = "RSA-OAEP-256"
BINDING_OCTETS = 32
# The token goes to these only; whoever could write another host there would get it.
SUFFIXES = ("vault.azure.net", "managedhsm.azure.net", "vault.azure.cn", "vault.usgovcloudapi.net")
_DENIED = (
    "access denied: give this function's managed identity the role Key Vault Crypto User on that key (or the unwrapKey"
    " permission of an access policy), and let the vault's firewall pass it"
)
ADVICE = {
    "Forbidden": _DENIED,
    "ForbiddenByRbac": _DENIED,
    "ForbiddenByPolicy": _DENIED,
    "AccessDenied": _DENIED,
    "ForbiddenByFirewall": "the vault's firewall keeps this function out: let its network pass",
    "403": _DENIED,
    "KeyDisabled": "this version of the key is disabled: enable it in the vault",
    "KeyExpired": "this version of the key has expired: move its expiry date",
    "KeyNotYetValid": "this version of the key is not valid yet: move its activation date",
    "KeyNotFound": "there is no such key or version: recover it in the vault, or correct its name",
    "BadParameter": "the wrapped key was altered, or wrapped by another key: restore this key's line",
    "Unauthorized": "Azure does not know this access token: check the managed identity",
}
_SEGMENT = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")


def name_problem(name: str) -> str:
    """Why this cannot be the name of a key in a vault; empty where it can."""
    problem = f"a key of Azure Key Vault is named by its identifier with the version, {FORM}"
    try:
        url = read_url(name)
    except ValueError:
        return problem
    segments = url.path.split("/")
    right = len(segments) == 4 and segments[1] == "keys" and not url.query
    if not right or not all(part and len(part) <= 127 and _SEGMENT.issuperset(part) for part in segments[2:]):
        return problem
    label, _, suffix = url.host.partition(".")
    known = url.scheme == "https" and url.port is None and suffix in SUFFIXES and _SEGMENT.issuperset(label)
    return "" if known or is_loopback(url.host) else problem


class AzureKeyVault:
    """Asks the vault that a key's name says, with the function's own identity."""

    def __init__(self, *, credentials_for: Callable[[str], TokenSource]) -> None:
        """credentials_for: the source of tokens for a resource, such as `https://vault.azure.net`."""
        self._credentials_for = credentials_for
        self._sources: dict[str, TokenSource] = {}

    def unwrap(self, key: WrappedKey, *, environment: str, patient: bool = True) -> WireOp[bytes]:
        """The data key, by unwrapKey. Raises KeyUnavailable, StoreError, ConfigurationError."""
        answer = yield from self._ask("unwrapkey", key.name, key.wrapped, patient=patient)
        if isinstance(answer, Refused):
            raise refusal(key.key_id, _description(key.name), answer, advice=ADVICE)
        octets = read_octets(answer.get("value"), most=KEY_OCTETS + BINDING_OCTETS) or b""
        bound = constant_time_equal(octets[KEY_OCTETS:].hex(), _binding(key.key_id, environment).hex())
        if len(octets) != KEY_OCTETS + BINDING_OCTETS or not bound or not _same_key(answer, key.name):
            raise not_a_key(key.key_id, _description(key.name))
        return octets[:KEY_OCTETS]

    def wrap(self, name: str, *, key_id: str, environment: str) -> WireOp[WrappedKey]:
        """A fresh data key, made here and wrapped there."""
        octets = yield from Random(KEY_OCTETS)
        answer = yield from self._ask("wrapkey", name, octets + _binding(key_id, environment))
        if isinstance(answer, Refused):
            denied = "access denied: give yourself the role Key Vault Crypto User on that key, or wrapKey"
            advice = {**ADVICE, **{code: denied for code, advice in ADVICE.items() if advice == _DENIED}}
            raise refusal(key_id, _description(name), answer, advice=advice, deed="wrapped")
        wrapped = read_octets(answer.get("value"), most=MAX_WRAPPED_OCTETS)
        if not wrapped or not _same_key(answer, name):
            raise not_a_key(key_id, _description(name))
        return WrappedKey(key_id, SERVICE, name, wrapped)

    def _ask(
        self, operation: str, name: str, octets: bytes, *, patient: bool = True
    ) -> WireOp[Mapping[str, Any] | Refused]:
        from json import dumps

        resource = resource_of(name)
        source = self._sources.setdefault(resource, self._credentials_for(resource))
        body = dumps({"alg": ALGORITHM, "value": base64url(octets)}).encode()

        def prepare() -> WireOp[Request]:
            token = yield from source.current()
            authorization = ("Authorization", f"Bearer {token.reveal()}")
            headers = Headers((("Content-Type", "application/json"), authorization))
            return Request("POST", f"{name}/{operation}?api-version={API_VERSION}", headers, body)

        def transient(refused: Refused) -> bool:
            if refused.status == 401:
                source.forget()
            return refused.status == 401

        return (yield from ask(_description(name), prepare, transient=transient, patient=patient))

    def __repr__(self) -> str:
        return "AzureKeyVault()"


def resource_of(name: str) -> str:
    """The resource that a token for this vault is for, such as `https://vault.azure.net`."""
    suffix = read_url(name).host.partition(".")[2]
    return f"https://{suffix if suffix in SUFFIXES else SUFFIXES[0]}"


def _same_key(answer: Mapping[str, Any], name: str) -> bool:
    found = answer.get("kid")
    return isinstance(found, str) and found.lower() == name.lower()  # the vault's part of it is a host name


def _binding(key_id: str, environment: str) -> bytes:
    return sha256(length_prefixed(("valetkey", environment, key_id))).digest()


def _description(name: str) -> str:
    return f"Azure Key Vault ({name})"
