"""The sandbox registers clients at run time (RFC 7591), and says which server its resource trusts (RFC 9728)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.sandbox.steps import BASE_URL, REDIRECT_URI, Bench, fields, refusal

from valetkey.http import Headers, Request
from valetkey.sandbox.endpoints import register

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
    ],
)
def test_metadata_that_cannot_be_used_is_refused(metadata: Any, error: str) -> None:
    assert refusal(ask(Bench(), metadata)) == (400, error)


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
