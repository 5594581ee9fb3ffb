"""Read a signed token in its compact form (RFC 7515 section 7.1), strictly and without believing it.

The one rule: nothing in a token chooses how it is checked. The algorithm comes from an allow-list of the
configuration, the key from the server's own key set; `jwk`, `jku`, `x5u` and `x5c` in a header are not looked at.
Not here: keys (`jwks`), the signature itself (`keys.verify`), what an id_token (`id_token`) or a signed authorization
response (`signed_response`) must say.
"""

from __future__ import annotations

from valetkey.http import base64url_decode
from valetkey.oauth2.strict_json import read_json_object
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, TypeAlias

    JwsAlgorithm: TypeAlias = Literal["RS256", "PS256", "ES256"]

ALGORITHMS: tuple[JwsAlgorithm, ...] = ("RS256", "PS256", "ES256")
"""What is ever verified: never `none`, and nothing symmetric, for a public key is no secret (RFC 8725 section 3.1)."""
MAX_TOKEN_CHARACTERS = 16 * 1024
MAX_HEADER_OCTETS = 4 * 1024
LATEST = 253_402_300_799  # the end of the year 9999


@value
class Jws:
    """A token that was taken apart. Nothing in it is proved yet.

    key_id: empty where the header names none. type: `typ` in lower case, without `application/`.
    signed: the octets that the signature is over (RFC 7515 section 5.1).
    """

    algorithm: str
    key_id: str
    type: str
    claims: dict[str, Any]
    signed: bytes
    signature: bytes

    def __repr__(self) -> str:
        return f"Jws({self.algorithm!r}, {len(self.signed)} octets)"


def read_jws(text: str) -> Jws:
    """The token's parts; ValueError that quotes nothing of it."""
    if len(text) > MAX_TOKEN_CHARACTERS:  # before anything is decoded: CVE-2025-61920
        message = f"longer than {MAX_TOKEN_CHARACTERS} characters"
        raise ValueError(message)
    parts = text.split(".")
    if len(parts) != 3 or not all(parts):
        message = "not three parts: encrypted tokens and those without a signature are not taken"
        raise ValueError(message)
    header_octets, payload, signature = (base64url_decode(part) for part in parts)
    header = read_json_object(header_octets, limit=MAX_HEADER_OCTETS)
    if "crit" in header or "b64" in header:  # 7515 s4.1.11: we understand no extension, so none may be critical
        message = "the header names an extension that must be understood"
        raise ValueError(message)
    return Jws(
        algorithm=_text(header, "alg"),
        key_id=_text(header, "kid"),
        type=_text(header, "typ").lower().removeprefix("application/"),
        claims=read_json_object(payload, limit=MAX_TOKEN_CHARACTERS),
        signed=text.rpartition(".")[0].encode("ascii"),
        signature=signature,
    )


def header_problem(jws: Jws, *, algorithms: tuple[str, ...]) -> Literal["", "algorithm", "type"]:
    """What is wrong with the header; empty where nothing is.

    The algorithm is none of the configured (RFC 8725 section 3.1), or the type another kind of token's (section 3.11).
    """
    if jws.algorithm not in algorithms:
        return "algorithm"
    return "" if jws.type in ("", "jwt") else "type"


def read_time(jws: Jws, name: str) -> float | None:
    """The claim as Unix seconds (RFC 7519 section 2, NumericDate); None where it is missing or not a time."""
    found = jws.claims.get(name)
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not 0 <= found <= LATEST:
        return None
    return found


def _text(header: dict[str, Any], name: str) -> str:
    found = header.get(name, "")
    if not isinstance(found, str):
        message = f"{name} in the header is not a text"
        raise ValueError(message)  # noqa: TRY004 - what came from outside is a value, not a caller's type
    return found
