"""Connecting an MCP server by its URL in a real Chromium: the page, the provider, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.browser.deployment import Deployment
from tests.browser.person import Person

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


@pytest.fixture
def person(chromium: Browser, tmp_path: Path) -> Iterator[Person]:
    opened = {"VALETKEY_MCP_PAGE": "true", "VALETKEY_MCP_ACCEPT_LOOPBACK": "true"}
    with Deployment(tmp_path, **opened) as deployment, Person(chromium, deployment) as alice:
        yield alice


def test_a_server_is_connected_by_its_url_and_disconnected(person: Person) -> None:
    url = f"{person.deployment.provider_url}/mcp"
    page = person.open("mcp")
    page.get_by_label("Address of the MCP server").fill(url)
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"{person.deployment.provider_url}/**")
    person.sign_in_at_provider()
    assert "Notes" in page.content()
    person.decide("Allow")
    page.wait_for_url("**/connections?connected=mcp-*")

    shown = url.removeprefix("http://")
    assert page.get_by_role("status").inner_text() == f"{shown} is connected."
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami"}}
    answer = person.deployment.vault.session(url, "alice").post(url, json=message).json()
    assert answer["result"]["content"][0]["text"] == "alice"
    page.get_by_text("Disconnect", exact=True).click()
    page.get_by_role("button", name=f"Disconnect {shown}").click()
    assert person.heading() == f"{shown} is disconnected"
    assert person.complaints == []


@pytest.mark.parametrize(
    ("address", "heading"),
    [
        ("http://10.0.0.1/mcp", "This address cannot be connected"),
        ("https://127.0.0.1:1/mcp", "This server does not answer"),
        ("https://user@mcp.example/", "This address cannot be connected"),
    ],
)
def test_an_address_that_cannot_be_connected_gets_a_page_that_says_so(
    person: Person, address: str, heading: str
) -> None:
    page = person.open("mcp")
    page.get_by_label("Address of the MCP server").fill(address)
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("heading", level=1).wait_for()

    assert person.heading() == heading
    assert page.get_by_label("Address of the MCP server").input_value() == address
    assert page.locator("main").inner_text().count(address) == 0
    assert address not in page.url
    page.get_by_label("Address of the MCP server").fill(f"{person.deployment.provider_url}/mcp")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_url(f"{person.deployment.provider_url}/**")
    assert [said for said in person.complaints if "status of" not in said] == []  # Chromium tells of each refusal
