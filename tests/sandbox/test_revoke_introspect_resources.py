"""Revocation (RFC 7009), introspection (RFC 7662), metadata (RFC 8414) and bearer tokens (RFC 6750)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.sandbox.steps import BASE_URL, Bench, basic, fields, refusal

from valetkey.http import Headers, Request


def revoke(bench: Bench, token: str | None, **changes: str | None) -> int:
    form = {"token": token, "client_id": "app", "client_secret": "app-secret"} | changes
    return bench.post("/oauth2/revoke", **form).status


def introspect(bench: Bench, token: str, client_id: str = "app") -> dict[str, Any]:
    return fields(bench.post("/oauth2/introspect", basic(client_id, f"{client_id}-secret"), token=token))


@pytest.mark.parametrize("hint", [None, "refresh_token", "access_token", "something_else"])
def test_revoking_a_refresh_token_ends_its_grant_whatever_the_hint(hint: str | None) -> None:
    bench = Bench()
    tokens = bench.tokens()

    assert revoke(bench, tokens["refresh_token"], token_type_hint=hint) == 200

    assert not bench.works(tokens["access_token"])
    assert bench.refresh(tokens["refresh_token"]).status == 400


def test_revoking_an_access_token_spares_the_grant() -> None:
    bench = Bench()
    tokens = bench.tokens()

    assert revoke(bench, tokens["access_token"]) == 200

    assert not bench.works(tokens["access_token"])
    assert bench.refresh(tokens["refresh_token"]).status == 200


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_another_clients_token_stays_alive_and_the_answer_is_200(kind: str) -> None:
    bench = Bench()
    tokens = bench.tokens()

    assert revoke(bench, tokens[kind], client_id="other", client_secret="other-secret") == 200

    assert bench.works(tokens["access_token"])
    assert bench.refresh(tokens["refresh_token"]).status == 200


def test_revoking_what_is_unknown_is_200_and_nothing_at_all_is_400() -> None:
    bench = Bench()

    assert revoke(bench, "unknown") == 200
    assert revoke(bench, None) == 400
    assert revoke(bench, "unknown", client_secret="wrong") == 401


def test_a_live_access_token_is_described_to_its_client_and_to_resource_servers() -> None:
    bench = Bench()
    token = bench.tokens()["access_token"]

    expected = {
        "active": True,
        "client_id": "app",
        "username": "alice",
        "sub": "alice",
        "scope": "read",
        "exp": int(bench.clock()) + 3600,
        "iss": BASE_URL,
        "token_type": "Bearer",
    }
    assert introspect(bench, token) == expected
    assert introspect(bench, token, "api") == expected


def test_another_clients_token_is_not_active_and_nothing_more_is_said() -> None:
    bench = Bench()
    tokens = bench.tokens()

    assert introspect(bench, tokens["access_token"], "other") == {"active": False}
    assert introspect(bench, tokens["refresh_token"], "other") == {"active": False}
    assert introspect(bench, "unknown") == {"active": False}


def test_expired_spent_and_revoked_tokens_are_not_active() -> None:
    bench = Bench()
    tokens, revoked = bench.tokens(), bench.tokens()
    assert introspect(bench, tokens["refresh_token"])["active"] is True

    bench.refresh(tokens["refresh_token"])
    revoke(bench, revoked["refresh_token"])

    assert introspect(bench, tokens["refresh_token"]) == {"active": False}
    assert introspect(bench, revoked["access_token"]) == {"active": False}
    bench.clock.sleep(3600)
    assert introspect(bench, tokens["access_token"]) == {"active": False}


def test_a_public_client_may_not_introspect() -> None:
    bench = Bench()

    assert refusal(bench.post("/oauth2/introspect", token="x", client_id="public")) == (401, "invalid_client")
    assert refusal(bench.post("/oauth2/introspect", basic("app", "app-secret"))) == (400, "invalid_request")


def test_the_metadata_name_this_issuer_and_its_endpoints() -> None:
    bench = Bench()

    found = fields(bench.get("/.well-known/oauth-authorization-server"))

    assert found["issuer"] == BASE_URL
    assert found["token_endpoint"] == BASE_URL + "/oauth2/token"
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert found["authorization_response_iss_parameter_supported"] is True


def test_who_sends_no_token_is_asked_for_one_without_an_error() -> None:
    bench = Bench()

    response = bench.get("/oauth2/me")

    assert response.status == 401
    assert response.headers.get("WWW-Authenticate") == 'Bearer realm="valetkey sandbox"'


@pytest.mark.parametrize(
    ("header", "status", "error"),
    [
        ("Bearer unknown", 401, "invalid_token"),
        ("Bearer ", 400, "invalid_request"),
        ("Bearer a b", 400, "invalid_request"),
        ('Bearer "a"', 400, "invalid_request"),
    ],
)
def test_a_bad_token_is_challenged_with_its_error(header: str, status: int, error: str) -> None:
    bench = Bench()

    response = bench.get("/oauth2/me", ("Authorization", header))

    assert response.status == status
    assert f'error="{error}"' in (response.headers.get("WWW-Authenticate") or "")


def test_a_token_in_the_query_or_twice_is_refused() -> None:
    bench = Bench()
    token = bench.tokens()["access_token"]
    header = ("Authorization", f"Bearer {token}")

    assert refusal(bench.get(f"/oauth2/me?access_token={token}")) == (400, "invalid_request")
    assert refusal(bench.get(f"/oauth2/me?access_token={token}", header)) == (400, "invalid_request")
    assert refusal(bench.get("/oauth2/me", header, header)) == (400, "invalid_request")


def test_a_token_without_the_scope_is_told_which_one_is_missing() -> None:
    bench = Bench()
    reader, writer = bench.tokens(scope="read"), bench.tokens(scope="read write")

    refused = bench.post("/oauth2/echo", ("Authorization", f"Bearer {reader['access_token']}"), note="é")
    echoed = bench.post("/oauth2/echo", ("Authorization", f"Bearer {writer['access_token']}"), note="é")

    assert refused.status == 403
    challenge = refused.headers.get("WWW-Authenticate") or ""
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="write"' in challenge
    assert json.loads(echoed.body) == {"account": "alice", "form": [["note", "é"]]}


def test_a_refresh_token_opens_no_protected_resource() -> None:
    bench = Bench()

    assert not bench.works(bench.tokens()["refresh_token"])


def test_a_request_for_another_origin_is_misdirected() -> None:
    bench = Bench()

    assert bench.sandbox.respond(Request("GET", "https://elsewhere.example/oauth2/me")).status == 421
    assert bench.sandbox.respond(Request("OPTIONS", "*", Headers())).status == 421
    assert bench.sandbox.respond(Request("GET", BASE_URL + "/oauth2/me")).status == 401
    assert bench.sandbox.respond(Request("GET", "/nothing")).status == 404
