"""Connect links in a real Chromium, for an application whose session valetkey's pages cannot see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.browser.deployment import NAMES, OAUTH2, TITLES
from tests.browser.person import Person

from valetkey.http import Request
from valetkey.sandbox.visitor import over_http

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser
    from tests.browser.deployment import Deployment

pytestmark = pytest.mark.browser
CONFIRM = "Yes, that was me"


@pytest.fixture
def alice(chromium: Browser, deployment: Deployment) -> Iterator[Person]:
    """Her session's cookie is for the application's own pages only."""
    with Person(chromium, deployment, session_path="/app") as person:
        yield person


def follow(person: Person, link: str) -> None:
    """From the link to the application's page that asks for a confirmation."""
    person.page.goto(link)
    person.page.get_by_role("button", name="Continue to").click()
    person.sign_in_at_provider()
    person.decide("Allow")
    person.page.wait_for_url("**/app/complete?handle=*")


@pytest.mark.parametrize("registration", NAMES)
def test_a_link_leads_to_the_application_which_completes_it(alice: Person, registration: str) -> None:
    deployment = alice.deployment
    link = deployment.vault.connect_url(registration, "alice")

    follow(alice, link)
    before = deployment.exchanges()
    alice.page.get_by_role("button", name=CONFIRM).click()

    assert before == 0
    assert alice.heading() == f"{registration} is connected"
    assert deployment.exchanges() == 1
    assert deployment.account_of("alice", registration) == "alice"


def test_nothing_is_exchanged_until_the_application_confirms(alice: Person) -> None:
    follow(alice, alice.deployment.vault.connect_url(OAUTH2, "alice"))

    assert alice.heading() == "Connect as alice?"
    assert alice.deployment.exchanges() == 0
    assert alice.deployment.vault.connection(OAUTH2, "alice") is None


def test_a_link_works_once(alice: Person) -> None:
    link = alice.deployment.vault.connect_url(OAUTH2, "alice")
    follow(alice, link)
    alice.page.get_by_role("button", name=CONFIRM).click()

    alice.page.goto(link)
    alice.page.get_by_role("button", name="Continue to").click()

    assert alice.heading() == "This link was used before"
    assert alice.deployment.exchanges() == 1


def test_a_robot_that_opens_the_link_first_spoils_nothing(alice: Person) -> None:
    link = alice.deployment.vault.connect_url(OAUTH2, "alice")

    shown = [over_http(Request(method, link)) for method in ("HEAD", "GET", "GET")]
    follow(alice, link)
    alice.page.get_by_role("button", name=CONFIRM).click()

    assert [answer.status for answer in shown] == [405, 200, 200]
    assert [answer.headers.all("Set-Cookie") for answer in shown] == [(), (), ()]
    assert alice.heading() == f"{OAUTH2} is connected"


def test_a_link_that_somebody_else_confirms_connects_nobody(alice: Person) -> None:
    follow(alice, alice.deployment.vault.connect_url(OAUTH2, "alice"))

    alice.sign_in_to_application("mallory", path="/app")
    alice.page.get_by_role("button", name=CONFIRM).click()

    assert "user_changed" in alice.page.content()
    assert alice.deployment.exchanges() == 0


def test_a_confirmation_that_is_sent_twice_shows_the_same_connection(alice: Person) -> None:
    follow(alice, alice.deployment.vault.connect_url(OAUTH2, "alice"))
    alice.page.get_by_role("button", name=CONFIRM).click()
    alice.page.wait_for_load_state()

    alice.page.reload()

    assert alice.heading() == f"{OAUTH2} is connected"
    assert alice.deployment.exchanges() == 1
    assert alice.deployment.account_of("alice", OAUTH2) == "alice"


def test_where_the_session_is_visible_a_link_is_only_for_whom_it_was_made(person: Person) -> None:
    person.page.goto(person.deployment.vault.connect_url(OAUTH2, "bob"))

    assert person.heading() == "This link is for somebody else"


def test_where_the_session_is_visible_a_link_needs_no_confirmation(person: Person) -> None:
    person.page.goto(person.deployment.vault.connect_url(OAUTH2, "alice", return_to="/oauth/connections"))
    person.page.get_by_role("button", name=f"Continue to {TITLES[OAUTH2]}").click()
    person.sign_in_at_provider()
    person.decide("Allow")

    assert person.heading() == "Connections"
    assert person.deployment.account_of("alice", OAUTH2) == "alice"


def test_a_link_that_was_altered_says_so(person: Person) -> None:
    link = person.deployment.vault.connect_url(OAUTH2, "alice")

    person.page.goto(link[:-1] + ("A" if link[-1] != "A" else "B"))

    assert person.heading() == "This link does not work"
