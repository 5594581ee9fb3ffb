"""A pending authorization: what must survive from redirect to callback, sealed into one cookie per flow.

The one rule: nothing secret travels through the provider. `state` carries the flow's id, by which its cookie is found,
and a random half that is compared with the sealed one. A flow that never comes back has left nothing in the store.

    up to 728 characters   carried whole; eight of them fit together
    above                  without redirect URI and issuer, of which only fingerprints are carried
    above 3200             refused: `flow_too_large`
"""

from __future__ import annotations

from valetkey.connections.cookies import write_cookie
from valetkey.connections.seal import done_place, flow_place, lean_flow_place
from valetkey.digest import sha256, sha256_hex
from valetkey.effects import Open, Seal
from valetkey.errors import AuthorizationExpired, CallbackError, KeyUnavailable, RequestRefused, SealBroken, StoreError
from valetkey.http import base64url, base64url_decode
from valetkey.secret import Secret, constant_time_equal
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op, Place
    from valetkey.http import Pairs

FLOW_SECONDS = 600
SKEW_SECONDS = 60
MAX_COMPLETION_SECONDS = 60  # how long an answer waits for the application to name the resource owner
MAX_FLOWS = 8
MAX_TOGETHER = 6_000
MAX_WHOLE = MAX_TOGETHER // MAX_FLOWS - 22  # a name has 22 characters; eight such cookies are kept together
MAX_VALUE = 3_200  # with name and attributes under 4096 (RFC 6265 section 6.1); holds the longest `ask` there is
MAX_EVICTED = 20  # in one answer, whose header fields may take no more than 8 to 10 KB at most fronts
MAX_STATE = 512
STATE_OCTETS = 32
ISSUER_CHANGED = "the provider's issuer changed while the authorization was under way: start again"
_FLOW_DIGITS = 12
_HEX = frozenset("0123456789abcdef")


@value
class Pending:
    """An authorization in flight.

    flow: 32 hex digits of the state, or the SHA-256 of the temporary credentials' identifier where state is not kept.
    half: the other 32 hex digits of the state. owner: SHA-256 of the resource owner.
    link: whether it began with a connect link, so that the application must name the resource owner at the end.
    verifier: the PKCE code verifier. nonce: what the id_token must repeat; empty where none is expected.
    temporary: the identifier of the temporary credentials, secret: their secret.
    scope: what was asked for where it differs from the registration's. issued_at: Unix seconds.
    left_out: the fingerprints of redirect_uri and issuer where these are not carried; see `completed`.
    brought: what came back beside the code, once it did; so never in a cookie, but while a connect link waits.
    """

    context: str
    flow: str
    half: str
    owner: str
    issued_at: int
    redirect_uri: str
    account: str = ""
    return_to: str = ""
    issuer: str = ""
    verifier: Secret | None = None
    temporary: str = ""
    secret: Secret | None = None
    scope: str = ""
    link: bool = False
    nonce: str = ""
    left_out: tuple[str, str] | None = None
    brought: Pairs = ()


def write_state(octets: bytes) -> str:
    """The `state` of 32 random octets: 16 that name the flow and 16 that only this browser's cookie knows."""
    return base64url(octets)


def read_state(state: str) -> tuple[str, str]:
    """The flow's id and the other half of a state that came back. Raises CallbackError."""
    mismatch = CallbackError("state_mismatch", "the state is not one that was given out: start again")
    if len(state) > MAX_STATE:
        raise mismatch
    try:
        octets = base64url_decode(state)
    except ValueError:
        raise mismatch from None
    if len(octets) != STATE_OCTETS:
        raise mismatch
    return octets[:16].hex(), octets[16:].hex()


def flow_of_temporary(identifier: str) -> str:
    """The flow's id where a provider does not keep the callback's query (RFC 5849 section 2.2)."""
    return sha256_hex(identifier)[:32]


def cookie_name(settings: Settings, flow: str) -> str:
    """`__Host-vk-<start of the flow's id>`; without the prefix only for http on localhost."""
    return f"{_prefix(settings)}{flow[:_FLOW_DIGITS]}"


def _prefix(settings: Settings) -> str:
    return "__Host-vk-" if settings.secure else "vk-"


