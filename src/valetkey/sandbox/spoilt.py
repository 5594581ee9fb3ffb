"""What faults do from within: to what the sandbox signs, its keys, metadata, challenges, authorization responses.

    <member>_missing, <member>_wrong     a claim (iss, aud, sub, exp, nonce, at_hash, ...), a parameter of an
                                         authorization response (iss, state), a member of the metadata (issuer,
                                         jwks_uri, ...); a wrong one is somebody else's
    aud_array, aud_extra                 a list of this client alone, which is right; one with somebody else
    exp_past, iat_past, iat_future       ten minutes ago; a week ago; in an hour
    alg_none, alg_other, alg_symmetric   not signed; with another algorithm; HS256 with the client's secret
    signature_wrong, kid_missing, kid_wrong, key_rotated
                                         a key that is rotated at the last moment is published, and right
    encrypted                            five parts instead of three
    scheme_swapped                       a challenge's scheme: `bEARER`, `dpOp`
    keys_several, keys_missing           two more RSA keys in the key set, which sign nothing; none at all

The one rule: a fault is one word, and changes one thing in what the endpoint that has it makes.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SOMEBODY = "https://another.example"
HASH = "AAAAAAAAAAAAAAAAAAAAAA"
WRONG: dict[str, object] = {
    "iss": SOMEBODY,
    "aud": "another-client",
    "sub": "somebody-else",
    "nonce": "of-another-flow",
    "at_hash": HASH,
    "c_hash": HASH,
    "s_hash": HASH,
    "azp": "another-client",
    "acr": "another-assurance",
    "state": "of-another-flow",
    "issuer": SOMEBODY,
    "authorization_endpoint": "http://another.example/authorize",  # not https
    "token_endpoint": "http://another.example/token",
    "jwks_uri": "http://another.example/keys",
    "userinfo_endpoint": "http://another.example/userinfo",
    "code_challenge_methods_supported": ["plain"],
}
MAY_LACK = (*WRONG, "exp", "iat", "auth_time")
MINUTES_AGO = 600
A_WEEK = 7 * 86_400
AN_HOUR = 3600

_CHANGED: dict[str, Callable[[dict[str, object], float], dict[str, object]]] = {
    "aud_array": lambda claims, _: {"aud": [claims.get("aud")]},
    "aud_extra": lambda claims, _: {"aud": [claims.get("aud"), WRONG["aud"]]},
    "exp_past": lambda _, now: {"exp": int(now) - MINUTES_AGO},
    "iat_past": lambda _, now: {"iat": int(now) - A_WEEK},
    "iat_future": lambda _, now: {"iat": int(now) + AN_HOUR},
}
_SIGNATURES = (
    "alg_none",
    "alg_other",
    "alg_symmetric",
    "signature_wrong",
    "kid_missing",
    "kid_wrong",
    "key_rotated",
    "encrypted",
)
_KEYS = ("keys_several", "keys_missing")
_CHALLENGES = ("scheme_swapped",)
WORDS = (
    *(f"{member}_missing" for member in MAY_LACK),
    *(f"{member}_wrong" for member in WRONG),
    *_CHANGED,
    *_SIGNATURES,
    *_KEYS,
    *_CHALLENGES,
)


def spoil(members: dict[str, object], fault: str, *, now: float) -> dict[str, object]:
    """Claims, parameters or metadata as the fault leaves them."""
    if fault in _CHANGED:
        return members | _CHANGED[fault](members, now)
    name, _, how = fault.rpartition("_")
    if how == "missing" and name in MAY_LACK:
        return {key: member for key, member in members.items() if key != name}
    return members | {name: WRONG[name]} if how == "wrong" and name in members and name in WRONG else members


def spoil_header(header: dict[str, object], fault: str) -> dict[str, object]:
    """The header of a signed token, or an entry of the key set, as the fault leaves it."""
    if fault == "kid_missing":
        return {name: member for name, member in header.items() if name != "kid"}
    if fault == "kid_wrong":
        return header | {"kid": "of-no-key"}
    return header | {"alg": "none"} if fault == "alg_none" else header


def spoil_text(token: str, fault: str) -> str:
    """The compact form of a signed token as the fault leaves it."""
    signed, _, signature = token.rpartition(".")
    if fault == "alg_none":
        return f"{signed}."
    if fault == "signature_wrong":
        return f"{signed}.{signature[:8]}{'A' if signature[8] != 'A' else 'B'}{signature[9:]}"
    return f"{token}.{signature}.{signature}" if fault == "encrypted" else token
