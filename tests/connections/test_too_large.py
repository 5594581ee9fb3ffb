"""Tokens and scope that no row can hold: refused as they are read, in both protocols, before anything old is lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.connections import test_device as device
from tests.connections.steps import begun, credentials, eventually, record, returning, standing, token, world_of
from tests.connections.test_oauth1_flows import AT_ENDPOINT, SESSIONS
from tests.connections.test_oauth1_flows import tokens as tokens_of_one
from tests.connections.test_oauth1_flows import world_of as oauth1_world

from valetkey.connections.authorize import finish_authorization
from valetkey.connections.codec import MAX_CONTENT_OCTETS, MAX_GRANT_OCTETS, keepable, write_credentials
from valetkey.connections.connection import Credentials, Tokens
from valetkey.connections.grant import Grant
from valetkey.effects import Send
from valetkey.errors import AuthorizationExpired, MalformedResponse, ReauthorizationRequired, ValetkeyError
from valetkey.http import read_form, write_form
from valetkey.secret import Secret
from valetkey.value import replace
from valetkey.web.routes import respond

if TYPE_CHECKING:
    from valetkey.http import Response
    from valetkey.testing.world import World

LONG = "x" * 60_000
CHANGES: dict[str, dict[str, str]] = {
    "an access token": {"access_token": LONG},
    "a refresh token": {"refresh_token": LONG},
    "a scope": {"scope": LONG},
    "all of them together": {"access_token": LONG[:15_000], "refresh_token": LONG[:15_000], "scope": LONG[:15_000]},
    "a token that is longer as it is written": {"access_token": '"' * 25_000},
}


class Wordy:
    """The world's network, whose token endpoints answer with these members in the place of their own."""

    def __init__(self, world: World, **more: str) -> None:
        self.world, self.more = world, more
        world.ports._performers[Send] = self.send

    def send(self, effect: Send) -> Response:
        response = self.world.network.send(effect)
        if response.status != 200 or not effect.request.url.endswith(("/oauth2/token", "/oauth1/token", "/renew")):
            return response
        if b"oauth_token=" in response.body:
            fields = {**dict(read_form(response.body.decode())), **self.more}
            return replace(response, body=write_form(tuple(fields.items())).encode())
        return replace(response, body=json.dumps({**json.loads(response.body), **self.more}).encode())


def finished(world: World, registration: str = "two") -> Any:
    redirect = begun(world, registration)
    return world.run(finish_authorization(world.settings, returning(world, redirect), resource_owner="alice"))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_no_row_can_hold_is_refused_at_the_callback_and_the_connection_before_stays(
    change: dict[str, str],
) -> None:
    world = world_of()
    world.connect()
    before = credentials(world)
    _ = Wordy(world, **change)

    with pytest.raises(MalformedResponse, match=r"tokens and scope of \d+ octets, and a row holds 40000") as caught:
        finished(world)

    assert (caught.value.error, caught.value.status) == ("grant_too_large", 200)
    assert "xxxx" not in str(caught.value)
    assert credentials(world) == before


def test_the_page_for_it_says_that_the_provider_is_why_and_calls_no_code_of_ours_the_providers() -> None:
    world = world_of()
    redirect = begun(world)
    _ = Wordy(world, access_token=LONG)

    page = world.run(respond(world.settings, returning(world, redirect), "alice"))

    assert page.status == 400
    assert b"grant_too_large" not in page.body
    assert LONG[:100].encode() not in page.body


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_refresh_that_brings_it_cools_down_and_keeps_the_tokens_that_there_are(change: dict[str, str]) -> None:
    world = world_of("none")
    world.connect()
    before = credentials(world)
    wordy = Wordy(world, **change)
    world.clock.time += world.client.access_token_seconds + 1

    errors = []
    for _ in range(3):
        try:
            world.run(token(world))
        except ValetkeyError as error:
            errors.append(type(error).__name__)

    assert errors == ["MalformedResponse", "RefreshInProgress", "RefreshInProgress"]
    assert world.refresh_requests() == 1
    assert credentials(world) == before
    assert (standing(world).state, standing(world).last_error) == ("in_doubt", "grant_too_large")

    wordy.more = {}
    assert eventually(world) != before.current.access_token
    assert standing(world).state == "active"


