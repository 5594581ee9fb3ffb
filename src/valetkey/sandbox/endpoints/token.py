"""The OAuth 2.0 token endpoint (RFC 6749 sections 4.1.3, 5 and 6)."""

from __future__ import annotations

from valetkey.sandbox.answers import json_answer
from valetkey.sandbox.checks.subject_token_known import ACCESS_TOKEN, ID_TOKEN
from valetkey.sandbox.id_tokens import id_token, with_id_token
from valetkey.sandbox.rotation import mark_used
from valetkey.sandbox.state import fingerprint
from valetkey.sandbox.tokens import issue_access_token, issue_family, issue_refresh_token
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Response
    from valetkey.sandbox.exchange import Exchange


def exchange_code(exchange: Exchange) -> Response:
    """Tokens for a code, which is used from here on (RFC 6749 section 4.1.4)."""
    sandbox, code = exchange.sandbox, exchange.code
    family = issue_family(
        sandbox, code.client_id, code.account, code.scope, resource=code.resource, details=code.details
    )
    sandbox.state.codes[fingerprint(exchange.parameter("code") or "")] = replace(code, family=family)
    exchange.notes["account"] = code.account
    fields = issue_access_token(exchange, family, scope=code.scope)
    if exchange.client.refresh_tokens:
        fields["refresh_token"] = issue_refresh_token(sandbox, family, now=exchange.now)
    fields = with_id_token(exchange, fields, account=code.account, scope=code.scope, nonce=code.nonce)
    return json_answer(fields)


def client_credentials(exchange: Exchange) -> Response:
    """A token of the client's own, in nobody's name and without a refresh token (RFC 6749 section 4.4.3)."""
    sandbox, client = exchange.sandbox, exchange.client
    family = issue_family(sandbox, client.client_id, "", exchange.scope, details=exchange.details)
    return json_answer(issue_access_token(exchange, family, scope=exchange.scope))


def exchange_assertion(exchange: Exchange) -> Response:
    """A token in the name of whom the assertion vouches for, without a refresh token (RFC 7521 section 4.1)."""
    sandbox, client, account = exchange.sandbox, exchange.client, exchange.account.name
    family = issue_family(sandbox, client.client_id, account, exchange.scope, details=exchange.details)
    fields = issue_access_token(exchange, family, scope=exchange.scope)
    return json_answer(with_id_token(exchange, fields, account=account, scope=exchange.scope))


def exchange_password(exchange: Exchange) -> Response:
    """Tokens in the name of whose password it is, for a client that is registered for that (RFC 6749 section 4.3.3)."""
    sandbox, client, account = exchange.sandbox, exchange.client, exchange.account.name
    exchange.notes["account"] = account
    family = issue_family(sandbox, client.client_id, account, exchange.scope, details=exchange.details)
    fields = issue_access_token(exchange, family, scope=exchange.scope)
    if client.refresh_tokens:
        fields["refresh_token"] = issue_refresh_token(sandbox, family, now=exchange.now)
    return json_answer(with_id_token(exchange, fields, account=account, scope=exchange.scope))


def exchange_token(exchange: Exchange) -> Response:
    """A token of the same grant with the same or a smaller scope, or an id_token (RFC 8693 section 2.2.1)."""
    name, scope, account = exchange.access_token.family, exchange.scope, exchange.family.account
    if exchange.parameter("requested_token_type") == ID_TOKEN:
        token = id_token(exchange, exchange.client, account)
        return json_answer({"access_token": token, "token_type": "N_A", "issued_token_type": ID_TOKEN})
    fields = issue_access_token(exchange, name, scope=scope)
    fields = with_id_token(exchange, fields, account=account, scope=scope)
    return json_answer(fields | {"issued_token_type": ACCESS_TOKEN})


def refresh(exchange: Exchange) -> Response:
    """Tokens for a refresh token, by the client's rotation mode (RFC 6749 section 6)."""
    sandbox, client, spent = exchange.sandbox, exchange.client, exchange.refresh_token
    text = exchange.parameter("refresh_token") or ""
    exchange.notes["account"] = exchange.family.account
    mark_used(sandbox.state, fingerprint(text), now=exchange.now)
    if client.old_access_dies:
        tokens = sandbox.state.access_tokens
        sandbox.state.access_tokens = {key: token for key, token in tokens.items() if token.family != spent.family}
    fields = issue_access_token(exchange, spent.family, scope=exchange.scope)
    if client.rotation == "stable":
        fields["refresh_token"] = text
    elif client.rotation != "none":
        fields["refresh_token"] = issue_refresh_token(sandbox, spent.family, parent=fingerprint(text), now=exchange.now)
    return json_answer(with_id_token(exchange, fields, account=exchange.family.account, scope=exchange.scope))
