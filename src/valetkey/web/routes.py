"""Routes: what each method does at each path under the base URL.

The one rule: a path is matched as it was written, undecoded, and a name in it is looked up only if it is made of a to
z, 0 to 9 and hyphens; everything else is the same 404. GET changes nothing but the callback, whose URL works once.

    GET  /connections               the resource owner's connections
    POST /connections/revoke        end one, at the provider too          our own form only
    POST /connections/forget        delete one, here only                 our own form only
    GET  /connect/{registration}    a page with one button
    POST /connect/{registration}    303 to the provider                   our own form, or a page of our origin
    GET  /callback/{context}        303 to return_to or to /connections
    POST /callback/{context}        the same, for contexts with response_mode form_post
"""

from __future__ import annotations

from valetkey.connections.authorize import begin_authorization, finish_authorization
from valetkey.connections.cookies import read_cookies
from valetkey.connections.manage import connections, forget, revoke
from valetkey.connections.settings import read_return_to
from valetkey.errors import RequestRefused
from valetkey.http import Headers, Response, with_query
from valetkey.value import replace, value
from valetkey.web import forms
from valetkey.web.pages import (
    form_actions,
    redirect,
    render,
    render_refusal,
    shown_connection,
    shown_text,
    title,
)
from valetkey.web.refusals import EXPECTED, describe, shown_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from valetkey.connections.manage import ConnectionPage
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.http import Pairs, Request
    from valetkey.providers.registration import Registration

MAX_NAME = 63
MAX_ACCOUNT = 64
MAX_CURSOR = 2048
NAME_FIRST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
NAME_CHARACTERS = NAME_FIRST | {"-"}
FORM_POST_PARAMETERS = ("code", "state", "iss", "error")
DISCONNECTED = {
    "revoked": ("{title} is disconnected", "{title} has withdrawn the permission, and nothing is kept here."),
    "unsupported": (
        "{title} is disconnected here",
        "{title} lets nobody withdraw it from outside. Nothing is kept here; remove it in your settings there as well.",
    ),
    "unknown": (
        "{title} is being disconnected",
        "{title} did not say whether it withdrew the permission. Look into your settings there to be sure.",
    ),
    "failed": (
        "{title} could not be told",
        "It is not used here any more, but {title} did not withdraw the permission. Try again later, or do it there.",
    ),
}


@value
class Visit:
    """A request at a route. name: the registration in the path, empty where there is none."""

    settings: Settings
    request: Request
    owner: str | None
    name: str = ""

    @property
    def signed_in(self) -> str:
        """The resource owner. Raises RequestRefused where nobody is."""
        if self.owner is None:
            message = "resource_owner found nobody: it must read a session cookie that a cross-site GET carries"
            raise RequestRefused("owner_unknown", message, status=401)
        return self.owner

    @property
    def query(self) -> Pairs:
        """The pairs of the query."""
        return forms.decode_pairs(self.request.url.partition("?")[2].encode("utf-8", "replace"))


def respond(settings: Settings, request: Request, resource_owner: str | None) -> Op[Response]:
    """The response to a browser; every refusal and outage is a page. What is nobody's to expect is raised.

    resource_owner: who the application says is signed in, or None.
    """
    visit = Visit(settings, request, resource_owner)
    try:
        methods, name = match(settings, request.url)
        visit = replace(visit, name=name)
        forms.refuse_unreadable(request)
        handler = methods.get(request.method)
        if handler is None:
            return _method_not_allowed(visit, tuple(methods))
        return (yield from handler(visit))
    except EXPECTED as error:
        response = render_refusal(settings, describe(error), registration=visit.name)
        cookies = tuple(("Set-Cookie", cookie) for cookie in getattr(error, "set_cookies", ()))
        if response.status == 401:  # 9110 s15.5.2: a challenge is due; no browser knows this scheme, so none asks
            cookies = (("WWW-Authenticate", "Session"), *cookies)
        return _without_body(request, replace(response, headers=Headers((*response.headers.pairs, *cookies))))


