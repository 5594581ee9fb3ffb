"""Dynamic client registration (RFC 7591), open to everybody: a sandbox has nothing to lose."""

from __future__ import annotations

from valetkey.errors import ConfigurationError
from valetkey.oauth2.strict_json import read_json_object
from valetkey.sandbox.answers import json_answer
from valetkey.sandbox.clients import GRANT_TYPES, OPENID, READ, WRITE, SandboxClient
from valetkey.sandbox.exchange import MAX_BODY, Refusal, content_type
from valetkey.sandbox.tokens import new_text
from valetkey.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from valetkey.http import Response
    from valetkey.sandbox.exchange import Exchange

MAX_CLIENTS = 1000
MAX_NAME = 100
METHODS = ("client_secret_basic", "client_secret_post", "none")
CODE, REFRESH = "authorization_code", "refresh_token"


def register(exchange: Exchange) -> Response:
    """The client that was made of the metadata (section 3.2.1), for the grant types that it names (section 2)."""
    if len(exchange.sandbox.clients) >= MAX_CLIENTS:
        raise Refusal("temporarily_unavailable", "The sandbox has registered enough clients.", status=503)
    metadata = _read(exchange)
    method = metadata.get("token_endpoint_auth_method", METHODS[0])
    if method not in METHODS:
        raise Refusal("invalid_client_metadata", f"The token_endpoint_auth_method is one of {', '.join(METHODS)}.")
    secret = None if method == "none" else Secret(new_text(exchange.sandbox, "secret"))
    grants = metadata.get("grant_types", [CODE])
    if not isinstance(grants, list) or not grants or any(grant not in GRANT_TYPES for grant in grants):
        raise Refusal("invalid_client_metadata", f"The grant_types are some of {', '.join(GRANT_TYPES)}.")
    uris, name = metadata.get("redirect_uris", []), metadata.get("client_name", "")
    if not isinstance(uris, list) or not all(isinstance(uri, str) for uri in uris) or (CODE in grants and not uris):
        raise Refusal("invalid_redirect_uri", "The redirect_uris are missing.")
    client_id = new_text(exchange.sandbox, "client")
    try:
        client = SandboxClient(
            client_id,
            secret,
            redirect_uris=tuple(uris),
            name=name[:MAX_NAME] if isinstance(name, str) else "",
            scopes=(READ, WRITE, OPENID),
            authentication=method,
            grant_types=tuple(dict.fromkeys(grants)),
            refresh_tokens=REFRESH in grants,
        )
    except ConfigurationError:
        raise Refusal("invalid_redirect_uri", "A redirect URI is https, or on loopback, without a fragment.") from None
    exchange.sandbox.register(client)
    exchange.notes["client_id"] = client_id
    shown: dict[str, object] = {"client_id": client_id, "redirect_uris": uris, "grant_types": list(client.grant_types)}
    shown |= {
        "token_endpoint_auth_method": method,
        "response_types": ["code"] if CODE in grants else [],
        "scope": " ".join(client.scopes),
    }
    if secret is not None:
        shown |= {"client_secret": secret.reveal(), "client_secret_expires_at": 0}
    return json_answer(shown, status=201)


def _read(exchange: Exchange) -> dict[str, Any]:
    if content_type(exchange.request) != "application/json":  # which no page of another origin can send unasked
        raise Refusal("invalid_client_metadata", "Send the client's metadata as application/json.")
    try:
        return read_json_object(exchange.request.body, limit=MAX_BODY)
    except ValueError:
        raise Refusal("invalid_client_metadata", "Send the client's metadata as a JSON object.") from None
