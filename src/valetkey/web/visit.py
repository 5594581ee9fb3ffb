"""A request at a route: who is asking for what, and what every handler reads from it.

The one rule: nothing is stored in it but what came with the request and what the application said.
"""

from __future__ import annotations

from valetkey.connections.codec import MAX_ACCOUNT_OCTETS
from valetkey.errors import RequestRefused, describe_error
from valetkey.http import Headers
from valetkey.providers.schema import NAME_CHARACTERS, is_context
from valetkey.value import replace, value
from valetkey.web import forms
from valetkey.web.pages import render_refusal
from valetkey.web.refusals import describe, of_named_server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.errors import ValetkeyError
    from valetkey.http import Pairs, Request, Response
    from valetkey.providers.registration import Registration

MAX_LINK = 2048
MAX_ACCOUNT = 64
LINK_CHARACTERS = NAME_CHARACTERS | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ._")


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
    def names_server(self) -> bool:
        """Whether it is at the page where a person names a server by its URL."""
        return self.settings.mcp.page and self.request.url.partition("?")[0] == f"{self.settings.path}/mcp"

    @property
    def query(self) -> Pairs:
        """The pairs of the query."""
        return forms.decode_pairs(self.request.url.partition("?")[2].encode("utf-8", "replace"))


def is_name(segment: str) -> bool:
    """Whether the segment of a path may name a registration, or the context of one of its tenants."""
    return is_context(segment)


def is_link(segment: str) -> bool:
    """Whether the segment of a path may be a sealed link."""
    return 0 < len(segment) <= MAX_LINK and LINK_CHARACTERS.issuperset(segment)


def read_own_form(visit: Visit, action: str) -> Op[tuple[str, str, str]]:
    """Who, which registration and which account, from a form that we sealed for this action."""
    owner = visit.signed_in
    _ = forms.same_origin(visit.settings, visit.request)  # refuses what a browser calls cross-site
    fields = forms.read_body(visit.request)
    yield from forms.require_token(visit.settings, owner, action, token=forms.field(fields, forms.TOKEN_FIELD))
    return owner, forms.field(fields, "registration"), read_account(fields)


def read_account(pairs: Pairs) -> str:
    """The label of the account, empty where there is none."""
    account = forms.field(pairs, "account")
    if len(account) > MAX_ACCOUNT or len(account.encode()) > MAX_ACCOUNT_OCTETS:
        raise RequestRefused("malformed_request", f"an account label has at most {MAX_ACCOUNT} characters")
    return account


def refused(visit: Visit, error: ValetkeyError, *, form: Mapping[str, str] | None = None) -> Response:
    """The page for an error that is one of EXPECTED. form: see `render_refusal`."""
    refusal = of_named_server(describe(error)) if visit.names_server else describe(error)
    response = render_refusal(visit.settings, refusal, registration=visit.name, server=visit.names_server, form=form)
    cookies = tuple(("Set-Cookie", cookie) for cookie in getattr(error, "set_cookies", ()))
    if response.status == 401:  # 9110 s15.5.2: a challenge is due; no browser knows this scheme, so none asks
        cookies = (("WWW-Authenticate", "Session"), *cookies)
    headers = Headers((*response.headers.pairs, *cookies))
    return without_body(visit.request, replace(response, headers=headers, concluded=describe_error(error)))


def method_not_allowed(visit: Visit, methods: tuple[str, ...]) -> Response:
    """The page that names the methods which the address takes."""
    refusal = describe(RequestRefused("method_not_allowed", "this address does not take that method", status=405))
    response = render_refusal(visit.settings, refusal)
    return without_body(
        visit.request, replace(response, headers=response.headers.with_set("Allow", ", ".join(methods)))
    )


def without_body(request: Request, response: Response) -> Response:
    """The response without its body where the method was HEAD (RFC 9110 section 9.3.2)."""
    return replace(response, body=b"") if request.method == "HEAD" else response


def authorization_endpoint(registration: Registration) -> str:
    """Where the browser is sent."""
    return registration.provider.server.authorization_endpoint
