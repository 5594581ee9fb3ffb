"""What an id_token must say before it is believed (OpenID Connect Core 1.0 section 3.1.3.7).

The one rule: each check that fails has its own reason, and none of them is ever skipped because a claim is missing.
Not here: the signature (`connections.identity` has it verified first), where the nonce was kept.
"""

from __future__ import annotations

from valetkey.digest import sha256
from valetkey.errors import CallbackError
from valetkey.http import base64url
from valetkey.oauth2.jws import header_problem, read_time
from valetkey.secret import constant_time_equal
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.oauth2.jws import Jws
    from valetkey.secret import Secret

SKEW_SECONDS = 60
OLDEST_SECONDS = 86_400
MAX_SUBJECT = 255
MAX_AUDIENCES = 32


@value
class Identity:
    """Who the provider says it was: a subject, which means something only beside its issuer (section 2)."""

    issuer: str
    subject: str


def refuse(word: str, why: str) -> CallbackError:
    """The error of one check: reason `id_token_<word>`."""
    return CallbackError(f"id_token_{word}", f"the provider's id_token is refused: {why}; nothing was kept")


def check_header(jws: Jws, *, algorithms: tuple[str, ...]) -> None:
    """The algorithm is one of the configured and the type no other kind of token's: see `jws.header_problem`."""
    if problem := header_problem(jws, algorithms=algorithms):
        signed = f"it is not signed with one of {', '.join(algorithms)}"
        raise refuse(problem, signed if problem == "algorithm" else "it is another kind of token")


def check_identity(jws: Jws, *, issuer: str, client_id: str) -> Identity:
    """The checks that hold for every id_token, refreshed ones too (sections 3.1.3.7 and 12.2): iss, aud, azp, sub."""
    claims = jws.claims
    if claims.get("iss") != issuer:
        raise refuse("issuer", "iss is not the issuer that was asked")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if client_id not in audiences[:MAX_AUDIENCES] or len(audiences) > MAX_AUDIENCES:
        raise refuse("audience", "aud does not name this client")
    if ("azp" in claims or len(audiences) > 1) and claims.get("azp") != client_id:
        raise refuse("audience", "azp is not this client")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT:
        raise refuse("subject", f"sub is not a text of 1 to {MAX_SUBJECT} characters")
    return Identity(issuer, subject)


def check_moment(jws: Jws, *, now: float) -> None:
    """It was issued, not long ago, is valid and has not expired, with a minute for clocks that differ."""
    expires_at, issued_at = read_time(jws, "exp"), read_time(jws, "iat")
    if expires_at is None or issued_at is None:
        raise refuse("times", "exp or iat is missing or not a time")
    if now >= expires_at + SKEW_SECONDS:
        raise refuse("expired", "its exp has passed: check this machine's clock")
    not_before = read_time(jws, "nbf") if "nbf" in jws.claims else issued_at
    if not_before is None or max(issued_at, not_before) > now + SKEW_SECONDS:
        raise refuse("times", "it is from the future: check this machine's clock")
    # s3.1.3.7 step 10: a flow lasts minutes, so no token of it is older than what clocks may be wrong by.
    if issued_at < now - OLDEST_SECONDS:
        raise refuse("times", "it was issued more than a day ago: check this machine's clock")


def check_bindings(jws: Jws, *, nonce: str | None, access_token: Secret | None) -> None:
    """It belongs to this flow (nonce, section 3.1.2.1) and to this access token (at_hash, section 3.1.3.6).

    nonce: None where no authorization request could send one; step 11 of section 3.1.3.7 then asks for nothing.
    access_token: None where it came alone.
    """
    found = jws.claims.get("nonce")
    if nonce is not None and (not isinstance(found, str) or not constant_time_equal(found, nonce)):
        raise refuse("nonce", "its nonce is not this flow's")
    if access_token is not None and "at_hash" in jws.claims:
        at_hash = jws.claims["at_hash"]
        if not isinstance(at_hash, str) or not constant_time_equal(at_hash, left_half(access_token.reveal())):
            raise refuse("at_hash", "it was issued with another access token")


def require_at_hash(jws: Jws) -> None:
    """An id_token that came beside an access token through the browser says which (Core sections 3.2.2.9, 3.2.2.10)."""
    if "at_hash" not in jws.claims:
        raise refuse("at_hash", "it does not say with which access token it was issued")


def left_half(token: str) -> str:
    """The left half of SHA-256, as `at_hash` and `c_hash` have it for every algorithm that is taken here."""
    return base64url(sha256(token.encode()).digest()[:16])
