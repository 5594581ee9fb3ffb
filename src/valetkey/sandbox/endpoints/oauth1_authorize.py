"""The OAuth 1.0a resource owner authorization endpoint (RFC 5849 section 2.2)."""

from __future__ import annotations

from valetkey.http import base64url, with_query
from valetkey.sandbox.answers import redirect_answer
from valetkey.sandbox.clients import OUT_OF_BAND
from valetkey.sandbox.endpoints.asking import CONSENT_SECONDS, consent_page, sign_in_page
from valetkey.sandbox.pages import render
from valetkey.sandbox.sessions import current_session
from valetkey.sandbox.state import PendingConsent, fingerprint
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Response
    from valetkey.sandbox.exchange import Exchange


def oauth1_authorize(exchange: Exchange) -> Response:
    """The sign-in page, then the consent page."""
    session = current_session(exchange)
    if session is None or not session.account:
        return sign_in_page(exchange, target=exchange.target)
    pending = PendingConsent(
        session=fingerprint(exchange.session_cookie),
        protocol="oauth1",
        client_id=exchange.client.client_id,
        account=session.account,
        expires_at=exchange.now + CONSENT_SECONDS,
        temporary=exchange.parameter("oauth_token") or "",
    )
    return consent_page(exchange, session, pending, leads_to=exchange.temporary.callback)


def redirect_with_verifier(exchange: Exchange, consent: PendingConsent) -> Response:
    """Back to the callback, whose own query is kept, with the verifier; out of band, a page that shows it."""
    state, name = exchange.sandbox.state, fingerprint(consent.temporary)
    temporary = state.temporary[name]
    verifier = base64url(exchange.sandbox.random(16))
    state.temporary[name] = replace(temporary, account=consent.account, verifier=fingerprint(verifier))
    if temporary.callback == OUT_OF_BAND:
        return render(
            exchange.sandbox, "verifier.html", title="Almost done", client=exchange.client.title, verifier=verifier
        )
    pairs = (("oauth_token", consent.temporary), ("oauth_verifier", verifier))
    return redirect_answer(with_query(temporary.callback, pairs))


def redirect_denied(exchange: Exchange, consent: PendingConsent) -> Response:
    """Not in RFC 5849: `denied` is what most providers of its time send, `error` what OAuth 2.0 made usual."""
    state, name = exchange.sandbox.state, fingerprint(consent.temporary)
    temporary = state.temporary[name]
    state.temporary[name] = replace(temporary, denied=True)
    if temporary.callback == OUT_OF_BAND:
        return render(
            exchange.sandbox, "verifier.html", title="Access denied", client=exchange.client.title, verifier=""
        )
    return redirect_answer(with_query(temporary.callback, (("denied", consent.temporary), ("error", "access_denied"))))
