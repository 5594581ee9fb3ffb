"""A client that a configured registration has made at run time: crashes at every effect, many callers in every order."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.internet import ISSUER, Internet, Server, back, said

from valetkey.connections.authorize import begin_authorization, finish_authorization
from valetkey.connections.client import client_token
from valetkey.connections.enrolled_rows import configured_key, load_enrolled
from valetkey.connections.reenrol import update_enrolled
from valetkey.connections.sign import access_token
from valetkey.connections.unenrol import forget_enrolled
from valetkey.errors import ConfigurationError, ProviderError, ReauthorizationRequired, RefreshInProgress
from valetkey.http import read_form
from valetkey.providers.discovered import discovered_provider
from valetkey.providers.registration import register
from valetkey.testing.crash import crashes
from valetkey.testing.interleave import random_schedules, schedules
from valetkey.testing.world import BASE_URL, World
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valetkey.connections.authorize import Finished, Redirect
    from valetkey.effects import Op
    from valetkey.secret import Secret


class Place(World):
    """A world with such a registration and its issuer, a world apart for each run."""

    going: Redirect

    def __init__(self) -> None:
        super().__init__()
        self.internet = Internet(self)
        self.server: Server = self.internet.server()
        registration = register(
            "notes",
            discovered_provider("oauth2-discovery", issuer=ISSUER),
            redirect_uri=f"{BASE_URL}/callback/notes",
            client_registration="dynamic",
            grant_types=("authorization_code", "client_credentials"),
        )
        self.settings = replace(self.settings, registrations={"notes": registration})


def begin(at: Place, owner: str = "alice") -> Op[Redirect]:
    return begin_authorization(at.settings, "notes", resource_owner=owner, cookies=())


def alone(at: Place) -> Op[Secret]:
    return client_token(at.settings, "notes")


def finish(at: Place, going: Redirect) -> Op[Finished]:
    return finish_authorization(at.settings, back(at, at.server, going), resource_owner="alice")


def connected(at: Place) -> Any:
    return at.run(finish(at, at.run(begin(at)))).connection


def clients(at: Place) -> int:
    row = at.run(load_enrolled(at.settings, configured_key("notes")))
    return 0 if row is None else len(row.clients)


def test_a_crash_at_any_effect_of_registering_leaves_an_issuer_that_can_be_connected() -> None:
    for crashed in crashes(Place, begin):
        at: Place = crashed.world
        at.clock.time += 20  # the claim of the dead has lapsed

        assert connected(at).state == "active", crashed
        assert len(at.server.asked) <= 2, crashed
        assert clients(at) == 1, crashed


def test_a_crash_at_any_effect_of_a_token_for_the_application_leaves_it_to_the_next() -> None:
    for crashed in crashes(Place, alone):
        at: Place = crashed.world
        for _ in range(10):
            try:
                secret = at.run(alone(at))
            except RefreshInProgress as busy:
                at.clock.time += busy.retry_after
            else:
                break
        else:
            pytest.fail(f"{crashed} leaves it cooling down for ever")

        assert secret.reveal() in at.server.access, crashed
        assert len(at.server.asked) <= 2, crashed
        assert clients(at) == 1, crashed


def test_a_crash_at_any_effect_of_the_callback_leaves_a_connection_that_refreshes_or_none() -> None:
    def back_from_there() -> Place:
        at = Place()
        at.going = at.run(begin(at))
        return at

    for crashed in crashes(back_from_there, lambda at: finish(at, at.going)):
        at: Place = crashed.world
        at.clock.time += 4000
        try:
            secret = at.run(access_token(at.settings, "notes", resource_owner="alice"))
        except ReauthorizationRequired:
            assert connected(at).state == "active", crashed
        else:
            assert secret.reveal() in at.server.access, crashed
        assert len(at.server.asked) == 1, crashed


def test_a_crash_while_a_client_is_replaced_leaves_one_that_works() -> None:
    def refused() -> Place:
        at = Place()
        _ = connected(at)
        at.server.clients.clear()
        at.clock.time += 4000
        with pytest.raises(ProviderError):
            _ = at.run(access_token(at.settings, "notes", resource_owner="alice"))
        return at

    for crashed in crashes(refused, begin):
        at: Place = crashed.world
        at.clock.time += 20

        assert connected(at).state == "active", crashed
        assert len(at.server.asked) <= 3, crashed
        assert clients(at) == 1, crashed


def test_a_crash_while_forgetting_can_be_repeated() -> None:
    def there() -> Place:
        at = Place()
        _ = connected(at)
        return at

    for crashed in crashes(there, lambda at: forget_enrolled(at.settings, "notes")):
        at: Place = crashed.world
        with contextlib.suppress(ConfigurationError):
            _ = at.run(forget_enrolled(at.settings, "notes"))
        assert at.run(load_enrolled(at.settings, configured_key("notes"))) is None, crashed
        assert connected(at).state == "active", crashed


def test_a_crash_while_the_issuer_is_told_leaves_the_client_that_was_and_a_connection_that_refreshes() -> None:
    def there() -> Place:
        at = Place()
        at.server.registered = {"registration_client_uri": f"{ISSUER}/manage", "registration_access_token": "t"}
        at.internet.pages[f"{ISSUER}/manage"] = lambda request: said(
            {**at.server.clients["client-1"], **json.loads(request.body)}
        )
        _ = connected(at)
        return at

    for crashed in crashes(there, lambda at: update_enrolled(at.settings, "notes")):
        at: Place = crashed.world
        at.clock.time += 4000

        assert at.run(access_token(at.settings, "notes", resource_owner="alice")).reveal() in at.server.access, crashed
        at.run(update_enrolled(at.settings, "notes"))
        assert clients(at) == len(at.server.asked) == 1, crashed


def callers(count: int) -> tuple[Place, Sequence[Op[Any]]]:
    at = Place()
    return at, [alone(at) if number % 3 == 2 else begin(at, f"owner-{number}") for number in range(count)]


def one_client(run: Any) -> None:
    at: Place = run.world
    assert len(at.server.asked) == 1, run
    places = [caller.result.location for caller in run.callers if hasattr(caller.result, "location")]
    assert {dict(read_form(place.partition("?")[2]))["client_id"] for place in places} == {"client-1"}, run


def test_of_two_callers_in_any_order_one_registers() -> None:
    for run in schedules(lambda: callers(2), depth=8):
        one_client(run)


def test_of_many_callers_by_different_verbs_one_registers() -> None:
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
    answer = at.internet.pages[f"{ISSUER}/register"]

    def then_fails(request: Any) -> Any:
        at.store.outages = 3
        return answer(request)

    at.internet.pages[f"{ISSUER}/register"] = then_fails
    at.clock.left = 30

    assert at.run(begin(at)).location
    assert len(at.server.asked) == 1
