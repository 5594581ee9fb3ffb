"""OpenID Connect Core 1.0 in the code flow: who the connected account is, and what is not believed."""

from __future__ import annotations

from typing import Any

import pytest
from tests.connections.openid import begin, connect, openid_world
from tests.connections.steps import credentials, failure, row, standing, token
from tests.oauth2.tokens import ec_jwk, rsa_jwk, rsa_key, signed

from valetkey.connections.authorize import begin_authorization, finish_authorization
from valetkey.connections.identity import userinfo
from valetkey.connections.links import begin_from_link, complete_authorization, connect_url
from valetkey.dates import http_date
from valetkey.effects import Send
from valetkey.errors import (
    CallbackError,
    ConfigurationError,
    MalformedResponse,
    ProviderError,
    ReauthorizationRequired,
    RefreshInProgress,
    TransportError,
)
from valetkey.http import Response, read_form
from valetkey.sandbox import approve
from valetkey.testing.world import BASE_URL, PROVIDER_URL, START, callback_request
from valetkey.value import replace


def test_a_connection_knows_whose_account_it_is() -> None:
    world, network = openid_world()

    connection = connect(world, network).connection

    assert connection is not None
    assert (connection.issuer, connection.subject) == (world.sandbox.issuer, "alice")
    assert (standing(world).issuer, standing(world).subject) == (world.sandbox.issuer, "alice")
    assert len(network.nonce) == 22
    assert network.sent[:2] == ["/keys", "/oauth2/token"]  # the keys are at hand before the code is spent


def test_the_subject_is_inside_the_seal() -> None:
    world, network = openid_world()
    network.claims = {"sub": "subject-17"}

    connect(world, network)

    [stored] = [found for found in world.store.rows._rows.values() if found.key.name.startswith("connection/")]
    assert "subject-17" not in repr(stored.clear)
    assert b"subject-17" not in stored.sealed


@pytest.mark.parametrize(("claims", "reason"), [({}, ""), ({"nonce": "another"}, "id_token_nonce")])
def test_what_began_with_a_link_is_checked_when_it_is_completed(claims: dict[str, Any], reason: str) -> None:
    world, network = openid_world()
    world.settings = replace(world.settings, completion_url="https://app.example/done")
    network.claims = claims
    link = world.run(connect_url(world.settings, "two", resource_owner="alice")).rpartition("/")[2]
    begun = world.run(begin_from_link(world.settings, link, resource_owner=None, cookies=()))
    network.nonce = dict(read_form(begun.location.partition("?")[2]))["nonce"]
    request = callback_request(approve(world.sandbox.respond, begun.location), begun.set_cookies)
    handle = world.run(finish_authorization(world.settings, request, resource_owner=None)).return_to.rpartition("=")[2]
    completing = complete_authorization(world.settings, handle, resource_owner="alice")

    if reason:
        caught = failure(world, completing)
        assert isinstance(caught, CallbackError)
        assert (caught.reason, row(world)) == (reason, None)
    else:
        assert world.run(completing).subject == "alice"


def test_without_openid_there_is_no_nonce_and_no_id_token_is_looked_at() -> None:
    world, network = openid_world()
    network.header = {"alg": "none"}

    begun = world.run(begin_authorization(world.settings, "two", resource_owner="alice", cookies=(), scope=("read",)))

    assert "nonce=" not in begun.location


@pytest.mark.parametrize(
    ("claims", "header", "reason"),
    [
        ({"iss": "https://evil.example"}, {}, "issuer"),
        ({"aud": "another-client"}, {}, "audience"),
        ({"nonce": "of another flow"}, {}, "nonce"),
        ({"nonce": None}, {}, "nonce"),
        ({"exp": 1}, {}, "expired"),
        ({"at_hash": "AAAA"}, {}, "at_hash"),
        ({"sub": None}, {}, "subject"),
        ({}, {"alg": "none"}, "algorithm"),
        ({}, {"alg": "HS256"}, "algorithm"),
        ({}, {"typ": "at+jwt"}, "type"),
        ({}, {"kid": "../../keys"}, "unknown_key"),
        ({}, {"key": rsa_key(2048, 9)}, "signature"),
        ({}, {"key": rsa_key(2048, 9), "jwk": rsa_jwk(rsa_key(2048, 9))}, "signature"),
        ({}, {"crit": ["exp"]}, "malformed"),
    ],
)
def test_tokens_with_an_id_token_that_fails_are_discarded(
    claims: dict[str, Any], header: dict[str, Any], reason: str
) -> None:
    world, network = openid_world()
    network.claims, network.header = claims, {"kid": "a", **header}
    request = begin(world, network)

    first = failure(world, finish_authorization(world.settings, request, resource_owner="alice"))
    again = failure(world, finish_authorization(world.settings, request, resource_owner="alice"))

    assert isinstance(first, CallbackError)
    assert first.reason == f"id_token_{reason}"
    assert isinstance(again, CallbackError)
    assert again.reason == "already_used"
    assert row(world) is None
    assert network.sent.count("/oauth2/token") == 1


