"""The token that is to be exchanged is a live access token of this server."""

from __future__ import annotations

from valetkey.sandbox.clients import OPENID
from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.sandbox.scope import read_scope
from valetkey.sandbox.state import fingerprint

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name, not a secret
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - a name, not a secret


def subject_token_known(exchange: Exchange) -> None:
    """RFC 8693 sections 2.1 and 2.2.2: of this client, and not for more than it can. Sets `family` and `scope`."""
    token, kind = exchange.parameter("subject_token"), exchange.parameter("subject_token_type")
    if token is None or kind is None:
        raise Refusal("invalid_request", "The subject_token or its type is missing.")
    if (exchange.parameter("actor_token") is None) != (exchange.parameter("actor_token_type") is None):
        raise Refusal("invalid_request", "An actor_token and its type go together.")
    wanted = exchange.parameter("requested_token_type") or ACCESS_TOKEN
    state = exchange.sandbox.state
    found = state.access_tokens.get(fingerprint(token))
    family = None if found is None else state.families.get(found.family)
    lives = found is not None and family is not None and not family.revoked and exchange.now < found.expires_at
    if kind != ACCESS_TOKEN or wanted not in (ACCESS_TOKEN, ID_TOKEN) or not lives or found is None or family is None:
        raise Refusal("invalid_request", "The subject token is not a live access token of this server.")
    if family.client_id != exchange.client.client_id:
        raise Refusal("invalid_request", "The subject token was given to another client.")
    text = exchange.parameter("scope")
    scope = found.scope if text is None else read_scope(text)
    if not set(scope) <= set(found.scope):
        raise Refusal("invalid_scope", "The scope is more than the subject token has.")
    if wanted == ID_TOKEN and (OPENID not in found.scope or not family.account):
        raise Refusal("invalid_scope", "The subject token has not openid, so there is no id_token for it.")
    exchange.access_token, exchange.family, exchange.scope = found, family, scope
