"""The OAuth 2.0 authorization endpoint (RFC 6749 section 4.1.1, RFC 9207)."""

from __future__ import annotations

from json import dumps

from valetkey.sandbox.endpoints.asking import CONSENT_SECONDS, consent_page, sign_in_page
from valetkey.sandbox.exchange import Refusal
from valetkey.sandbox.id_tokens import id_token
from valetkey.sandbox.responses import answer_client, response_mode
from valetkey.sandbox.sessions import current_session
from valetkey.sandbox.state import PendingConsent, fingerprint
from valetkey.sandbox.tokens import issue_access_token, issue_code, issue_family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Pairs, Response
    from valetkey.sandbox.clients import SandboxClient
    from valetkey.sandbox.exchange import Exchange


def authorize(exchange: Exchange) -> Response:
    """The sign-in page, the consent page, or, with `prompt=none`, the code at once."""
    session = current_session(exchange)
    prompt = (exchange.parameter("prompt") or "").split()
    signed_in = session is not None and bool(session.account)
    if "none" in prompt and not signed_in:
        raise Refusal("login_required", "Nobody is signed in.")
    must_sign_in_again = {"login", "select_account"}.intersection(prompt)
    if session is None or not signed_in or (must_sign_in_again and session.fresh_for != fingerprint(exchange.target)):
        return sign_in_page(exchange, target=exchange.target)
    pending = PendingConsent(
        session=fingerprint(exchange.session_cookie),
        protocol="oauth2",
        client_id=exchange.client.client_id,
        account=session.account,
        expires_at=exchange.now + CONSENT_SECONDS,
        redirect_uri=exchange.redirect_uri,
        redirect_uri_given=exchange.redirect_uri_given,
        scope=exchange.scope,
        state=exchange.parameter("state"),
        code_challenge=exchange.code_challenge,
        nonce=exchange.parameter("nonce"),
        resource=exchange.resource,
        details=exchange.details,
        response_mode=response_mode(exchange),
        request_uri=exchange.request_uri,
        bound_to=exchange.parameter("dpop_jkt") or "",
        response_type=exchange.response_type,
    )
    if "none" not in prompt:
        return consent_page(exchange, session, pending, leads_to=exchange.redirect_uri)
    wanted = {(session.account, exchange.client.client_id, name) for name in exchange.scope}
    if exchange.details or not wanted <= exchange.sandbox.state.consented:  # details are consented to one by one
        raise Refusal("consent_required", "The resource owner has not allowed this before.")
    return redirect_with_code(exchange, pending)


def redirect_with_code(exchange: Exchange, consent: PendingConsent) -> Response:
    """The successful authorization response (RFC 6749 section 4.1.2), or that of the implicit grant (4.2.2)."""
    if consent.response_type != "code":
        return _answer(exchange, consent, _tokens(exchange, consent))
    return _answer(exchange, consent, (("code", issue_code(exchange.sandbox, consent, now=exchange.now)),))


def redirect_denied(exchange: Exchange, consent: PendingConsent) -> Response:
    """RFC 6749 section 4.1.2.1."""
    pairs = (("error", "access_denied"), ("error_description", "The resource owner did not allow access."))
    return _answer(exchange, consent, pairs)


def _tokens(exchange: Exchange, consent: PendingConsent) -> Pairs:
    """An access token without a refresh token, and an id_token that holds its hash (Core section 3.2.2.5)."""
    exchange.client = client = _client(exchange, consent)  # at the consent page nobody has said yet whose it is
    family = issue_family(exchange.sandbox, client.client_id, consent.account, consent.scope, details=consent.details)
    fields = issue_access_token(exchange, family, scope=consent.scope)
    if consent.response_type == "id_token token":
        access_token = str(fields["access_token"])
        fields["id_token"] = id_token(exchange, client, consent.account, nonce=consent.nonce, access_token=access_token)
    return tuple((name, text if isinstance(text, str) else dumps(text)) for name, text in fields.items())


def _client(exchange: Exchange, consent: PendingConsent) -> SandboxClient:
    client = exchange.sandbox.client(consent.client_id)
    if client is None:
        raise Refusal("invalid_client", "The client is not registered any more.")
    return client


def _answer(exchange: Exchange, consent: PendingConsent, pairs: Pairs) -> Response:
    exchange.sandbox.state.pushed.pop(consent.request_uri, None)  # 9126 s4: once; until here the page may be reloaded
    return answer_client(
        exchange,
        pairs,
        client=_client(exchange, consent),
        redirect_uri=consent.redirect_uri,
        state=consent.state,
        mode=consent.response_mode,
    )
