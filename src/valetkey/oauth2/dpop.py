"""Demonstrate that we hold the key that a token is bound to (RFC 9449).

The one rule: a key belongs to one connection and lives inside its seal. What a process remembers is nonces, by origin;
they are nobody's secret, and nothing else of an answer is kept with them.
"""

from __future__ import annotations

from valetkey.digest import sha256
from valetkey.effects import Now, PublicKey, Random
from valetkey.http import base64url, read_url
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.effects import PrivateKey, WireOp
    from valetkey.http import Request, Response
    from valetkey.secret import Secret

JTI_OCTETS = 16
MAX_ORIGINS = 256
MAX_NONCE_LENGTH = 512
_NONCE = frozenset(chr(code) for code in range(0x21, 0x7F)) - {'"', "\\"}  # 9449 s8.1, 6749 A: NQCHAR


class Nonces:
    """The last nonce that each origin gave out (RFC 9449 section 8.2); the oldest is forgotten first.

    Safe for threads. Two of them are equal: what was learned is no part of what a registration is.
    """

    __slots__ = ("_nonces",)

    def __init__(self) -> None:
        self._nonces: dict[str, str] = {}

    def of(self, request: Request) -> str | None:
        """The nonce to send with the request, or None."""
        return self._nonces.get(read_url(request.url).origin)

    def learn(self, request: Request, response: Response) -> None:
        """Remember what the answer says; what is not a nonce, or says it twice, is not believed."""
        nonce = read_nonce(response)
        if nonce is None:
            return
        origin = read_url(request.url).origin
        while len(self._nonces) >= MAX_ORIGINS and origin not in self._nonces:
            _ = self._nonces.pop(next(iter(self._nonces), origin), None)
        self._nonces[origin] = nonce

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Nonces)

    def __hash__(self) -> int:
        return hash(Nonces)

    def __repr__(self) -> str:
        return f"Nonces({len(self._nonces)} origins)"


@value
class ProofKey:
    """The key of one connection, and the nonces that this process knows."""

    key: PrivateKey
    nonces: Nonces


def prove(request: Request, proof_key: ProofKey, *, access_token: Secret | None = None) -> WireOp[Request]:
    """The request with a proof in its DPoP header (RFC 9449 sections 4.2 and 7.1).

    access_token: of a request to a protected resource; it is put there too.
    """
    from valetkey.oauth2.signed_jwt import sign_jwt

    url = read_url(request.url)
    claims: dict[str, object] = {
        "jti": base64url((yield from Random(JTI_OCTETS))),
        "htm": request.method,
        "htu": url.origin + url.path,  # 9449 s4.2: without query and fragment
        "iat": int((yield from Now())),
    }
    if access_token is not None:
        claims["ath"] = base64url(sha256(access_token.reveal().encode()).digest())
    nonce = proof_key.nonces.of(request)
    if nonce is not None:
        claims["nonce"] = nonce
    jwk = dict((yield from PublicKey(proof_key.key)))
    proof = yield from sign_jwt(proof_key.key, "ES256", header={"typ": "dpop+jwt", "jwk": jwk}, claims=claims)
    headers = request.headers.with_set("DPoP", proof)
    if access_token is not None:
        headers = headers.with_set("Authorization", f"DPoP {access_token.reveal()}")
    return replace(request, headers=headers)


def wants_nonce(response: Response) -> bool:
    """Whether the request was refused only for want of the nonce that comes with the answer.

    An authorization server says so in the body (RFC 9449 section 8), a resource server in a challenge (section 9).
    """
    if response.status not in (400, 401) or read_nonce(response) is None:
        return False
    from valetkey.oauth2.bearer import read_challenges

    challenges = read_challenges(response.headers)
    if any(one.scheme == "dpop" and one.get("error") == "use_dpop_nonce" for one in challenges):
        return True
    from valetkey.oauth2.error_response import read_answer

    try:
        return bool(read_answer(response).get("error") == "use_dpop_nonce")
    except ValueError:
        return False


def read_nonce(response: Response) -> str | None:
    """The nonce in the answer's DPoP-Nonce header, or None (RFC 9449 section 8.1)."""
    given = response.headers.all("DPoP-Nonce")
    if len(given) != 1 or not 0 < len(given[0]) <= MAX_NONCE_LENGTH or not _NONCE.issuperset(given[0]):
        return None
    return given[0]