def match(settings: Settings, target: str) -> tuple[Mapping[str, Handler], str]:
    """What the methods do at that raw target, and the name in it. Raises RequestRefused with status 404."""
    path = target.partition("?")[0]
    if path.startswith(settings.path + "/"):
        _, *segments = path[len(settings.path) :].split("/")
        for pattern, methods in ROUTES:
            if len(pattern) == len(segments) and all(
                _is_name(segment) if wanted == "*" else segment == wanted
                for wanted, segment in zip(pattern, segments, strict=True)
            ):
                return methods, segments[-1] if pattern[-1] == "*" else ""
    raise RequestRefused("not_found", "there is no such page", status=404)


def _is_name(segment: str) -> bool:
    return 0 < len(segment) <= MAX_NAME and segment[0] in NAME_FIRST and NAME_CHARACTERS.issuperset(segment)


def _method_not_allowed(visit: Visit, methods: tuple[str, ...]) -> Response:
    refusal = describe(RequestRefused("method_not_allowed", "this address does not take that method", status=405))
    response = render_refusal(visit.settings, refusal)
    return _without_body(
        visit.request, replace(response, headers=response.headers.with_set("Allow", ", ".join(methods)))
    )


def _without_body(request: Request, response: Response) -> Response:
    return replace(response, body=b"") if request.method == "HEAD" else response


def show_connections(visit: Visit) -> Op[Response]:
    """The page of the resource owner's connections."""
    settings, owner = visit.settings, visit.signed_in
    cursor = forms.field(visit.query, "cursor")
    if len(cursor) > MAX_CURSOR:
        raise RequestRefused("malformed_request", "the cursor is not one of ours")
    page: ConnectionPage = yield from connections(settings, resource_owner=owner, cursor=cursor)
    tokens = {}
    for action in ("connect", "revoke", "forget"):
        tokens[action] = yield from forms.form_token(settings, owner, action)
    connected = {connection.registration for connection in page.connections}
    # A link from outside may say "connected" too: it is repeated only where it is so.
    named = forms.field(visit.query, "connected")
    return render(
        settings,
        "connections",
        form_action=form_actions(settings, map(authorization_endpoint, settings.registrations.values())),
        connections=[shown_connection(settings, connection) for connection in page.connections],
        available=[
            {"registration": name, "title": title(settings, name)}
            for name in settings.registrations
            if name not in connected
        ],
        more=page.cursor,
        tokens=tokens,
        notice=title(settings, named) if named in connected and named in settings.registrations else "",
    )


def show_connect(visit: Visit) -> Op[Response]:
    """The page that names the application and the provider, with one button."""
    settings, owner = visit.settings, visit.signed_in
    registration = settings.requested_registration(visit.name)
    return_to = forms.field(visit.query, "return_to")
    _ = read_return_to(settings, return_to)  # refused now rather than after a click
    account = _account(visit.query)
    token = yield from forms.form_token(settings, owner, "connect")
    return render(
        settings,
        "connect",
        form_action=form_actions(settings, (authorization_endpoint(registration),)),
        title=title(settings, visit.name),
        action=settings.connect_page(visit.name),
        token=token,
        return_to=return_to,
        account=account,
        account_shown=shown_text(account),
        scope=[shown_text(scope) for scope in registration.scope],
    )


def connect(visit: Visit) -> Op[Response]:
    """The redirect to the provider; scope, client and redirect URI are never taken from the request."""
    settings, request, owner = visit.settings, visit.request, visit.signed_in
    ours = forms.same_origin(settings, request)
    fields = forms.read_body(request)
    if not ours:
        yield from forms.require_token(settings, owner, "connect", token=forms.field(fields, forms.TOKEN_FIELD))
    registration = settings.requested_registration(visit.name)
    going = yield from begin_authorization(
        settings,
        registration.name,
        resource_owner=owner,
        cookies=read_cookies(request.headers),
        return_to=forms.field(fields, "return_to") or None,
        account=_account(fields),
    )
    return redirect(going.location, going.set_cookies)


