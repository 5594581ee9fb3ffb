"""Trade a code or a refresh token for tokens (RFC 6749 sections 4.1.3 and 6)."""

from __future__ import annotations

from valetkey.effects import Now
from valetkey.errors import ConfigurationError
from valetkey.oauth2.endpoint import ask, endpoint_request
from valetkey.oauth2.token_response import TokenResponse, read_token_response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.effects import WireOp
    from valetkey.http import Pairs, Request, Response
    from valetkey.oauth2.client import Client
    from valetkey.oauth2.dpop import ProofKey
    from valetkey.oauth2.server import AuthorizationServer
    from valetkey.secret import Secret

__all__ = [
    "TokenResponse",
    "ask_for_tokens",
    "endpoint_request",
    "exchange_code",
    "read_token_response",
    "refresh_grant",
    "token_request",
]


def token_request(server: AuthorizationServer, client: Client, *, grant: Pairs, endpoint: str | None = None) -> Request:
    """The authenticated POST that trades a grant for tokens (RFC 6749 sections 4.1.3 and 6).

    grant: `grant_type` and what belongs to it; the server's own parameters and headers are added.
    endpoint: where to, if not to the token endpoint.
    """
    fields = (*grant, *server.token_parameters)
    headers = server.token_headers
    return endpoint_request(server, client, endpoint=endpoint or server.token_endpoint, fields=fields, headers=headers)


def ask_for_tokens(
    server: AuthorizationServer,
    client: Client,
    *,
    grant: Pairs,
    endpoint: str | None = None,
    proof_key: ProofKey | None = None,
    not_after: float,
) -> WireOp[TokenResponse]:
    """The tokens for a grant: what `token_request` says, authenticated, sent and read.

    proof_key: the key that the tokens are bound to (RFC 9449 section 5); a bearer token is then refused.
    Raises ConfigurationError, ProviderError, MalformedResponse, TransportError.
    """
    if server.dpop_bound_access_tokens and proof_key is None and ("grant_type", "refresh_token") not in grant:
        # a connection that is older than the setting goes on with bearer tokens; a new one never begins with them
        message = "tokens of this grant are not bound to a key: use a registration without dpop_bound_access_tokens"
        raise ConfigurationError(message)
    asked_at = yield from Now()  # not after: whoever is frozen with the answer in hand would take the token for younger
    response: Response = yield from ask(
        server,
        client,
        endpoint=endpoint or server.token_endpoint,
        fields=(*grant, *server.token_parameters),
        headers=server.token_headers,
        proof_key=proof_key,
        not_after=not_after,
    )
    return read_token_response(response, server=server, received_at=asked_at, bound=proof_key is not None)


def exchange_code(
    server: AuthorizationServer,
    client: Client,
    *,
    code: Secret,
    code_verifier: Secret | None,
    proof_key: ProofKey | None = None,
    not_after: float,
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
    grant += [("resource", resource) for resource in server.resources]  # 8707 s2.2
    return (yield from ask_for_tokens(server, client, grant=tuple(grant), proof_key=proof_key, not_after=not_after))


def refresh_grant(
    server: AuthorizationServer,
    client: Client,
    *,
    refresh_token: Secret,
    scope: tuple[str, ...] = (),
    proof_key: ProofKey | None = None,
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
    grant += [("resource", resource) for resource in server.resources]  # 8707 s2.2
    return (
        yield from ask_for_tokens(
            server,
            client,
            grant=tuple(grant),
            endpoint=server.refresh_endpoint,
            proof_key=proof_key,
            not_after=not_after,
        )
    )
