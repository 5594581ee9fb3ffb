"""Trade a code or a refresh token for tokens (RFC 6749 sections 4.1.3 and 6)."""

from __future__ import annotations

from valetkey.effects import Now, Send
from valetkey.errors import ConfigurationError
from valetkey.http import FORM, Headers, Request, write_form
from valetkey.oauth2.client_authentication import client_authentication
from valetkey.oauth2.token_response import TokenResponse, read_token_response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.effects import WireOp
    from valetkey.http import Pairs
    from valetkey.oauth2.client import Client
    from valetkey.oauth2.server import AuthorizationServer
    from valetkey.secret import Secret

__all__ = ["TokenResponse", "exchange_code", "read_token_response", "refresh_grant", "token_request"]


def token_request(server: AuthorizationServer, client: Client, *, grant: Pairs, endpoint: str | None = None) -> Request:
    """The authenticated POST that trades a grant for tokens (RFC 6749 sections 4.1.3 and 6).

    grant: `grant_type` and what belongs to it; the server's own parameters and headers are added.
    endpoint: where to, if not to the token endpoint.
    """
    fields = (*grant, *server.token_parameters)
    headers = server.token_headers
    return endpoint_request(server, client, endpoint=endpoint or server.token_endpoint, fields=fields, headers=headers)


def endpoint_request(
    server: AuthorizationServer, client: Client, *, endpoint: str, fields: Pairs, headers: Pairs = ()
) -> Request:
    """An authenticated POST to one of the server's endpoints."""
    proof = client_authentication(server, client)
    fields = (*fields, *proof.fields)
    if server.token_encoding == "json":  # noqa: S105 - an encoding, not a secret
        import json

        content_type, body = "application/json", json.dumps(dict(fields)).encode()
    else:
        content_type, body = FORM, write_form(fields).encode()
    # 6749 s5.1 promises JSON, but some answer with a form unless they are asked
    always = (("Accept", "application/json"), ("Content-Type", content_type))
    return Request("POST", endpoint, Headers((*always, *headers, *proof.headers)), body)


def exchange_code(
    server: AuthorizationServer, client: Client, *, code: Secret, code_verifier: Secret | None, not_after: float
) -> WireOp[TokenResponse]:
    """The tokens for an authorization code (RFC 6749 section 4.1.3, RFC 7636 section 4.5). Sent once, never again.

    Raises ProviderError, MalformedResponse, TransportError.
    """
    if code_verifier is None and server.pkce == "S256":
        raise ConfigurationError("the code was asked for with a challenge: pass the code_verifier that belongs to it")
    grant = [
        ("grant_type", "authorization_code"),
        ("code", code.reveal()),
        ("redirect_uri", client.redirect_uri),
    ]
    if code_verifier is not None:
        grant.append(("code_verifier", code_verifier.reveal()))
    request = token_request(server, client, grant=tuple(grant))
    response = yield from Send(request, server.reach, not_after)
    return read_token_response(response, server=server, received_at=(yield from Now()))


def refresh_grant(
    server: AuthorizationServer,
    client: Client,
    *,
    refresh_token: Secret,
    scope: tuple[str, ...] = (),
    not_after: float,
) -> WireOp[TokenResponse]:
    """New tokens for a refresh token (RFC 6749 section 6). Sent once: what a lost answer means is the caller's matter.

    scope: empty leaves the parameter out, which asks for what was granted before.
    An answer without a refresh token has None: the caller keeps the one it used.
    Raises ProviderError, MalformedResponse, TransportError.
    """
    grant = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.reveal())]
    if scope:
        grant.append((server.scope_parameter, server.scope_separator.join(scope)))
    request = token_request(server, client, grant=tuple(grant), endpoint=server.refresh_endpoint)
    response = yield from Send(request, server.reach, not_after)
    return read_token_response(response, server=server, received_at=(yield from Now()))
