"""OAuth 2.0 with the npm package oidc-provider, certified by the OpenID Foundation."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from tests.interop.peers import Browser, NodeOidcProvider, run, soon

from valetkey.effects import CONFIGURED, Send
from valetkey.errors import AuthorizationDenied, CallbackError, ProviderError
from valetkey.http import Headers, Request
from valetkey.oauth2.authorization import authorization_url, read_authorization_response
from valetkey.oauth2.bearer import authorize_request, read_challenges
from valetkey.oauth2.introspection import introspect_token
from valetkey.oauth2.metadata import authorization_server, fetch_metadata
from valetkey.oauth2.pkce import code_challenge, code_verifier
from valetkey.oauth2.revocation import revoke_token
from valetkey.oauth2.token import TokenResponse, exchange_code, refresh_grant
from valetkey.secret import Secret
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.effects import WireOp
    from valetkey.http import Pairs, Response
    from valetkey.oauth2.client import Client
    from valetkey.oauth2.server import AuthorizationServer

pytestmark = pytest.mark.node
METHODS = {"basic": "client_secret_basic", "odd": "client_secret_basic", "post": "client_secret_post", "public": "none"}


@pytest.fixture(scope="module")
def server(node_oidc_provider: NodeOidcProvider) -> AuthorizationServer:
    metadata = run(fetch_metadata(node_oidc_provider.issuer, not_after=soon(), reach=CONFIGURED))
    return authorization_server(metadata, reach=CONFIGURED)


@pytest.fixture
def client(node_oidc_provider: NodeOidcProvider) -> Client:
    return node_oidc_provider.clients["basic"]


def ask(
    server: AuthorizationServer, client: Client, *, scope: tuple[str, ...] = ("openid", "api"), extra: Pairs = ()
) -> tuple[Secret, Secret]:
    """A code and the verifier that belongs to it."""
    verifier = code_verifier(os.urandom(32))
    challenge = code_challenge(verifier)
    url = authorization_url(server, client, state="a state", scope=scope, code_challenge=challenge, extra=extra)
    pairs = Browser().visit(url)
    assert dict(pairs)["state"] == "a state"
    return read_authorization_response(pairs, server=server).code, Secret(verifier)


def connect(server: AuthorizationServer, client: Client) -> TokenResponse:
    code, verifier = ask(server, client)
    return run(exchange_code(server, client, code=code, code_verifier=verifier, not_after=soon()))


def refresh(server: AuthorizationServer, client: Client, token: Secret | None) -> TokenResponse:
    assert token is not None
    return run(refresh_grant(server, client, refresh_token=token, not_after=soon()))


def userinfo(server: AuthorizationServer, token: Secret) -> Response:
    def program() -> WireOp[Response]:
        request = authorize_request(Request("GET", f"{server.issuer}/me", Headers()), token)
        return (yield from Send(request, CONFIGURED, soon()))

    return run(program())


def test_it_describes_itself(server: AuthorizationServer) -> None:
    assert server.iss_required
    assert server.revocation_endpoint is not None
    assert server.introspection_endpoint is not None


@pytest.mark.parametrize("name", METHODS)
def test_a_client_of_every_kind_connects_and_refreshes(
    node_oidc_provider: NodeOidcProvider, server: AuthorizationServer, name: str
) -> None:
    client = node_oidc_provider.clients[name]
    server = replace(server, token_endpoint_auth_method=METHODS[name])

    tokens = connect(server, client)
    fresh = refresh(server, client, tokens.refresh_token)

    assert tokens.token_type == "bearer"
    assert tokens.expires_at is not None
    assert abs(tokens.expires_at - time.time() - 3600) < 15
    assert tokens.scope == ("openid", "api")
    assert tokens.id_token is not None
    assert fresh.access_token != tokens.access_token
    assert fresh.refresh_token not in (None, tokens.refresh_token)
    assert userinfo(server, fresh.access_token).status == 200


def test_a_client_that_is_registered_on_the_spot_connects(
    node_oidc_provider: NodeOidcProvider, server: AuthorizationServer
) -> None:
    client = node_oidc_provider.register("https://other.example/callback/x")

    assert connect(server, client).refresh_token is not None


def test_a_wrong_secret_is_the_clients_problem_and_not_the_grants(
    node_oidc_provider: NodeOidcProvider, server: AuthorizationServer
) -> None:
    client = node_oidc_provider.clients["odd"]
    code, verifier = ask(server, client)
    wrong = replace(client, client_secret=Secret("p w %/~*:&="))

    with pytest.raises(ProviderError) as caught:
        run(exchange_code(server, wrong, code=code, code_verifier=verifier, not_after=soon()))

    assert (caught.value.error, caught.value.status) == ("invalid_client", 401)


def test_a_denial_comes_back_with_the_issuer_and_without_its_text(server: AuthorizationServer, client: Client) -> None:
    with pytest.raises(AuthorizationDenied) as caught:
        ask(server, client, extra=(("login_hint", "deny"),))

    assert "<b>" not in str(caught.value)


def test_another_issuers_answer_is_refused(server: AuthorizationServer, client: Client) -> None:
    other = replace(server, issuer=f"{server.issuer}/")

    with pytest.raises(CallbackError) as caught:
        ask(other, client)

    assert caught.value.reason == "issuer_mismatch"


def test_a_code_is_of_no_use_with_another_verifier(server: AuthorizationServer, client: Client) -> None:
    code, _ = ask(server, client)
    other = Secret(code_verifier(os.urandom(32)))

    with pytest.raises(ProviderError) as caught:
        run(exchange_code(server, client, code=code, code_verifier=other, not_after=soon()))

    assert caught.value.error == "invalid_grant"


def test_a_replayed_code_kills_what_the_first_exchange_gave(server: AuthorizationServer, client: Client) -> None:
    code, verifier = ask(server, client)
    tokens = run(exchange_code(server, client, code=code, code_verifier=verifier, not_after=soon()))

    with pytest.raises(ProviderError) as replayed:
        run(exchange_code(server, client, code=code, code_verifier=verifier, not_after=soon()))
    with pytest.raises(ProviderError) as refreshed:
        refresh(server, client, tokens.refresh_token)

    assert (replayed.value.error, refreshed.value.error) == ("invalid_grant", "invalid_grant")


def test_a_replayed_refresh_token_kills_its_family(server: AuthorizationServer, client: Client) -> None:
    tokens = connect(server, client)
    fresh = refresh(server, client, tokens.refresh_token)

    with pytest.raises(ProviderError) as replayed:
        refresh(server, client, tokens.refresh_token)
    with pytest.raises(ProviderError) as sibling:
        refresh(server, client, fresh.refresh_token)

    assert (replayed.value.error, sibling.value.error) == ("invalid_grant", "invalid_grant")


def test_a_revoked_token_is_dead_and_can_be_revoked_again(server: AuthorizationServer, client: Client) -> None:
    tokens = connect(server, client)
    assert tokens.refresh_token is not None
    assert run(introspect_token(server, client, token=tokens.refresh_token, not_after=soon())).active

    for _ in range(2):
        run(revoke_token(server, client, token=tokens.refresh_token, token_type_hint="refresh_token", not_after=soon()))

    assert not run(introspect_token(server, client, token=tokens.refresh_token, not_after=soon())).active
    with pytest.raises(ProviderError):
        refresh(server, client, tokens.refresh_token)


def test_a_token_tells_what_it_is_good_for(server: AuthorizationServer, client: Client) -> None:
    tokens = connect(server, client)

    found = run(
        introspect_token(server, client, token=tokens.access_token, token_type_hint="access_token", not_after=soon())
    )

    assert found.active
    assert found.scope == ("openid", "api")
    assert found.subject == "alice"
    assert found.client_id == client.client_id
    assert found.expires_at is not None
    assert tokens.expires_at is not None
    assert abs(found.expires_at - tokens.expires_at) <= 2


def test_a_dead_access_token_is_challenged(server: AuthorizationServer) -> None:
    response = userinfo(server, Secret("nonsense"))

    [challenge] = [one for one in read_challenges(response.headers) if one.scheme == "bearer"]
    assert response.status == 401
    assert challenge.get("error") == "invalid_token"
