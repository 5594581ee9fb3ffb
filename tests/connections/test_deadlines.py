"""A function whose whole timeout can never suffice for a refresh is told so, when nothing else helps, and only then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.connections.steps import credentials, expired, failure, standing, token, world_of
from tests.simulation.pausing import until_after_send

from valetkey.drivers import clock as clocks
from valetkey.drivers.clock import SystemClock, invocation, seconds_left
from valetkey.errors import ConfigurationError, RefreshInProgress
from valetkey.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable

    from valetkey.testing.world import World


def hurried(world: World, seconds: float = 2.0) -> World:
    world.clock.left = world.clock.allowed = seconds
    return world


def test_a_timeout_that_never_suffices_is_named() -> None:
    world = hurried(expired())

    error = failure(world, token(world))

    assert isinstance(error, ConfigurationError)
    assert "timeout of 2.0 s" in str(error)
    assert "more than 2.5 s" in str(error)
    assert world.refresh_requests() == 0
    assert standing(world).attempt == "", "nothing was claimed"


def test_a_valid_token_needs_no_time() -> None:
    world = world_of()
    _ = world.connect()

    assert hurried(world).run(token(world)) == credentials(world).current.access_token


def test_a_token_in_its_margin_is_still_used() -> None:
    world = expired()
    world.clock.time -= 20
    assert standing(world).refresh_due_at <= world.clock.now()

    assert hurried(world).run(token(world)) == credentials(world).current.access_token


def test_an_invocation_that_merely_has_little_time_left_is_asked_to_come_back() -> None:
    world = expired()
    world.clock.left = 2.0

    assert isinstance(failure(world, token(world)), RefreshInProgress)


def test_another_callers_refresh_helps_so_nothing_is_wrong_with_the_timeout() -> None:
    world = expired()
    paused = until_after_send(world, token(world))

    assert isinstance(failure(hurried(world), token(world)), RefreshInProgress)
    fresh = paused.finish()
    assert world.run(token(world)) == fresh


def test_while_it_cools_down_the_timeout_is_not_to_blame() -> None:
    world = expired()
    world.sandbox.faults.add(endpoint="token", fault="status", status=503, when="before")
    _ = failure(world, token(world))

    assert isinstance(failure(hurried(world), token(world)), RefreshInProgress)


class LambdaContext:
    """The part of AWS Lambda's context that says how long there is."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


@pytest.fixture
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """No invocation was seen yet."""
    monkeypatch.setattr(clocks, "_longest", 0.0)


class Shifted(SystemClock):
    """The machine's clock for what is left, the world's for what time it is."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> float:
        return self._world.clock.now()


@pytest.mark.usefixtures("fresh_process")
def test_a_lambda_function_of_two_seconds_is_told_and_one_of_three_refreshes() -> None:
    world = expired()
    vault = Vault(world.settings, store=world.store, keys=world.keys, transport=world.network, clock=Shifted(world))

    with vault.invocation(LambdaContext(2.0)), pytest.raises(ConfigurationError, match=r"timeout of 2\.0 s"):
        _ = vault.access_token("two", "alice")
    with vault.invocation(LambdaContext(3.0)):
        _ = vault.access_token("two", "alice")

    assert standing(world).generation == 2


@pytest.mark.usefixtures("fresh_process")
def test_a_handler_that_tells_late_does_not_make_the_timeout_look_short() -> None:
    world = expired()
    vault = Vault(world.settings, store=world.store, keys=world.keys, transport=world.network, clock=Shifted(world))
    with vault.invocation(LambdaContext(30)):
        pass

    with vault.invocation(LambdaContext(1.5)), pytest.raises(RefreshInProgress):
        _ = vault.access_token("two", "alice")


@pytest.mark.usefixtures("fresh_process")
def test_where_nobody_said_a_timeout_is_not_short() -> None:
    assert SystemClock().whole() == 30
    with invocation(2):
        assert SystemClock().whole() == 2
    with invocation(20):
        assert SystemClock().whole() == 20
    assert SystemClock().whole() == 30


class AzureContext:
    """What Azure Functions pass: names, and nothing of time."""

    invocation_id = "8f1"
    function_name = "charge"
    function_directory = "/home/site/wwwroot/charge"


class GoogleContext:
    """What Google Cloud Functions pass to an event's function."""

    event_id = "1"
    timestamp = "2026-11-22T01:00:00Z"
    event_type = "google.pubsub.topic.publish"
    resource = ""


@pytest.mark.parametrize(
    ("context", "environ", "seconds"),
    [
        (AzureContext(), {}, 30.0),
        (AzureContext(), {"AzureFunctionsJobHost__functionTimeout": "00:10:00"}, 600.0),
        (AzureContext(), {"AzureFunctionsJobHost__functionTimeout": "1.00:00:01"}, 86_401.0),
        (AzureContext(), {"AzureFunctionsJobHost__functionTimeout": "-1"}, 30.0),
        (GoogleContext(), {}, 30.0),
        (GoogleContext(), {"CLOUD_RUN_TIMEOUT_SECONDS": "300"}, 300.0),
        (GoogleContext(), {"FUNCTION_TIMEOUT_SEC": "60"}, 60.0),
        (None, {"CLOUD_RUN_TIMEOUT_SECONDS": "soon"}, 30.0),
        (None, {"CLOUD_RUN_TIMEOUT_SECONDS": "1.5"}, 30.0),
        (12, {"CLOUD_RUN_TIMEOUT_SECONDS": "300"}, 12.0),
        (LambdaContext(2.5), {"CLOUD_RUN_TIMEOUT_SECONDS": "300"}, 2.5),
    ],
)
def test_what_each_platform_tells_of_time(context: object, environ: dict[str, str], seconds: float) -> None:
    assert seconds_left(context, environ) == seconds


@pytest.mark.usefixtures("fresh_process")
@pytest.mark.parametrize(
    ("make_context", "variable", "short", "enough"),
    [
        (GoogleContext, "CLOUD_RUN_TIMEOUT_SECONDS", "2", "3"),
        (GoogleContext, "FUNCTION_TIMEOUT_SEC", "2", "3"),
        (AzureContext, "AzureFunctionsJobHost__functionTimeout", "00:00:02", "00:00:03"),
    ],
)
def test_a_function_of_google_or_azure_is_told_the_same_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, make_context: Callable[[], object], variable: str, short: str, enough: str
) -> None:
    world = expired()
    vault = Vault(world.settings, store=world.store, keys=world.keys, transport=world.network, clock=Shifted(world))

    monkeypatch.setenv(variable, short)
    with vault.invocation(make_context()), pytest.raises(ConfigurationError, match=r"timeout of 2\.0 s"):
        _ = vault.access_token("two", "alice")
    monkeypatch.setenv(variable, enough)
    with vault.invocation(make_context()):
        _ = vault.access_token("two", "alice")

    assert standing(world).generation == 2
