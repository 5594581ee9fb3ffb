"""Introspection (RFC 7662)."""

from __future__ import annotations

from json import loads

from valetkey.sandbox.answers import json_answer
from valetkey.sandbox.rotation import may_be_used
from valetkey.sandbox.state import fingerprint
from valetkey.sandbox.tokens import REFRESH_TOKEN_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Response
    from valetkey.sandbox.exchange import Exchange
    from valetkey.sandbox.state import Family


def introspect(exchange: Exchange) -> Response:
    """What the token is, to its own client and to resource servers; to everybody else it is not active (section 4)."""
    state = exchange.sandbox.state
    name = fingerprint(exchange.parameter("token") or "")
    exchange.notes["token"] = name[:12]
    access, refresh = state.access_tokens.get(name), state.refresh_tokens.get(name)
    if access is not None and exchange.now < access.expires_at:
        family, expires_at, scope, kind = state.families[access.family], access.expires_at, access.scope, "Bearer"
    elif refresh is not None and _is_live(exchange, name):
        family, expires_at = state.families[refresh.family], refresh.issued_at + REFRESH_TOKEN_SECONDS
        scope, kind = family.scope, ""
    else:
        return json_answer({"active": False})
    if family.revoked or not _may_know(exchange, family):
        return json_answer({"active": False})
    fields: dict[str, object] = {
        "active": True,
        "client_id": family.client_id,
        "username": family.account,
        "sub": family.account,
        "scope": " ".join(scope),
        "exp": int(expires_at),
        "iss": exchange.sandbox.issuer,
    }
    if family.details:  # 9396 s9.2
        fields["authorization_details"] = loads(family.details)
    if not family.account:
        del fields["username"]
        fields["sub"] = family.client_id
    return json_answer(fields | ({"token_type": kind} if kind else {}))


def _may_know(exchange: Exchange, family: Family) -> bool:
    return exchange.client.resource_server or family.client_id == exchange.client.client_id


def _is_live(exchange: Exchange, name: str) -> bool:
    token = exchange.sandbox.state.refresh_tokens[name]
    client = exchange.sandbox.client(exchange.sandbox.state.families[token.family].client_id)
    lives = exchange.now < token.issued_at + REFRESH_TOKEN_SECONDS
    return client is not None and lives and may_be_used(token, client, now=exchange.now)
