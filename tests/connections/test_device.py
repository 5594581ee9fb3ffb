"""Device authorization (RFC 8628): codes, the polling table, the page, and one connection in the end."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.steps import failure, row, token, works, world_of

from valetkey.async_vault import AsyncVault
from valetkey.connections.device import (
    DeviceAuthorization,
    DeviceStep,
    begin_device_authorization,
    poll_device_authorization,
)
from valetkey.errors import (
    AuthorizationDenied,
    AuthorizationExpired,
    CallbackError,
    ConfigurationError,
    MalformedResponse,
    ProviderError,
)
from valetkey.http import Headers, Request, Response
from valetkey.sandbox import approve_device
from valetkey.sandbox.visitor import VisitFailed
from valetkey.testing.crash import crashes
from valetkey.testing.interleave import schedules
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valetkey.effects import Op
    from valetkey.testing.world import World


def begin(world: World, **changes: Any) -> DeviceAuthorization:
    return world.run(begin_device_authorization(world.settings, "two", **{"resource_owner": "alice", **changes}))


def polling(world: World, begun: DeviceAuthorization, resource_owner: str = "alice") -> Op[DeviceStep]:
    return poll_device_authorization(world.settings, begun.handle, resource_owner=resource_owner)


def poll(world: World, begun: DeviceAuthorization, after: float = 6) -> DeviceStep:
    world.clock.time += after
    return world.run(polling(world, begun))


def decide(world: World, begun: DeviceAuthorization, decision: str = "allow", typed: str = "") -> str:
    code = typed or begun.user_code
    return approve_device(world.sandbox.respond, begun.verification_uri, code, decision=decision)


def asked(world: World) -> int:
    return world.sandbox.seen.count("token")


def answering(world: World, status: int, body: str, **headers: str) -> None:
    """The provider's next answer."""
    usual = world.sandbox.respond

    def respond(_: Request) -> Response:
        world.sandbox.respond = usual  # type: ignore[method-assign]
        more = tuple((name.replace("_", "-"), text) for name, text in headers.items())
        return Response(status, Headers((("Content-Type", "application/json"), *more)), body.encode())

    world.sandbox.respond = respond  # type: ignore[method-assign, assignment]


def test_a_code_that_is_typed_in_elsewhere_connects_the_account() -> None:
    world = world_of()
    begun = begin(world)
    assert begun.verification_uri == f"{world.sandbox.base_url}/device"
    assert begun.user_code in begun.verification_uri_complete
    assert poll(world, begun).connection is None

    assert decide(world, begun) == "Done"
    found = poll(world, begun).connection

    assert found is not None
    assert (found.resource_owner, found.state, found.scope) == ("alice", "active", ("read",))
    assert works(world, world.run(token(world)))
    world.clock.time += 4000
    assert works(world, world.run(token(world))), "it has a refresh token like any other"


def test_the_page_with_the_code_in_it_needs_no_typing() -> None:
    world = world_of()
    begun = begin(world)

    page = world.sandbox.respond(Request("GET", begun.verification_uri_complete))

    assert page.status == 200, "the sign-in page comes first"
    assert approve_device(world.sandbox.respond, begun.verification_uri_complete, begun.user_code) == "Done"


@pytest.mark.parametrize("change", [str.lower, lambda code: code.replace("-", ""), lambda code: f" {code}. "])
def test_case_and_punctuation_of_a_typed_code_do_not_matter(change: Any) -> None:
    world = world_of()
    begun = begin(world)

    assert decide(world, begun, typed=change(begun.user_code)) == "Done"


def test_polled_too_early_nobody_is_asked() -> None:
    world = world_of()
    begun = begin(world)

    step = poll(world, begun, after=1)

    assert step == DeviceStep(None, 4)
    assert asked(world) == 0


def test_a_page_that_polls_every_second_asks_the_provider_once_in_five() -> None:
    world = world_of()
    begun = begin(world)

    for _ in range(60):
        assert poll(world, begun, after=1).connection is None

    assert 8 <= asked(world) <= 12
    assert world.sandbox.seen.count("token", outcome="slow_down") == 0