def pack_pending(pending: Pending) -> bytes:
    """The octets that go inside the seal: all but context and flow, which are its place."""
    import json

    content = [
        pending.half,
        pending.owner,
        pending.issued_at,
        pending.redirect_uri,
        pending.account,
        pending.return_to,
        pending.issuer,
        pending.verifier.reveal() if pending.verifier else "",
        pending.temporary,
        pending.secret.reveal() if pending.secret else "",
        pending.scope,
        int(pending.link),
        pending.nonce,
        # one more, or two: an older valetkey reads two as what was left out, and passes one over
        *(pending.left_out or ([pending.brought] if pending.brought else ())),
    ]
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()


def unpack_pending(context: str, flow: str, plaintext: bytes) -> Pending:
    """The pending authorization behind the octets."""
    import json

    (
        half,
        owner,
        issued_at,
        redirect_uri,
        account,
        return_to,
        issuer,
        verifier,
        temporary,
        secret,
        scope,
        link,
        *later,
    ) = json.loads(plaintext)
    return Pending(
        context=context,
        flow=flow,
        half=half,
        owner=owner,
        issued_at=issued_at,
        redirect_uri=redirect_uri,
        account=account,
        return_to=return_to,
        issuer=issuer,
        verifier=Secret(verifier) if verifier else None,
        temporary=temporary,
        secret=Secret(secret) if secret else None,
        scope=scope,
        link=bool(link),
        nonce=later[0] if later else "",  # an older valetkey sent none
        left_out=(later[1], later[2]) if len(later) > 2 else None,
        brought=tuple((name, text) for name, text in later[1]) if len(later) == 2 else (),
    )


def lean(pending: Pending) -> Pending:
    """The same without what the registration says again at the callback, and with what shows that it still does."""
    fingerprints = fingerprint(pending.redirect_uri), fingerprint(pending.issuer)
    return replace(pending, redirect_uri="", issuer="", left_out=fingerprints)


def fingerprint(text: str) -> str:
    """The first half of its SHA-256: 22 characters, and nobody finds another text for them."""
    return base64url(sha256(text.encode("utf-8", "surrogatepass")).digest()[:16])


def completed(pending: Pending, *, redirect_uri: str, issuer: str) -> Pending:
    """The pending authorization with what was left out, which must be what was sent in the authorization request.

    The redirect URI because the token request repeats it (RFC 6749 section 4.1.3), the issuer because nobody else gets
    the code (RFC 9700 section 4.4). redirect_uri, issuer: the registration's, as they are now.
    Raises CallbackError `redirect_uri_changed`, `issuer_mismatch`.
    """
    if pending.left_out is None:
        return pending
    redirect, asked = pending.left_out
    if not constant_time_equal(asked, fingerprint(issuer)):
        raise CallbackError("issuer_mismatch", ISSUER_CHANGED)
    if not constant_time_equal(redirect, fingerprint(redirect_uri)):
        message = "the registration's redirect URI changed while the authorization was under way: start again"
        raise CallbackError("redirect_uri_changed", message)
    return replace(pending, redirect_uri=redirect_uri, issuer=issuer, left_out=None)


def seal_pending(settings: Settings, pending: Pending) -> Op[str]:
    """The cookie's value. Raises RequestRefused where it is over 3200 characters.

    What fits stays as every valetkey reads it; one that does not know the lean form finds no seal that it can open.
    """
    at = settings.environment, pending.context, pending.flow
    text = yield from _sealed(pending, flow_place(*at))
    if len(text) > MAX_WHOLE:
        text = yield from _sealed(lean(pending), lean_flow_place(*at))
    if len(text) > MAX_VALUE:
        message = f"the flow's cookie has {len(text)} characters, over {MAX_VALUE}: use a shorter return_to or scope"
        raise RequestRefused("flow_too_large", message)
    return text


def _sealed(pending: Pending, place: Place) -> Op[str]:
    sealed = yield from Seal(place, pack_pending(pending))
    return f"{pending.context}~{pending.flow}~{sealed.decode()}"


