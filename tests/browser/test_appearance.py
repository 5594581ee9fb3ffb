"""Every page at a phone's and a desktop's width, light and dark: it fits, is legible and says one thing first.

VALETKEY_SCREENSHOTS=folder keeps a picture of each, to be looked at.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.browser.deployment import OAUTH1, OAUTH2, Deployment
from tests.browser.person import Person

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser
SCREENSHOTS = os.environ.get("VALETKEY_SCREENSHOTS", "")
NO_REPEATS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"

# Every text's contrast with the nearest ground behind it (WCAG 2.2, relative luminance), as [ratio, text] below 4.5.
FAINT = """() => {
  const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, at) => sum + c * [.2126, .7152, .0722][at], 0);
  const read = text => text.match(/[\\d.]+/g).map(Number);
  const ground = node => { for (; node; node = node.parentElement) {
    const found = read(getComputedStyle(node).backgroundColor); if (found.length < 4 || found[3]) return found; }
    return matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18] : [255, 255, 255]; };
  const faint = [];
  for (const node of document.querySelectorAll('main *, footer')) {
    const text = [...node.childNodes].filter(n => n.nodeType == 3).map(n => n.data.trim()).join('');
    if (!text || !node.checkVisibility()) continue;
    const [a, b] = [light(read(getComputedStyle(node).color)), light(ground(node))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) faint.push([(a + .05) / (b + .05), text]);
  }
  return faint; }"""
# What a finger must hit: buttons and links that look like one, at least 24 pixels high (WCAG 2.2, 2.5.8).
SMALL = """() => [...document.querySelectorAll('button, a, summary, input:not([type=hidden])')]
  .filter(node => node.checkVisibility() && !node.closest('p') && !node.closest('label')
          && node.getBoundingClientRect().height < 24).map(node => node.outerHTML)"""


class Viewer:
    """Looks at pages, and keeps pictures where that is asked for."""

    def __init__(self, person: Person, name: str) -> None:
        self.person, self.name = person, name
        self.seen = 0

    def look(self, title: str) -> None:
        page = self.person.page
        self.seen += 1
        if SCREENSHOTS:
            Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=f"{SCREENSHOTS}/{self.name}-{self.seen:02}-{title}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{title} is too wide"
        assert page.get_by_role("heading", level=1).count() == 1, title
        assert page.title(), title
        assert page.locator("html").get_attribute("lang") == "en", title
        assert page.evaluate(FAINT) == [], title
        assert page.evaluate(SMALL) == [], title


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_every_page_fits_and_is_legible(chromium: Browser, deployment: Deployment, width: int, scheme: str) -> None:
    size = {"width": width, "height": 760}
    with Person(chromium, deployment, viewport=size, color_scheme=scheme) as person:
        viewer = Viewer(person, f"{width}-{scheme}")
        look_at_the_way_there(person, viewer)
        look_at_connections(person, viewer)
        look_at_refusals(person, viewer)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_the_pages_for_servers_fit_and_are_legible(chromium: Browser, tmp_path: Path, width: int, scheme: str) -> None:
    opened = {"VALETKEY_MCP_PAGE": "true", "VALETKEY_MCP_ACCEPT_LOOPBACK": "true"}
    size: Any = {"width": width, "height": 760}
    with (
        Deployment(tmp_path, **opened) as deployment,
        Person(chromium, deployment, viewport=size, color_scheme=scheme) as person,
    ):
        viewer = Viewer(person, f"{width}-{scheme}-servers")
        page = person.open("mcp?account=work")
        viewer.look("server")
        for title, address in {
            "refused": f"http://127.0.0.1:1/{'a' * 180}",
            "not-public": "http://10.0.0.1/mcp",
        }.items():
            page.get_by_label("Address of the MCP server").fill(address)
            page.get_by_role("button").click()
            page.get_by_role("button", name="Try again").wait_for()
            viewer.look(title)


def look_at_the_way_there(person: Person, viewer: Viewer) -> None:
    page = person.page
    person.open("connections")
    viewer.look("nothing-connected")
    person.open(f"connect/{OAUTH2}?account=work")
    viewer.look("connect")
    person.press_connect(OAUTH2)
    viewer.look("sign-in")
    page.get_by_role("textbox", name="Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()
    viewer.look("wrong-password")
    person.sign_in_at_provider()
    viewer.look("consent")
    person.decide("Deny")
    viewer.look("denied")
    page.goto(f"{person.deployment.provider_url}/")
    viewer.look("sandbox-home")
    page.goto(f"{person.deployment.provider_url}/oauth2/authorize?client_id=nobody")
    viewer.look("sandbox-refused")


def look_at_connections(person: Person, viewer: Viewer) -> None:
    page, deployment = person.page, person.deployment
    person.connect(OAUTH1)
    viewer.look("one-connected")
    person.press_connect(OAUTH2)
    viewer.look("consent-oauth2")
    person.decide("Allow")
    viewer.look("two-connected")
    page.get_by_text("Disconnect", exact=True).first.click()
    viewer.look("disconnect-opened")
    page.get_by_role("button", name="Disconnect Sandbox").first.click()
    viewer.look("disconnected")
    person.open("connections")
    deployment.sandbox.faults.add(endpoint="revoke", fault="status", status=503)
    deployment.sandbox.faults.add(endpoint="oauth1_revoke", fault="status", status=503)
    page.get_by_text("Disconnect", exact=True).first.click()
    page.get_by_role("button", name="Disconnect Sandbox").first.click()
    viewer.look("not-told")
    person.open("connections")
    viewer.look("being-disconnected")


def look_at_refusals(person: Person, viewer: Viewer) -> None:
    for title, path in {
        "implicit-answer": f"callback/{OAUTH2}#access_token=canary",
        "not-found": "nowhere",
        "other-browser": f"callback/{OAUTH2}?code=c&state=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA&iss=x",
        "no-state": f"callback/{OAUTH2}",
        "bad-link": f"link/{NO_REPEATS}",
        "bad-return": f"connect/{OAUTH1}?return_to=//evil.example",
    }.items():
        person.open(path)
        if "#" in path:
            person.page.get_by_role("heading", name="This answer is not safe to use").wait_for()
        viewer.look(title)
    person.deployment.sandbox.faults.add(endpoint="token", fault="status", status=503, retry_after=7)
    person.press_connect(OAUTH2)
    person.sign_in_at_provider()
    person.decide("Allow")
    viewer.look("provider-down")
    person.context.clear_cookies()
    person.open("connections")
    viewer.look("signed-out")