def callback(visit: Visit) -> Op[Response]:
    """The end of an authorization: to a clean URL, so that neither code nor state stays in the address bar."""
    settings, name = visit.settings, visit.name
    _ = settings.requested_registration(name)
    finished = yield from finish_authorization(settings, visit.request, resource_owner=visit.owner)
    return redirect(_after_callback(settings, finished.return_to, name), finished.set_cookies)


def callback_by_form(visit: Visit) -> Op[Response]:
    """The same where the provider posts its answer (OAuth 2.0 Form Post Response Mode section 2)."""
    registration = visit.settings.requested_registration(visit.name)
    if response_mode(registration) != "form_post":
        return _method_not_allowed(visit, ("GET",))
    fields = forms.read_body(visit.request)
    if visit.owner is None:
        # A cross-site post carries no SameSite=Lax session: the same browser comes again with a GET, which does.
        kept = [pair for pair in fields if pair[0] in FORM_POST_PARAMETERS]
        return redirect(with_query(f"{visit.settings.base_url}/callback/{visit.name}", kept))
    return (yield from callback(visit))


def disconnect(visit: Visit) -> Op[Response]:
    """The page that says what the provider answered to the revocation."""
    settings = visit.settings
    owner, name, account = yield from _read_own_form(visit, "revoke")
    _ = settings.requested_registration(name)
    report = yield from revoke(settings, name, resource_owner=owner, account=account)
    heading, sentence = DISCONNECTED.get(report.at_provider, DISCONNECTED["unknown"])
    shown = title(settings, name)
    return render(
        settings,
        "disconnected",
        title=shown,
        heading=heading.format(title=shown),
        sentence=sentence.format(title=shown),
        code=shown_code(report.note),
    )


def forget_connection(visit: Visit) -> Op[Response]:
    """Back to the connections, one less. A registration that is no longer configured can be forgotten too."""
    owner, name, account = yield from _read_own_form(visit, "forget")
    if not _is_name(name):
        raise RequestRefused("not_found", "there is no such connection", status=404)
    yield from forget(visit.settings, name, resource_owner=owner, account=account)
    return redirect(f"{visit.settings.base_url}/connections")


def response_mode(registration: Registration) -> str:
    """How the provider's answer arrives: `query` or `form_post`."""
    return str(getattr(registration.provider.server, "response_mode", "query"))


def authorization_endpoint(registration: Registration) -> str:
    """Where the browser is sent."""
    return registration.provider.server.authorization_endpoint


def _read_own_form(visit: Visit, action: str) -> Op[tuple[str, str, str]]:
    owner = visit.signed_in
    _ = forms.same_origin(visit.settings, visit.request)  # refuses what a browser calls cross-site
    fields = forms.read_body(visit.request)
    yield from forms.require_token(visit.settings, owner, action, token=forms.field(fields, forms.TOKEN_FIELD))
    return owner, forms.field(fields, "registration"), _account(fields)


def _account(pairs: Pairs) -> str:
    account = forms.field(pairs, "account")
    if len(account) > MAX_ACCOUNT:
        raise RequestRefused("malformed_request", f"an account label has at most {MAX_ACCOUNT} characters")
    return account


def _after_callback(settings: Settings, return_to: str, name: str) -> str:
    if not return_to:
        return with_query(f"{settings.base_url}/connections", (("connected", name),))
    return settings.origin + return_to if return_to.startswith("/") else return_to


if TYPE_CHECKING:
    Handler: TypeAlias = Callable[[Visit], Op[Response]]

ROUTES: tuple[tuple[tuple[str, ...], Mapping[str, Handler]], ...] = (
    (("connections",), {"GET": show_connections}),
    (("connections", "revoke"), {"POST": disconnect}),
    (("connections", "forget"), {"POST": forget_connection}),
    (("connect", "*"), {"GET": show_connect, "POST": connect}),
    (("callback", "*"), {"GET": callback, "POST": callback_by_form}),
)
