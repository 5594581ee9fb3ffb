"""Connect a resource owner's account: redirect to the provider, take the callback, exchange it, keep the tokens.

Both protocols take the same steps; `by_oauth1` and `by_oauth2` know the words. The one rule: the flow is claimed before
the code is sent, and the one who finishes must be the one who started.
"""

from __future__ import annotations

from valetkey.connections.beside import beside
from valetkey.connections.claims import take_claim
from valetkey.connections.codec import connection_key, partition_of
from valetkey.connections.cookies import read_cookies
from valetkey.connections.discovery import described, heeded, ready
from valetkey.connections.establish import establish, settle
from valetkey.connections.grant import exchange_deadline, speaker
from valetkey.connections.pending import (
    FLOW_SECONDS,
    SKEW_SECONDS,
    STATE_OCTETS,
    Pending,
    completed,
    cookie_name,
    done_cookie,
    evicted,
    find_pending,
    flow_cookie,
    flow_of_temporary,
    read_state,
    remove_cookie,
    seal_pending,
    write_state,
)
from valetkey.connections.registrations import requested, returned
from valetkey.connections.settings import read_return_to, single_valued
from valetkey.effects import Now, Random
from valetkey.errors import AuthorizationDenied, AuthorizationExpired, CallbackError, RequestRefused
from valetkey.http import FORM, read_form
from valetkey.secret import constant_time_equal
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.connection import Connection
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.http import Pairs, Request
    from valetkey.providers.registration import Registration

MAX_CALLBACK = 16_384


@value
class Redirect:
    """Where to send the browser, with the Set-Cookie values that go along.

    provider_page: where the resource owner is shown a verifier; the location is then our page that takes it.
    """

    location: str
    set_cookies: tuple[str, ...]
    provider_page: str = ""

    @property
    def concluded(self) -> str:
        """What came of it, for traces."""
        return "sent the browser to the provider"


@value
class Finished:
    """A finished callback.

    connection: None where the application must still say who came back: return_to then carries a handle.
    repeated: whether the flow had been finished before: a reload, a second click.
    """

    connection: Connection | None
    return_to: str
    set_cookies: tuple[str, ...]
    repeated: bool = False

    @property
    def concluded(self) -> str:
        """What came of it, for traces."""
        if self.connection is None:
            return "waits for the application to say who"
        return "connected, finished before" if self.repeated else "connected"


def begin_authorization(
    settings: Settings,
    registration: str,
    *,
    resource_owner: str,
    cookies: Pairs,
    return_to: str | None = None,
    scope: tuple[str, ...] | None = None,
    account: str = "",
    link: bool = False,
) -> Op[Redirect]:
    """Where to send the resource owner's browser, and the cookie that carries the flow (RFC 6749 4.1.1, RFC 5849 2.1).

    cookies: what the browser sent, so that its oldest flows can make room. Nothing is written to the store.
    Raises RequestRefused, ConfigurationError, ProviderError, TransportError.
    """
    at = yield from requested(settings, registration)
    if at.by_url:  # the resource says anew whom it trusts
        from valetkey.connections.enrol_resource import enrol_resource

        at = yield from enrol_resource(settings, at.provider.api_url)
    return (
        yield from begin_at(
            settings,
            at,
            resource_owner=resource_owner,
            cookies=cookies,
            return_to=return_to,
            scope=scope,
            account=account,
            link=link,
        )
    )


def begin_at(
    settings: Settings,
    registration: Registration,
    *,
    resource_owner: str,
    cookies: Pairs,
    return_to: str | None,
    scope: tuple[str, ...] | None,
    account: str,
    link: bool = False,
) -> Op[Redirect]:
    """The same for a registration that is at hand."""
    at = yield from ready(settings, registration, "authorization_code")
    _ = connection_key(at.name, resource_owner, account)  # what cannot be stored is refused before anybody consents
    octets = yield from Random(STATE_OCTETS)
    state = write_state(octets)
    flow, half = read_state(state)
    asked = at.scope if scope is None else scope
    pending = Pending(
        context=at.name,
        flow=flow,
        half=half,
        owner=partition_of(resource_owner),
        issued_at=int((yield from Now())),
        redirect_uri=at.redirect_uri,
        account=account,
        return_to=read_return_to(settings, return_to),
        scope="" if asked == at.scope else " ".join(asked),
        link=link,
    )
    not_after = yield from exchange_deadline()
    asking = speaker(at).begin(at, pending, state=state, scope=asked, not_after=not_after)
    location, pending = yield from heeded(settings, at, asking)
    sealed = yield from seal_pending(settings, pending)
    cookie = flow_cookie(settings, pending.flow, sealed, cross_site_post=posts_back(at))
    gone = yield from evicted(settings, cookies, adding=len(sealed))
    cookies_to_set = (*(remove_cookie(settings, name) for name in gone), cookie)
    if getattr(at.provider.server, "verifier_typed", False):
        from valetkey.connections.typed_verifier import verifier_page

        return Redirect(verifier_page(settings, at, state), cookies_to_set, location)
    return Redirect(location, cookies_to_set)


def posts_back(registration: Registration) -> bool:
    """Whether the provider's page posts the answer to the callback."""
    return getattr(registration.provider.server, "posts_back", False)


def _signed(registration: Registration) -> bool:
    """Whether the answer must come as a signed JWT."""
    return getattr(registration.provider.server, "signs_responses", False)


