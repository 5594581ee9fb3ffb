"""A connection's steps in the words of OAuth 2.0 (RFC 6749 section 4.1 with PKCE, RFC 9207, RFC 7009)."""

from __future__ import annotations

from valetkey.connections.codec import keepable
from valetkey.connections.connection import Tokens
from valetkey.connections.grant import Grant, refuse_foreign
from valetkey.connections.pending import ISSUER_CHANGED
from valetkey.effects import MakeKey, PrivateKey, Random
from valetkey.errors import CallbackError, ServerUnusable
from valetkey.http import base64url, with_query
from valetkey.oauth2.client import Client
from valetkey.oauth2.server import AuthorizationServer
from valetkey.secret import Secret
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from valetkey.connections.grant import AtProvider
    from valetkey.connections.pending import Pending
    from valetkey.effects import ClientCertificate, WireOp
    from valetkey.http import Pairs, Request, Response
    from valetkey.oauth2.dpop import ProofKey
    from valetkey.oauth2.token_response import TokenResponse
    from valetkey.providers.registration import Registration

VERIFIER_OCTETS = 32
NONCE_OCTETS = 16
OPENID = "openid"


def parts(registration: Registration) -> tuple[AuthorizationServer, Client]:
    """The server and client of a registration that speaks OAuth 2.0."""
    server, client = registration.provider.server, registration.client
    if not isinstance(server, AuthorizationServer) or not isinstance(client, Client):
        raise refuse_foreign("OAuth 2.0", registration)
    return server, client


def begin(
    registration: Registration, pending: Pending, *, state: str, scope: tuple[str, ...], not_after: float
) -> WireOp[tuple[str, Pending]]:
    """The authorization request (RFC 6749 section 4.1.1) with a PKCE challenge (RFC 7636 section 4.3).

    With `openid` at a server whose keys are known also a nonce (OpenID Connect Core 1.0 section 3.1.2.1).
    """
    from valetkey.oauth2.authorization import authorization_parameters
    from valetkey.oauth2.pkce import code_challenge, code_verifier

    server, client = parts(registration)
    challenge = None
    if server.pkce == "S256":
        verifier = code_verifier((yield from Random(VERIFIER_OCTETS)))
        challenge = code_challenge(verifier)
        pending = replace(pending, verifier=Secret(verifier))
    if server.jwks_uri and server.issuer and OPENID in scope:
        pending = replace(pending, nonce=base64url((yield from Random(NONCE_OCTETS))))
    asked = authorization_parameters(
        server, client, state=state, scope=scope, code_challenge=challenge, nonce=pending.nonce or None
    )
    location = yield from request_location(server, client, asked, not_after=not_after)
    return location, replace(pending, issuer=server.issuer or "")


def request_location(
    server: AuthorizationServer, client: Client, parameters: Sequence[tuple[str, str]], *, not_after: float
) -> WireOp[str]:
    """Where to send the browser with the parameters; signed and pushed first where the server wants that.

    Raises ServerUnusable for a request that is not signed, to a server that takes no such (RFC 9101 section 10.5).
    """
    _refuse_unsigned(server)
    if not server.pushed_authorization_request_endpoint and not server.request_object_signing_alg:
        return with_query(server.authorization_endpoint, parameters)
    from valetkey.oauth2.authorization_request import request_authorization

    return (yield from request_authorization(server, client, parameters=parameters, not_after=not_after))


def refuse_unrequestable(server: AuthorizationServer, *, scope: tuple[str, ...]) -> None:
    """Refuse a server that no authorization request can be sent to, before a client is registered there.

    Raises ServerUnusable, ConfigurationError.
    """
    from valetkey.oauth2.authorization import authorization_parameters

    _refuse_unsigned(server)
    wanted = server.pkce == "S256" and not server.gives_tokens_out
    nobody = Client("client", None, "https://client.example/callback")
    challenge = "challenge" if wanted else None
    _ = authorization_parameters(server, nobody, state="state", scope=scope, code_challenge=challenge)


def _refuse_unsigned(server: AuthorizationServer) -> None:
    if server.require_signed_request_object and not server.request_object_signing_alg:
        message = (
            f"{server.issuer} takes signed authorization requests alone (require_signed_request_object): set "
            "REQUEST_OBJECT_SIGNING_ALG of the registration and its PRIVATE_KEY"
        )
        raise ServerUnusable(message)


def read_callback(registration: Registration, pending: Pending, pairs: Pairs) -> tuple[Secret | None, Pairs]:
    """The authorization code (RFC 6749 section 4.1.2), from the issuer that was asked (RFC 9207 section 2.4)."""
    from valetkey.oauth2.authorization import read_authorization_response

    server, _ = parts(registration)
    check_same_issuer(pending.issuer, server)
    response = read_authorization_response(pairs, server=server)
    return response.code, response.extra


def check_same_issuer(asked: str, server: AuthorizationServer) -> None:
    """Refuse where the configuration has another issuer than the one that was asked; empty where it has none."""
    if asked != (server.issuer or ""):
        raise CallbackError("issuer_mismatch", ISSUER_CHANGED)


