"""Which posts are meant: same-origin evidence that the browser gives, and a sealed token in our own forms.

The one rule: a request that a browser calls cross-site is refused whatever else it carries; the origin compared with is
the configured one, never the Host header. Cookies alone prove nothing (CVE-2015-9284).
"""

from __future__ import annotations

from valetkey.connections.seal import open_given
from valetkey.effects import Now, Place, Seal
from valetkey.errors import RequestRefused
from valetkey.http import FORM, read_form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.http import Pairs, Request

MAX_BODY = 64 * 1024
MAX_TOKEN = 512
MAX_CURSOR = 4096
LIFETIME_SECONDS = 3600
SKEW_SECONDS = 60
TOKEN_FIELD = "form"  # noqa: S105 - the name of a field
SINGLE = ("content-type", "content-length", "host", "origin", "sec-fetch-site")


def refuse_unreadable(request: Request) -> None:
    """Refuse what is too large, and headers that must be there once but came twice (RFC 9110 section 5.3)."""
    if len(request.body) > MAX_BODY:
        raise RequestRefused("body_too_large", f"a body has at most {MAX_BODY} octets", status=413)
    for name in SINGLE:
        if len(request.headers.all(name)) > 1:
            raise RequestRefused("malformed_request", f"the header {name} came more than once")


def read_body(request: Request) -> Pairs:
    """The fields of an HTML form. Raises RequestRefused: 415 for any other type, 400 for broken escapes."""
    if not request.body:  # some servers name a type even then
        return ()
    media_type = (request.headers.get("content-type") or "").partition(";")[0].strip().lower()
    if media_type != FORM:
        raise RequestRefused("unsupported_media_type", f"send the form as {FORM}", status=415)
    return decode_pairs(request.body)


def decode_pairs(octets: bytes) -> Pairs:
    """The pairs of a form or query. Raises RequestRefused where they are not strictly encoded."""
    try:
        if octets.isascii():
            return read_form(octets.decode("ascii"))
    except ValueError:
        pass
    raise RequestRefused("malformed_request", "the form is not correctly percent-encoded")


def field(pairs: Pairs, name: str) -> str:
    """The field's text, empty where it is absent. Raises RequestRefused where it came twice."""
    found = [text for key, text in pairs if key == name]
    if len(found) > 1:
        raise RequestRefused("duplicate_parameter", f"the field {name} came more than once")
    return found[0] if found else ""


def same_origin(settings: Settings, request: Request) -> bool:
    """Whether the browser vouches that a page of our own origin sent this; False where it says nothing.

    Raises RequestRefused where it says that another site did. An Origin of `null` says nothing: that is what our own
    `Referrer-Policy: no-referrer` makes browsers send (Fetch Standard section 3.2, "append a request Origin header").
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    foreign_site = site is not None and site not in ("same-origin", "none")
    foreign_origin = origin is not None and origin not in ("null", settings.origin)
    if foreign_site or foreign_origin:
        raise RequestRefused("cross_site", "the request was sent by a page of another site", status=403)
    return site == "same-origin" or (site is None and origin == settings.origin)


def form_token(settings: Settings, owner: str, action: str) -> Op[str]:
    """A token for our own form: good for one hour, for this resource owner and this action."""
    issued_at = yield from Now()
    sealed = yield from Seal(_place(settings, owner, action), str(int(issued_at)).encode())
    return sealed.decode("ascii")


def token_accepted(settings: Settings, owner: str, action: str, *, token: str) -> Op[bool]:
    """Whether the token was sealed for this owner and action within the last hour."""
    if not token or len(token) > MAX_TOKEN or not token.isascii():
        return False
    plaintext = yield from open_given(_place(settings, owner, action), token)
    if plaintext is None:
        return False
    age = (yield from Now()) - int(plaintext)
    return -SKEW_SECONDS <= age <= LIFETIME_SECONDS


def require_token(settings: Settings, owner: str, action: str, *, token: str) -> Op[None]:
    """Refuse with `form_expired` unless the token is accepted."""
    if not (yield from token_accepted(settings, owner, action, token=token)):
        raise RequestRefused("form_expired", "load the page again: its form is missing or too old", status=403)


def seal_cursor(settings: Settings, owner: str, cursor: str) -> Op[str]:
    """The cursor for a link of ours; empty stays empty."""
    if not cursor:
        return ""
    sealed = yield from Seal(_place(settings, owner, "cursor"), cursor.encode())
    return sealed.decode("ascii")


def open_cursor(settings: Settings, owner: str, text: str) -> Op[str]:
    """The cursor of a link of ours, so that a store never sees one that it did not give out. Raises RequestRefused."""
    if not text:
        return ""
    if len(text) <= MAX_CURSOR and text.isascii():
        plaintext = yield from open_given(_place(settings, owner, "cursor"), text)
        if plaintext is not None:
            return plaintext.decode()
    raise RequestRefused("malformed_request", "the cursor is not one of ours: load the first page")


def _place(settings: Settings, owner: str, action: str) -> Place:
    from valetkey.digest import sha256_hex

    return Place("form", (settings.environment, sha256_hex(owner), action))
