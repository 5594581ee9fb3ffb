"""What every provider of the catalog says when it refuses, driven through a vault: told in the catalog's words alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.providers.refusals import BY_BROWSER, CANARY, Customer, answer, refused
from tests.providers.test_explanations import EXPLAINED
from tests.providers.test_the_catalog import NAMES, OAUTH2_NAMES, WITH_PAGES

from valetkey.connections.connection import ACTIVE, IN_DOUBT, NEEDS_REAUTHORIZATION
from valetkey.errors import AuthorizationDenied, CallbackError, ProviderError, ReauthorizationRequired
from valetkey.providers.catalog import load_provider
from valetkey.web.pages import render_refusal
from valetkey.web.refusals import describe

if TYPE_CHECKING:
    from valetkey.errors import Explanation

REAL = [name for name in NAMES if load_provider(name).tried == "never"]
CONNECTABLE = [name for name in REAL if name in OAUTH2_NAMES or name in WITH_PAGES]
SILENT = {"asana", "mastercard", "trello", "tripit"}
"""Those whose errors nobody has written down where we could read it, or that are never asked for a token."""


def told(customer: Customer, one: Explanation) -> ProviderError | CallbackError:
    """The error that the customer's attempt to connect ends with."""
    brought = {}
    if one.code in BY_BROWSER:
        brought = {"error": one.code, "error_description": CANARY}
    with pytest.raises((ProviderError, CallbackError)) as caught:
        customer.connect(**brought)
    assert isinstance(caught.value, ProviderError | CallbackError)
    return caught.value


@pytest.mark.parametrize(("name", "one"), EXPLAINED, ids=lambda part: getattr(part, "code", part))
def test_what_a_provider_says_comes_out_with_what_it_means_and_what_to_do(name: str, one: Explanation) -> None:
    customer = refused(name, one)

    error = told(customer, one)

    assert error.explanation == one
    assert f"{one.means}; {one.advice} ({one.source})" in str(error)
    page = render_refusal(customer.world.settings, describe(error), registration=name).body.decode()
    assert one.means.split("'")[0] in page
    assert CANARY not in f"{error} {error!r} {page}"


def test_every_entry_that_can_be_connected_explains_something() -> None:
    assert {name for name in REAL if not load_provider(name).server.errors} == SILENT


@pytest.mark.parametrize("name", CONNECTABLE)
def test_what_nobody_has_explained_is_told_with_its_code_and_nothing_else(name: str) -> None:
    customer = Customer(name)
    oauth2 = load_provider(name).protocol == "oauth2"
    said = {"error": "made_up", "error_description": CANARY}
    customer.peer.refusal = answer(400, said) if oauth2 else answer(401, f"oauth_problem=made_up&x={CANARY}")

    with pytest.raises(ProviderError, match=r"the provider (answered|refused the request).*made_up") as caught:
        customer.connect()

    assert caught.value.explanation is None
    assert caught.value.error == "made_up"
    assert CANARY not in str(caught.value)


REFUSED_AGAIN = {
    "google": {"error": "invalid_grant", "error_description": f"Token has been expired or revoked. {CANARY}"},
    "github": {"error": "bad_refresh_token", "error_description": CANARY},
    "microsoft": {
        "error": "invalid_grant",
        "error_description": f"AADSTS700082: The refresh token has expired due to inactivity. {CANARY}",
        "error_codes": [700082],
    },
    "okta": {"error": "invalid_grant", "error_description": f"The refresh token is invalid or expired. {CANARY}"},
    "x": {"error": "invalid_request", "error_description": f"Value passed for the token was invalid. {CANARY}"},
    "zendesk": {"error": "invalid_grant", "error_description": CANARY},
    "slack": {"ok": False, "error": "invalid_refresh_token"},
    "atlassian": {"error": "invalid_grant", "error_description": f"Unknown or invalid refresh token. {CANARY}"},
    "gitlab": {"error": "invalid_grant", "error_description": CANARY},
    "discord": {"error": "invalid_request", "error_description": f'Invalid "refresh_token" in request. {CANARY}'},
    "xero": {"error": "invalid_grant"},
    "box": {"error": "invalid_grant", "error_description": f"Refresh token has expired {CANARY}"},
    "quickbooks": {"error": "invalid_grant"},
    "spotify": {"error": "invalid_grant", "error_description": f"Invalid refresh token. {CANARY}"},
    "hubspot": {"status": "BAD_REFRESH_TOKEN", "message": f"missing or invalid refresh token {CANARY}"},
}
"""What a provider says to a refresh token that is dead."""