def redeem(registration: Registration, pending: Pending, answer: Secret | None, *, not_after: float) -> WireOp[Grant]:
    """Tokens for the code (RFC 6749 section 4.1.3), and who it was where the flow has a nonce.

    The provider's keys are fetched before the code is spent. Raises CallbackError `id_token_...` as well.
    """
    from valetkey.oauth2.token import exchange_code

    server, client = parts(registration)
    client = replace(client, redirect_uri=pending.redirect_uri)
    kept = None
    if pending.nonce:
        from valetkey.connections.issuer_keys import fetch_keys

        kept = yield from fetch_keys(registration, server, not_after=not_after)
    key = yield from new_key(server)
    response = yield from exchange_code(
        server,
        client,
        code=answer or Secret(""),
        code_verifier=pending.verifier,
        proof_key=proof_key(registration, key),
        not_after=not_after,
    )
    asked = tuple(pending.scope.split(" ")) if pending.scope else registration.scope
    grant = granted(response, asked=asked, before=None, key=key)
    if kept is None:
        return grant
    from valetkey.connections.identity import check_id_token

    who = yield from check_id_token(
        server,
        client,
        response.id_token,
        kept=kept,
        nonce=pending.nonce,
        access_token=response.access_token,
        not_after=not_after,
    )
    return replace(grant, subject=who.subject, issuer=who.issuer)


def refresh(registration: Registration, tokens: Tokens, *, scope: tuple[str, ...], not_after: float) -> WireOp[Grant]:
    """New tokens for the refresh token (RFC 6749 section 6). scope: what the old ones had."""
    from valetkey.oauth2.token import refresh_grant

    server, client = parts(registration)
    refresh_token = tokens.refresh_token or Secret("")
    response = yield from refresh_grant(
        server,
        client,
        refresh_token=refresh_token,
        proof_key=proof_key(registration, tokens.proof_key),
        not_after=not_after,
    )
    grant = granted(response, asked=scope, before=tokens, key=tokens.proof_key)
    if response.id_token is None or not (server.issuer and server.jwks_uri):
        return grant
    from valetkey.connections.identity import refreshed_subject

    try:
        return replace(grant, subject=refreshed_subject(server, client, response))
    except CallbackError as refused:
        return replace(grant, refused=refused.reason)


def new_key(server: AuthorizationServer) -> WireOp[Secret | None]:
    """A key for one connection's tokens to be bound to, or None where they are bearer tokens."""
    return (yield from MakeKey()).pem if server.dpop_bound_access_tokens else None


def proof_key(registration: Registration, key: Secret | None) -> ProofKey | None:
    """The key that a connection's tokens are bound to, with the nonces that this process knows (RFC 9449)."""
    if key is None:
        return None
    from valetkey.oauth2.dpop import Nonces, ProofKey

    return ProofKey(PrivateKey(key), registration.nonces or Nonces())


def granted(
    response: TokenResponse, *, asked: tuple[str, ...], before: Tokens | None, key: Secret | None = None
) -> Grant:
    """The grant behind a token response; one without a refresh token keeps the one before (RFC 6749 section 6).

    key: what the tokens are bound to. Raises MalformedResponse for more than a row holds.
    """
    kept = response.refresh_token or (before.refresh_token if before else None)
    scope = asked if response.scope is None else response.scope  # 6749 s5.1: left out means as asked; "" means none
    tokens, expires_at = Tokens(response.access_token, kept, proof_key=key), response.expires_at or 0
    withheld = tuple(word for word in asked if word not in scope) if before is None else ()
    return keepable(Grant(tokens, expires_at, scope, response.extra, withheld=withheld))


def bound_certificate(registration: Registration) -> ClientCertificate | None:
    """What is presented to a protected resource: the certificate that tokens are bound to (RFC 8705 section 3)."""
    server, client = parts(registration)
    if not server.tls_client_certificate_bound_access_tokens:
        return None
    from valetkey.oauth2.mutual_tls import presented

    return presented(server, client)


def authorize(registration: Registration, request: Request, tokens: Tokens) -> WireOp[Request]:
    """The request with its bearer token (RFC 6750 section 2.1), or with a bound one and its proof (9449 section 7)."""
    from valetkey.oauth2.bearer import authorize_request

    bound = proof_key(registration, tokens.proof_key)
    if bound is not None:
        from valetkey.oauth2.dpop import prove

        return (yield from prove(request, bound, access_token=tokens.access_token))
    return authorize_request(request, tokens.access_token)


def must_prove_again(registration: Registration, request: Request, response: Response) -> bool:
    """Whether the server refused the request only because the proof had not its nonce, which is now known (9449 s9)."""
    from valetkey.oauth2.dpop import wants_nonce

    if registration.nonces is None:
        return False
    registration.nonces.learn(request, response)
    return wants_nonce(response)


def revoke(registration: Registration, tokens: Tokens, *, not_after: float) -> WireOp[AtProvider]:
    """End the refresh token, or the access token where there is none (RFC 7009 section 2.1)."""
    from valetkey.oauth2.revocation import revoke_token

    server, client = parts(registration)
    if not server.revocation_endpoint:
        return "unsupported"
    token = tokens.refresh_token or tokens.access_token
    yield from revoke_token(
        server,
        client,
        token=token,
        token_type_hint="refresh_token" if tokens.refresh_token else "access_token",
        not_after=not_after,
    )
    return "revoked"
