"""Every request: the right credentials, to the provider's own hosts only; 401s bring one refresh and no storm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.steps import credentials, expired, failure, standing, token, works, world_of

from valetkey.connections.call import call
from valetkey.connections.lifetimes import refresh_due_at
from valetkey.connections.sign import access_token, check_target, sign
from valetkey.errors import ConfigurationError, ProviderError, ReauthorizationRequired, RefreshInProgress
from valetkey.http import Headers, Request
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.effects import Op
    from valetkey.testing.world import World


def me(world: World, registration: str = "two") -> Request:
    return Request("GET", f"{world.sandbox.base_url}/oauth{'1' if registration == 'one' else '2'}/me")


def calling(world: World, registration: str = "two", request: Request | None = None) -> Op[Any]:
    return call(world.settings, request or me(world, registration), registration=registration, resource_owner="alice")


@pytest.mark.parametrize("registration", ["one", "two"])
def test_a_signed_request_is_answered(registration: str) -> None:
    world = world_of()
    _ = world.connect(registration)

    assert world.run(calling(world, registration)).status == 200


@pytest.mark.parametrize("registration", ["one", "two"])
@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "https://127.0.0.1.evil.example/",
        "https://evil.example/?127.0.0.1",
        "https://127.0.0.1@evil.example/",
        "https://evil.example#127.0.0.1",
        "https://127.0.0.1\\.evil.example/",
        "http://evil.example/",
        "//127.0.0.1/",
        "/me",
        "ftp://127.0.0.1/",
        "https://127.0.0.1./",
        "https://0x7f.0.0.1/",
        "https://localhost/",
        "https://[::1]/",
        "",
        "https://127.0.0.1/\r\nX: y",
        "https://127.0.0.1/é",
    ],
)
def test_nothing_sends_credentials_to_a_host_that_is_not_the_providers(registration: str, url: str) -> None:
    world = world_of()
    _ = world.connect(registration)
    sent = len(world.network.sent)

    for program in (
        calling(world, registration, Request("GET", url)),
        sign(world.settings, Request("GET", url), registration=registration, resource_owner="alice"),
    ):
        assert isinstance(failure(world, program), ConfigurationError)
    assert len(world.network.sent) == sent


@pytest.mark.parametrize(
    ("hosts", "url", "allowed"),
    [
        (("api.example.com",), "https://api.example.com/x", True),
        (("api.example.com",), "https://API.EXAMPLE.COM/x", True),
        (("api.example.com",), "https://xapi.example.com/x", False),
        (("api.example.com",), "https://api.example.com.evil.example/x", False),
        (("*.example.com",), "https://api.example.com/x", True),
        (("*.example.com",), "https://a.b.example.com/x", True),
        (("*.example.com",), "https://example.com/x", False),
        (("*.example.com",), "https://evilexample.com/x", False),
        (("*.example.com",), "http://api.example.com/x", False),
        (("*.example.com",), "https://.example.com/x", False),
        (("*.example.com",), "https://a..example.com/x", False),
        (("api.example.com",), "https://api.example.com:443/x", True),
        (("api.example.com",), "https://api.example.com:8443/x", False),
    ],
)
def test_hosts_are_compared_whole(hosts: tuple[str, ...], url: str, allowed: bool) -> None:
    two = world_of().settings.registrations["two"]
    registration = replace(two, provider=replace(two.provider, api_hosts=hosts, loopback_allowed=False))
    try:
        check_target(registration, Request("GET", url))
    except ConfigurationError:
        assert not allowed
    else:
        assert allowed


def test_a_provider_on_a_port_of_its_own_gets_its_credentials_there() -> None:
    two = world_of().settings.registrations["two"]
    server = replace(two.provider.server, token_endpoint="https://git.example.com:8443/token")
    provider = replace(two.provider, server=server, api_hosts=("git.example.com",), loopback_allowed=False)
    registration = replace(two, provider=provider)

    check_target(registration, Request("GET", "https://git.example.com:8443/api"))
    with pytest.raises(ConfigurationError, match="port 9443"):
        check_target(registration, Request("GET", "https://git.example.com:9443/api"))


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
@pytest.mark.parametrize("registration", ["one", "two"])
def test_an_authorization_header_of_the_callers_own_is_an_error(registration: str, name: str) -> None:
    world = world_of()
    _ = world.connect(registration)
    request = replace(me(world, registration), headers=Headers(((name, "Basic abc"),)))

    assert isinstance(failure(world, calling(world, registration, request)), ConfigurationError)


def test_an_access_token_of_oauth_1_is_not_given_out_without_a_signature() -> None:
    world = world_of()
    _ = world.connect("one")
    error = failure(world, access_token(world.settings, "one", resource_owner="alice"))
    assert isinstance(error, ConfigurationError)
    assert "sign" in str(error)


def test_nobody_is_served_with_anothers_tokens() -> None:
    world = world_of()
    _ = world.connect("two", "alice")
    error = failure(world, access_token(world.settings, "two", resource_owner="bob"))
    assert isinstance(error, ReauthorizationRequired)
    assert error.reason == "not_connected"
    assert "must connect at https" in str(error)
    assert error.connect_url == "https://app.example/oauth/connect/two"
    error = failure(world, access_token(world.settings, "two", resource_owner="alice", account="work"))
    assert isinstance(error, ReauthorizationRequired)


# --- 401


def ended_early(world: World) -> None:
    """The provider ends every access token without a word."""
    world.sandbox.state.access_tokens.clear()


def test_a_401_is_answered_by_one_refresh_and_one_more_request() -> None:
    world = world_of()
    _ = world.connect()
    world.clock.time += 100
    ended_early(world)

    assert world.run(calling(world)).status == 200
    assert world.refresh_requests() == 1
    assert world.sandbox.seen.count("me") == 2


def test_a_provider_that_answers_401_for_ever_is_refreshed_once_in_thirty_seconds() -> None:
    world = world_of()
    _ = world.connect()
    world.clock.time += 100
    world.sandbox.faults.add(endpoint="me", fault="status", status=401, times=1000)

    began, words = world.clock.now(), set()
    for _ in range(50):
        try:
            assert world.run(calling(world)).status == 401
        except ProviderError as error:
            words.add(error.error)
        world.clock.time += 3
    assert world.refresh_requests() <= (world.clock.now() - began) / 30 + 1
    assert words == {"access_token_rejected"}


def test_a_401_for_a_token_that_was_replaced_meanwhile_takes_the_new_one() -> None:
    world = world_of()
    _ = world.connect()
    old = credentials(world).current.access_token
    world.clock.time += 3601
    fresh = world.run(token(world))

    assert world.run(token(world, rejected=old)) == fresh
    assert world.refresh_requests() == 1


def test_a_403_brings_no_refresh() -> None:
    world = world_of()
    _ = world.connect()
    world.sandbox.faults.add(endpoint="me", fault="status", status=403)

    assert world.run(calling(world)).status == 403
    assert world.refresh_requests() == 0


def test_a_401_of_oauth_1_is_the_answer() -> None:
    world = world_of()
    _ = world.connect("one")
    world.sandbox.state.token_credentials.clear()

    assert world.run(calling(world, "one")).status == 401


# --- lifetimes


@pytest.mark.parametrize("seconds", [1, 2, 5, 30, 60, 300, 3600])
def test_short_tokens_are_not_refreshed_for_ever(seconds: int) -> None:
    world = world_of("strict_family", access_token_seconds=seconds)
    _ = world.connect()
    began = world.clock.now()

    for _ in range(100):
        _ = world.run(token(world))
        world.clock.time += seconds / 10

    lives = (world.clock.now() - began) / seconds
    assert world.refresh_requests() <= lives * 1.6 + 2, "four fifths of a life, less the jitter, or longer"


def test_a_token_of_thirty_seconds_has_a_margin_of_six() -> None:
    for octet in range(256):
        due = refresh_due_at(1000.0, 1030, chance=bytes([octet]))
        assert 1022 <= due <= 1024
        assert 3600 - 76 <= refresh_due_at(0, 3600, chance=bytes([octet])) <= 3600 - 60
    assert refresh_due_at(1000.0, 0, chance=b"\0") == 0


def test_a_token_without_a_lifetime_is_used_until_it_is_refused() -> None:
    world = world_of()
    _ = world.connect()
    from tests.connections.steps import record

    from valetkey.connections.records import write_record

    at = record(world)
    endless = replace(at.connection, access_expires_at=0, refresh_due_at=0)
    assert world.run(write_record(at.key, at.version, endless, at.sealed)) is not None
    world.clock.time += 86_400 * 20

    old = credentials(world).current.access_token
    assert world.run(token(world)) == old
    assert world.run(token(world, rejected=old)) != old


def test_an_expired_connection_without_a_refresh_token_asks_the_resource_owner() -> None:
    world = world_of(refresh_tokens=False)
    _ = world.connect()
    assert works(world, world.run(token(world)))
    world.clock.time += 3601

    error = failure(world, token(world))

    assert isinstance(error, ReauthorizationRequired)
    assert error.reason == "expired_without_refresh_token"
    assert (standing(world).state, standing(world).last_error) == ("needs_reauthorization", error.reason)
    assert world.refresh_requests() == 0
    _ = world.connect()
    assert works(world, world.run(token(world)))


def test_a_clock_that_jumps_back_costs_at_most_a_refresh() -> None:
    world = expired("strict_family")
    _ = world.run(token(world))
    world.clock.time -= 86_400
    assert works(world, world.run(token(world)))
    world.clock.time += 2 * 86_400
    assert works(world, world.run(token(world)))


def test_with_too_little_time_left_nothing_is_claimed() -> None:
    world = expired("strict")
    world.clock.left = 2.0

    assert isinstance(failure(world, token(world)), RefreshInProgress)
    assert standing(world).state == "active"
    assert world.refresh_requests() == 0

    world.clock.time -= 20
    assert world.run(token(world)) == credentials(world).current.access_token


def test_a_cached_token_is_served_without_the_store_for_thirty_seconds_and_not_after_it_is_due() -> None:
    from valetkey.testing.world import World, sandbox_client

    world = World(client=sandbox_client(access_token_seconds=40), cache=True)
    _ = world.connect()
    fresh = world.run(token(world))
    loads: list[object] = []
    load = world.store.load
    world.store.load = lambda key: loads.append(key) or load(key)  # type: ignore[func-returns-value, method-assign]

    world.clock.time += 20
    assert world.run(token(world)) == fresh
    assert loads == []
    world.clock.time += 15
    assert world.run(token(world)) != fresh
    assert loads


def test_a_cached_token_that_was_refused_is_not_served_again() -> None:
    from valetkey.testing.world import World, sandbox_client

    world = World(client=sandbox_client(), cache=True)
    _ = world.connect()
    old = world.run(token(world))
    world.clock.time += 31
    _ = world.run(token(world))

    fresh = world.run(token(world, rejected=old))

    assert fresh != old
    assert world.run(token(world)) == fresh


def test_two_owners_in_one_process_never_share_a_cached_token() -> None:
    from valetkey.testing.world import World, sandbox_client

    world = World(client=sandbox_client(), cache=True)
    _ = world.connect("two", "alice")
    _ = world.connect("two", "bob")
    one = world.run(token(world))
    other = world.run(access_token(world.settings, "two", resource_owner="bob"))
    assert one != other
    assert world.run(token(world)) == one
