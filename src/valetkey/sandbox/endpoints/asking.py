"""Asking the resource owner: sign-in first, then consent. Shared by both protocols."""

from __future__ import annotations

from valetkey.http import base64url
from valetkey.sandbox.pages import render
from valetkey.sandbox.sessions import current_session, open_session
from valetkey.sandbox.state import fingerprint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Response
    from valetkey.sandbox.exchange import Exchange
    from valetkey.sandbox.state import PendingConsent, Session

CONSENT_SECONDS = 600
SCOPES = {"read": "See your name and your account", "write": "Write in your name", "openid": "See who you are"}


def sign_in_page(exchange: Exchange, *, target: str, wrong: bool = False) -> Response:
    """The sign-in page; its form leads back to the target."""
    session, headers = current_session(exchange), []
    names, chosen = tuple(exchange.sandbox.accounts), exchange.parameter("account")
    if session is None:
        session, cookie = open_session(exchange)
        headers.append(cookie)
    return render(
        exchange.sandbox,
        "sign_in.html",
        title="Sign in",
        status=401 if wrong else 200,
        headers=headers,
        accounts=tuple(exchange.sandbox.accounts.values()),
        form_token=session.form_token,
        target=target,
        wrong=wrong,
        chosen=chosen if chosen in names else names[0],
    )


def consent_page(exchange: Exchange, session: Session, pending: PendingConsent, *, leads_to: str) -> Response:
    """The page that names client, account and scope; what it would grant is kept here, not in the form."""
    handle = base64url(exchange.sandbox.random(32))
    exchange.sandbox.state.consents[fingerprint(handle)] = pending
    return render(
        exchange.sandbox,
        "consent.html",
        title="Allow access?",
        leads_to=leads_to,
        client=exchange.client.title,
        account=exchange.sandbox.accounts[session.account],
        scopes=tuple(SCOPES.get(name, name) for name in pending.scope)
        or ("Act in your name (OAuth 1.0a has no scopes)",),
        details=pending.details,
        returns_to=leads_to.partition("?")[0],
        consent=handle,
        form_token=session.form_token,
        target=exchange.target,
    )
