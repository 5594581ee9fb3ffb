"""Routes: what each method does at each path under the base URL.

The one rule: a path is matched as it was written, undecoded, and a name in it is looked up only if it is made of a to
z, 0 to 9 and hyphens; everything else is the same 404. GET changes nothing but the callback, whose URL works once.

    GET  /connections               the resource owner's connections
    POST /connections/revoke        end one, at the provider too          our own form only
    POST /connections/forget        delete one, here only                 our own form only
    GET  /connect/{registration}    a page with one button
    POST /connect/{registration}    303 to the provider                   our own form, or a page of our origin
    GET  /callback/{context}        303 to return_to or to /connections
    POST /callback/{context}        the same, for contexts with response_mode form_post(.jwt); and `fragments`
    GET  /verifier/{registration}   a form for the verifier that a provider shows (`oob`)
    POST /verifier/{registration}   the same end as a callback            a page of our origin, or our own form
    GET  /mcp                       a form for an MCP server's URL        where the operator allows any
    POST /mcp                       303 to the server's provider          our own form, or a page of our origin
    GET  /client/{context}          the document that an authorization server reads instead of a registration
    GET  /link/{link}               a connect link's page with one button; a robot that opens it does nothing
    POST /link/{link}               303 to the provider                   a page of our origin
    GET  /doctor/{probe}            cookies as flows set them             who has our keys, for a minute
"""

from __future__ import annotations

from valetkey.connections.codec import APPLICATION
from valetkey.errors import RequestRefused
from valetkey.value import replace
from valetkey.web import connecting, forms, listing, probing, servers, verifying
from valetkey.web.refusals import EXPECTED
from valetkey.web.visit import Visit, is_link, is_name, method_not_allowed, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.http import Request, Response

    Handler: TypeAlias = Callable[[Visit], Op[Response]]

GRAMMAR: dict[str, Callable[[str], bool]] = {"*": is_name, "+": is_link}
ROUTES: tuple[tuple[tuple[str, ...], Mapping[str, Handler]], ...] = (
    (("connections",), {"GET": listing.show_connections}),
    (("connections", "revoke"), {"POST": listing.disconnect}),
    (("connections", "forget"), {"POST": listing.forget_connection}),
    (("connect", "*"), {"GET": connecting.show_connect, "POST": connecting.connect}),
    (("callback", "*"), {"GET": connecting.callback, "POST": connecting.callback_by_form}),
    (("verifier", "*"), {"GET": verifying.show_verifier, "POST": verifying.take_verifier}),
    (("mcp",), {"GET": servers.show_server, "POST": servers.connect_server}),
    (("client", "*"), {"GET": servers.show_document}),
    (("doctor", "+"), {"GET": probing.show_cookies}),
    (("link", "+"), {"GET": connecting.show_link, "POST": connecting.follow_link}),
)


def respond(settings: Settings, request: Request, resource_owner: str | None) -> Op[Response]:
    """The response to a browser; every refusal and outage is a page. What is nobody's to expect is raised.

    resource_owner: who the application says is signed in, or None.
    """
    visit = Visit(settings, request, resource_owner)
    try:
        if resource_owner == APPLICATION:
            raise RequestRefused("owner_unknown", "no resource owner can be called that", status=401)
        methods, name = match(settings, request.url)
        visit = replace(visit, name=name)
        forms.refuse_unreadable(request)
        handler = methods.get(request.method)
        if handler is None:
            return method_not_allowed(visit, tuple(methods))
        return (yield from handler(visit))
    except EXPECTED as error:
        return refused(visit, error)


def match(settings: Settings, target: str) -> tuple[Mapping[str, Handler], str]:
    """What the methods do at that raw target, and the name in it. Raises RequestRefused with status 404."""
    path = target.partition("?")[0]
    if path.startswith(settings.path + "/"):
        _, *segments = path[len(settings.path) :].split("/")
        for pattern, methods in ROUTES:
            if len(pattern) == len(segments) and all(
                GRAMMAR[wanted](segment) if wanted in GRAMMAR else segment == wanted
                for wanted, segment in zip(pattern, segments, strict=True)
            ):
                return methods, segments[-1] if pattern[-1] in GRAMMAR else ""
    raise RequestRefused("not_found", "there is no such page", status=404)
