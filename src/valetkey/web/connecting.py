"""Connecting an account: the page with one button, the redirect to the provider, the way back, connect links.

The one rule: a flow is bound by a post that our own page or a page of our origin sent, never by a GET (RFC 9700
section 4.7). What to ask the provider for is never taken from the request.
"""

from __future__ import annotations

from valetkey.connections.authorize import begin_authorization, finish_authorization, posts_back
from valetkey.connections.cookies import read_cookies
from valetkey.connections.links import begin_from_link, read_link
from valetkey.connections.registrations import requested, returned
from valetkey.connections.scope import read_ask
from valetkey.connections.settings import read_return_to
from valetkey.errors import CallbackError, RequestRefused
from valetkey.http import with_query
from valetkey.web import forms, fragments
from valetkey.web.pages import form_actions, own_title, redirect, render, shown_text
from valetkey.web.visit import authorization_endpoint, method_not_allowed, read_account

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.http import Response
    from valetkey.web.visit import Visit

MAX_URL = 8_000  # what servers and load balancers take (RFC 9110 section 4.1 asks for no less)
NOT_CARRIED_ON = ("access_token", "id_token", "user")  # what form_post may bring that a URL must not


def show_connect(visit: Visit) -> Op[Response]:
    """The page that names the application and the provider, with one button."""
    settings, owner = visit.settings, visit.signed_in
    registration = yield from requested(settings, visit.name)
    return_to = forms.field(visit.query, "return_to")
    _ = read_return_to(settings, return_to)  # refused now rather than after a click
    account, scope, ask = read_account(visit.query), registration.scope, forms.field(visit.query, "ask")
    if ask:
        wanted = yield from read_ask(settings, registration, ask, resource_owner=owner)
        account, scope = wanted.account, wanted.scope
    token = yield from forms.form_token(settings, owner, "connect")
    return render(
        settings,
        "connect",
        form_action=form_actions(settings, (authorization_endpoint(registration),)),
        title=own_title(registration),
        action=settings.connect_page(visit.name),
        token=token,
        return_to=return_to,
        account=account,
        account_shown=shown_text(account),
        scope=[shown_text(each) for each in scope],
        ask=ask,
    )


def connect(visit: Visit) -> Op[Response]:
    """The redirect to the provider; scope, client and redirect URI are never taken from the request, but sealed."""
    settings, request, owner = visit.settings, visit.request, visit.signed_in
    ours = forms.same_origin(settings, request)
    fields = forms.read_body(request)
    if not ours:
        yield from forms.require_token(settings, owner, "connect", token=forms.field(fields, forms.TOKEN_FIELD))
    registration = yield from requested(settings, visit.name)
    account, scope, ask = read_account(fields), None, forms.field(fields, "ask")
    if ask:
        wanted = yield from read_ask(settings, registration, ask, resource_owner=owner)
        account, scope = wanted.account, wanted.scope
    going = yield from begin_authorization(
        settings,
        registration.name,
        resource_owner=owner,
        cookies=read_cookies(request.headers),
        return_to=forms.field(fields, "return_to") or None,
        account=account,
        scope=scope,
    )
    return redirect(going.location, going.set_cookies, concluded=going.concluded)


def callback(visit: Visit) -> Op[Response]:
    """The end of an authorization: to a clean URL, so that neither code nor state stays in the address bar."""
    registration = yield from returned(visit.settings, visit.name, visit.request)
    if registration.takes_fragments and fragments.unanswered(registration, visit):
        return (yield from fragments.taking(visit, registration))
    try:
        return (yield from _finish(visit, registration.name))
    except CallbackError as error:
        if visit.request.method == "GET" and fragments.unanswered(registration, visit):
            return fragments.looking(visit, error)
        raise


def _finish(visit: Visit, name: str) -> Op[Response]:
    finished = yield from finish_authorization(visit.settings, visit.request, resource_owner=visit.owner)
    location = after_callback(visit.settings, finished.return_to, name)
    return redirect(location, finished.set_cookies, concluded=finished.concluded)


def callback_by_form(visit: Visit) -> Op[Response]:
    """The same where the provider posts its answer (OAuth 2.0 Form Post Response Mode section 2)."""
    registration = yield from requested(visit.settings, visit.name)
    if fragments.was_seen(visit):
        fragments.refuse_seen(visit)
    if registration.takes_fragments:
        yield from fragments.require_own_page(visit)
        return (yield from _finish(visit, registration.name))
    if not posts_back(registration):
        return method_not_allowed(visit, ("GET",))
    fields = forms.read_body(visit.request)
    if visit.owner is None:
        # A cross-site post carries no SameSite=Lax session: the same browser comes again with a GET, which does.
        kept = [pair for pair in fields if pair[0] not in NOT_CARRIED_ON]
        again = with_query(f"{visit.settings.base_url}/callback/{visit.name}", kept)
        if len(again) > MAX_URL:
            raise RequestRefused("malformed_callback", "the answer is longer than any that a provider gives")
        return redirect(again)
    return (yield from callback(visit))


def show_link(visit: Visit) -> Op[Response]:
    """The page that says what a connect link is for; the resource owner need not be visible here."""
    settings, owner = visit.settings, visit.owner
    link = yield from read_link(settings, visit.name)
    if owner is not None and owner != link.resource_owner:
        message = "this link was made for somebody else: sign in as the person it was sent to"
        raise RequestRefused("link_other_owner", message, status=403)
    registration = yield from requested(settings, link.registration)
    return render(
        settings,
        "connect",
        form_action=form_actions(settings, (authorization_endpoint(registration),)),
        title=own_title(registration),
        action=f"{settings.base_url}/link/{visit.name}",
        token="" if owner is None else (yield from forms.form_token(settings, owner, "link")),
        return_to="",
        account=link.account,
        account_shown=shown_text(link.account),
        scope=[shown_text(scope) for scope in registration.scope],
        ask="",
    )


def follow_link(visit: Visit) -> Op[Response]:
    """The redirect to the provider. Whoever has a link can load its page: only a token with an owner proves a thing."""
    settings, request, owner = visit.settings, visit.request, visit.owner
    ours = forms.same_origin(settings, request)
    fields = forms.read_body(request)
    if not ours and owner is None:
        raise RequestRefused("origin_unknown", "the browser does not say which page sent the request", status=403)
    if not ours and owner is not None:
        yield from forms.require_token(settings, owner, "link", token=forms.field(fields, forms.TOKEN_FIELD))
    cookies = read_cookies(request.headers)
    going = yield from begin_from_link(settings, visit.name, resource_owner=owner, cookies=cookies)
    return redirect(going.location, going.set_cookies, concluded=going.concluded)


def after_callback(settings: Settings, return_to: str, name: str) -> str:
    """Where the browser goes when everything is done."""
    if not return_to:
        return with_query(f"{settings.base_url}/connections", (("connected", name),))
    return settings.origin + return_to if return_to.startswith("/") else return_to