def test_where_the_old_refresh_token_is_spent_its_owner_is_asked_once_it_has_been_tried_again() -> None:
    world = world_of("strict")
    world.connect()
    wordy = Wordy(world, access_token=LONG)
    world.clock.time += world.client.access_token_seconds + 1

    with pytest.raises(MalformedResponse):
        world.run(token(world))
    wordy.more = {}
    with pytest.raises(ReauthorizationRequired) as caught:
        eventually(world)

    assert caught.value.reason == "invalid_grant"
    assert world.refresh_requests() == 2
    assert finished(world).connection.state == "active"


def test_an_access_token_that_lives_is_used_until_it_ends() -> None:
    world = world_of("strict")
    world.connect()
    before = credentials(world)
    _ = Wordy(world, access_token=LONG)
    world.clock.time = standing(world).refresh_due_at + 1

    found = [world.run(token(world)) for _ in range(3)]

    assert found == [before.current.access_token] * 3
    assert world.refresh_requests() == 1


@pytest.mark.parametrize("name", ["access_token", "refresh_token", "id_token"])
def test_a_token_that_no_token_is_as_long_as_is_refused_by_its_length(name: str) -> None:
    world = world_of()
    _ = Wordy(world, **{name: "x" * 65_537})

    with pytest.raises(MalformedResponse, match=f"unusable {name}: 65537 characters, over 65536"):
        finished(world)


def test_a_device_code_that_was_answered_with_it_is_over() -> None:
    world = world_of()
    codes = device.begin(world)
    _ = device.decide(world, codes)
    wordy = Wordy(world, access_token=LONG)

    with pytest.raises(MalformedResponse) as caught:
        device.poll(world, codes)
    wordy.more = {}
    with pytest.raises(AuthorizationExpired) as over:
        device.poll(world, codes, after=60)

    assert (caught.value.error, over.value.reason) == ("grant_too_large", "in_doubt")


OAUTH1 = {
    "an identifier": {"oauth_token": LONG},
    "a secret": {"oauth_token_secret": LONG},
    "a session handle": {"oauth_session_handle": LONG},
    "letters that take six octets each": {"oauth_token": "é" * 9_000},
}


@pytest.mark.parametrize("change", OAUTH1.values(), ids=OAUTH1)
def test_oauth1_credentials_that_no_row_can_hold_are_refused_too(change: dict[str, str]) -> None:
    world = oauth1_world(SESSIONS, server=AT_ENDPOINT)
    world.connect("one")
    before = record(world, "one")
    _ = Wordy(world, **change)

    with pytest.raises(MalformedResponse) as caught:
        finished(world, "one")

    assert caught.value.error == "grant_too_large"
    assert record(world, "one") == before


def test_a_renewal_that_brings_them_cools_down() -> None:
    world = oauth1_world(SESSIONS, server=AT_ENDPOINT)
    world.connect("one")
    before = credentials(world, "one")
    _ = Wordy(world, oauth_token=LONG)

    world.clock.time += 3601
    with pytest.raises(MalformedResponse):
        tokens_of_one(world)

    assert credentials(world, "one") == before
    assert (standing(world, "one").state, standing(world, "one").last_error) == ("in_doubt", "grant_too_large")


WORDS = st.text(max_size=30) | st.sampled_from(["é" * 7_000, '"' * 20_000, "x" * 13_000, "\U0001f511" * 3_000])


@given(WORDS, st.none() | WORDS, st.none() | WORDS, st.lists(WORDS, max_size=3))
def test_whatever_is_keepable_fits_into_a_row(access: str, refresh: str | None, secret: str | None, scope: Any) -> None:
    parts = [None if part is None else Secret(part) for part in (refresh, secret)]
    grant = Grant(Tokens(Secret(access), *parts), scope=tuple(scope), withheld=("write",))
    try:
        kept = keepable(grant)
    except MalformedResponse:
        return

    whole = Credentials("o" * 254, kept.tokens, kept.tokens, scope=kept.scope, withheld=kept.withheld)
    octets = write_credentials(replace(whole, issuer="i" * 2_000, subject="é" * 255, client=("i" * 2_000, "c" * 500)))

    assert len(octets) <= MAX_CONTENT_OCTETS
    assert len(write_credentials(Credentials("alice", kept.tokens))) <= MAX_GRANT_OCTETS + 100
