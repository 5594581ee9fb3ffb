"""The resource owner's connections: what is connected, and how to end it.

The one rule: ending a connection takes our own form with its sealed token; what a provider said is shown in
our words.
"""

from __future__ import annotations

from valetkey.connections.manage import connections, forget, revoke
from valetkey.connections.registrations import knowing, requested
from valetkey.errors import RequestRefused
from valetkey.web import forms
from valetkey.web.pages import form_actions, own_title, redirect, render, shown_connection, title
from valetkey.web.refusals import shown_code
from valetkey.web.visit import authorization_endpoint, is_name, read_own_form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.effects import Op
    from valetkey.http import Response
    from valetkey.web.visit import Visit

DISCONNECTED = {
    "revoked": ("{title} is disconnected", "{title} has withdrawn the permission, and nothing is kept here."),
    "unsupported": (
        "{title} is disconnected here",
        "{title} lets nobody withdraw it from outside. Nothing is kept here; remove it in your settings there as well.",
    ),
    "failed": (
        "{title} could not be told",
        "It is not used here any more, but {title} did not withdraw the permission. Try again later, or do it there.",
    ),
}


def show_connections(visit: Visit) -> Op[Response]:
    """The page of the resource owner's connections."""
    settings, owner = visit.settings, visit.signed_in
    cursor = yield from forms.open_cursor(settings, owner, forms.field(visit.query, "cursor"))
    page = yield from connections(settings, resource_owner=owner, cursor=cursor)
    offered = settings.registrations
    settings = yield from knowing(settings, (connection.registration for connection in page.connections))
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
        available=[{"registration": name, "title": title(settings, name)} for name in offered if name not in connected],
        more=(yield from forms.seal_cursor(settings, owner, page.cursor)),
        tokens=tokens,
        notice=title(settings, named) if named in connected and named in settings.registrations else "",
    )


def disconnect(visit: Visit) -> Op[Response]:
    """The page that says what the provider answered to the revocation."""
    settings = visit.settings
    owner, name, account = yield from read_own_form(visit, "revoke")
    shown = own_title((yield from requested(settings, name)))
    report = yield from revoke(settings, name, resource_owner=owner, account=account)
    heading, sentence = DISCONNECTED[report.at_provider]
    return render(
        settings,
        "disconnected",
        title=shown,
        heading=heading.format(title=shown),
        sentence=sentence.format(title=shown),
        code=shown_code(report.reason),
        shared=report.shared,
    )


def forget_connection(visit: Visit) -> Op[Response]:
    """Back to the connections, one less. A registration that is no longer configured can be forgotten too."""
    owner, name, account = yield from read_own_form(visit, "forget")
    if not is_name(name):
        raise RequestRefused("not_found", "there is no such connection", status=404)
    yield from forget(visit.settings, name, resource_owner=owner, account=account)
    return redirect(f"{visit.settings.base_url}/connections")
