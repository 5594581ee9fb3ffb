"""The consent page that is answered was shown to this browser, and to the account that is signed in."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.sandbox.sessions import current_session
from valetkey.sandbox.state import fingerprint


def consent_pending(exchange: Exchange) -> None:
    """One page, one answer, one session (RFC 6749 section 10.2). Sets `consent` and `client`."""
    state = exchange.sandbox.state
    consent = state.consents.get(fingerprint(exchange.parameter("consent") or ""))
    session = current_session(exchange)
    if consent is None or exchange.now >= consent.expires_at:
        raise Refusal("consent_expired", "This page was answered before or is too old. Go back to the application.")
    client = exchange.sandbox.client(consent.client_id)
    if session is None or consent.session != fingerprint(exchange.session_cookie) or session.account != consent.account:
        raise Refusal("consent_expired", "This page was made for another sign-in. Go back to the application.")
    if client is None or exchange.parameter("decision") not in ("allow", "deny"):
        raise Refusal("invalid_request", "The form is incomplete.")
    if consent.protocol == "oauth1":
        temporary = state.temporary.get(fingerprint(consent.temporary))
        if temporary is None or temporary.verifier or temporary.denied or exchange.now >= temporary.expires_at:
            raise Refusal("token_used", "This authorization was answered before, or is too old. Start again.")
    device = state.device_grants.get(consent.device)
    if consent.device and (device is None or device.decision or exchange.now >= device.expires_at):
        raise Refusal("consent_expired", "This device was answered before, or waits no longer.")
    exchange.client, exchange.consent = client, consent
    exchange.notes["client_id"] = client.client_id
