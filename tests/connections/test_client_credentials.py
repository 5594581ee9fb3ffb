"""Tokens of the application itself (RFC 6749 section 4.4): one for the fleet, renewed by asking again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.connections.steps import failure, world_of

from valetkey.async_vault import AsyncVault
from valetkey.connections.client import client_token, scope_label
from valetkey.connections.codec import APPLICATION, connection_key
from valetkey.connections.keepalive import keepalive
from valetkey.connections.manage import connections
from valetkey.errors import (
    ConfigurationError,
    ProviderError,
    RefreshInProgress,
    RequestRefused,
    StoreError,
    TransportError,
)
from valetkey.http import Headers, Request, Response
from valetkey.providers.registration import register
from valetkey.testing.crash import crashes
from valetkey.testing.interleave import schedules
from valetkey.testing.world import BASE_URL, PROVIDER_URL, World
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from valetkey.connections.connection import Connection
    from valetkey.effects import Op
    from valetkey.secret import Secret

CLIENT = f"{PROVIDER_URL}/oauth2/client"


def token(world: World, scope: tuple[str, ...] | None = None, rejected: Secret | None = None) -> Op[Secret]:
    return client_token(world.settings, "two", scope=scope, rejected=rejected)


def asked(world: World) -> int:
    return world.sandbox.seen.count("token", grant_type="client_credentials")


def answering(world: World, status: int, body: str) -> None:
    """The provider's next answer."""
    usual = world.sandbox.respond

    def respond(_: Request) -> Response:
        world.sandbox.respond = usual  # type: ignore[method-assign]
        return Response(status, Headers((("Content-Type", "application/json"),)), body.encode())

    world.sandbox.respond = respond  # type: ignore[method-assign, assignment]


def works(world: World, secret: Secret) -> bool:
    headers = Headers((("Authorization", f"Bearer {secret.reveal()}"),))
    return world.sandbox.respond(Request("GET", CLIENT, headers)).status == 200


def own(world: World) -> tuple[Connection, ...]:
    page = world.run(connections(world.settings))
    return tuple(one for one in page.connections if one.resource_owner == APPLICATION)


def test_a_client_gets_a_token_of_its_own_and_keeps_it_for_everybody() -> None:
    world = world_of()

    first = world.run(token(world))
    again = world.run(token(world))

    assert first == again
    assert works(world, first)
    assert asked(world) == 1
    [connection] = own(world)
    assert (connection.state, connection.scope, connection.registration) == ("active", ("read",), "two")


def test_it_is_renewed_by_asking_again() -> None:
    world = world_of()
    first = world.run(token(world))
    world.clock.time += 3601

    second = world.run(token(world))

    assert first != second
    assert works(world, second)
    assert (asked(world), world.refresh_requests()) == (2, 0)


def test_inside_the_margin_an_outage_of_the_provider_costs_nothing() -> None:
    world = world_of()
    first = world.run(token(world))
    world.clock.time += 3590
    world.sandbox.faults.add(endpoint="token", fault="status", status=503, times=9)

    assert world.run(token(world)) == first


def test_another_scope_is_another_token() -> None:
    world = world_of()

    both = world.run(token(world, ("write", "read")))

    assert both != world.run(token(world, ("read",)))
    assert both == world.run(token(world, ("read", "write")))
    assert asked(world) == 2


def test_a_long_scope_still_has_a_row() -> None:
    label = scope_label(tuple(f"https://api.example/{number}" for number in range(40)))

    assert len(label) == 64
    assert connection_key("two", APPLICATION, label)


def test_a_refused_token_is_replaced_once_for_all_who_were_refused() -> None:
    world = world_of()
    first = world.run(token(world))
    world.clock.time += 100
    world.sandbox.state.access_tokens.clear()

    second = world.run(token(world, rejected=first))
    third = world.run(token(world, rejected=first))

    assert second == third != first
    assert asked(world) == 2


def test_the_session_of_the_client_alone_carries_it_and_renews_it_after_a_401() -> None:
    world = world_of()
    session = world.vault().client_session("two")
    assert session.get(CLIENT).json() == {"client": "client-two"}
    world.clock.time += 100
    world.sandbox.state.access_tokens.clear()

    assert session.get(CLIENT).json() == {"client": "client-two"}
    assert asked(world) == 2


def test_it_opens_nobodys_account() -> None:
    world = world_of()

    assert world.vault().client_session("two").get(f"{PROVIDER_URL}/oauth2/me").status == 403


def test_a_request_can_be_authorized_for_somebody_elses_http_client() -> None:
    world = world_of()

    signed = world.vault().sign_as_client(Request("GET", CLIENT), registration="two")

    assert world.sandbox.respond(signed).status == 200


@pytest.mark.parametrize("url", ["https://evil.example/", "http://evil.example/", "https://127.0.0.1.evil.example/"])
def test_it_goes_to_the_providers_hosts_only_and_is_not_even_asked_for(url: str) -> None:
    world = world_of()

    with pytest.raises(ConfigurationError):
        world.vault().client_session("two").get(url)
    with pytest.raises(ConfigurationError):
        world.vault().sign_as_client(Request("GET", url), registration="two")
    assert world.network.sent == []


