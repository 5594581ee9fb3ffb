"""MCP servers that a resource owner names by their URL, and the document that speaks for us at their issuers.

The one rule: a URL leads nowhere before a post of our own form has brought it; and a document says nothing but what
is the same for everybody, so it asks the store nothing.
"""

from __future__ import annotations

from valetkey.connections.cookies import read_cookies
from valetkey.connections.settings import read_return_to
from valetkey.errors import RequestRefused
from valetkey.http import Headers, Response
from valetkey.web import forms
from valetkey.web.pages import NO_CONTENT_POLICY, PROTECTIVE, form_actions, redirect, render, shown_text, typed_text
from valetkey.web.refusals import EXPECTED
from valetkey.web.visit import read_account, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.web.visit import Visit

MAX_URL = 500


def show_server(visit: Visit) -> Op[Response]:
    """The page with a field for the URL, filled in where a link brought one."""
    settings = visit.settings
    _refuse_without_page(visit)
    return_to, account = forms.field(visit.query, "return_to"), read_account(visit.query)
    _ = read_return_to(settings, return_to)
    url, sealed = forms.field(visit.query, "url"), forms.field(visit.query, "server")
    if sealed:
        from valetkey.connections.server_page import read_server_page

        url = yield from read_server_page(settings, sealed, owner=visit.signed_in)
    form = yield from _form(visit, url, return_to, account)
    return render(
        settings, "server", form_action=form_actions(settings, ()), form=form, account_shown=shown_text(account)
    )


def _form(visit: Visit, url: str, return_to: str, account: str) -> Op[dict[str, str]]:
    """What the form is filled with."""
    return {
        "action": f"{visit.settings.base_url}/mcp",
        "token": (yield from forms.form_token(visit.settings, visit.signed_in, "mcp")),
        "url": typed_text(url, most=MAX_URL),
        "return_to": return_to,
        "account": account,
    }


def connect_server(visit: Visit) -> Op[Response]:
    """The redirect to the authorization server that the MCP server trusts; where that fails, the form once more."""
    from valetkey.connections.mcp import begin_mcp_authorization

    settings, request, owner = visit.settings, visit.request, visit.signed_in
    _refuse_without_page(visit)
    ours = forms.same_origin(settings, request)
    fields = forms.read_body(request)
    if not ours:
        yield from forms.require_token(settings, owner, "mcp", token=forms.field(fields, forms.TOKEN_FIELD))
    url, return_to, account = forms.field(fields, "url").strip(), forms.field(fields, "return_to"), read_account(fields)
    _ = read_return_to(settings, return_to)
    try:
        going = yield from begin_mcp_authorization(
            settings,
            url,
            resource_owner=owner,
            cookies=read_cookies(request.headers),
            return_to=return_to or None,
            account=account,
        )
    except EXPECTED as error:
        return refused(visit, error, form=(yield from _form(visit, url, return_to, account)))
    return redirect(going.location, going.set_cookies, concluded=going.concluded)


def show_document(visit: Visit) -> Op[Response]:
    """Our client metadata for that registration (draft-ietf-oauth-client-id-metadata-document section 4)."""
    import json

    document = yield from _document(visit.settings, visit.name)
    headers = (("Content-Type", "application/json"), ("Content-Security-Policy", NO_CONTENT_POLICY), *PROTECTIVE)
    return Response(200, Headers(headers), json.dumps(document).encode())


def _document(settings: Settings, name: str) -> Op[dict[str, Any]]:
    """The document of that name: a registration's of the configuration, or one that a resource's URL may lead to."""
    found = settings.registrations.get(name)
    if found is not None and found.enrolment == "document":
        from valetkey.connections.own_metadata import own_document

        return (yield from own_document(settings, found))
    from valetkey.connections.enrolled_rows import is_enrolled_name
    from valetkey.connections.enrolment import document_url
    from valetkey.oauth2.client_metadata import client_document

    if not is_enrolled_name(name) or not settings.mcp.client_documents:
        raise RequestRefused("not_found", "there is no such document", status=404)
    return client_document(
        document_url(settings, name),
        redirect_uri=f"{settings.base_url}/callback/{name}",
        application=settings.application,
        home=settings.origin,
    )


def _refuse_without_page(visit: Visit) -> None:
    if not visit.settings.mcp.page:
        raise RequestRefused("not_found", "there is no such page", status=404)