@pytest.mark.parametrize("name", REFUSED_AGAIN)
def test_a_dead_refresh_token_asks_for_its_owner_and_says_why(name: str) -> None:
    customer = Customer(name)
    customer.connect()
    customer.world.clock.time += 601
    customer.peer.refusal = answer({"slack": 200, "atlassian": 403}.get(name, 400), REFUSED_AGAIN[name])

    with pytest.raises(ReauthorizationRequired) as first:
        customer.vault.access_token(name, "alice")
    with pytest.raises(ReauthorizationRequired) as later:
        customer.vault.access_token(name, "alice")

    assert first.value.reason == later.value.reason == "invalid_grant"
    assert CANARY not in f"{first.value} {later.value}"
    (row,) = customer.vault.connections("alice").connections
    assert row.state == NEEDS_REAUTHORIZATION
    assert first.value.explanation is not None
    assert f"{first.value.explanation.means}; {first.value.explanation.advice}" in str(first.value)


NOT_NOW = {
    "salesforce": {"error": "invalid_grant", "error_description": f"token request is already being processed {CANARY}"},
    "microsoft": {
        "error": "invalid_grant",
        "error_description": f"AADSTS50196: The server terminated an operation because it encountered a loop. {CANARY}",
        "error_codes": [50196],
    },
}
"""What a provider calls invalid_grant, and a moment later would grant."""


@pytest.mark.parametrize("name", NOT_NOW)
def test_a_refusal_that_is_over_in_a_while_ends_no_connection(name: str) -> None:
    customer = Customer(name)
    customer.connect()
    spent = customer.vault.access_token(name, "alice")
    customer.world.clock.time += 300
    customer.peer.refusal = answer(400, NOT_NOW[name])

    with pytest.raises(ProviderError) as caught:
        customer.vault.access_token(name, "alice", rejected=spent)

    assert caught.value.error == "temporarily_unavailable"
    assert caught.value.explanation is not None
    (row,) = customer.vault.connections("alice").connections
    assert row.state == ACTIVE


@pytest.mark.parametrize("code", ["internal_error", "fatal_error"])
def test_a_provider_that_failed_half_way_leaves_its_refresh_in_doubt(code: str) -> None:
    customer = Customer("slack")
    customer.connect()
    customer.world.clock.time += 601
    customer.peer.refusal = answer(200, {"ok": False, "error": code})

    with pytest.raises(ProviderError) as caught:
        customer.vault.access_token("slack", "alice")

    assert caught.value.error == "server_error"
    (row,) = customer.vault.connections("alice").connections
    assert row.state == IN_DOUBT, "it may have replaced the refresh token, and says so"


def test_words_are_found_whole_and_before_codes() -> None:
    customer = Customer("x")
    long = {"error": "invalid_request", "error_description": "Value passed for the token was invalidated"}
    customer.peer.refusal = answer(400, long)

    with pytest.raises(ProviderError) as caught:
        customer.connect()

    assert (caught.value.error, caught.value.explanation) == ("invalid_request", None)


@pytest.mark.parametrize("text", [5, None, ["x"], {"a": 1}, "x" * 100_000, "", "\u0130" * 5000])
def test_descriptions_of_any_kind_are_looked_through(text: object) -> None:
    customer = Customer("x")
    customer.peer.refusal = answer(400, json.dumps({"error": "made_up", "error_description": text, "message": text}))

    with pytest.raises(ProviderError) as caught:
        customer.connect()

    assert caught.value.error == "made_up"


def test_a_second_factor_that_is_asked_for_at_a_refresh_asks_for_its_owner() -> None:
    customer = Customer("microsoft")
    customer.connect()
    customer.world.clock.time += 601
    customer.peer.refusal = answer(400, {"error": "interaction_required", "error_description": CANARY})

    with pytest.raises(ReauthorizationRequired, match=r"invalid_grant.*the person must do something at Microsoft"):
        customer.vault.access_token("microsoft", "alice")


def test_words_come_back_with_the_browser_too() -> None:
    customer = Customer("microsoft")

    with pytest.raises(AuthorizationDenied, match="the person declined; let them start again") as caught:
        customer.connect(error="access_denied", error_description=f"AADSTS65004: User declined. {CANARY}")

    assert caught.value.explanation is not None
    assert caught.value.explanation.code == "AADSTS65004"
    assert CANARY not in str(caught.value)


def test_a_token_of_oauth1_that_is_not_renewed_says_why() -> None:
    customer = Customer("etrade")
    customer.connect()
    customer.world.clock.time += 7201
    customer.peer.refusal = answer(
        401, f"<html>HTTP Status 401 - oauth_problem=token_rejected {CANARY}</html>", "text/html"
    )

    with pytest.raises(ReauthorizationRequired, match="the token or the verifier is wrong or has ended") as caught:
        customer.vault.session("etrade", "alice").get("https://api.etrade.com/v1/accounts/list")

    assert caught.value.reason == "invalid_grant"
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("name", CONNECTABLE)
def test_what_a_provider_answers_to_a_code_connects(name: str) -> None:
    customer = Customer(name)

    customer.connect()

    (row,) = customer.vault.connections("alice").connections
    assert row.state == ACTIVE
    sent = " ".join(request.body.decode() for request in customer.peer.sent)
    challenged = getattr(customer.server, "pkce", "") == "S256"
    assert ("code_verifier" in sent) == challenged