def test_both_vaults_have_it() -> None:
    world = world_of()

    async def ask() -> Secret:
        vault = AsyncVault(
            world.settings, store=world.store, keys=world.keys, transport=world.network, clock=world.clock
        )
        assert (await vault.client_session("two").get(CLIENT)).json() == {"client": "client-two"}
        return await vault.client_token("two")

    assert asyncio.run(ask()) == world.vault().client_token("two")
    assert asked(world) == 1


def test_oauth_1_and_public_clients_have_none() -> None:
    world = world_of()
    two = world.settings.registrations["two"]
    public = register("two", two.provider, client_id="p", redirect_uri=f"{BASE_URL}/callback/two", public_client=True)
    settings = replace(world.settings, registrations={**world.settings.registrations, "public": public})

    assert "sign_as_client" in str(failure(world, client_token(world.settings, "one")))
    assert "public client" in str(failure(world, client_token(settings, "public")))
    assert world.network.sent == []


@pytest.mark.parametrize("error", ["invalid_client", "unauthorized_client", "invalid_scope", "invalid_grant"])
def test_a_refusal_is_the_developers_and_asks_no_resource_owner(error: str) -> None:
    world = world_of()
    answering(world, 400, f'{{"error":"{error}"}}')

    found = failure(world, token(world))

    assert isinstance(found, ProviderError)
    assert found.error == ("unauthorized_client" if error == "invalid_grant" else error)
    assert [one.state for one in own(world)] == ["active"]
    world.clock.time += 30
    assert works(world, world.run(token(world)))


@pytest.mark.parametrize("fault", ["lose_response", "lose_request"])
def test_a_lost_answer_cools_down_and_is_asked_for_again(fault: str) -> None:
    world = world_of()
    world.sandbox.faults.add(endpoint="token", fault=fault)

    assert isinstance(failure(world, token(world)), TransportError)
    assert isinstance(failure(world, token(world)), RefreshInProgress)
    world.clock.time += 30
    assert works(world, world.run(token(world)))


@pytest.mark.parametrize(
    "body", ["", "null", "[]", "<html>", '{"access_token":""}', '{"access_token":"a b","token_type":"bearer"}']
)
def test_an_answer_that_is_none_is_not_stored(body: str) -> None:
    world = world_of()
    answering(world, 200, body)

    assert isinstance(failure(world, token(world)), ProviderError)
    world.clock.time += 30
    assert works(world, world.run(token(world)))


def test_a_refresh_token_that_comes_along_is_dropped() -> None:
    world = world_of()
    body = '{"access_token":"at","token_type":"bearer","expires_in":60,"refresh_token":"rt"}'
    answering(world, 200, body)
    assert world.run(token(world)).reveal() == "at"
    world.clock.time += 61

    assert works(world, world.run(token(world)))
    assert world.refresh_requests() == 0


def test_a_store_that_is_out_is_not_asked_past() -> None:
    world = world_of()
    world.store.outages = 1

    assert isinstance(failure(world, token(world)), StoreError)
    assert asked(world) == 0


def test_nobody_can_be_called_what_the_client_is_called() -> None:
    world = world_of()
    vault = world.vault()
    _ = vault.client_token("two")

    for verb in (vault.access_token, vault.revoke, vault.forget, vault.connection, vault.begin_authorization):
        with pytest.raises(ConfigurationError, match="no resource owner can be called"):
            verb("two", APPLICATION)
    with pytest.raises(ConfigurationError):
        vault.session("two", APPLICATION).get(CLIENT)
    assert len(own(world)) == 1


def test_a_browser_that_is_signed_in_under_that_name_is_nobody() -> None:
    from valetkey.web.routes import respond

    world = world_of()
    response = world.run(respond(world.settings, Request("GET", "/oauth/connections"), APPLICATION))

    assert response.status == 401
    assert RequestRefused.status == 400


def test_a_sweep_leaves_it_alone() -> None:
    world = world_of()
    _ = world.run(token(world))
    world.clock.time += 400 * 86_400

    report = world.run(keepalive(world.settings))

    assert (report.seen, report.waiting, report.failed) == (1, (), 0)


@pytest.mark.parametrize("renewing", [False, True])
def test_a_crash_at_any_effect_leaves_what_the_next_caller_can_use(renewing: bool) -> None:
    world = world_of()
    if renewing:
        _ = world.run(token(world))
        world.clock.time += 3601
    before, count = asked(world), 0

    for crashed in crashes(world.fork, token):
        after = crashed.world
        after.clock.time += 60
        assert works(after, after.run(token(after))), crashed
        assert len(own(after)) == 1, crashed
        assert asked(after) <= 2, (before, crashed)
        count += 1
    assert count >= 30


@pytest.mark.parametrize("renewing", [False, True])
def test_two_who_need_a_token_at_once_ask_once_whatever_the_order(renewing: bool) -> None:
    world = world_of()
    if renewing:
        _ = world.run(token(world))
        world.clock.time += 3601

    def make() -> tuple[World, Sequence[Op[Any]]]:
        fork = world.fork()
        return fork, [token(fork), token(fork)]

    runs = 0
    for run in schedules(make, depth=12):
        assert run.errors == [None, None], run
        assert asked(run.world) == 1, run
        assert run.results[0] == run.results[1], run
        runs += 1
    assert runs >= 50
