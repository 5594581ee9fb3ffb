"""The page for MCP servers, and the document that an authorization server reads instead of a registration."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.connections.internet import ISSUER, URL, Internet, Server
from tests.web.world import BASE, SAME_ORIGIN, World, location, query_of, text_of

from valetkey.connections.settings import McpSettings
from valetkey.http import Response
from valetkey.web.pages import PROTECTIVE

OPEN = McpSettings(page=True)


def there(mcp: McpSettings = OPEN) -> tuple[World, Internet, Server]:
    world: Any = World(mcp=mcp)
    internet = Internet(world)
    server = internet.server()
    _ = internet.resource(URL, server)
    return world, internet, server


def test_a_resource_owner_enters_a_url_and_comes_back_connected() -> None:
    world, _, server = there()
    browser = world.browser()

    page = browser.get(f"/oauth/mcp?url={URL}&return_to=/reports")
    form = browser.form_on(f"/oauth/mcp?url={URL}&return_to=/reports", action="/mcp")
    going = browser.send("POST", "/oauth/mcp", form={**form, "url": f" {URL} "})
    came_back = browser.get(server.authorize(location(going)).removeprefix("https://app.example"))

    assert f'value="{URL}"' in text_of(page)
    assert going.status == came_back.status == 303
    assert location(came_back) == "https://app.example/reports"
    listed = text_of(browser.get("/oauth/connections"))
    assert "mcp.notes.example/mcp" in listed
    assert "Disconnect mcp.notes.example/mcp" in listed


def test_its_connection_is_ended_on_the_page() -> None:
    world, _, server = there()
    browser = world.browser()
    going = browser.send("POST", "/oauth/mcp", headers=SAME_ORIGIN, form={"url": URL})
    _ = browser.get(server.authorize(location(going)).removeprefix("https://app.example"))

    ended = browser.send(
        "POST", "/oauth/connections/revoke", form=browser.form_on("/oauth/connections", action="revoke")
    )

    assert "mcp.notes.example/mcp is disconnected" in text_of(ended)
    assert server.access == set()


def test_its_own_connect_page_starts_again_at_the_issuer_that_the_server_trusts_now() -> None:
    world, internet, server = there()
    browser = world.browser()
    going = browser.send("POST", "/oauth/mcp", headers=SAME_ORIGIN, form={"url": URL})
    _ = browser.get(server.authorize(location(going)).removeprefix("https://app.example"))
    name = query_of(location(going))["redirect_uri"].rpartition("/")[2]
    _ = internet.resource(URL, internet.server("https://as.other.example"))

    assert "Connect mcp.notes.example/mcp" in text_of(browser.get(f"/oauth/connect/{name}"))
    again = browser.send("POST", f"/oauth/connect/{name}", headers=SAME_ORIGIN, form={})

    assert location(again).startswith("https://as.other.example/authorize?")


@pytest.mark.parametrize(
    "headers", [(), (("Sec-Fetch-Site", "cross-site"),), (("Origin", "https://evil.example"),), (("Origin", "null"),)]
)
def test_only_our_own_form_or_a_page_of_our_origin_may_name_a_server(headers: Any) -> None:
    world, internet, _ = there()

    response = world.browser().send("POST", "/oauth/mcp", headers=headers, form={"url": URL})

    assert response.status == 403
    assert internet.sent == []


def test_loading_the_page_asks_nobody() -> None:
    world, internet, _ = there()

    assert world.browser().get(f"/oauth/mcp?url={URL}").status == 200
    assert internet.sent == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_there_is_no_such_page_unless_the_operator_wants_it(method: str) -> None:
    world, internet, _ = there(McpSettings())

    response = world.browser().send(method, "/oauth/mcp", headers=SAME_ORIGIN, form={"url": URL})

    assert response.status == 404
    assert internet.sent == []


def test_nobody_connects_without_being_signed_in() -> None:
    world, internet, _ = there()

    assert world.browser(None).send("POST", "/oauth/mcp", headers=SAME_ORIGIN, form={"url": URL}).status == 401
    assert internet.sent == []


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("http://mcp.notes.example/mcp", 400),
        ("https://10.0.0.1:80/mcp", 400),
        ("<script>alert(1)</script>", 400),
        ("", 400),
        ("x" * 5000, 400),
        ("https://mcp.nowhere.example", 502),
    ],
)
def test_a_url_that_cannot_be_connected_gets_a_page_without_it(url: str, status: int) -> None:
    world, _, _ = there()

    response = world.browser().send("POST", "/oauth/mcp", headers=SAME_ORIGIN, form={"url": url})

    assert response.status == status
    assert not url or url not in text_of(response)


@pytest.mark.parametrize(
    ("wrong", "status", "title"),
    [
        ("nobody there", 502, "This server does not answer"),
        ("another path", 400, "This address cannot be connected"),
        ("about another", 400, "This address cannot be connected"),
        ("no issuer", 400, "This server cannot be connected"),
    ],
)
def test_a_wrong_address_is_said_to_be_wrong_with_the_way_back_to_the_field(
    wrong: str, status: int, title: str
) -> None:
    world, internet, server = there()
    if wrong == "about another":
        internet.documents[URL]["resource"] = "https://mcp.notes.example/other"
    elif wrong == "no issuer":
        server.said["token_endpoint"] = 7
    url = {"nobody there": "https://mcp.nowhere.example/mcp", "another path": "https://mcp.notes.example/mpc"}
    internet.pages["https://mcp.notes.example/mpc"] = lambda _: Response(404)

    response = world.browser().send("POST", "/oauth/mcp", headers=SAME_ORIGIN, form={"url": url.get(wrong, URL)})

    text = text_of(response)
    assert (response.status, f"<h1>{title}</h1>" in text) == (status, True), text
    assert f'href="{BASE}/mcp">Enter the address again<' in text
    assert "The service said" not in text
    assert "nowhere" not in text


def test_an_unsafe_server_gets_a_page_and_no_traceback() -> None:
    world, _, server = there()
    server.said["code_challenge_methods_supported"] = None

    response = world.browser().send("POST", "/oauth/mcp", headers=SAME_ORIGIN, form={"url": URL})

    assert response.status == 400
    assert "This server cannot be connected" in text_of(response)
    assert ISSUER not in text_of(response)


def test_the_document_is_the_client_that_its_address_names() -> None:
    world, _, server = there()
    server.said["client_id_metadata_document_supported"] = True
    browser = world.browser()
    going = browser.send("POST", "/oauth/mcp", headers=SAME_ORIGIN, form={"url": URL})
    asked = query_of(location(going))

    response = world.browser(None).get(asked["client_id"].removeprefix("https://app.example"))

    document = json.loads(response.body)
    assert document["client_id"] == asked["client_id"]
    assert document["redirect_uris"] == [asked["redirect_uri"]]
    assert document["token_endpoint_auth_method"] == "none"
    assert document["client_name"] == "Reports"
    assert "client_secret" not in document
    assert response.headers.get("content-type") == "application/json"
    assert len(response.body) < 5 * 1024  # draft section 8.7
    assert all(response.headers.get(name) == text for name, text in PROTECTIVE)


@pytest.mark.parametrize("name", ["github", "mcp-", "mcp-x-y", "mcp-" + "a" * 24 + "-" + "g" * 24, "nobody", "..%2f"])
def test_there_is_a_document_for_nothing_else(name: str) -> None:
    world, _, _ = there()

    assert world.browser(None).get(f"/oauth/client/{name}").status == 404


def test_a_document_costs_the_store_nothing() -> None:
    world, _, _ = there()
    seen: list[str] = []
    world.before = lambda effect: seen.append(type(effect).__name__)

    assert world.browser(None).get(f"/oauth/client/mcp-{'a' * 24}-{'b' * 24}").status == 200
    assert seen == []
    assert BASE.startswith("https")
