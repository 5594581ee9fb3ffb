"""Ending connections in a real Chromium, and what forged requests of other sites and ports come to."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.browser.deployment import APIS, NAMES, OAUTH1, OAUTH2, TITLES, Deployment

from valetkey.connections.codec import CONNECTION
from valetkey.connections.connection import ACTIVE
from valetkey.http import Headers, Request, with_query
from valetkey.sandbox.visitor import over_http
from valetkey.testing.front import Front

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from tests.browser.person import Person

pytestmark = pytest.mark.browser
TARGETS = ("connections/revoke", "connections/forget", f"connect/{OAUTH1}")


@contextmanager
def attacker(host: str, target: str, fields: Mapping[str, str]) -> Iterator[str]:
    """A page that sends a form to the application as soon as it is opened."""
    inputs = "".join(f'<input type="hidden" name="{name}" value="{text}">' for name, text in fields.items())
    body = f'<form method="post" action="{target}">{inputs}</form><script>document.forms[0].submit()</script>'
    answer = {"statusCode": 200, "headers": {"Content-Type": "text/html"}, "body": body}

    def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
        return answer

    with Front(handler, host=host) as front:
        yield with_query(front.url + "/", (("prize", "1"),))


def rows(deployment: Deployment) -> int:
    """How many connections the SQLite file holds."""
    with closing(sqlite3.connect(deployment.database)) as database:
        [(found,)] = database.execute("SELECT count(*) FROM rows WHERE name LIKE ?", (f"{CONNECTION}%",)).fetchall()
    return int(found)


def kept_from_before(deployment: Deployment, registration: str) -> Request:
    """A request to the API with the credentials of now."""
    request = Request("GET", deployment.provider_url + APIS[registration])
    if registration == OAUTH1:
        return deployment.vault.sign(request, registration=registration, resource_owner="alice")
    token = deployment.vault.access_token(registration, "alice")
    return Request("GET", request.url, Headers((("Authorization", f"Bearer {token.reveal()}"),)))


@pytest.mark.parametrize("registration", NAMES)
def test_disconnecting_revokes_at_the_provider_and_deletes_the_row(person: Person, registration: str) -> None:
    person.connect(registration)
    request = kept_from_before(person.deployment, registration)
    assert rows(person.deployment) == 1

    person.page.get_by_text("Disconnect", exact=True).click()
    person.page.get_by_role("button", name=f"Disconnect {TITLES[registration]}").click()

    assert person.heading() == f"{TITLES[registration]} is disconnected"
    assert over_http(request).status == 401
    assert rows(person.deployment) == 0
    person.page.get_by_role("link", name="Your connections").click()
    assert "Nothing is connected yet." in person.page.content()


def test_the_page_after_disconnecting_can_be_loaded_again(person: Person) -> None:
    person.connect(OAUTH2)
    person.page.get_by_text("Disconnect", exact=True).click()
    person.page.get_by_role("button", name="Disconnect Sandbox").click()

    person.page.reload()  # sends the form again

    assert person.heading() == "Nothing is connected"
    assert person.page.get_by_role("link").is_visible()


def test_forgetting_leaves_the_permission_at_the_provider(person: Person) -> None:
    person.connect(OAUTH2)
    request = kept_from_before(person.deployment, OAUTH2)

    person.page.get_by_text("Disconnect", exact=True).click()
    person.page.get_by_role("button", name="Forget it here").click()
    person.page.get_by_text("Nothing is connected yet.").wait_for()

    assert rows(person.deployment) == 0
    assert over_http(request).status == 200


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"], ids=["another site", "another port of the same site"])
def test_a_forged_form_changes_nothing_even_where_the_session_is_sent_along(
    person: Person, host: str, target: str
) -> None:
    person.connect(OAUTH2)
    person.sign_in_to_application("alice", same_site="None")
    before = person.deployment.vault.connections("alice")
    asked = len(person.deployment.sandbox.seen)

    with attacker(host, f"{person.deployment.base_url}/{target}", {"registration": OAUTH2, "account": ""}) as url:
        person.page.goto(url)
        person.page.wait_for_url(f"**/{target}")

    assert person.heading() == "This came from another site"
    assert person.deployment.vault.connections("alice") == before
    assert len(person.deployment.sandbox.seen) == asked
    assert before.connections[0].state == ACTIVE


def test_a_form_of_another_person_changes_nothing(person: Person) -> None:
    person.connect(OAUTH2)
    person.page.get_by_text("Disconnect", exact=True).click()

    person.sign_in_to_application("bob")
    person.page.get_by_role("button", name="Disconnect Sandbox").click()

    assert person.heading() == "This page was open for too long"
    assert rows(person.deployment) == 1


def test_a_provider_that_is_out_of_service_is_told_again_later(person: Person) -> None:
    person.connect(OAUTH2)
    person.deployment.sandbox.faults.add(endpoint="revoke", fault="status", status=503)
    person.page.get_by_text("Disconnect", exact=True).click()
    person.page.get_by_role("button", name="Disconnect Sandbox").click()

    assert person.heading() == f"{TITLES[OAUTH2]} could not be told"
    person.page.get_by_role("link", name="Your connections").click()
    assert "Being disconnected" in person.page.content()
    person.page.get_by_text("Disconnect", exact=True).click()
    person.page.get_by_role("button", name="Disconnect Sandbox").click()
    assert person.heading() == f"{TITLES[OAUTH2]} is disconnected"
    assert rows(person.deployment) == 0
