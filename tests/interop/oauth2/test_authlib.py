"""OAuth 2.0 with an authorization server made of Authlib."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from tests.interop.oauth2 import authlib_server
from tests.interop.peers import REDIRECT_URI, Browser, run, soon

from valetkey.errors import AuthorizationDenied, CallbackError, ProviderError
from valetkey.oauth2.assertion import jwt_bearer_grant
from valetkey.oauth2.authorization import authorization_url, read_authorization_response
from valetkey.oauth2.client import Client
from valetkey.oauth2.client_credentials import client_credentials_grant
from valetkey.oauth2.introspection import introspect_token
from valetkey.oauth2.password import password_grant
from valetkey.oauth2.pkce import code_challenge, code_verifier
from valetkey.oauth2.revocation import revoke_token
from valetkey.oauth2.server import AuthorizationServer
from valetkey.oauth2.signed_jwt import authenticate_jwt
from valetkey.oauth2.token import TokenResponse, exchange_code, refresh_grant
from valetkey.secret import Secret
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valetkey.http import Pairs

BASIC = Client("basic", Secret("basic-secret"), REDIRECT_URI)
CLIENTS = {
    "client_secret_basic": BASIC,
    "client_secret_basic that needs form-encoding": Client("web:colon%", Secret("p+w%/~*:&="), REDIRECT_URI),
    "client_secret_post": Client("post", Secret("post-secret"), REDIRECT_URI),
    "none": Client("public", None, REDIRECT_URI),
}


@pytest.fixture(scope="module")
def server() -> Iterator[AuthorizationServer]:
    for base_url in authlib_server.serve():
        yield AuthorizationServer(
            base_url,
            f"{base_url}/authorize",
            f"{base_url}/token",
            revocation_endpoint=f"{base_url}/revoke",
            introspection_endpoint=f"{base_url}/introspect",
            iss_required=True,
        )


def connect(
    server: AuthorizationServer, client: Client, *, scope: tuple[str, ...] = ("read", "write"), extra: Pairs = ()
) -> TokenResponse:
    verifier = code_verifier(os.urandom(32))
    challenge = code_challenge(verifier)
    url = authorization_url(server, client, state="a state", scope=scope, code_challenge=challenge, extra=extra)
    pairs = Browser().visit(url)
    assert dict(pairs)["state"] == "a state"
    code = read_authorization_response(pairs, server=server).code
    return run(exchange_code(server, client, code=code, code_verifier=Secret(verifier), not_after=soon()))


def refresh(server: AuthorizationServer, client: Client, tokens: TokenResponse) -> TokenResponse:
    assert tokens.refresh_token is not None
    return run(refresh_grant(server, client, refresh_token=tokens.refresh_token, not_after=soon()))


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_client_of_every_kind_connects_and_refreshes(server: AuthorizationServer, kind: str) -> None:
    client = CLIENTS[kind]
    server = replace(server, token_endpoint_auth_method=kind.partition(" ")[0])

    tokens = connect(server, client)
    fresh = refresh(server, client, tokens)

    assert tokens.token_type == "bearer"
    assert tokens.expires_at is not None
    assert tokens.scope == fresh.scope == ("read", "write")
    assert fresh.access_token != tokens.access_token


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_password_brings_tokens_that_are_refreshed(server: AuthorizationServer, kind: str) -> None:
    client = CLIENTS[kind]
    server = replace(server, token_endpoint_auth_method=kind.partition(" ")[0])

    tokens = run(
        password_grant(
            server, client, username="alice", password=Secret("pass wörd+%&="), scope=("read",), not_after=soon()
        )
    )

    assert tokens.scope == ("read",)
    assert refresh(server, client, tokens).access_token != tokens.access_token


def test_a_wrong_password_is_told_as_one(server: AuthorizationServer) -> None:
    aliased = replace(server, error_aliases=(("invalid_request", "invalid_grant"),))  # Authlib's word, not RFC 6749's

    with pytest.raises(ProviderError, match="password is wrong") as caught:
        run(password_grant(aliased, BASIC, username="alice", password=Secret("canary"), not_after=soon()))

    assert caught.value.error == "invalid_grant"
    assert "canary" not in str(caught.value)


def test_a_scope_that_was_reduced_is_reported(server: AuthorizationServer) -> None:
    assert connect(server, BASIC, scope=("read", "delete")).scope == ("read",)


def test_a_spent_refresh_token_is_an_invalid_grant(server: AuthorizationServer) -> None:
    tokens = connect(server, BASIC)
    refresh(server, BASIC, tokens)

    with pytest.raises(ProviderError) as caught:
        refresh(server, BASIC, tokens)

    assert (caught.value.error, caught.value.status) == ("invalid_grant", 400)


def test_a_denial_is_read(server: AuthorizationServer) -> None:
    with pytest.raises(AuthorizationDenied):
        connect(server, BASIC, extra=(("login_hint", "deny"),))


def test_an_answer_of_another_issuer_is_refused(server: AuthorizationServer) -> None:
    with pytest.raises(CallbackError) as caught:
        connect(replace(server, issuer="https://as.example"), BASIC)

    assert caught.value.reason == "issuer_mismatch"


def test_a_wrong_secret_is_an_invalid_client(server: AuthorizationServer) -> None:
    tokens = connect(server, BASIC)

    with pytest.raises(ProviderError) as caught:
        refresh(server, replace(BASIC, client_secret=Secret("wrong")), tokens)

    assert (caught.value.error, caught.value.status) == ("invalid_client", 401)


def test_a_revoked_token_is_dead_and_can_be_revoked_again(server: AuthorizationServer) -> None:
    tokens = connect(server, BASIC)
    access_token = tokens.access_token
    assert run(introspect_token(server, BASIC, token=access_token, not_after=soon())).scope == ("read", "write")

    for _ in range(2):
        run(revoke_token(server, BASIC, token=access_token, token_type_hint="access_token", not_after=soon()))

    assert not run(introspect_token(server, BASIC, token=access_token, not_after=soon())).active


def test_a_token_nobody_knows_is_revoked_without_complaint(server: AuthorizationServer) -> None:
    run(revoke_token(server, BASIC, token=Secret("unknown"), token_type_hint=None, not_after=soon()))


@pytest.mark.parametrize("kind", ["client_secret_basic", "client_secret_post"])
def test_a_client_gets_a_token_of_its_own(server: AuthorizationServer, kind: str) -> None:
    server = replace(server, token_endpoint_auth_method=kind)

    tokens = run(client_credentials_grant(server, CLIENTS[kind], scope=("read",), not_after=soon()))

    assert (tokens.scope, tokens.refresh_token) == (("read",), None)
    if kind == "client_secret_basic":  # Authlib's introspection takes no other
        assert run(introspect_token(server, BASIC, token=tokens.access_token, not_after=soon())).active


def test_a_jwt_assertion_is_taken_from_who_may_vouch_and_nobody_else(server: AuthorizationServer) -> None:
    def vouch(secret: str, subject: str) -> Secret:
        claims = {"iss": "basic", "sub": subject, "aud": server.token_endpoint, "exp": int(time.time()) + 60}
        return Secret(authenticate_jwt(Secret(secret), header={"alg": "HS256"}, claims=claims))

    good = vouch("basic-secret" * 4, "alice")
    tokens = run(jwt_bearer_grant(server, BASIC, assertion=good, scope=("read",), not_after=soon()))
    assert tokens.scope == ("read",)

    for bad in (vouch("another-secret" * 4, "alice"), vouch("basic-secret" * 4, "mallory")):
        with pytest.raises(ProviderError) as caught:
            run(jwt_bearer_grant(server, BASIC, assertion=bad, not_after=soon()))
        assert caught.value.error == "invalid_grant"
