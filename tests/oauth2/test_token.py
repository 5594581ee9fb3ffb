from __future__ import annotations

import json

import pytest
from tests.oauth2.peer import CLIENT, NOW, PUBLIC_CLIENT, SERVER, Peer, answer, form_of
from tests.oauth2.vectors import load

from valetkey.errors import ConfigurationError, MalformedResponse, ProviderError, TransportError
from valetkey.oauth2.client import Client
from valetkey.oauth2.client_authentication import client_authentication
from valetkey.oauth2.server import PKCE_REFUSED_BY_PROVIDER, AuthorizationServer
from valetkey.oauth2.token import exchange_code, refresh_grant, token_request
from valetkey.secret import Secret
from valetkey.value import replace

CODE, VERIFIER, REFRESH = Secret("code-canary"), Secret("verifier-canary"), Secret("refresh-canary")
GOOD = answer('{"access_token":"at","token_type":"Bearer","expires_in":3600}')


@pytest.mark.parametrize("vector", load("oauth2_basic"), ids=lambda vector: vector["source"])
def test_basic_credentials_are_those_that_were_published(vector: dict) -> None:
    given = vector["input"]
    server = replace(SERVER, basic_unencoded=given.get("basic_unencoded", False))
    client = Client(given["client_id"], Secret(given["client_secret"]), "https://app.example/")

    proof = client_authentication(server, client)

    assert proof.headers == (("Authorization", vector["expect"]),)
    assert proof.fields == ()
    assert given["client_secret"] not in repr(proof)


def test_a_colon_cannot_be_sent_unencoded() -> None:
    with pytest.raises(ConfigurationError, match="colon"):
        client_authentication(replace(SERVER, basic_unencoded=True), Client("a:b", Secret("c"), ""))


def test_a_client_authenticates_in_the_servers_method_and_no_other() -> None:
    posted = client_authentication(replace(SERVER, token_endpoint_auth_method="client_secret_post"), CLIENT)
    none = client_authentication(replace(SERVER, token_endpoint_auth_method="none"), CLIENT)

    assert posted.headers == ()
    assert posted.fields == (("client_id", "client"), ("client_secret", "s3cret-canary"))
    assert none.headers == ()
    assert none.fields == (("client_id", "client"),)


@pytest.mark.parametrize("status", [400, 401])
def test_a_client_that_is_refused_does_not_try_another_way_to_prove_itself(status: int) -> None:
    peer = Peer(answer('{"error":"invalid_client"}', status=status))

    with pytest.raises(ProviderError) as caught:
        peer.run(refresh_grant(SERVER, CLIENT, refresh_token=Secret("r"), not_after=NOW))

    assert caught.value.error == "invalid_client"
    assert len(peer.sent) == 1


def test_a_client_without_a_secret_says_who_it_is_in_the_body() -> None:
    for method in ("none", "client_secret_basic", "client_secret_post"):
        proof = client_authentication(replace(SERVER, token_endpoint_auth_method=method), PUBLIC_CLIENT)
        assert (proof.headers, proof.fields) == ((), (("client_id", "client"),))


def test_an_unknown_method_is_a_mistake_in_the_configuration() -> None:
    with pytest.raises(ConfigurationError, match="private_key_jwt"):
        client_authentication(replace(SERVER, token_endpoint_auth_method="private_key_jwt"), CLIENT)


def test_a_code_is_exchanged_once_on_a_connection_of_its_own() -> None:
    peer = Peer(GOOD)

    tokens = peer.run(exchange_code(SERVER, CLIENT, code=CODE, code_verifier=VERIFIER, not_after=NOW + 10))

    [effect] = peer.sent
    assert (effect.reach, effect.not_after, effect.kept) == ("configured", NOW + 10, False)
    assert (peer.request.method, peer.request.url) == ("POST", "https://as.example/token")
    assert peer.request.headers.get("Accept") == "application/json"
    assert peer.request.headers.get("Authorization") is not None
    assert form_of(peer.request) == {
        "grant_type": "authorization_code",
        "code": "code-canary",
        "redirect_uri": "https://app.example/callback/x",
        "code_verifier": "verifier-canary",
    }
    assert tokens.expires_at == int(NOW) + 3600


def test_a_code_is_not_exchanged_without_its_verifier() -> None:
    with pytest.raises(ConfigurationError, match="code_verifier"):
        Peer().run(exchange_code(SERVER, CLIENT, code=CODE, code_verifier=None, not_after=NOW))


def test_a_code_of_a_provider_that_refuses_pkce_is_exchanged_without_a_verifier() -> None:
    peer = Peer(GOOD)
    server = replace(SERVER, pkce=PKCE_REFUSED_BY_PROVIDER)

    peer.run(exchange_code(server, CLIENT, code=CODE, code_verifier=None, not_after=NOW))

    assert "code_verifier" not in form_of(peer.request)


