"""The sandbox's signing keys, and what is signed with them (RFC 7515, RFC 7517).

    sandbox.signing_keys.published()            the entries of its key set, at /oauth2/jwks
    signed(exchange, claims, client=...)        a JWT; spoilt, where a fault of the request says so (`spoilt`)

The one rule: everything that the sandbox signs is signed here, so that every fault works on all of it. Keys are made
when they are first needed, once for all sandboxes of a process: they protect nothing, and RSA keys take time.
"""

from __future__ import annotations

from functools import cache

from valetkey.effects import PrivateKey
from valetkey.http import base64url
from valetkey.keys.jwk import make_key, public_jwk
from valetkey.keys.signer import LocalSigner
from valetkey.oauth2.signed_jwt import authenticate_jwt, thumbprint, write_signing_input
from valetkey.sandbox.spoilt import spoil, spoil_header, spoil_text
from valetkey.secret import Secret
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal, TypeAlias

    from valetkey.sandbox.clients import SandboxClient
    from valetkey.sandbox.exchange import Exchange
    from valetkey.sandbox.state import State

    Algorithm: TypeAlias = Literal["RS256", "PS256", "ES256"]
    Kind: TypeAlias = Literal["RSA", "EC"]

ALGORITHMS: tuple[Algorithm, ...] = ("RS256", "PS256", "ES256")
OTHER: dict[str, Algorithm] = {"RS256": "PS256", "PS256": "RS256", "ES256": "RS256"}
RSA_BITS = 2048
_signer = LocalSigner()


class SigningKeys:
    """One RSA key and one on P-256 at a time."""

    def __init__(self, state: State) -> None:
        self._state = state

    def current(self, algorithm: Algorithm) -> PrivateKey:
        """The key that signs with that algorithm; its key id is its thumbprint."""
        return _key("EC" if algorithm == "ES256" else "RSA", self._state.key_rotations)

    def rotate(self) -> None:
        """Sign with new keys from now on, and publish the new ones alone."""
        self._state.key_rotations += 1

    def published(self, *, spare: int = 0) -> list[dict[str, object]]:
        """The public keys (RFC 7517 section 5). spare: how many RSA keys that sign nothing stand before them."""
        keys = [_key("RSA", -1 - number) for number in range(spare)]
        keys += [self.current("RS256"), self.current("ES256")]
        return [{**dict(public_jwk(key)), "use": "sig", "kid": key.key_id} for key in keys]


@cache
def _key(kind: Kind, number: int) -> PrivateKey:
    del number  # the same number gives the same key
    key = make_key() if kind == "EC" else _make_rsa_key()
    return replace(key, key_id=thumbprint(public_jwk(key)))


def _make_rsa_key() -> PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    made = generate_private_key(65537, RSA_BITS)
    return PrivateKey(Secret(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()))


def signed(
    exchange: Exchange, claims: Mapping[str, object], *, client: SandboxClient, algorithm: Algorithm, typ: str = "JWT"
) -> str:
    """The claims as a signed JWT for the client; claims that are None are left out."""
    keys, fault = exchange.sandbox.signing_keys, exchange.fault
    if fault == "key_rotated":
        keys.rotate()
    said = {name: claim for name, claim in claims.items() if claim is not None}
    said = spoil(said, fault, now=exchange.now)
    if fault == "alg_symmetric":  # HS256 with what both sides know
        return authenticate_jwt(client.secret or Secret("none"), header={"typ": typ}, claims=said)
    chosen = OTHER[algorithm] if fault == "alg_other" else algorithm
    key = keys.current(chosen)
    header = spoil_header({"alg": chosen, "typ": typ, "kid": key.key_id}, fault)
    text = write_signing_input(header, said)
    return spoil_text(f"{text}.{base64url(_signer.sign_here(key, chosen, text.encode()))}", fault)