def test_a_missing_id_token_is_refused() -> None:
    world, network = openid_world()
    network.without = True

    caught = failure(world, finish_authorization(world.settings, begin(world, network), resource_owner="alice"))

    assert isinstance(caught, CallbackError)
    assert caught.reason == "id_token_missing"


def test_algorithms_are_narrowed_by_the_providers_entry() -> None:
    world, network = openid_world(id_token_algorithms=("ES256",))
    network.keys.append(ec_jwk(kid="e"))

    caught = failure(world, finish_authorization(world.settings, begin(world, network), resource_owner="alice"))
    network.header = {"alg": "ES256", "kid": "e"}

    assert isinstance(caught, CallbackError)
    assert caught.reason == "id_token_algorithm"
    assert connect(world, network).connection is not None


def test_while_the_keys_are_out_of_reach_the_code_is_not_spent() -> None:
    world, network = openid_world()
    network.jwks_down = True
    request = begin(world, network)

    caught = failure(world, finish_authorization(world.settings, request, resource_owner="alice"))
    network.jwks_down = False
    finished = world.run(finish_authorization(world.settings, request, resource_owner="alice"))

    assert isinstance(caught, TransportError)
    assert not caught.maybe_received
    assert finished.connection is not None


def test_a_key_that_was_rotated_a_moment_ago_is_fetched_once() -> None:
    world, network = openid_world()
    connect(world, network)
    network.keys, network.header = [rsa_jwk(rsa_key(2048, 5), kid="b")], {"kid": "b", "key": rsa_key(2048, 5)}

    connect(world, network)

    assert network.sent.count("/keys") == 2


def test_a_flow_with_a_nonce_at_a_provider_that_forgot_its_keys_is_refused() -> None:
    world, network = openid_world()
    request = begin(world, network)
    plain, _ = openid_world(jwks_uri=None)
    world.settings = plain.settings

    caught = failure(world, finish_authorization(world.settings, request, resource_owner="alice"))

    assert isinstance(caught, (CallbackError, TransportError))
    assert "/oauth2/token" not in network.sent


@pytest.mark.parametrize(
    ("claims", "word"),
    [({"sub": "bob"}, "subject_changed"), ({"aud": "other"}, "id_token_audience"), ({"iss": "x"}, "id_token_issuer")],
)
def test_a_refresh_that_answers_for_another_account_keeps_the_old_tokens(claims: dict[str, Any], word: str) -> None:
    world, network = openid_world()
    connect(world, network)
    before = credentials(world)
    world.clock.time += world.client.access_token_seconds + 1
    network.claims = claims

    caught = failure(world, token(world))

    assert isinstance(caught, (ProviderError, RefreshInProgress))
    assert credentials(world) == before
    assert (standing(world).last_error, standing(world).generation) == (word, 1)


def test_a_refreshed_id_token_of_the_same_account_needs_no_key_and_no_nonce() -> None:
    world, network = openid_world()
    connect(world, network)
    world.clock.time += world.client.access_token_seconds + 1
    network.claims, network.jwks_down = {"nonce": None}, True

    world.run(token(world))

    assert (standing(world).generation, standing(world).subject) == (2, "alice")


def test_a_refresh_without_an_id_token_keeps_the_subject() -> None:
    world, network = openid_world()
    connect(world, network)
    world.clock.time += world.client.access_token_seconds + 1
    network.without = True

    world.run(token(world))

    assert standing(world).subject == "alice"


def test_userinfo_of_the_same_subject_is_answered() -> None:
    world, network = openid_world()
    connect(world, network)

    found = world.run(userinfo(world.settings, "two", resource_owner="alice"))

    assert (found.subject, found.claims["name"]) == ("alice", "Alice")


def test_userinfo_with_a_refused_token_is_asked_once_more_with_a_fresh_one() -> None:
    world, network = openid_world()
    connect(world, network)
    network.userinfo_statuses = [401, 200]
    world.clock.time += 120

    found = world.run(userinfo(world.settings, "two", resource_owner="alice"))

    assert found.subject == "alice"
    assert standing(world).generation == 2


def test_userinfo_that_came_when_the_time_was_nearly_over_is_read() -> None:
    world, network = openid_world()
    connect(world, network)

    def send(effect: Send) -> Response:
        response = network.send(effect)
        world.clock.left = 1.0
        return response

    world.ports._performers[Send] = send

    assert world.run(userinfo(world.settings, "two", resource_owner="alice")).subject == "alice"