def test_a_refresh_asks_for_what_was_granted_unless_a_scope_is_named() -> None:
    peer = Peer(GOOD, GOOD)

    peer.run(refresh_grant(SERVER, PUBLIC_CLIENT, refresh_token=REFRESH, not_after=NOW))
    assert form_of(peer.request) == {
        "grant_type": "refresh_token",
        "refresh_token": "refresh-canary",
        "client_id": "client",
    }

    server = replace(SERVER, scope_separator=",", refresh_endpoint="https://as.example/refresh")
    peer.run(refresh_grant(server, CLIENT, refresh_token=REFRESH, scope=("a", "b"), not_after=NOW))
    assert form_of(peer.request)["scope"] == "a,b"
    assert peer.request.url == "https://as.example/refresh"


def test_a_refresh_answer_without_a_refresh_token_says_so() -> None:
    tokens = Peer(GOOD).run(refresh_grant(SERVER, CLIENT, refresh_token=REFRESH, not_after=NOW))

    assert tokens.refresh_token is None


def test_a_providers_own_parameters_and_headers_are_sent() -> None:
    peer = Peer(GOOD)
    server = replace(SERVER, token_parameters=(("type", "web_server"),), token_headers=(("User-Agent", "app"),))

    peer.run(refresh_grant(server, CLIENT, refresh_token=REFRESH, not_after=NOW))

    assert form_of(peer.request)["type"] == "web_server"
    assert peer.request.headers.get("User-Agent") == "app"


def test_a_provider_that_wants_json_gets_json() -> None:
    peer = Peer(GOOD)
    server = replace(SERVER, token_encoding="json", token_endpoint_auth_method="client_secret_post")

    peer.run(refresh_grant(server, CLIENT, refresh_token=REFRESH, not_after=NOW))

    assert peer.request.headers.get("Content-Type") == "application/json"
    assert json.loads(peer.request.body) == {
        "grant_type": "refresh_token",
        "refresh_token": "refresh-canary",
        "client_id": "client",
        "client_secret": "s3cret-canary",
    }


def test_a_request_that_failed_on_its_way_is_not_sent_again() -> None:
    peer = Peer(TransportError("lost", maybe_received=True), GOOD)

    with pytest.raises(TransportError):
        peer.run(refresh_grant(SERVER, CLIENT, refresh_token=REFRESH, not_after=NOW))

    assert len(peer.sent) == 1


@pytest.mark.parametrize("status", [200, 201, 302, 400, 401, 403, 404, 429, 500, 503])
@pytest.mark.parametrize(
    "body",
    [
        '{"error":"invalid_grant","error_description":"code-canary verifier-canary s3cret-canary refresh-canary"}',
        '{"error":"s3cret-canary"}',
        "<html>code-canary s3cret-canary refresh-canary</html>",
        '{"access_token":["refresh-canary"],"token_type":"s3cret-canary"}',
    ],
)
def test_an_answer_that_echoes_secrets_does_not_bring_them_into_the_error(status: int, body: str) -> None:
    peer = Peer(answer(body, status=status))

    with pytest.raises(ProviderError) as caught:
        peer.run(exchange_code(SERVER, CLIENT, code=CODE, code_verifier=VERIFIER, not_after=NOW))

    error: BaseException | None = caught.value
    while error is not None:
        assert "canary" not in repr(error) + str(error) + repr(vars(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_nothing_that_is_passed_around_prints_a_secret() -> None:
    printed = f"{SERVER!r} {CLIENT!r} {client_authentication(SERVER, CLIENT)!r}"

    assert "canary" not in printed


def test_a_server_is_described_by_its_endpoints_alone() -> None:
    server = AuthorizationServer(None, "https://as.example/authorize", "https://as.example/token")

    assert server.pkce == "S256"
    assert Peer(GOOD).run(refresh_grant(server, CLIENT, refresh_token=REFRESH, not_after=NOW))


def test_html_is_not_an_answer() -> None:
    with pytest.raises(MalformedResponse):
        Peer(answer("<html>", content_type="text/html")).run(
            refresh_grant(SERVER, CLIENT, refresh_token=REFRESH, not_after=NOW)
        )


def test_a_token_request_alone_is_authenticated_and_goes_where_it_is_told() -> None:
    server = replace(SERVER, token_parameters=(("tenant", "t"),), token_headers=(("X-Version", "2"),))

    request = token_request(server, CLIENT, grant=(("grant_type", "refresh_token"), ("refresh_token", "r")))
    other = token_request(server, CLIENT, grant=(), endpoint="https://as.example/other")

    assert (request.method, request.url, other.url) == (
        "POST",
        "https://as.example/token",
        "https://as.example/other",
    )
    assert form_of(request) == {"grant_type": "refresh_token", "refresh_token": "r", "tenant": "t"}
    assert request.headers.get("X-Version") == "2"
    assert (request.headers.get("Authorization") or "").startswith("Basic ")


def test_a_way_to_authenticate_that_nobody_knows_is_refused() -> None:
    server = replace(SERVER, token_endpoint_auth_method="client_secret_magic")

    with pytest.raises(ConfigurationError):
        _ = client_authentication(server, CLIENT)


def test_without_a_key_a_request_that_wants_a_nonce_is_not_repeated() -> None:
    peer = Peer(answer('{"error":"use_dpop_nonce"}', status=400, DPoP_Nonce="n"))

    with pytest.raises(ProviderError):
        peer.run(refresh_grant(SERVER, CLIENT, refresh_token=Secret("r"), not_after=NOW + 9))

    assert len(peer.sent) == 1
