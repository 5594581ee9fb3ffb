"""Answers in the fragment of an address, which browsers keep to themselves (RFC 6749 section 4.2.2).

    GET /callback/{context}, nothing in the query   the page says so, and its script looks whether there is a fragment
    POST fragment_seen=1                            the page that says why nothing in it was used (RFC 9700 s2.1.2)

    where the registration accepts the implicit grant
    GET /callback/{context}, nothing in the query   a page whose script hands the fragment over
    POST fragment=...                               the end of the authorization, as after any callback

The one rule: a script takes the fragment out of the address before anything else; the one that only looks has no line
that could post more than the fact that there was one. A fragment is taken from our own page alone.
"""

from __future__ import annotations

from valetkey.errors import CallbackError, RequestRefused
from valetkey.http import FORM, read_form
from valetkey.web import forms
from valetkey.web.pages import form_actions, own_title, render, render_refusal
from valetkey.web.refusals import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from valetkey.effects import Op
    from valetkey.http import Response
    from valetkey.providers.registration import Registration
    from valetkey.web.visit import Visit

ANSWERS = frozenset(("code", "error", "state", "response"))
SEEN = b"fragment_seen=1"


def unanswered(registration: Registration, visit: Visit) -> bool:
    """Whether the callback's query answers nothing, so that there may be a fragment. OAuth 1.0a has none."""
    try:
        pairs = read_form(visit.request.url.partition("?")[2])
    except ValueError:
        return False
    return registration.provider.protocol == "oauth2" and ANSWERS.isdisjoint(name for name, _ in pairs)


def looking(visit: Visit, error: CallbackError) -> Response:
    """The page of the error, which looks for a fragment on its way."""
    return render_refusal(visit.settings, describe(error), registration=visit.name, script="fragment_seen")


def taking(visit: Visit, registration: Registration) -> Op[Response]:
    """The page that hands the fragment over; it tells people without JavaScript why it needs it."""
    settings, owner = visit.settings, visit.owner
    return render(
        settings,
        "fragment",
        form_action=form_actions(settings, ()),
        script="fragment_handed_over",
        title=own_title(registration),
        action=f"{settings.base_url}/callback/{visit.name}",
        token="" if owner is None else (yield from forms.form_token(settings, owner, "callback")),
    )


def require_own_page(visit: Visit) -> Op[None]:
    """Refuse a fragment that no page of ours posted: an old browser says so by the form's token alone."""
    if forms.same_origin(visit.settings, visit.request):
        return
    if visit.owner is None:
        raise RequestRefused("origin_unknown", "the browser does not say which page sent the request", status=403)
    token = forms.field(forms.read_body(visit.request), forms.TOKEN_FIELD)
    yield from forms.require_token(visit.settings, visit.owner, "callback", token=token)


def was_seen(visit: Visit) -> bool:
    """Whether it is the post of that page."""
    media_type = (visit.request.headers.get("content-type") or "").partition(";")[0].strip().lower()
    return visit.request.body == SEEN and media_type == FORM


def refuse_seen(visit: Visit) -> NoReturn:
    """Raise what a callback with a fragment is: an answer of the implicit grant, or of no grant at all."""
    _ = forms.same_origin(visit.settings, visit.request)  # refuses what a browser calls cross-site
    message = (
        f"{visit.name}: the answer came in the fragment of the callback's address, as the implicit grant gives tokens. "
        "None of it was used: anybody could have put another client's token there, and addresses are kept in histories "
        "and logs (RFC 9700 section 2.1.2). Register the application at the provider for the authorization code grant "
        "(response_type code, with PKCE)"
    )
    raise CallbackError("implicit_answer", message)