def test_slow_down_adds_five_seconds_for_good() -> None:
    world = world_of()
    begun = begin(world)
    answering(world, 400, '{"error":"slow_down"}')

    assert poll(world, begun).retry_after == 10
    assert poll(world, begun, after=10).retry_after == 10


def test_a_provider_that_asks_to_come_back_is_polled_later() -> None:
    world = world_of()
    begun = begin(world)
    answering(world, 400, '{"error":"temporarily_unavailable"}')

    assert poll(world, begun).retry_after == 10


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_outage_doubles_the_wait_and_ends_nothing(status: int) -> None:
    world = world_of()
    begun = begin(world)
    world.sandbox.faults.add(endpoint="token", fault="status", status=status, times=2)

    assert poll(world, begun).retry_after == 10
    assert poll(world, begun, after=10).retry_after == 20
    _ = decide(world, begun)
    assert poll(world, begun, after=20).connection is not None


@pytest.mark.parametrize("fault", ["lose_response", "lose_request"])
def test_a_lost_poll_doubles_the_wait(fault: str) -> None:
    world = world_of()
    begun = begin(world)
    world.sandbox.faults.add(endpoint="token", fault=fault)

    assert poll(world, begun).retry_after == 10
    _ = decide(world, begun)
    assert poll(world, begun, after=10).connection is not None


def test_retry_after_is_kept_to_and_bounded() -> None:
    world = world_of()
    begun = begin(world)
    answering(world, 429, "{}", Retry_After="40")

    assert poll(world, begun).retry_after == 40

    answering(world, 429, "{}", Retry_After="86400")
    assert poll(world, begun, after=41).retry_after == 300


def test_a_lost_answer_with_the_tokens_in_it_says_begin_again() -> None:
    world = world_of()
    begun = begin(world)
    _ = decide(world, begun)
    world.sandbox.faults.add(endpoint="token", fault="lose_response")
    assert poll(world, begun).connection is None

    world.clock.time += 10
    error = failure(world, polling(world, begun))

    assert isinstance(error, AuthorizationExpired)
    assert error.reason == "in_doubt"
    assert row(world) is None


def test_a_denial_is_told_to_everybody_who_polls_and_leaves_no_code_behind() -> None:
    world = world_of()
    begun = begin(world)
    assert decide(world, begun, "deny") == "Access denied"
    world.clock.time += 6

    for _ in range(2):
        error = failure(world, polling(world, begun))
        assert isinstance(error, AuthorizationDenied)
        assert error.reason == "access_denied"
    assert asked(world) == 1
    assert row(world) is None
    assert all(not each.sealed for each in world.store.rows._rows.values())


def test_a_code_that_nobody_typed_in_expires() -> None:
    world = world_of()
    begun = begin(world)
    world.clock.time += 601

    error = failure(world, polling(world, begun))

    assert isinstance(error, AuthorizationExpired)
    assert error.reason == "flow_expired"
    assert asked(world) == 0
    with pytest.raises(VisitFailed):
        decide(world, begun)


def test_it_is_finished_once_and_answers_the_same_afterwards() -> None:
    world = world_of()
    begun = begin(world)
    _ = decide(world, begun)
    first = poll(world, begun).connection

    again = poll(world, begun, after=0).connection

    assert first is not None
    assert again is not None
    assert (again.generation, again.incarnation) == (first.generation, first.incarnation)
    assert world.sandbox.seen.count("token", outcome="ok") == 1


def test_only_who_began_it_can_finish_it() -> None:
    world = world_of()
    begun = begin(world)
    _ = decide(world, begun)
    world.clock.time += 6

    error = failure(world, polling(world, begun, "mallory"))

    assert isinstance(error, CallbackError)
    assert error.reason == "user_changed"
    assert asked(world) == 0


