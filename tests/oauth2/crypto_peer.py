"""A peer that signs too, and reads what was signed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.oauth2.peer import Peer

from valetkey.effects import MakeKey, PublicKey, Random, Sign
from valetkey.http import base64url_decode
from valetkey.keys.jwk import make_key, public_jwk
from valetkey.keys.signer import LocalSigner

if TYPE_CHECKING:
    from valetkey.effects import AnyEffect


class SigningPeer(Peer):
    """Answers one Send after the other; chance is a counter, keys are real."""

    drawn = 0

    def answer(self, effect: AnyEffect) -> object:
        match effect:
            case Sign():
                return LocalSigner().sign(effect.key, effect.algorithm, effect.message)
            case PublicKey():
                return public_jwk(effect.key)
            case MakeKey():
                return make_key()
            case Random():
                self.drawn += 1
                return self.drawn.to_bytes(effect.octets, "big")
        return super().answer(effect)


def read_jwt(jwt: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, not checked."""
    header, claims, signature = jwt.split(".")
    assert signature
    return json.loads(base64url_decode(header)), json.loads(base64url_decode(claims))


def is_signed_by(jwt: str, jwk: dict[str, str]) -> bool:
    """Whether an ES256 signature is by this public key."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicNumbers
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    x, y = (int.from_bytes(base64url_decode(jwk[name]), "big") for name in ("x", "y"))
    signed, _, signature = jwt.rpartition(".")
    octets = base64url_decode(signature)
    r, s = (int.from_bytes(half, "big") for half in (octets[:32], octets[32:]))
    key = EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key()
    try:
        key.verify(encode_dss_signature(r, s), signed.encode(), ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True
