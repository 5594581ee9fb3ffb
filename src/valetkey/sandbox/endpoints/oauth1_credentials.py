"""The two OAuth 1.0a endpoints that issue credentials, and the one that ends them (RFC 5849 sections 2.1 and 2.3)."""

from __future__ import annotations

from valetkey.sandbox.answers import form_answer
from valetkey.sandbox.state import TemporaryCredential, TokenCredential, fingerprint
from valetkey.sandbox.tokens import TEMPORARY_SECONDS, new_text, oauth1_secret
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Response
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
    sandbox, temporary = exchange.sandbox, exchange.temporary
    del sandbox.state.temporary[fingerprint(exchange.signed.token_identifier or "")]
    identifier = new_text(sandbox, "token")
    sandbox.state.token_credentials[fingerprint(identifier)] = TokenCredential(
        exchange.client.client_id, temporary.account, exchange.now
    )
    exchange.notes["account"] = temporary.account
    return form_answer(
        (
            ("oauth_token", identifier),
            ("oauth_token_secret", oauth1_secret(sandbox, identifier)),
            ("screen_name", temporary.account),
        )
    )


def revoke_token(exchange: Exchange) -> Response:
    """The token credentials that signed the request end. Not in RFC 5849: each provider has its own."""
    name = fingerprint(exchange.signed.token_identifier or "")
    state = exchange.sandbox.state
    state.token_credentials[name] = replace(exchange.token_credential, revoked=True)
    return form_answer((("revoked", "true"),))
