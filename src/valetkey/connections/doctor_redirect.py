"""Whether the provider takes the redirect URI: it is asked the way a flow would, and nobody signs in.

    OAuth 1.0a                   temporary credentials for our callback (RFC 5849 section 2.1)
    pushed requests              the request is pushed (RFC 9126 section 2.1), which checks the redirect URI
    all other of OAuth 2.0       the authorization page without cookies and with prompt=none (OpenID Connect Core 1.0
                                 section 3.1.2.1): an error that comes back to our address says that it is registered

The one rule: it is only done for a registration that somebody named, because a provider keeps what it was asked, for a
while and in its logs. What cannot be told so is said to be unknown.
"""

from __future__ import annotations

from valetkey.connections.codec import partition_of
from valetkey.connections.discovery import described
from valetkey.connections.doctor import Finding, plain
from valetkey.connections.grant import exchange_deadline, speaker
from valetkey.connections.pending import STATE_OCTETS, Pending, read_state, write_state
from valetkey.connections.registrations import find_registration
from valetkey.effects import Now, Random, Send
from valetkey.errors import ProviderError, StoreError, ValetkeyError
from valetkey.http import Headers, Request, with_query
from valetkey.oauth2.server import AuthorizationServer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.http import Response
    from valetkey.providers.registration import Registration

REDIRECTS = (302, 303, 307)
PROMPT = (("prompt", "none"),)


def look_at_redirect(settings: Settings, name: str) -> Op[list[Finding]]:
    """What the provider makes of the redirect URI of that registration or tenant's context."""
    try:
        found = yield from find_registration(settings, name)
    except StoreError as failed:
        return [Finding("problem", "registrations", "probe", f"it cannot be looked for: {failed}", "look at the store")]
    if found is None:
        what = f"{plain(name) or 'nothing'} names no registration, and nothing was asked"
        return [Finding("problem", "registrations", "probe", what, "write its name, or REGISTRATION:TENANT")]
    exactly = f"compare {found.redirect_uri} with what is registered at {found.provider.title}, character by character"
    try:
        return [(yield from _asked(settings, found, exactly))]
    except ProviderError as refused:
        what = f"its provider refuses the authorization request of a flow: {refused}"
        return [Finding("problem", found.name, "probe", what, exactly)]
    except ValetkeyError as failed:
        return [_unknown(found.name, f"the flow does not begin: {failed}", exactly)]


def _asked(settings: Settings, registration: Registration, exactly: str) -> Op[Finding]:
    at = yield from described(settings, registration)
    state = write_state((yield from Random(STATE_OCTETS)))
    flow, half = read_state(state)
    nobody = Pending(at.name, flow, half, partition_of("nobody"), int((yield from Now())), at.redirect_uri)
    not_after = yield from exchange_deadline()
    location, _ = yield from speaker(at).begin(at, nobody, state=state, scope=at.scope, not_after=not_after)
    server = at.provider.server
    if not isinstance(server, AuthorizationServer):
        if server.callback_in_authorization:
            return _unknown(at.name, "its provider hears of the callback from the browser alone", exactly)
        return _taken(at.name, "its provider gave temporary credentials for this callback", exactly)
    if server.pushed_authorization_request_endpoint:
        return _taken(at.name, "its provider took a pushed request with this redirect URI", exactly)
    page = Request("GET", with_query(location, PROMPT), Headers((("Accept", "text/html"),)))
    return _judged(at, (yield from Send(page, server.reach, not_after)), exactly)


def _judged(at: Registration, response: Response, exactly: str) -> Finding:
    """What the authorization page's answer tells; a page that is shown tells nothing, whatever is on it."""
    target = response.headers.get("location") or ""
    if response.status in REDIRECTS and _leads_to(target, at.redirect_uri):
        return _taken(at.name, "its provider sends answers to this redirect URI", exactly)
    if 400 <= response.status < 500:
        what = (
            f"its provider refuses the authorization request before anybody signs in (status {response.status}): the "
            "redirect URI or the client identifier is usually why"
        )
        return Finding("warning", at.name, "probe", what, exactly)
    return _unknown(at.name, "its provider lets people sign in before it looks at the redirect URI", exactly)


def _leads_to(target: str, redirect_uri: str) -> bool:
    """Whether the address is the redirect URI with parameters added, in its query or fragment."""
    joint = "&" if "?" in redirect_uri else "?"
    return target.startswith((redirect_uri + joint, redirect_uri + "#"))


def _taken(name: str, what: str, exactly: str) -> Finding:
    return Finding(
        "note", name, "probe", what, f"nothing is to be done; where a callback fails all the same, {exactly}"
    )


def _unknown(name: str, why: str, exactly: str) -> Finding:
    return Finding("note", name, "probe", f"whether its redirect URI is registered cannot be told: {why}", exactly)
