"""What the gateway, and what stands before it, makes of our pages: whether they answer, what becomes of cookies.

    doctor  --GET /doctor/{sealed} with cookies as large as flows make them-->  gateway  -->  web.probing
            <--two Set-Cookie fields as flows send them, and what arrived----            <--

The one rule: only who has the keys can ask for that page, for a minute; what it sets is nobody's flow, and nothing is
stored. Not here: whether a flow fits into its cookie (`doctor.look_at_cookie`).
"""

from __future__ import annotations

from valetkey.connections.authorize import posts_back
from valetkey.connections.doctor import Finding
from valetkey.connections.grant import exchange_deadline
from valetkey.connections.pending import MAX_VALUE, MAX_WHOLE, cookie_name, flow_cookie
from valetkey.connections.seal import doctor_place, open_given
from valetkey.effects import CONFIGURED, Now, Seal, Send
from valetkey.errors import TransportError, ValetkeyError
from valetkey.http import Headers, Request
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.http import Response

PROBE_SECONDS = 60
SKEW_SECONDS = 60
MAX_PROBE = 512
QUERY = "a=b%20c&d="
MAX_ANSWER = 4_096
TOO_LARGE = (400, 413, 431, 494)  # what edges answer to header fields that are too large for them
FLOWS = (("0" * 32, MAX_WHOLE, False), ("1" * 32, MAX_VALUE, True))
"""Flows that are nobody's: id, characters of the cookie's value, whether the answer is posted across sites."""


@value
class Cookie:
    """A Set-Cookie field, its attributes by their names in lower case."""

    name: str
    text: str
    attributes: tuple[tuple[str, str], ...]


def look_at_gateway(settings: Settings) -> Op[list[Finding]]:
    """Whether somebody answers at the base URL, is valetkey, and sends and gets cookies whole."""
    advice = "check VALETKEY_BASE_URL, and that the gateway is mounted under its path"
    response = yield from _ask(f"{settings.base_url}/connections")
    if response is None:
        what = f"nobody answers at {settings.base_url}, as seen from here"
        return [Finding("warning", "base_url", "answers", what, advice)]
    if response.status == 404 or response.status >= 500:
        what = f"{settings.base_url}/connections answers {response.status}: our pages are not there"
        return [Finding("problem", "base_url", "answers", what, advice)]
    try:
        sealed = yield from Seal(doctor_place(settings.environment), str(int((yield from Now()))).encode())
    except ValetkeyError:
        return []  # the key ring's finding says it
    jar = "; ".join(f"{cookie_name(settings, flow)}={'x' * size}" for flow, size, _ in FLOWS)
    response = yield from _ask(f"{settings.base_url}/doctor/{sealed.decode()}?{QUERY}", jar)
    return _judged(settings, response)


def shown_cookies(settings: Settings, probe: str) -> Op[tuple[str, ...] | None]:
    """The Set-Cookie values that a flow would send, for the page that a doctor asks for; None for anybody else."""
    if len(probe) > MAX_PROBE:
        return None
    asked_at = yield from open_given(doctor_place(settings.environment), probe)
    if asked_at is None or not -SKEW_SECONDS <= (yield from Now()) - int(asked_at) <= PROBE_SECONDS:
        return None
    return _cookies(settings)


def _cookies(settings: Settings) -> tuple[str, ...]:
    return tuple(flow_cookie(settings, flow, "x" * size, cross_site_post=posted) for flow, size, posted in FLOWS)


def without_secure(settings: Settings) -> str:
    """What becomes of cookies where the base URL is plain http."""
    posting = sorted(name for name, one in settings.registrations.items() if posts_back(one))
    what = f"{settings.base_url} is plain http: cookies go without the __Host- prefix and without Secure"
    if not posting:
        return what
    return f"{what}; those of {', '.join(posting)} are Secure (SameSite=None), which browsers take on localhost only"


def _ask(url: str, cookies: str = "") -> Op[Response | None]:
    fields = (("Accept", "text/html"), *((("Cookie", cookies),) if cookies else ()))
    try:
        return (yield from Send(Request("GET", url, Headers(fields)), CONFIGURED, (yield from exchange_deadline())))
    except TransportError:
        return None


