"""The sandbox registers clients at run time (RFC 7591), and says which server its resource trusts (RFC 9728)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.sandbox.steps import BASE_URL, REDIRECT_URI, Bench, fields, refusal

from valetkey.connections.client import client_token
from valetkey.http import Headers, Request
from valetkey.providers.discovered import discovered_provider
from valetkey.providers.registration import register as register_client
from valetkey.sandbox.endpoints import register
from valetkey.testing.world import PROVIDER_URL, World
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.http import Response


def ask(bench: Bench, metadata: Any, content_type: str = "application/json") -> Response:
    body = metadata if isinstance(metadata, bytes) else json.dumps(metadata).encode()
    return bench.sandbox.respond(Request("POST", "/oauth2/register", Headers((("Content-Type", content_type),)), body))


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
def test_a_client_is_made_of_its_metadata_and_works(method: str) -> None:
    bench = Bench()

    made = json.loads(ask(bench, {"redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": method}).body)
    code = bench.code(client_id=made["client_id"])

    secret = made.get("client_secret")
    assert (secret is None) is (method == "none")
    if method == "client_secret_basic":
        from tests.sandbox.steps import basic

        header = basic(made["client_id"], secret)
        answer = bench.redeem(code, header, client_id=None, client_secret=None)
    else:
        answer = bench.redeem(code, client_id=made["client_id"], client_secret=secret)
    assert answer.status == 200


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        (b"", "invalid_client_metadata"),
        (b"[]", "invalid_client_metadata"),
        ({}, "invalid_redirect_uri"),
        ({"redirect_uris": "https://app.example/"}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://app.example/"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://app.example/#f"]}, "invalid_redirect_uri"),
        ({"redirect_uris": [1]}, "invalid_redirect_uri"),
        ({"redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": ["none"]}, "invalid_client_metadata"),
        ({"redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "tls"}, "invalid_client_metadata"),
        ({"redirect_uris": [REDIRECT_URI], "grant_types": []}, "invalid_client_metadata"),
        ({"redirect_uris": [REDIRECT_URI], "grant_types": "authorization_code"}, "invalid_client_metadata"),
        ({"redirect_uris": [REDIRECT_URI], "grant_types": ["password"]}, "invalid_client_metadata"),
        ({"redirect_uris": [REDIRECT_URI], "grant_types": [{}]}, "invalid_client_metadata"),
        ({"redirect_uris": [], "grant_types": ["authorization_code"]}, "invalid_redirect_uri"),
    ],
)
def test_metadata_that_cannot_be_used_is_refused(metadata: Any, error: str) -> None:
    assert refusal(ask(Bench(), metadata)) == (400, error)


@pytest.mark.parametrize("refreshed", [True, False])
def test_a_client_may_use_what_it_was_registered_for_and_nothing_else(refreshed: bool) -> None:
    bench = Bench()
    grants = ["authorization_code", *(["refresh_token"] if refreshed else [])]
    wanted = {
        "redirect_uris": [REDIRECT_URI],
        "grant_types": grants,
        "token_endpoint_auth_method": "client_secret_post",
    }
    made = json.loads(ask(bench, wanted).body)
    ours = {"client_id": made["client_id"], "client_secret": made["client_secret"]}

    answer = fields(bench.redeem(bench.code(client_id=made["client_id"]), **ours))

    assert made["grant_types"] == grants
    assert ("refresh_token" in answer) == refreshed
    assert refusal(bench.post("/oauth2/token", grant_type="client_credentials", **ours)) == (400, "unauthorized_client")


def test_an_application_without_a_browser_needs_no_redirect_uri() -> None:
    bench = Bench()
    wanted = {"grant_types": ["client_credentials"], "token_endpoint_auth_method": "client_secret_post"}

    made = json.loads(ask(bench, wanted).body)
    ours = {"client_id": made["client_id"], "client_secret": made["client_secret"]}

    assert made["response_types"] == made["redirect_uris"] == []
    assert bench.post("/oauth2/token", grant_type="client_credentials", **ours).status == 200


def test_a_registration_that_names_the_sandbox_alone_connects_to_it() -> None:
    world = World()
    notes = register_client(
        "notes",
        discovered_provider("oidc", issuer=PROVIDER_URL),
        redirect_uri="https://app.example/oauth/callback/notes",
        client_registration="dynamic",
        grant_types=("authorization_code", "client_credentials"),
    )
    world.settings = replace(world.settings, registrations={"notes": notes})

    connected = world.connect("notes")
    alone = world.run(client_token(world.settings, "notes", scope=("read",)))

    assert (connected.state, connected.subject) == ("active", "alice")
    assert alone.reveal()


def test_a_page_of_another_origin_registers_nothing() -> None:
    bench = Bench()
    before = bench.sandbox.clients

    assert refusal(ask(bench, {"redirect_uris": [REDIRECT_URI]}, "text/plain")) == (400, "invalid_client_metadata")
    assert bench.sandbox.clients == before


def test_it_registers_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    monkeypatch.setattr(register, "MAX_CLIENTS", len(bench.sandbox.clients) + 1)

    answers = [ask(bench, {"redirect_uris": [REDIRECT_URI]}).status for _ in range(2)]

    assert answers == [201, 503]


def test_a_resource_says_which_server_it_trusts() -> None:
    found = fields(Bench().get("/.well-known/oauth-protected-resource/oauth2/me"))

    assert (found["resource"], found["authorization_servers"]) == (f"{BASE_URL}/oauth2/me", [BASE_URL])