def test_userinfo_that_wants_more_scope_leads_to_a_page_that_asks_for_it() -> None:
    world, network = openid_world()
    connect(world, network)
    network.userinfo_statuses = [403]
    network.userinfo_headers = {"WWW-Authenticate": 'Bearer error="insufficient_scope", scope="email"'}

    caught = failure(world, userinfo(world.settings, "two", resource_owner="alice"))

    assert isinstance(caught, ReauthorizationRequired)
    assert caught.reason == "insufficient_scope"
    assert caught.connect_url.startswith(f"{BASE_URL}/connect/two?ask=")
    assert standing(world).state == "active"


def test_userinfo_that_refuses_a_fresh_token_too_is_asked_no_third_time() -> None:
    world, network = openid_world()
    connect(world, network)
    network.userinfo_statuses = [401]
    world.clock.time += 120

    caught = failure(world, userinfo(world.settings, "two", resource_owner="alice"))

    assert isinstance(caught, ProviderError)
    assert (caught.error, caught.status) == ("userinfo_refused", 401)
    assert network.sent.count("/userinfo") == 2


@pytest.mark.parametrize(
    ("status", "waits", "seconds", "advice"),
    [
        (429, "7", 7.0, "429: try again later"),
        (503, http_date(int(START) + 90), 90.0, "503: try again later"),
        (500, None, None, "500: try again later"),
        (403, None, None, "403: look at the connection's scope"),
        (404, None, None, "404: check userinfo_endpoint"),
    ],
)
def test_userinfo_that_is_refused_says_why_and_when_to_come_again(
    status: int, waits: str | None, seconds: float | None, advice: str
) -> None:
    world, network = openid_world()
    connect(world, network)
    world.clock.time = START
    network.userinfo_statuses = [status]
    network.userinfo_headers = {} if waits is None else {"Retry-After": waits}

    caught = failure(world, userinfo(world.settings, "two", resource_owner="alice"))

    assert isinstance(caught, ProviderError)
    assert (caught.error, caught.status, caught.retry_after) == ("userinfo_refused", status, seconds)
    assert advice in str(caught)


@pytest.mark.parametrize("body", [b'{"sub":"bob"}', b"{}", b'{"sub":["alice"]}'])
def test_userinfo_of_another_subject_is_not_used(body: bytes) -> None:
    world, network = openid_world()
    connect(world, network)
    network.userinfo = body

    caught = failure(world, userinfo(world.settings, "two", resource_owner="alice"))

    assert isinstance(caught, ProviderError)
    assert caught.error == "subject_mismatch"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", signed({"sub": "alice"}).encode()])
def test_userinfo_that_cannot_be_read_is_refused(body: bytes) -> None:
    world, network = openid_world()
    connect(world, network)
    network.userinfo = body

    assert isinstance(failure(world, userinfo(world.settings, "two", resource_owner="alice")), MalformedResponse)


@pytest.mark.parametrize(
    ("claims", "header", "expected"),
    [
        ({}, {}, "alice"),
        ({"aud": ["another", "client-two"], "iss": PROVIDER_URL}, {}, "alice"),
        ({}, {"alg": "PS256"}, "alice"),
        ({"aud": "another"}, {}, "malformed_response"),
        ({"aud": 5}, {}, "malformed_response"),
        ({"aud": []}, {}, "malformed_response"),
        ({"iss": "https://evil.example"}, {}, "malformed_response"),
        ({"iss": None}, {}, "malformed_response"),
        ({"sub": "bob"}, {}, "subject_mismatch"),
        ({}, {"alg": "none"}, "malformed_response"),
        ({}, {"typ": "at+jwt"}, "malformed_response"),
        ({}, {"kid": "b"}, "malformed_response"),
        ({}, {"key": rsa_key(2048, 9)}, "malformed_response"),
    ],
)
def test_signed_userinfo_is_verified(claims: dict[str, Any], header: dict[str, Any], expected: str) -> None:
    world, network = openid_world()
    connect(world, network)
    network.userinfo = signed({"sub": "alice", **claims}, **{"kid": "a", **header}).encode()
    network.userinfo_type = "Application/JWT; charset=utf-8"

    try:
        found = world.run(userinfo(world.settings, "two", resource_owner="alice")).subject
    except ProviderError as error:
        found = error.error

    assert found == expected


def test_signed_userinfo_of_a_server_without_keys_is_refused() -> None:
    world, network = openid_world()
    connect(world, network)
    plain, _ = openid_world(jwks_uri=None)
    world.settings = plain.settings
    network.userinfo, network.userinfo_type = signed({"sub": "alice"}, kid="a").encode(), "application/jwt"

    caught = failure(world, userinfo(world.settings, "two", resource_owner="alice"))

    assert isinstance(caught, MalformedResponse)
    assert "jwks_uri" in str(caught)


def test_userinfo_needs_an_endpoint() -> None:
    world, network = openid_world(userinfo_endpoint=None)
    connect(world, network)

    caught = failure(world, userinfo(world.settings, "two", resource_owner="alice"))

    assert isinstance(caught, ConfigurationError)
    assert "userinfo_endpoint" in str(caught)
