"""The sandbox's MCP server, which is connected by its URL, and tokens for one resource alone (RFC 8707)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.connections.steps import failure

from valetkey.connections.authorize import finish_authorization
from valetkey.connections.call import call
from valetkey.connections.mcp import begin_mcp_authorization
from valetkey.connections.settings import McpSettings
from valetkey.connections.sign import access_token
from valetkey.errors import ProviderError
from valetkey.http import Headers, Request, Response, read_form, with_query
from valetkey.sandbox import approve
from valetkey.testing.world import BASE_URL, PROVIDER_URL, World, callback_request
from valetkey.value import replace

URL = f"{PROVIDER_URL}/mcp"
JSON = ("Content-Type", "application/json")


def open_world() -> World:
    world = World()
    world.settings = replace(world.settings, mcp=McpSettings(accept_loopback=True))
    return world


def asked(world: World, method: str, path: str, body: bytes = b"", **headers: str) -> Response:
    fields = (JSON, *((name, text) for name, text in headers.items()))
    return world.sandbox.respond(Request(method, f"{PROVIDER_URL}{path}", Headers(fields), body))


def connected(world: World) -> Any:
    going = world.run(begin_mcp_authorization(world.settings, URL, resource_owner="alice", cookies=()))
    request = callback_request(approve(world.sandbox.respond, going.location), going.set_cookies)
    return world.run(finish_authorization(world.settings, request, resource_owner="alice")).connection


def message(world: World, **members: Any) -> Response:
    request = Request("POST", URL, Headers((JSON,)), json.dumps({"jsonrpc": "2.0", **members}).encode())
    return world.run(call(world.settings, request, registration=URL, resource_owner="alice"))


def test_it_is_connected_by_its_url_and_a_tool_is_called() -> None:
    world = open_world()

    connection = connected(world)
    hello = json.loads(message(world, id=1, method="initialize", params={}).body)
    tools = json.loads(message(world, id=2, method="tools/list").body)["result"]["tools"]
    who = json.loads(message(world, id=3, method="tools/call", params={"name": "whoami"}).body)

    assert connection.scope == ("read",)
    assert hello["result"]["serverInfo"]["name"] == "valetkey-sandbox"
    assert [tool["name"] for tool in tools] == ["whoami"]
    assert who["result"]["content"][0]["text"] == "alice"
    assert json.loads(message(world, id=4, method="prompts/list").body)["error"]["code"] == -32601
    assert message(world, method="notifications/initialized").status == 202
    world.clock.time += 3700
    assert message(world, id=5, method="ping").status == 200
    assert world.refresh_requests() == 1


def test_its_token_is_good_there_and_nowhere_else() -> None:
    world = open_world()
    _ = connected(world)
    _ = world.connect("two")
    here = world.run(access_token(world.settings, URL, resource_owner="alice")).reveal()
    elsewhere = world.run(access_token(world.settings, "two", resource_owner="alice")).reveal()
    ping = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'

    assert asked(world, "POST", "/mcp", ping, Authorization=f"Bearer {here}").status == 200
    assert asked(world, "POST", "/mcp", ping, Authorization=f"Bearer {elsewhere}").status == 401
    assert asked(world, "GET", "/oauth2/me", Authorization=f"Bearer {here}").status == 401
    assert asked(world, "GET", "/oauth2/me", Authorization=f"Bearer {elsewhere}").status == 200


def test_who_comes_without_a_token_is_told_where_to_look() -> None:
    world = open_world()

    answer = asked(world, "POST", "/mcp", b"{}")
    told = answer.headers.get("WWW-Authenticate") or ""
    described = json.loads(asked(world, "GET", "/.well-known/oauth-protected-resource/mcp").body)

    assert answer.status == 401
    assert f'resource_metadata="{PROVIDER_URL}/.well-known/oauth-protected-resource/mcp"' in told
    assert 'scope="read"' in told
    assert (described["resource"], described["authorization_servers"]) == (URL, [PROVIDER_URL])


@pytest.mark.parametrize("resource", ["https://api.example/", "http://127.0.0.1:84000/mcp", "mcp"])
def test_a_resource_of_somebody_else_is_refused(resource: str) -> None:
    world = open_world()
    query = {
        "response_type": "code",
        "client_id": "client-two",
        "redirect_uri": f"{BASE_URL}/callback/two",
        "state": "s",
        "code_challenge": "a" * 43,
        "code_challenge_method": "S256",
        "resource": resource,
    }

    answer = asked(world, "GET", with_query("/oauth2/authorize", tuple(query.items())))

    assert dict(read_form((answer.headers.get("Location") or "").partition("?")[2]))["error"] == "invalid_target"


def test_a_code_or_refresh_token_for_one_resource_buys_no_token_for_another() -> None:
    world = open_world()
    _ = connected(world)
    spent: list[Request] = []
    usual = world.sandbox.respond

    def another(request: Request) -> Response:
        body = request.body.replace(b"%2Fmcp", b"%2Foauth2%2Fme") if request.url.endswith("/token") else request.body
        spent.append(request)
        return usual(replace(request, body=body))

    world.sandbox.respond = another  # type: ignore[method-assign]
    world.clock.time += 3700

    caught = failure(world, access_token(world.settings, URL, resource_owner="alice"))

    assert isinstance(caught, ProviderError)
    assert caught.error == "invalid_target"
    assert b"%2Fmcp" in spent[-1].body


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"id":1,"id":2}', b"\xff"])
def test_what_is_no_message_is_refused(body: bytes) -> None:
    world = open_world()
    _ = connected(world)
    token = world.run(access_token(world.settings, URL, resource_owner="alice")).reveal()

    assert asked(world, "POST", "/mcp", body, Authorization=f"Bearer {token}").status == 400
