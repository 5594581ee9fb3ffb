"""The page for verifiers that a provider shows and a person types in (RFC 5849 section 2.1, `oob`).

The one rule: it ends as a callback ends, by the same program; the page's address carries the state and nothing else.
"""

from __future__ import annotations

from valetkey.connections.cookies import read_cookies
from valetkey.connections.typed_verifier import finish_with_verifier, provider_page
from valetkey.http import with_query
from valetkey.web import forms
from valetkey.web.connecting import after_callback
from valetkey.web.pages import redirect, render, title

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.effects import Op
    from valetkey.http import Response
    from valetkey.web.visit import Visit


def show_verifier(visit: Visit) -> Op[Response]:
    """A link to the provider, which shows the verifier, and a form that takes it."""
    settings, name = visit.settings, visit.name
    state = forms.field(visit.query, "state")
    location = yield from provider_page(settings, name, state=state, cookies=read_cookies(visit.request.headers))
    owner = visit.owner
    return render(
        settings,
        "verifier",
        form_action="'self' https:",
        title=title(settings, name),
        provider_page=location,
        action=with_query(f"{settings.base_url}/verifier/{name}", ()),
        state=state,
        token="" if owner is None else (yield from forms.form_token(settings, owner, "verifier")),
    )


def take_verifier(visit: Visit) -> Op[Response]:
    """The end of the authorization, as after a callback."""
    settings, request, owner, name = visit.settings, visit.request, visit.owner, visit.name
    ours = forms.same_origin(settings, request)
    fields = forms.read_body(request)
    if not ours:
        token = forms.field(fields, forms.TOKEN_FIELD)
        yield from forms.require_token(settings, visit.signed_in, "verifier", token=token)
    finished = yield from finish_with_verifier(
        settings,
        name,
        verifier=forms.field(fields, "verifier"),
        state=forms.field(fields, "state"),
        cookies=read_cookies(request.headers),
        resource_owner=owner,
    )
    return redirect(after_callback(settings, finished.return_to, name), finished.set_cookies)