@pytest.mark.parametrize("handle", ["", "x", "A" * 43, "A" * 5000, "é", "../..", "A" * 42 + "="])
def test_a_handle_that_is_none_is_unknown(handle: str) -> None:
    world = world_of()
    _ = begin(world)

    error = failure(world, poll_device_authorization(world.settings, handle, resource_owner="alice"))

    assert isinstance(error, CallbackError)
    assert error.reason == "handle_unknown"


def test_the_handle_of_a_device_does_not_complete_a_link_nor_the_other_way_round() -> None:
    from valetkey.connections.links import complete_authorization

    world = world_of()
    begun = begin(world)

    error = failure(world, complete_authorization(world.settings, begun.handle, resource_owner="alice"))

    assert isinstance(error, AuthorizationExpired)


@pytest.mark.parametrize(
    "error", ["invalid_client", "unauthorized_client", "invalid_request", "unsupported_grant_type"]
)
def test_a_refusal_that_waiting_does_not_mend_is_raised(error: str) -> None:
    world = world_of()
    begun = begin(world)
    answering(world, 400, json.dumps({"error": error}))
    world.clock.time += 6

    found = failure(world, polling(world, begun))

    assert isinstance(found, ProviderError)
    assert found.error == error
    _ = decide(world, begun)
    assert poll(world, begun).connection is not None, "the developer has mended it meanwhile"


GOOD = {"device_code": "d", "user_code": "AB-CD", "verification_uri": "https://as.example/device", "expires_in": 60}


@pytest.mark.parametrize(
    "changes",
    [
        {"device_code": None},
        {"device_code": ""},
        {"device_code": 7},
        {"device_code": "d" * 5000},
        {"user_code": None},
        {"user_code": "A\nB"},
        {"user_code": "\u202eAB"},
        {"user_code": "A" * 65},
        {"verification_uri": None},
        {"verification_uri": "javascript:alert(1)"},
        {"verification_uri": "http://as.example/device"},
        {"verification_uri": "//as.example"},
        {"verification_uri": "https://as.example/" + "a" * 3000},
        {"verification_uri_complete": "data:text/html,x"},
        {"expires_in": None},
        {"expires_in": 0},
        {"expires_in": -5},
        {"expires_in": True},
        {"expires_in": "soon"},
        {"expires_in": 10**12},
        {"interval": -1},
        {"interval": "x"},
        {"interval": 100_000},
    ],
)
def test_codes_that_could_not_be_shown_or_polled_with_are_refused(changes: dict[str, object]) -> None:
    world = world_of()
    answering(world, 200, json.dumps({name: text for name, text in {**GOOD, **changes}.items() if text is not None}))

    error = failure(world, begin_device_authorization(world.settings, "two", resource_owner="alice"))

    assert isinstance(error, MalformedResponse)
    assert len(world.store.rows._rows) == 0


@pytest.mark.parametrize("body", ["", "[]", "<html>", '{"device_code":"d"', "a=b"])
def test_an_answer_that_is_none_is_malformed(body: str) -> None:
    world = world_of()
    answering(world, 200, body)

    error = failure(world, begin_device_authorization(world.settings, "two", resource_owner="alice"))

    assert isinstance(error, MalformedResponse)


def test_older_spellings_are_read() -> None:
    world = world_of()
    older = {"device_code": "d", "user_code": "AB-CD", "verification_url": "https://g.example/d", "expires_in": "60"}
    answering(world, 200, json.dumps(older))

    begun = begin(world)

    assert (begun.verification_uri, begun.interval) == ("https://g.example/d", 5)


def test_a_provider_without_the_endpoint_and_oauth_1_say_so() -> None:
    world = world_of()
    two = world.settings.registrations["two"]
    server: Any = two.provider.server
    lacking = replace(two, provider=replace(two.provider, server=replace(server, device_authorization_endpoint=None)))
    settings = replace(world.settings, registrations={**world.settings.registrations, "two": lacking})

    for found, name in ((settings, "two"), (settings, "one")):
        error = failure(world, begin_device_authorization(found, name, resource_owner="alice"))
        assert isinstance(error, ConfigurationError)
    assert world.network.sent == []


