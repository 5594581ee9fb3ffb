"""The two OAuth 1.0a endpoints that issue credentials, and the one that ends them (RFC 5849 sections 2.1 and 2.3)."""

from __future__ import annotations

from valetkey.http import Headers, Response
from valetkey.sandbox.answers import form_answer
from valetkey.sandbox.state import TemporaryCredential, TokenCredential, fingerprint
from valetkey.sandbox.tokens import TEMPORARY_SECONDS, new_text, oauth1_secret
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.sandbox.exchange import Exchange


def initiate(exchange: Exchange) -> Response:
    """Temporary credentials (section 2.1)."""
    sandbox = exchange.sandbox
    identifier = new_text(sandbox, "temporary")
    sandbox.state.temporary[fingerprint(identifier)] = TemporaryCredential(
        exchange.client.client_id, exchange.signed.parameter("oauth_callback") or "", exchange.now + TEMPORARY_SECONDS
    )
    return form_answer(
        (
            ("oauth_token", identifier),
            ("oauth_token_secret", oauth1_secret(sandbox, identifier)),
            ("oauth_callback_confirmed", "true"),
        )
    )


def issue_token(exchange: Exchange) -> Response:
    """Token credentials; the temporary ones are used up (section 2.3)."""
    del exchange.sandbox.state.temporary[fingerprint(exchange.signed.token_identifier or "")]
    return _new_token(exchange, exchange.temporary.account)


def issue_by_password(exchange: Exchange) -> Response:
    """Token credentials for a user name and a password (xAuth)."""
    return _new_token(exchange, exchange.account.name)


def renew(exchange: Exchange) -> Response:
    """New token credentials for a session handle, or the same ones prolonged, which the answer says in words."""
    name, credential = fingerprint(exchange.signed.token_identifier or ""), exchange.token_credential
    rows = exchange.sandbox.state.token_credentials
    if credential.session:
        rows[name] = replace(credential, revoked=True)
        return _new_token(exchange, credential.account)
    rows[name] = replace(credential, expires_at=exchange.now + exchange.client.oauth1_token_seconds)
    return Response(200, Headers((("Content-Type", "text/plain"),)), b"Access Token has been renewed")


def _new_token(exchange: Exchange, account: str) -> Response:
    sandbox, client = exchange.sandbox, exchange.client
    identifier = new_text(sandbox, "token")
    lifetime = client.oauth1_token_seconds
    handle = new_text(sandbox, "session") if client.session_handles else ""
    sandbox.state.token_credentials[fingerprint(identifier)] = TokenCredential(
        client.client_id,
        account,
        exchange.now,
        expires_at=exchange.now + lifetime if lifetime else 0.0,
        session=fingerprint(handle) if handle else "",
    )
    exchange.notes["account"] = account
    fields = [
        ("oauth_token", identifier),
        ("oauth_token_secret", oauth1_secret(sandbox, identifier)),
        ("screen_name", account),
    ]
    if handle:
        fields += [("oauth_expires_in", str(lifetime)), ("oauth_session_handle", handle)]
    return form_answer(tuple(fields))


def revoke_token(exchange: Exchange) -> Response:
    """The token credentials that signed the request end. Not in RFC 5849: each provider has its own."""
    name = fingerprint(exchange.signed.token_identifier or "")
    state = exchange.sandbox.state
    state.token_credentials[name] = replace(exchange.token_credential, revoked=True)
    return form_answer((("revoked", "true"),))
