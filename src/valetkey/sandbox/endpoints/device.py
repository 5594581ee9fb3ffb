"""Device authorization: the codes, the page where a person types one in, and the tokens (RFC 8628)."""

from __future__ import annotations

from valetkey.http import with_query
from valetkey.sandbox.answers import json_answer
from valetkey.sandbox.endpoints.asking import CONSENT_SECONDS, consent_page, sign_in_page
from valetkey.sandbox.id_tokens import with_id_token
from valetkey.sandbox.pages import render
from valetkey.sandbox.sessions import current_session
from valetkey.sandbox.state import DeviceGrant, PendingConsent, fingerprint
from valetkey.sandbox.tokens import issue_access_token, issue_family, issue_refresh_token, new_text
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Response
    from valetkey.sandbox.exchange import Exchange
    from valetkey.sandbox.sandbox import Sandbox

DEVICE_SECONDS = 600
INTERVAL = 5
LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # 8628 s6.1: no vowels, so no words
USER_CODE_LETTERS = 8
PAGE = "/device"


def authorize_device(exchange: Exchange) -> Response:
    """A device code and its user code (section 3.2)."""
    sandbox = exchange.sandbox
    device_code, user_code = new_text(sandbox, "device"), _user_code(sandbox)
    sandbox.state.device_grants[fingerprint(device_code)] = DeviceGrant(
        exchange.client.client_id,
        exchange.scope,
        user_code,
        exchange.now + DEVICE_SECONDS,
        INTERVAL,
        details=exchange.details,
    )
    page, shown = sandbox.base_url + PAGE, f"{user_code[:4]}-{user_code[4:]}"
    return json_answer(
        {
            "device_code": device_code,
            "user_code": shown,
            "verification_uri": page,
            "verification_uri_complete": with_query(page, (("user_code", shown),)),
            "expires_in": DEVICE_SECONDS,
            "interval": INTERVAL,
        }
    )


def _user_code(sandbox: Sandbox) -> str:
    taken = {grant.user_code for grant in sandbox.state.device_grants.values()}
    while True:
        octets = sandbox.random(4 * USER_CODE_LETTERS)
        letters = [LETTERS[octet % 20] for octet in octets if octet < 240][:USER_CODE_LETTERS]
        if len(letters) == USER_CODE_LETTERS and "".join(letters) not in taken:
            return "".join(letters)


def device_page(exchange: Exchange) -> Response:
    """The form for the user code; who is not signed in signs in first (section 3.3)."""
    session = current_session(exchange)
    if session is None or not session.account:
        return sign_in_page(exchange, target=exchange.target)
    return render(
        exchange.sandbox,
        "device.html",
        title="Connect a device",
        form_token=session.form_token,
        user_code=exchange.parameter("user_code") or "",
    )


def ask_for_device(exchange: Exchange) -> Response:
    """The consent page for the device whose code was typed in: the person sees which application it is (5.4)."""
    session = current_session(exchange)
    assert session is not None
    pending = PendingConsent(
        session=fingerprint(exchange.session_cookie),
        protocol="oauth2",
        client_id=exchange.client.client_id,
        account=session.account,
        expires_at=exchange.now + CONSENT_SECONDS,
        scope=exchange.scope,
        device=exchange.device,
        details=exchange.sandbox.state.device_grants[exchange.device].details,
    )
    return consent_page(exchange, session, pending, leads_to="")


def decide(exchange: Exchange, pending: PendingConsent) -> Response:
    """Write the decision down for the client that polls; the browser stays here."""
    grants = exchange.sandbox.state.device_grants
    decision = exchange.parameter("decision") or ""
    grants[pending.device] = replace(grants[pending.device], decision=decision, account=pending.account)
    return render(
        exchange.sandbox,
        "device_done.html",
        title="Done" if decision == "allow" else "Access denied",
        client=exchange.client.title,
        allowed=decision == "allow",
    )


def exchange_device_code(exchange: Exchange) -> Response:
    """Tokens, once (section 3.5)."""
    sandbox, client, grant = exchange.sandbox, exchange.client, exchange.device_grant
    del sandbox.state.device_grants[exchange.device]
    exchange.notes["account"] = grant.account
    family = issue_family(sandbox, client.client_id, grant.account, grant.scope, details=grant.details)
    fields = issue_access_token(exchange, family, scope=grant.scope)
    if client.refresh_tokens:
        fields["refresh_token"] = issue_refresh_token(sandbox, family, now=exchange.now)
    return json_answer(with_id_token(exchange, fields, account=grant.account, scope=grant.scope))
