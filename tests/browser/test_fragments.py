"""Answers in the fragment, in a real Chromium: what it shows, what it sends, what it remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.browser.deployment import OAUTH2

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from tests.browser.person import Person

pytestmark = pytest.mark.browser
TOKEN = "canary-token-5d1e"
FRAGMENT = f"access_token={TOKEN}&token_type=bearer&expires_in=3600&state=s"


def watched(page: Page) -> list[tuple[str, str, str]]:
    """Method, URL and body of every request that the page makes from now on."""
    seen: list[tuple[str, str, str]] = []
    page.on("request", lambda request: seen.append((request.method, request.url, request.post_data or "")))
    return seen


def test_a_fragment_that_nobody_accepted_is_told_and_leaves_no_trace(person: Person) -> None:
    page = person.page
    requests = watched(page)

    page.goto(f"{person.deployment.base_url}/callback/{OAUTH2}#{FRAGMENT}")
    page.get_by_role("heading", name="This answer is not safe to use").wait_for()

    callback = f"{person.deployment.base_url}/callback/{OAUTH2}"
    assert page.url == callback
    assert [entry for entry in requests if entry[0] == "POST"] == [("POST", callback, "fragment_seen=1")]
    assert not [entry for entry in requests[1:] if TOKEN in repr(entry)]
    assert TOKEN not in page.content()
    assert [complaint for complaint in person.complaints if "Content Security Policy" in complaint] == []
    client: Any = page.context.new_cdp_session(page)
    assert TOKEN not in repr([entry["url"] for entry in client.send("Page.getNavigationHistory")["entries"]])


def test_without_a_fragment_the_page_stays_as_it_is(person: Person) -> None:
    requests = watched(person.page)

    person.open(f"callback/{OAUTH2}")

    assert person.heading() == "We cannot tell what this belongs to"
    assert [method for method, _, _ in requests] == ["GET"]
