"""The implicit grant in a real Chromium, end to end: where the token is seen, and where it must not be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.browser.deployment import OAUTH2, Deployment
from tests.browser.person import Person
from tests.browser.test_appearance import Viewer

from valetkey.connections.links import MAX_LINK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page, Request, Route

pytestmark = pytest.mark.browser
KINDS = ("token", "id_token token")
TOKEN = "sandbox-access-"


@pytest.fixture(params=KINDS)
def accepting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Deployment]:
    with Deployment(tmp_path, implicit=request.param) as running:
        yield running


class Wire:
    """Every request of a browser, as it was sent."""

    def __init__(self, person: Person) -> None:
        self.requests: list[Request] = []
        person.context.on("request", self._note)

    def _note(self, request: Request) -> None:
        self.requests.append(request)

    def holding(self, text: str) -> list[tuple[str, str]]:
        """Method and address, without the fragment, of the requests that hold it in their body, address or headers."""
        return [
            (one.method, one.url.partition("#")[0])
            for one in self.requests
            if text in (one.post_data or "") + one.url.partition("#")[0] + repr(one.headers)
        ]


def history(page: Page) -> list[str]:
    """Every address that the tab can go back or forward to."""
    client: Any = page.context.new_cdp_session(page)
    return [entry["url"] for entry in client.send("Page.getNavigationHistory")["entries"]]


def test_a_person_connects_and_the_token_is_in_one_post_and_nowhere_else(
    chromium: Browser, accepting: Deployment
) -> None:
    with Person(chromium, accepting) as person:
        wire = Wire(person)
        page = person.connect(OAUTH2)

        assert accepting.account_of("alice", OAUTH2) == "alice"
        assert accepting.exchanges() == 0
        assert wire.holding(TOKEN) == [("POST", f"{accepting.base_url}/callback/{OAUTH2}")]
        assert [one for one in wire.requests if "#" in (one.headers.get("referer") or "")] == []
        assert not [url for url in history(page) if "#" in url or TOKEN in url], history(page)
        assert not [url for url in history(page) if "/callback/" in url], (
            "the page that handed over is not gone back to"
        )
        assert TOKEN not in page.content()
        assert [text for text in person.complaints if "Content Security Policy" in text] == []
        page.go_back()
        assert TOKEN not in page.content() + page.url


def test_the_same_fragment_brought_back_later_shows_success_and_connects_nothing_again(
    chromium: Browser, accepting: Deployment
) -> None:
    with Person(chromium, accepting) as person:
        landed: list[str] = []
        person.context.on(
            "response",
            lambda response: landed.append(response.headers.get("location", "")) if response.status == 303 else None,
        )
        page = person.connect(OAUTH2)
        (callback,) = [url for url in landed if "#" in url]
        before = accepting.vault.connection(OAUTH2, "alice")

        page.goto(callback)
        page.wait_for_url("**/connections**")

        assert accepting.vault.connection(OAUTH2, "alice") == before
        with Person(chromium, accepting) as thief:
            thief.page.goto(callback)
            thief.page.get_by_role("heading", name="This is not under way in this browser").wait_for()
            assert "#" not in thief.page.url
            assert accepting.vault.connection(OAUTH2, "alice") == before


def test_a_denial_comes_back_in_the_fragment_too(chromium: Browser, accepting: Deployment) -> None:
    with Person(chromium, accepting) as person:
        person.press_connect(OAUTH2)
        person.sign_in_at_provider()
        person.decide("Deny")
        person.page.get_by_role("heading", name="Not connected").wait_for()

        assert "#" not in person.page.url
        assert accepting.vault.connection(OAUTH2, "alice") is None


def test_a_page_of_another_site_cannot_post_a_fragment(chromium: Browser, accepting: Deployment) -> None:
    with Person(chromium, accepting) as person:
        person.page.goto(f"{accepting.provider_url}/")
        person.page.set_content(
            f'<form method="post" action="{accepting.base_url}/callback/{OAUTH2}">'
            '<input name="fragment" value="access_token=canary&token_type=bearer&state=s"><button>Go</button></form>'
        )
        person.page.get_by_role("button", name="Go").click()
        person.page.get_by_role("heading", name="This came from another site").wait_for()
        assert "canary" not in person.page.content()


def test_a_connect_link_works_as_well(chromium: Browser, accepting: Deployment) -> None:
    link = accepting.vault.connect_url(OAUTH2, "alice")
    assert len(link) < MAX_LINK
    with Person(chromium, accepting, session_path="/app") as person:
        wire = Wire(person)
        page = person.page
        page.goto(link)
        page.get_by_role("button", name="Continue to").click()
        page.wait_for_url(f"{accepting.provider_url}/**")
        person.sign_in_at_provider()
        person.decide("Allow")
        page.get_by_role("button", name="Yes, that was me").click()
        page.get_by_role("heading", name=f"{OAUTH2} is connected").wait_for()

        assert accepting.account_of("alice", OAUTH2) == "alice"
        assert wire.holding(TOKEN) == [("POST", f"{accepting.base_url}/callback/{OAUTH2}")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_without_javascript_the_page_explains_itself(
    chromium: Browser, tmp_path: Path, width: int, scheme: Any
) -> None:
    size: Any = {"width": width, "height": 760}
    with (
        Deployment(tmp_path, implicit="token") as running,
        Person(chromium, running, viewport=size, color_scheme=scheme, java_script_enabled=False) as person,
    ):
        person.open(f"callback/{OAUTH2}#access_token=canary&state=s")
        assert "needs JavaScript" in person.page.locator("main").inner_text()
        assert "One moment" not in person.page.locator("main").inner_text()
        Viewer(person, f"{width}-{scheme}").look("fragment-without-javascript")


def stay(route: Route) -> None:
    if route.request.method == "POST":
        route.fulfill(status=204)
    else:
        route.fallback()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_the_pages_of_the_way_back_fit_and_are_legible(
    chromium: Browser, tmp_path: Path, width: int, scheme: Any
) -> None:
    size: Any = {"width": width, "height": 760}
    with (
        Deployment(tmp_path, implicit="token") as running,
        Person(chromium, running, viewport=size, color_scheme=scheme) as person,
    ):
        viewer = Viewer(person, f"{width}-{scheme}")
        # A server that answers 204 to the page's post leaves the page standing, so that it can be looked at.
        person.page.route("**/callback/*", stay)
        person.page.goto(f"{running.base_url}/callback/{OAUTH2}", wait_until="commit")
        person.page.get_by_role("heading", name="Connecting Sandbox").wait_for()
        viewer.look("fragment-handed-over")
        person.page.unroute("**/callback/*")
        page = person.press_connect(OAUTH2)
        person.sign_in_at_provider()
        running.sandbox.faults.add(endpoint="introspect", fault="html")
        person.decide("Allow")
        page.get_by_role("heading", name="We cannot be sure for whom this answer is").wait_for()
        viewer.look("token-unverified")
