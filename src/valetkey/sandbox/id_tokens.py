"""Id_tokens: who signed in, said to one client (OpenID Connect Core 1.0 section 2)."""

from __future__ import annotations

from valetkey.oauth2.id_token import left_half
from valetkey.sandbox.clients import OPENID
from valetkey.sandbox.signing import signed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.sandbox.clients import SandboxClient
    from valetkey.sandbox.exchange import Exchange

ID_TOKEN_SECONDS = 300


def id_token(
    exchange: Exchange, client: SandboxClient, account: str, *, nonce: str | None = None, access_token: str = ""
) -> str:
    """An id_token for the client; at_hash binds it to the access token that comes with it (section 3.1.3.6)."""
    claims: dict[str, object] = {
        "iss": exchange.sandbox.issuer,
        "sub": account,
        "aud": client.client_id,
        "iat": int(exchange.now),
        "exp": int(exchange.now) + ID_TOKEN_SECONDS,
        "nonce": nonce,
        "at_hash": left_half(access_token) if access_token else None,
    }
    return signed(exchange, claims, client=client, algorithm=client.id_token_signed_response_alg)


def with_id_token(
    exchange: Exchange, fields: dict[str, object], *, account: str, scope: tuple[str, ...], nonce: str | None = None
) -> dict[str, object]:
    """The token response with an id_token, where `openid` was granted in an account's name (section 3.1.3.3)."""
    if OPENID not in scope or not account:
        return fields
    access_token = str(fields["access_token"])
    token = id_token(exchange, exchange.client, account, nonce=nonce, access_token=access_token)
    return {**fields, "id_token": token}