def test_both_vaults_have_it() -> None:
    world = world_of()

    async def connect() -> DeviceStep:
        vault = AsyncVault(
            world.settings, store=world.store, keys=world.keys, transport=world.network, clock=world.clock
        )
        begun = await vault.begin_device_authorization("two", "alice", scope=("read", "write"), account="work")
        _ = decide(world, begun)
        world.clock.time += 6
        return await vault.poll_device_authorization(begun.handle, "alice")

    found = asyncio.run(connect()).connection
    assert found is not None
    assert (found.account, found.scope) == ("work", ("read", "write"))

    begun = world.vault().begin_device_authorization("two", "bob")
    assert world.vault().poll_device_authorization(begun.handle, "bob").connection is None


def test_a_crash_at_any_effect_of_a_poll_connects_or_says_begin_again() -> None:
    world = world_of()
    begun = begin(world)
    _ = decide(world, begun)
    world.clock.time += 6
    ends = {"connected": 0, "in_doubt": 0}
    step: DeviceStep | None
    reason = ""

    for crashed in crashes(world.fork, lambda fork: polling(fork, begun)):
        after = crashed.world
        spent = after.sandbox.seen.count("token", outcome="ok")
        after.clock.time += 60
        try:
            step = after.run(polling(after, begun))
        except AuthorizationExpired as error:
            step, reason = None, error.reason
        if step is None:
            assert reason == "in_doubt", crashed
            assert spent, crashed
            ends["in_doubt"] += 1
            continue
        assert step.connection is not None, crashed
        assert works(after, after.run(token(after))), crashed
        ends["connected"] += 1
    assert min(ends.values()) >= 3


def test_a_crash_while_beginning_leaves_nothing_that_hinders() -> None:
    world = world_of()

    for crashed in crashes(
        world.fork, lambda fork: begin_device_authorization(fork.settings, "two", resource_owner="alice")
    ):
        begun = begin(crashed.world)
        _ = decide(crashed.world, begun)
        assert poll(crashed.world, begun).connection is not None, crashed


# --- the sandbox's page


def test_codes_cannot_be_guessed_by_trying() -> None:
    world = world_of()
    begun = begin(world)

    for _ in range(5):
        with pytest.raises(VisitFailed, match="status 400"):
            decide(world, begun, typed="BBBB-BBBB")
    with pytest.raises(VisitFailed, match="status 429"):
        decide(world, begun)
    world.clock.time += 301
    assert decide(world, begun) == "Done"


def test_a_code_is_typed_in_once() -> None:
    world = world_of()
    begun = begin(world)
    _ = decide(world, begun)

    with pytest.raises(VisitFailed):
        decide(world, begun)


def test_who_polls_faster_than_the_interval_is_told_to_slow_down() -> None:
    from valetkey.oauth2.device import device_token, request_device_codes

    world = world_of()
    two: Any = world.settings.registrations["two"]
    server, client = two.provider.server, two.client
    codes = world.run(request_device_codes(server, client, not_after=world.clock.time + 10))

    for expected in ("authorization_pending", "slow_down", "slow_down"):
        program = device_token(server, client, device_code=codes.device_code, not_after=world.clock.time + 10)
        error = failure(world, program)
        assert isinstance(error, ProviderError)
        assert error.error == expected


def test_two_who_poll_at_once_ask_once_whatever_the_order() -> None:
    world = world_of()
    begun = begin(world)
    _ = decide(world, begun)
    world.clock.time += 6
    asked_before = asked(world)

    def make() -> tuple[World, Sequence[Op[Any]]]:
        fork = world.fork()
        return fork, [polling(fork, begun), polling(fork, begun)]

    runs = 0
    for run in schedules(make, depth=14):
        assert run.errors == [None, None], run
        assert asked(run.world) - asked_before <= 1, run
        connected = [step.connection for step in run.results if step.connection is not None]
        assert connected, run
        assert {one.generation for one in connected} == {1}, run
        runs += 1
    assert runs >= 20
