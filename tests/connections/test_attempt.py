"""What an answer leads to, decided in one place for our own calls and for people's own HTTP clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from valetkey.connections.attempt import MAX_ATTEMPTS, Attempt, attempt, next_attempt
from valetkey.errors import ConfigurationError
from valetkey.http import Headers, Request, Response
from valetkey.testing.world import PROVIDER_URL, World, sandbox_client
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.connections.settings import Settings

ME = Request("GET", f"{PROVIDER_URL}/oauth2/me")
MY_OTHER_ME = Request("GET", f"{PROVIDER_URL}/oauth1/me")


def world_of(**server: object) -> World:
    """A world with alice connected to both; server: changes to what is known of the OAuth 2.0 provider."""
    bound = bool(server.get("dpop_bound_access_tokens"))
    world = World(client=sandbox_client(dpop_bound_access_tokens=bound))
    world.settings = changed(world, **server)
    world.connect("two")
    world.connect("one")
    world.clock.time += 60
    return world


def changed(world: World, **server: object) -> Settings:
    two = world.settings.registrations["two"]
    two = replace(two, provider=replace(two.provider, server=replace(two.provider.server, **server)))
    return replace(world.settings, registrations={**world.settings.registrations, "two": two})


def begun(world: World, registration: str = "two", request: Request = ME) -> Attempt:
    return world.run(attempt(world.settings, request, registration=registration, resource_owner="alice"))


def wants(nonce: str) -> Response:
    return Response(401, Headers((("WWW-Authenticate", 'DPoP error="use_dpop_nonce"'), ("DPoP-Nonce", nonce))))


def test_a_server_that_is_never_content_is_asked_a_few_times_and_no_more() -> None:
    world = world_of(dpop_bound_access_tokens=True)
    attempts = [begun(world)]

    for number in range(20):
        following = world.run(next_attempt(world.settings, attempts[-1], wants(f"nonce-{number}")))
        if following is None:
            break
        attempts.append(following)

    assert attempts[-1].changed == ("nonce", "token", "nonce")
    assert len(attempts) == MAX_ATTEMPTS
    assert len({one.signed.headers.get("DPoP") for one in attempts}) == MAX_ATTEMPTS  # no proof twice
    assert world.refresh_requests() == 1


def test_two_attempts_that_were_refused_with_one_token_refresh_it_once() -> None:
    world = world_of()
    one, other = begun(world), begun(world)

    later = [world.run(next_attempt(world.settings, each, Response(401))) for each in (one, other)]

    assert [each and each.signed.headers.get("Authorization") for each in later].count(None) == 0
    assert later[0] is not None
    assert later[1] is not None
    assert later[0].signed.headers == later[1].signed.headers != one.signed.headers
    assert world.refresh_requests() == 1


@pytest.mark.parametrize("status", [200, 204, 302, 400, 403, 404, 429, 500, 503])
def test_what_is_no_refusal_of_the_token_stands(status: int) -> None:
    world = world_of()

    for registration, request in (("one", MY_OTHER_ME), ("two", ME)):
        found = begun(world, registration, request)
        assert world.run(next_attempt(world.settings, found, Response(status))) is None
    assert world.refresh_requests() == 0


def test_which_answers_are_looked_at_and_how_far() -> None:
    plain, bound = world_of(), world_of(dpop_bound_access_tokens=True)
    bearer, signed, proved = begun(plain), begun(plain, "one", MY_OTHER_ME), begun(bound)

    assert [one.asks_about(200) for one in (bearer, signed, proved)] == [False, False, True]  # each may name a nonce
    for status in (400, 401, 403):
        assert [one.asks_about(status) for one in (bearer, signed, proved)] == [True, True, True]
    for status in (200, 403):
        assert [one.reads_body(status) for one in (bearer, signed, proved)] == [False, False, False]
    assert [one.reads_body(401) for one in (bearer, signed, proved)] == [False, True, True]


def test_an_attempt_shows_nothing_of_what_it_holds() -> None:
    world = world_of()
    found = begun(world)
    assert found.tokens is not None

    shown = repr(found)

    assert found.tokens.access_token.reveal() not in shown
    assert "secret-of" not in shown
    assert shown == "Attempt(Request(GET http://127.0.0.1:8400), changed=())"


def test_tokens_that_are_bound_to_a_certificate_are_given_to_no_other_client() -> None:
    world = world_of()
    world.settings = changed(world, tls_client_certificate_bound_access_tokens=True)

    with pytest.raises(ConfigurationError, match="use session"):
        begun(world)
    with pytest.raises(ConfigurationError, match="use session"):
        world.vault().attempt_as_client(ME, registration="two")


def test_another_host_gets_no_attempt() -> None:
    world = world_of()

    with pytest.raises(ConfigurationError, match="not one of"):
        begun(world, request=Request("GET", "https://evil.example/"))
    with pytest.raises(ConfigurationError, match="not one of"):
        world.vault().attempt_as_client(Request("GET", "https://evil.example/"), registration="one")
