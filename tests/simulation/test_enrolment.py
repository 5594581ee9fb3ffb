"""Registering at run time, with crashes at every effect and many callers in every order (RFC 7591)."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.internet import URL, Internet, Server, back

from valetkey.connections.authorize import finish_authorization
from valetkey.connections.enrolled_rows import enrolled_key, load_enrolled
from valetkey.connections.mcp import begin_mcp_authorization
from valetkey.connections.sign import access_token
from valetkey.connections.unenrol import forget_enrolled
from valetkey.errors import ConfigurationError, ReauthorizationRequired, StoreError
from valetkey.http import read_form
from valetkey.testing.crash import crashes
from valetkey.testing.interleave import random_schedules, schedules
from valetkey.testing.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valetkey.connections.authorize import Finished, Redirect
    from valetkey.effects import Op


class Place(World):
    """A world with an MCP server, a world apart for each run."""

    def __init__(self) -> None:
        super().__init__()
        self.internet = Internet(self)
        self.server: Server = self.internet.server()
        _ = self.internet.resource(URL, self.server)


def begin(at: Place, owner: str = "alice") -> Op[Redirect]:
    return begin_mcp_authorization(at.settings, URL, resource_owner=owner, cookies=())


def finish(at: Place, going: Redirect) -> Op[Finished]:
    return finish_authorization(at.settings, back(at, at.server, going), resource_owner="alice")


def connected(at: Place) -> Any:
    return at.run(finish(at, at.run(begin(at)))).connection


def test_a_crash_at_any_effect_of_registering_leaves_a_server_that_can_be_connected() -> None:
    for crashed in crashes(Place, begin):
        at: Place = crashed.world
        at.clock.time += 20  # the claim of the dead has lapsed

        assert connected(at).state == "active", crashed
        assert len(at.server.asked) <= 2, crashed
        row = at.run(load_enrolled(at.settings, enrolled_key(URL)))
        assert row is not None
        assert len(row.clients) == 1


def test_nobody_waits_for_the_dead_longer_than_their_claim() -> None:
    for crashed in crashes(Place, begin, every=False):
        at: Place = crashed.world

        assert at.run(begin(at)).location, crashed
        assert at.clock.time - 1_800_000_000 <= 17, crashed


def test_a_crash_at_any_effect_of_the_callback_never_leaves_a_connection_without_its_client() -> None:
    def back_from_there() -> Place:
        at = Place()
        at.going = at.run(begin(at))  # type: ignore[attr-defined]
        return at

    for crashed in crashes(back_from_there, lambda at: finish(at, at.going)):  # type: ignore[attr-defined]
        at: Place = crashed.world
        at.clock.time += 90_000  # what is not kept has lapsed

        try:
            secret = at.run(access_token(at.settings, URL, resource_owner="alice"))
        except ReauthorizationRequired:
            assert connected(at).state == "active", crashed
        else:
            assert secret.reveal() in at.server.access, crashed


def test_a_crash_while_forgetting_can_be_repeated() -> None:
    def there() -> Place:
        at = Place()
        _ = connected(at)
        return at

    for crashed in crashes(there, lambda at: forget_enrolled(at.settings, URL)):
        at: Place = crashed.world
        with contextlib.suppress(ConfigurationError):
            _ = at.run(forget_enrolled(at.settings, URL))
        assert at.run(load_enrolled(at.settings, enrolled_key(URL))) is None, crashed
        assert connected(at).state == "active", crashed


def callers(count: int) -> tuple[Place, Sequence[Op[Any]]]:
    at = Place()
    return at, [begin(at, f"owner-{number}") for number in range(count)]


def one_client(run: Any) -> None:
    at: Place = run.world
    assert len(at.server.asked) == 1, run
    clients = {dict(read_form(caller.result.location.partition("?")[2]))["client_id"] for caller in run.callers}
    assert clients == {"client-1"}, run


def test_of_two_callers_in_any_order_one_registers() -> None:
    for run in schedules(lambda: callers(2), depth=8):
        one_client(run)


def test_of_many_callers_one_registers() -> None:
    for run in random_schedules(lambda: callers(12), seeds=30):
        one_client(run)


@pytest.mark.parametrize("fault", ["lost_answers", "lost_writes"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_store_whose_answers_are_lost_registers_one_client(fault: str, count: int) -> None:
    at = Place()
    setattr(at.store, fault, count)

    assert at.run(begin(at)).location
    assert len(at.server.asked) == 1


def test_a_store_that_fails_after_the_registration_is_asked_again() -> None:
    at = Place()
    register = at.internet.pages["https://as.notes.example/register"]

    def then_fails(request: Any) -> Any:
        at.store.outages = 3
        return register(request)

    at.internet.pages["https://as.notes.example/register"] = then_fails
    at.clock.left = 30

    assert at.run(begin(at)).location
    assert len(at.server.asked) == 1


def test_a_store_that_is_down_registers_nobody() -> None:
    at = Place()
    at.store.outages = 50

    with pytest.raises(StoreError):
        _ = at.run(begin(at))
    assert at.server.asked == []
