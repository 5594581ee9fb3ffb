"""Authorization responses in a signed JWT (JARM: JWT Secured Authorization Response Mode for OAuth 2.0).

The one rule: where signed answers are configured, an answer that is not signed is none, whatever it says; and until the
signature was verified, a claim is good for finding a cookie of this browser and for nothing else.
Not here: keys and the signature (`connections.signed_response` has it verified), what the parameters mean
(`authorization`).
"""

from __future__ import annotations

from valetkey.errors import CallbackError
from valetkey.oauth2.jws import header_problem, read_jws, read_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Pairs
    from valetkey.oauth2.jws import Jws

SKEW_SECONDS = 60
MAX_AUDIENCES = 32
RESPONSE = "response"
# What a plain answer consists of (RFC 6749, RFC 9207, OpenID Connect Core 1.0): beside a signed one it is another's.
_PLAIN = frozenset(
    (
        "code",
        "state",
        "iss",
        "error",
        "error_description",
        "error_uri",
        "access_token",
        "token_type",
        "id_token",
        "refresh_token",
        "expires_in",
    )
)
_NUMBERS = frozenset(("expires_in",))
_OF_THE_JWT = frozenset(("aud", "exp", "iat", "nbf", "jti", "sub"))


def refuse(word: str, why: str) -> CallbackError:
    """The error of one check: reason `jarm_<word>`."""
    return CallbackError(f"jarm_{word}", f"the provider's answer is refused: {why}; nothing was exchanged, start again")


def read_signed_response(pairs: Pairs) -> Jws:
    """The JWT in a callback's parameters, taken apart and not believed (section 2.3). Raises CallbackError."""
    found = [text for name, text in pairs if name == RESPONSE]
    if len(found) > 1:  # 6749 s3.1
        raise CallbackError("duplicate_parameter", "the callback holds a parameter twice: start again")
    if not found or not found[0]:
        raise refuse("missing", "it is not signed, although this registration takes signed answers alone")
    if any(name in _PLAIN for name, _ in pairs):
        raise refuse("mixed", "plain parameters stand beside the signed ones")
    text = found[0]
    if text.count(".") == 4:  # 7516 s3.1
        raise refuse("encrypted", "it is encrypted: have the provider register this client for signed answers alone")
    if text.count(".") == 2 and text.endswith("."):  # 7515 s6: alg none
        raise refuse("algorithm", "it bears no signature")
    try:
        return read_jws(text)
    except ValueError as why:
        raise refuse("malformed", str(why)) from None


def response_parameters(jws: Jws) -> Pairs:
    """The parameters of the response in its claims (section 2.1), as a plain answer would have them."""
    for name, claim in jws.claims.items():
        if name in _PLAIN and name not in _NUMBERS and not isinstance(claim, str):
            raise refuse("malformed", f"{name} in it is not a text")
    return tuple(
        (name, claim) for name, claim in jws.claims.items() if isinstance(claim, str) and name not in _OF_THE_JWT
    )


def check_response_header(jws: Jws, *, algorithms: tuple[str, ...]) -> None:
    """The algorithm is one of the configured and the type no other kind of token's: see `jws.header_problem`."""
    if problem := header_problem(jws, algorithms=algorithms):
        signed = f"it is not signed with one of {', '.join(algorithms)}"
        raise refuse(problem, signed if problem == "algorithm" else "it is another kind of token")


def check_response(jws: Jws, *, issuer: str, client_id: str, now: float) -> None:
    """It is from this issuer, for this client alone, and has not expired (sections 2.1 and 2.4)."""
    if jws.claims.get("iss") != issuer:
        raise refuse("issuer", "iss is not the issuer that was asked")
    audience = jws.claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if not 0 < len(audiences) <= MAX_AUDIENCES or any(one != client_id for one in audiences):
        raise refuse("audience", "aud is not this client alone")
    expires_at = read_time(jws, "exp")
    if expires_at is None:
        raise refuse("times", "exp is missing or not a time")
    if now >= expires_at + SKEW_SECONDS:
        raise refuse("expired", "its exp has passed: check this machine's clock")
    for name in ("iat", "nbf"):
        moment = read_time(jws, name) if name in jws.claims else 0
        if moment is None or moment > now + SKEW_SECONDS:
            raise refuse("times", f"{name} is from the future or not a time: check this machine's clock")