def _judged(settings: Settings, response: Response | None) -> list[Finding]:
    """What the page tells of cookies on their way, there and back."""
    size = sum(size for _, size, _ in FLOWS)
    if response is None or response.status in TOO_LARGE or response.status >= 500:
        status = "not at all" if response is None else str(response.status)
        what = f"a request with {size} characters of cookies, which large flows have, is answered {status}"
        advice = "raise the limit for header fields at what stands before the gateway, 8 KB is usual"
        return [Finding("problem", "cookies", "cookie_size", what, advice)]
    arrived = _arrived(response)
    if response.status == 404:
        what = "the pages at the base URL do not know what this deployment seals, so they cannot open its flows either"
        advice = "give both the same VALETKEY_KEY and VALETKEY_ENVIRONMENT, and the same version of valetkey"
        return [Finding("warning", "cookies", "other_keys", what, advice)]
    if arrived is None:
        what = f"what becomes of cookies was not seen: something before our pages answers {response.status}"
        advice = "let the paths under VALETKEY_BASE_URL through without a login of the platform's own"
        return [Finding("note", "cookies", "not_seen", what, advice)]
    found = []
    if not arrived[1]:
        what = "the query of a URL does not arrive as it was sent: no callback can be read"
        advice = "let the CDN and the gateway pass the query on, unchanged"
        found.append(Finding("problem", "base_url", "query", what, advice))
    if arrived[0] != [size for _, size, _ in FLOWS]:
        what = "cookies do not arrive as they were sent: every callback will say that the browser did not start it"
        advice = "let the CDN and the gateway pass the Cookie header on (in CloudFront by an origin request policy)"
        found.append(Finding("problem", "cookies", "cookie", what, advice))
    return found + _flags(_cookies(settings), response.headers.all("Set-Cookie"))


def _arrived(response: Response) -> tuple[list[object], bool] | None:
    """The sizes of the cookies, and whether the query was whole, as the page tells; None where it is not that page."""
    from valetkey.oauth2.strict_json import read_json_object

    if response.status != 200:
        return None
    try:
        told = read_json_object(response.body, limit=MAX_ANSWER)
    except ValueError:
        return None
    sizes, query = told.get("cookies"), told.get("query")
    return (sizes, query) if isinstance(sizes, list) and isinstance(query, bool) else None


def _flags(sent: tuple[str, ...], got: tuple[str, ...]) -> list[Finding]:
    """What the Set-Cookie fields lost or gained on the way, against how they were written."""
    read = {one.name: one for one in map(_read, got)}
    expected = [_read(text) for text in sent]
    missing = [one for one in expected if one.name not in read]
    if missing:
        what = f"{len(missing)} of {len(sent)} Set-Cookie fields of one answer do not arrive"
        advice = "let what stands before the gateway pass all of them (a load balancer of AWS: multi-value headers)"
        return [Finding("problem", "cookies", "set_cookie", what, advice)]
    changes: list[str] = []
    for one in expected:
        changes += [text for text in _changes(one, read[one.name]) if text not in changes]
    if not changes:
        return []
    what = f"cookies are changed on their way to the browser: {', '.join(changes)}"
    advice = "let what stands before the gateway leave Set-Cookie alone: browsers refuse or leak cookies without these"
    return [Finding("problem", "cookies", "cookie_flags", what, advice)]


def _changes(sent: Cookie, got: Cookie) -> list[str]:
    """The differences that matter, in words."""
    before, after = dict(sent.attributes), dict(got.attributes)
    found = ["their text is another"] if sent.text != got.text else []
    for name, shown in (("secure", "Secure"), ("httponly", "HttpOnly")):
        if name in before and name not in after:
            found.append(f"{shown} is gone")
    if after.get("samesite", "").lower() != before["samesite"].lower():
        found.append(f"SameSite={before['samesite']} is gone or changed")
    if after.get("path") != "/":
        found.append("Path=/ is gone or changed")
    if after.get("max-age") != before["max-age"]:
        found.append("Max-Age is gone or changed")
    if "domain" in after:
        found.append("a Domain was added")
    return found


def _read(text: str) -> Cookie:
    first, *rest = text.split(";")
    name, _, content = first.partition("=")
    pairs = (part.partition("=") for part in rest)
    return Cookie(name.strip(), content.strip(), tuple((key.strip().lower(), told.strip()) for key, _, told in pairs))
