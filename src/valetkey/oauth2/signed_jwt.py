"""Make signed JSON Web Tokens, as far as a client needs them (RFC 7515 section 7.1, RFC 7519).

The one rule: what is signed says what it is for (`typ`, RFC 8725 section 3.11), and the algorithm comes from our
configuration. Not here: reading somebody else's (`jws`).
"""

from __future__ import annotations

from valetkey.digest import hmac_sha256, sha256
from valetkey.effects import PublicKey
from valetkey.http import base64url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal, TypeAlias

    from valetkey.effects import PrivateKey, WireOp
    from valetkey.http import Pairs
    from valetkey.secret import Secret

    KeyAlgorithm: TypeAlias = Literal["RS256", "PS256", "ES256"]


def sign_jwt(
    key: PrivateKey, algorithm: KeyAlgorithm, *, header: Mapping[str, object], claims: Mapping[str, object]
) -> WireOp[str]:
    """The claims, signed with a private key, in compact serialization.

    Raises ConfigurationError for a wrong key, and StoreError where a key's own signer fails.
    """
    from valetkey.signing import signed

    signing_input = write_signing_input({"alg": algorithm, **header}, claims)
    signature = yield from signed(key, algorithm, signing_input.encode())
    return f"{signing_input}.{base64url(signature)}"


def authenticate_jwt(secret: Secret, *, header: Mapping[str, object], claims: Mapping[str, object]) -> str:
    """The claims, authenticated with HS256 (RFC 7518 section 3.2)."""
    signing_input = write_signing_input({"alg": "HS256", **header}, claims)
    return f"{signing_input}.{base64url(hmac_sha256(secret.reveal().encode(), signing_input.encode()))}"


def write_signing_input(header: Mapping[str, object], claims: Mapping[str, object]) -> str:
    """What is signed: header and claims, each in base64url, with a dot between (RFC 7515 section 5.1)."""
    import json

    return ".".join([base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims)])


def thumbprint(jwk: Pairs) -> str:
    """The SHA-256 thumbprint of a public key, by which it is called (RFC 7638 section 3)."""
    import json

    members = json.dumps(dict(sorted(jwk)), separators=(",", ":"))
    return base64url(sha256(members.encode()).digest())


def key_id(key: PrivateKey) -> WireOp[str]:
    """What the provider calls the key: the configured id, else the thumbprint. Raises ConfigurationError."""
    if key.key_id:
        return key.key_id
    return thumbprint((yield from PublicKey(key)))