def finish_authorization(settings: Settings, request: Request, *, resource_owner: str | None) -> Op[Finished]:
    """The connection that the callback brought (RFC 6749 4.1.2 to 4.1.4, RFC 5849 2.2 to 2.3).

    resource_owner: who is signed in to the application, or None where its session is not visible here.
    Raises CallbackError with a `reason` for each check that fails, ProviderError, TransportError, StoreError.
    """
    at = yield from described(settings, (yield from returned(settings, _context(settings, request), request)))
    # The parameters are read twice rather than kept: a code in a local variable ends up in error reports.
    flow, half = _read_flow(at, _unproved(at, request))
    pending = yield from find_pending(settings, read_cookies(request.headers), flow=flow)
    if pending is None:
        return (yield from _repeated(settings, at, flow, resource_owner))
    yield from _check_pending(pending, at, half=half, resource_owner=resource_owner)
    pending = completed(pending, redirect_uri=at.redirect_uri, issuer=getattr(at.provider.server, "issuer", None) or "")
    if _signed(at):
        from valetkey.connections.signed_response import verify_response
        from valetkey.oauth2.signed_response import read_signed_response

        yield from verify_response(at, read_signed_response(read_callback_parameters(at, request)))
    try:
        answer, brought = speaker(at).read_callback(at, pending, _without_state(_unproved(at, request)))
    except AuthorizationDenied as denied:
        denied.set_cookies = (remove_cookie(settings, cookie_name(settings, flow)),)
        raise
    pending = replace(pending, brought=beside(brought))
    if resource_owner is None:
        from valetkey.connections.links import hand_over

        location = yield from hand_over(settings, at, pending, answer)
        return Finished(None, location, (remove_cookie(settings, cookie_name(settings, flow)),))
    fields = {"account": pending.account, "owner": pending.owner}
    claim = yield from take_claim(flow, context=at.name, fields=fields)
    if claim is None:
        connection = yield from settle(settings, at, flow, resource_owner=resource_owner, account=pending.account)
        repeated = True
    else:
        connection = yield from establish(settings, at, pending, answer, claim=claim, resource_owner=resource_owner)
        repeated = False
    cookie = yield from done_cookie(settings, at.name, flow, cross_site_post=posts_back(at))
    return Finished(connection, pending.return_to, (cookie,), repeated)


def _context(settings: Settings, request: Request) -> str:
    path = request.url.partition("?")[0]
    return path.removeprefix(f"{settings.path}/callback/")


def read_callback_parameters(registration: Registration, request: Request) -> Pairs:
    """The parameters that came back, strictly decoded: from the query, or the body only where the provider posts.

    Those of the implicit grant come in the body too, posted by our own page.
    """
    if registration.takes_fragments:
        from valetkey.oauth2.implicit import read_handed_over

        return read_handed_over(request)
    malformed = CallbackError("malformed_callback", "the callback cannot be read: start again")
    text = request.url.partition("?")[2]
    if request.method != "GET":
        if request.method != "POST" or not posts_back(registration):
            raise RequestRefused("method_not_allowed", "this callback takes GET", status=405)
        content_type = (request.headers.get("content-type") or "").partition(";")[0].strip().lower()
        if content_type != FORM:
            raise RequestRefused("unsupported_media_type", f"this callback takes {FORM}", status=415)
        text = request.body.decode("latin-1")
    if len(text) > MAX_CALLBACK:
        raise malformed
    try:
        return read_form(text)
    except ValueError:
        raise malformed from None


def _unproved(registration: Registration, request: Request) -> Pairs:
    """What the answer says before anything of it is proved: its parameters, or the claims of a JWT.

    Of those nothing but `state` may be looked at until `verify_response` has come to its end.
    """
    pairs = read_callback_parameters(registration, request)
    if not _signed(registration):
        return pairs
    from valetkey.oauth2.signed_response import read_signed_response, response_parameters

    return response_parameters(read_signed_response(pairs))


def _read_flow(registration: Registration, pairs: Pairs) -> tuple[str, str]:
    """The flow that a callback is of, and the half of the state that came back; empty where state is not kept."""
    answer = single_valued(pairs)
    if getattr(registration.provider.server, "state_in_callback", True):
        if not answer.get("state"):
            raise CallbackError("state_missing", "the callback has no state, so it belongs to no flow: start again")
        return read_state(answer["state"])
    identifier = answer.get("oauth_token") or answer.get("denied")
    if not identifier:
        raise CallbackError("state_missing", "the callback names no temporary credentials: start again")
    return flow_of_temporary(identifier), ""


def _without_state(pairs: Pairs) -> Pairs:
    return tuple(pair for pair in pairs if pair[0] != "state")


def _check_pending(pending: Pending, registration: Registration, *, half: str, resource_owner: str | None) -> Op[None]:
    if getattr(registration.provider.server, "state_in_callback", True) and not constant_time_equal(pending.half, half):
        raise CallbackError("state_mismatch", "the state is not the one that this browser was given: start again")
    if pending.context != registration.name:
        raise CallbackError("context_mismatch", "the answer came to another registration's callback: start again")
    age = (yield from Now()) - pending.issued_at
    if not -SKEW_SECONDS <= age <= FLOW_SECONDS + SKEW_SECONDS:
        raise AuthorizationExpired("flow_expired", "the authorization took longer than ten minutes: start again")
    if resource_owner is None and not pending.link:
        message = "sign in to the application in this browser, then start again"
        raise CallbackError("owner_unknown", message, status=401)
    if resource_owner is not None and not constant_time_equal(pending.owner, partition_of(resource_owner)):
        message = "another person is signed in now than when the authorization was begun: start again"
        raise CallbackError("user_changed", message)


def _repeated(settings: Settings, registration: Registration, flow: str, resource_owner: str | None) -> Op[Finished]:
    """A finished flow once more: success again, for the same person; nothing is exchanged."""
    if resource_owner is None:
        raise CallbackError("already_used", "this authorization was finished already")
    connection = yield from settle(settings, registration, flow, resource_owner=resource_owner, account=None)
    return Finished(connection, settings.return_to, (), repeated=True)
