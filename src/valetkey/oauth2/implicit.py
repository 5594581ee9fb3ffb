"""Tokens that the authorization endpoint itself gives out, in the fragment of the redirect (RFC 6749 section 4.2).

The one rule: what came in a fragment is whatever somebody put there. It is read only for a flow that was found, and its
token counts only once the provider has said that it was issued to this client (RFC 6749 section 10.16). Everything here
is pure. Not here: who says so (`connections.by_implicit`), the page that hands a fragment over (`web.fragments`).
"""

from __future__ import annotations

from valetkey.errors import CallbackError, MalformedResponse, RequestRefused
from valetkey.http import FORM, read_form, write_form
from valetkey.oauth2.authorization import read_values
from valetkey.oauth2.token_response import read_token_fields
from valetkey.secret import Secret
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Pairs, Request
    from valetkey.oauth2.server import AuthorizationServer
    from valetkey.oauth2.token_response import TokenResponse

FRAGMENT = "fragment"
MAX_FRAGMENT = 16_384
MAX_BODY = 4 * MAX_FRAGMENT
_TOKENS = frozenset(("access_token", "id_token", "refresh_token", "code"))
# 6749 s4.2.2: no refresh token is issued; a code would be another grant's.
_DROPPED = frozenset(("state", "iss", "refresh_token", "code"))

_DEFINED = _DROPPED | _TOKENS | {"token_type", "expires_in", "scope"}


def read_handed_over(request: Request) -> Pairs:
    """The parameters of the fragment that our page posted; of a callback with a query, all but tokens and codes.

    An error may come in the query of a provider that knows no better; what comes there is in logs, so a token never
    counts. Raises CallbackError, RequestRefused.
    """
    if request.method == "GET":
        found = _read(request.url.partition("?")[2], limit=MAX_FRAGMENT)
        return tuple(pair for pair in found if pair[0] not in _TOKENS)
    if request.method != "POST":
        raise RequestRefused("method_not_allowed", "this callback takes GET, and POST from its own page", status=405)
    if (request.headers.get("content-type") or "").partition(";")[0].strip().lower() != FORM:
        raise RequestRefused("unsupported_media_type", f"this callback takes {FORM}", status=415)
    posted = [text for name, text in _read(request.body.decode("latin-1"), limit=MAX_BODY) if name == FRAGMENT]
    if len(posted) != 1:
        raise _malformed()
    return _read(posted[0], limit=MAX_FRAGMENT)


def _read(text: str, *, limit: int) -> Pairs:
    if len(text) > limit:
        raise _malformed()
    try:
        return read_form(text)
    except ValueError:
        raise _malformed() from None


def _malformed() -> CallbackError:
    return CallbackError("malformed_callback", "the callback cannot be read: start again")


def read_implicit_answer(pairs: Pairs, *, server: AuthorizationServer) -> Secret:
    """The answer, well-formed and from the issuer that was asked, or an error with a `reason` (section 4.2.2).

    Nothing in it is believed yet: see `implicit_tokens`.
    """
    if any(character < " " or character == "\x7f" for pair in pairs for text in pair for character in text):
        raise _malformed()
    names = {name for name, _ in pairs}
    if "id_token" in server.response_type.split(" ") and "id_token" in names and "error" not in names:
        # Its own iss is checked with all the rest, as that of a signed response is (9207 s2.4); servers leave the other
        # out then. One that is there must still be right.
        server = replace(server, iss_required=False)
    kept = Secret(write_form((name, text) for name, text in read_values(pairs, server=server) if name not in _DROPPED))
    _ = implicit_tokens(kept, server=server, received_at=0)
    return kept


def beside_tokens(pairs: Pairs) -> Pairs:
    """What stands in the answer beside what section 4.2.2 and OpenID Connect Core 1.0 section 3.2.2.5 define."""
    return tuple(pair for pair in pairs if pair[0] not in _DEFINED)


def implicit_tokens(answer: Secret, *, server: AuthorizationServer, received_at: float) -> TokenResponse:
    """The tokens in the answer, read as a token endpoint's are (section 5.1). Raises CallbackError.

    An id_token that was not asked for is dropped: no nonce belongs to it.
    """
    fields = dict(read_form(answer.reveal()))
    if "id_token" not in server.response_type.split(" "):
        _ = fields.pop("id_token", None)
    try:
        return read_token_fields(fields, server=server, received_at=received_at, status=200)
    except MalformedResponse:
        pass
    message = "the callback holds neither an error nor an access token of a known type: start again"
    raise CallbackError("malformed_callback", message)  # outside of `except`: nothing of the answer comes along
