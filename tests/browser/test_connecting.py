"""Connecting accounts in a real Chromium, through the Lambda handler and a strict provider's own pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.browser.deployment import GATEWAYS, NAMES, OAUTH1, OAUTH2, TITLES, Deployment
from tests.browser.person import Person

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("registration", NAMES)
def test_an_account_is_connected_through_sign_in_and_consent(person: Person, registration: str) -> None:
    person.connect(registration)

    item = person.page.get_by_role("listitem").filter(has=person.page.get_by_role("group"))
    assert person.page.get_by_role("status").inner_text() == f"{TITLES[registration]} is connected."
    assert TITLES[registration] in item.inner_text()
    assert "Connected" in item.inner_text()
    assert person.deployment.account_of("alice", registration) == "alice"
    assert person.deployment.exchanges() == 1
    assert person.complaints == []


def test_both_protocols_stand_side_by_side(person: Person) -> None:
    person.connect(OAUTH1)
    person.connect(OAUTH2, account="alice")

    listed = person.page.get_by_role("list").first.inner_text()
    assert [title in listed for title in TITLES.values()] == [True, True]
    assert [person.deployment.account_of("alice", name) for name in NAMES] == ["alice", "alice"]


@pytest.mark.parametrize("registration", NAMES)
def test_who_denies_is_told_so_and_keeps_the_earlier_connection(person: Person, registration: str) -> None:
    person.connect(registration)
    before = person.deployment.vault.connection(registration, "alice")

    person.press_connect(registration)
    person.sign_in_at_provider()
    person.decide("Deny")

    assert person.heading() == "Not connected"
    assert "Whatever was connected before stays as it is." in person.page.content()
    assert person.deployment.vault.connection(registration, "alice") == before
    assert person.deployment.account_of("alice", registration) == "alice"
    assert person.deployment.exchanges() == 1


def test_who_denied_can_start_again_from_that_page(person: Person) -> None:
    person.press_connect(OAUTH2)
    person.sign_in_at_provider()
    person.decide("Deny")

    person.page.get_by_role("link", name="Start again").click()
    person.page.get_by_role("button", name="Continue to").click()
    person.sign_in_at_provider()
    person.decide("Allow")

    assert person.page.get_by_role("status").inner_text() == f"{TITLES[OAUTH2]} is connected."


def test_eight_tabs_at_once_all_finish(person: Person) -> None:
    tabs = [person.press_connect(NAMES[number % 2], person.tab()) for number in range(8)]
    person.sign_in_at_provider(tabs[0])
    for tab in tabs[1:]:
        tab.reload()  # they show the sign-in page still; signed in once, they ask for consent

    for tab in reversed(tabs):
        tab.get_by_role("button", name="Allow").click(no_wait_after=True)
    for tab in tabs:
        tab.wait_for_url("**/connections?connected=*")

    assert {person.heading(tab) for tab in tabs} == {"Connections"}
    assert [tab.get_by_role("status").inner_text() for tab in tabs] == [
        f"{TITLES[NAMES[number % 2]]} is connected." for number in range(8)
    ]
    assert person.deployment.exchanges() == 8
    assert [person.deployment.account_of("alice", name) for name in NAMES] == ["alice", "alice"]


def test_a_ninth_tab_ends_the_first_which_says_so_to_a_person(person: Person) -> None:
    tabs = [person.press_connect(OAUTH2, person.tab()) for _ in range(9)]
    person.sign_in_at_provider(tabs[8])
    for tab in tabs[:8]:
        tab.reload()

    person.decide("Allow", tabs[0])
    person.decide("Allow", tabs[1])
    person.decide("Allow", tabs[8])

    assert person.heading(tabs[0]) == "This is not under way in this browser"
    assert tabs[0].get_by_role("link", name="Start again").is_visible()
    assert [person.heading(tab) for tab in (tabs[1], tabs[8])] == ["Connections", "Connections"]
    assert person.deployment.exchanges() == 2


@pytest.mark.parametrize("registration", NAMES)
def test_a_finished_callback_loaded_again_shows_success_without_another_exchange(
    person: Person, registration: str
) -> None:
    person.connect(registration)
    [callback] = person.callbacks()

    person.page.goto(callback)

    assert person.page.get_by_role("status").inner_text() == f"{TITLES[registration]} is connected."
    assert person.deployment.exchanges() == 1
    assert "code=" not in person.page.url
    assert "oauth_verifier=" not in person.page.url


def test_a_finished_callback_is_of_no_use_in_another_browser(chromium: Browser, person: Person) -> None:
    person.connect(OAUTH2)
    [callback] = person.callbacks()

    with Person(chromium, person.deployment, owner="bob") as bob:
        bob.page.goto(callback)

        assert bob.heading() == "This is not under way in this browser"
    assert person.deployment.exchanges() == 1
    assert person.deployment.vault.connection(OAUTH2, "bob") is None


def test_the_back_button_and_a_second_yes_show_success_again(person: Person) -> None:
    person.connect(OAUTH2)

    person.page.go_back()
    assert person.page.url.startswith(person.deployment.provider_url)
    person.sign_in_at_provider()
    person.decide("Allow")

    assert person.page.get_by_role("status").inner_text() == f"{TITLES[OAUTH2]} is connected."
    assert person.deployment.exchanges() == 1
    assert person.deployment.account_of("alice", OAUTH2) == "alice"


def test_a_double_click_connects_once(person: Person) -> None:
    person.open(f"connect/{OAUTH1}")
    person.page.get_by_role("button", name="Continue to").dblclick()
    person.page.wait_for_url(f"{person.deployment.provider_url}/**")
    person.sign_in_at_provider()
    person.decide("Allow")

    assert person.page.get_by_role("status").inner_text() == f"{TITLES[OAUTH1]} is connected."
    assert person.deployment.exchanges() == 1


@pytest.mark.parametrize("registration", NAMES)
def test_nothing_is_connected_where_another_person_signed_in_meanwhile(person: Person, registration: str) -> None:
    person.press_connect(registration)
    person.sign_in_at_provider()
    person.sign_in_to_application("bob")
    person.decide("Allow")

    assert person.heading() == "You are signed in as somebody else now"
    assert person.deployment.exchanges() == 0
    assert [person.deployment.vault.connection(registration, name) for name in ("alice", "bob")] == [None, None]


@pytest.mark.parametrize("gateway", GATEWAYS[1:])
def test_the_same_vault_connects_behind_other_gateways(chromium: Browser, tmp_path: Path, gateway: str) -> None:
    with Deployment(tmp_path, gateway=gateway) as deployment, Person(chromium, deployment) as person:
        for registration in NAMES:
            person.connect(registration)
            assert deployment.account_of("alice", registration) == "alice"

        person.page.get_by_text("Disconnect", exact=True).first.click()
        person.page.get_by_role("button", name="Disconnect Sandbox").first.click()

        assert person.heading().endswith("is disconnected")
        assert len(deployment.vault.connections("alice").connections) == 1
