"""Token exchange (RFC 8693)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.oauth2.peer import CLIENT, NOW, SERVER, Peer, answer, form_of

from valetkey.errors import ConfigurationError, MalformedResponse, ProviderError
from valetkey.http import read_form
from valetkey.oauth2.token_exchange import ACCESS_TOKEN, ExchangedToken, exchange_token
from valetkey.secret import Secret
from valetkey.value import replace

JWT = "urn:ietf:params:oauth:token-type:jwt"
GIVEN = {
    "access_token": "new-canary",
    "issued_token_type": JWT,
    "token_type": "Bearer",
    "expires_in": 60,
    "scope": "read",
    "refresh_token": "rt",
}
SUBJECT = Secret("subject-canary")


def exchange(server: Any = SERVER, *, given: dict[str, Any] = GIVEN, **asked: Any) -> tuple[ExchangedToken, Peer]:
    peer = Peer(answer(json.dumps(given)))
    return peer.run(exchange_token(server, CLIENT, subject_token=SUBJECT, not_after=NOW + 5, **asked)), peer


def test_a_subject_token_is_exchanged_and_everything_about_the_new_one_is_told() -> None:
    found, peer = exchange()

    assert found == ExchangedToken(Secret("new-canary"), JWT, "bearer", int(NOW) + 60, ("read",), Secret("rt"))
    assert (peer.request.url, peer.sent[0].not_after) == ("https://as.example/token", NOW + 5)
    assert peer.request.headers.get("Authorization") is not None
    assert form_of(peer.request) == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": "subject-canary",
        "subject_token_type": ACCESS_TOKEN,
    }


def test_an_id_token_that_comes_along_is_handed_on_to_be_checked() -> None:
    found, _ = exchange(given=GIVEN | {"id_token": "e30.canary.e30"})

    assert found.id_token == Secret("e30.canary.e30")


def test_what_the_provider_says_beside_the_token_is_handed_on_and_not_shown() -> None:
    found, _ = exchange(given=GIVEN | {"instance_url": "https://canary.example", "region": "eu"})

    assert found.extra == (("instance_url", "https://canary.example"), ("region", "eu"))
    assert repr(found) == (
        f"ExchangedToken({JWT}, bearer, expires_at={int(NOW) + 60}, scope=('read',), extra=[instance_url, region])"
    )


def test_everything_that_can_be_asked_for_is_sent_each_audience_and_resource_by_itself() -> None:
    server = replace(SERVER, scope_parameter="scopes", scope_separator=",", resources=("https://usual.example/",))

    _, peer = exchange(
        server,
        subject_token_type=JWT,
        actor_token=Secret("actor-canary"),
        actor_token_type=ACCESS_TOKEN,
        requested_token_type=JWT,
        audience=("one", "two"),
        resource=("https://a.example/", "https://b.example/"),
        scope=("read", "write"),
    )

    assert read_form(peer.request.body.decode())[2:] == (
        ("subject_token_type", JWT),
        ("actor_token", "actor-canary"),
        ("actor_token_type", ACCESS_TOKEN),
        ("requested_token_type", JWT),
        ("audience", "one"),
        ("audience", "two"),
        ("resource", "https://a.example/"),
        ("resource", "https://b.example/"),
        ("scopes", "read,write"),
    )


def test_without_a_resource_the_registrations_own_are_asked_for() -> None:
    _, peer = exchange(replace(SERVER, resources=("https://usual.example/",)))

    assert form_of(peer.request)["resource"] == "https://usual.example/"


@pytest.mark.parametrize("half", [{"actor_token": Secret("a")}, {"actor_token_type": JWT}])
def test_an_actor_comes_whole_or_not_at_all(half: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        _ = exchange(**half)


def test_a_token_that_is_no_access_token_may_say_so() -> None:
    found, _ = exchange(given=GIVEN | {"token_type": "N_A"})

    assert found.token_type == "n_a"


def test_a_type_that_is_neither_known_nor_na_is_refused() -> None:
    with pytest.raises(ProviderError):
        _ = exchange(given=GIVEN | {"token_type": "mac"})


@pytest.mark.parametrize("issued", [None, "", True, [JWT]])
def test_a_token_that_nobody_says_what_it_is_is_refused(issued: Any) -> None:
    with pytest.raises(MalformedResponse) as caught:
        _ = exchange(given=GIVEN | {"issued_token_type": issued})

    assert caught.value.status == 200