def open_pending(settings: Settings, text: str) -> Op[Pending | None]:
    """The pending authorization in a cookie's value, or None where the cookie is the marker of a finished flow.

    Raises SealBroken, KeyUnavailable.
    """
    context, flow, octets = _split(text)
    for place_of in (flow_place, lean_flow_place):
        try:
            plaintext = yield from Open(place_of(settings.environment, context, flow), octets)
        except SealBroken:
            continue
        return unpack_pending(context, flow, plaintext)
    _ = yield from Open(done_place(settings.environment, context, flow), octets)
    return None


def _split(text: str) -> tuple[str, str, bytes]:
    context, _, rest = text.partition("~")
    flow, _, sealed = rest.partition("~")
    return context, flow, sealed.encode("ascii", "replace")


def flow_contexts(settings: Settings, cookies: Pairs, *, flow: str) -> tuple[str, ...]:
    """The contexts that the browser's cookies of that flow name in the clear; none is proven before it is opened."""
    name = cookie_name(settings, flow)
    parts = (_split(text) for candidate, text in cookies if candidate == name)
    return tuple(context for context, found, _ in parts if found == flow)


def find_pending(settings: Settings, cookies: Pairs, *, flow: str) -> Op[Pending | None]:
    """The flow's pending authorization from the browser's cookies, or None where it is finished.

    Duplicates are tried in order: the first that opens counts (RFC 6265 section 5.4). Raises CallbackError.
    """
    name = cookie_name(settings, flow)
    failure: CallbackError = CallbackError(
        "wrong_browser", "this browser did not start the authorization, or removed its cookie: start again here"
    )
    for candidate, text in cookies:
        if candidate != name or _split(text)[1] != flow:
            continue
        try:
            return (yield from open_pending(settings, text))
        except SealBroken:
            failure = CallbackError("flow_cookie_invalid", "the authorization's cookie was altered: start again")
        except KeyUnavailable:
            failure = AuthorizationExpired("flow_expired", "the authorization was begun too long ago: start again")
    raise failure


def flow_cookie(settings: Settings, flow: str, text: str, *, cross_site_post: bool = False) -> str:
    """The Set-Cookie value that carries a flow, ten minutes long.

    cross_site_post: the answer comes as a POST from the provider's page, which carries no Lax cookie.
    """
    name, same_site = cookie_name(settings, flow), "None" if cross_site_post else "Lax"
    return write_cookie(name, text, max_age=FLOW_SECONDS, secure=settings.secure, same_site=same_site)


def done_cookie(settings: Settings, context: str, flow: str, *, cross_site_post: bool = False) -> Op[str]:
    """The Set-Cookie value that marks a flow as finished, so that a reload shows success again.

    cross_site_post: the reload is one too.
    """
    sealed = yield from Seal(done_place(settings.environment, context, flow), b"done")
    return flow_cookie(settings, flow, f"{context}~{flow}~{sealed.decode()}", cross_site_post=cross_site_post)


def remove_cookie(settings: Settings, name: str) -> str:
    """The Set-Cookie value that takes a cookie away."""
    return write_cookie(name, "", max_age=0, secure=settings.secure)


def evicted(settings: Settings, cookies: Pairs, *, adding: int) -> Op[tuple[str, ...]]:
    """The names of flow cookies that must go for one more of `adding` characters: the oldest.

    They are as many as it takes for both limits to hold, 20 at most. A cookie that does not open, and the marker of a
    finished flow, count as the oldest: nothing is lost with them.
    """
    ages: list[tuple[int, str, int]] = []
    for name, text in cookies:
        digits = name.removeprefix(_prefix(settings))
        if digits != name and len(digits) == _FLOW_DIGITS and _HEX.issuperset(digits):
            try:
                pending = yield from open_pending(settings, text)
            except StoreError:
                pending = None
            ages.append((pending.issued_at if pending else 0, name, len(name) + len(text)))
    # 6265 s5.4: browsers send the cookie that was made first first, which tells those of the same second apart
    ages.sort(key=lambda entry: entry[0])
    together = sum(size for _, _, size in ages) + adding
    names: list[str] = []
    while ages and len(names) < MAX_EVICTED and (len(ages) >= MAX_FLOWS or together > MAX_TOGETHER):
        _, name, size = ages.pop(0)
        together -= size
        names.append(name)
    return tuple(names)
