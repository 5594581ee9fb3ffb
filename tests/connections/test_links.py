"""Connect links: they say for whom, never who; used once; and nothing is exchanged before the owner is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.steps import failure, returning, row, world_of

from valetkey.connections.authorize import finish_authorization
from valetkey.connections.connection import ACTIVE
from valetkey.connections.links import begin_from_link, complete_authorization, connect_url, read_link
from valetkey.effects import Key
from valetkey.errors import AuthorizationExpired, CallbackError, ConfigurationError, RequestRefused
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.effects import Op
    from valetkey.testing.world import World


def linked() -> tuple[World, str]:
    world = world_of()
    world.settings = replace(world.settings, completion_url="https://app.example/done?from=vault")
    return world, world.run(connect_url(world.settings, "two", resource_owner="alice")).rpartition("/")[2]


def opening(world: World, link: str, owner: str | None = None) -> Op[Any]:
    return begin_from_link(world.settings, link, resource_owner=owner, cookies=())


def completing(world: World, handle: str, owner: str = "alice") -> Op[Any]:
    return complete_authorization(world.settings, handle, resource_owner=owner)


def waiting() -> tuple[World, str]:
    world, link = linked()
    redirect = world.run(opening(world, link))
    finished = world.run(finish_authorization(world.settings, returning(world, redirect), resource_owner=None))
    assert finished.connection is None
    assert finished.return_to.startswith("https://app.example/done?from=vault&handle=")
    return world, finished.return_to.rpartition("=")[2]


def refused(world: World, op: Op[Any], reason: str) -> RequestRefused:
    error = failure(world, op)
    assert isinstance(error, RequestRefused), error
    assert error.reason == reason
    return error


def test_the_callback_of_a_link_exchanges_nothing_and_the_completion_does() -> None:
    world, handle = waiting()
    assert world.sandbox.seen.count("token") == 0

    assert world.run(completing(world, handle)).state == ACTIVE
    assert world.sandbox.seen.count("token", grant_type="authorization_code") == 1


def test_only_the_person_whom_the_link_was_made_for_completes_it() -> None:
    world, handle = waiting()

    _ = refused(world, completing(world, handle, "bob"), "user_changed")
    assert world.sandbox.seen.count("token") == 0
    assert world.run(completing(world, handle)).state == ACTIVE
    _ = refused(world, completing(world, handle, "bob"), "user_changed")


def test_completing_twice_is_the_same_connection_and_one_exchange() -> None:
    world, handle = waiting()

    first, second = world.run(completing(world, handle)), world.run(completing(world, handle))

    assert first.generation == second.generation == 1
    assert world.sandbox.seen.count("token") == 1


def test_a_completion_that_comes_after_the_code_has_died_is_refused() -> None:
    world, handle = waiting()
    world.clock.time += 61

    assert isinstance(refused(world, completing(world, handle), "flow_expired"), AuthorizationExpired)


def test_a_handle_that_is_none_is_refused() -> None:
    world, handle = waiting()
    forged = handle[:-2] + ("AA" if handle[-2:] != "AA" else "BA")
    for bad in ("", "x", "é", handle[:-1], handle + "A", forged, handle[::-1], "a" * 5000, "A" * 43):
        error = refused(world, completing(world, bad), "handle_unknown")
        assert isinstance(error, CallbackError)
    assert world.run(completing(world, handle)).state == ACTIVE


def test_a_handle_does_not_work_as_a_callback_and_stores_no_code_in_the_clear() -> None:
    world, _ = waiting()
    rows = [kept for kept in world.store.rows._rows.values() if kept.clear.get("state") == "waiting"]
    assert len(rows) == 1
    assert rows[0].sealed.startswith(b"vk1.test.")
    assert set(rows[0].clear) == {"state", "registration", "claimed_at", "account", "owner", "handle", "complete_by"}


def test_nobody_signed_in_and_no_completion_page_is_refused() -> None:
    world, link = linked()
    redirect = world.run(opening(world, link))
    request = returning(world, redirect)
    world.settings = replace(world.settings, completion_url="")

    _ = refused(world, finish_authorization(world.settings, request, resource_owner=None), "owner_unknown")


def test_a_link_for_somebody_else_is_refused_before_anything_is_bound() -> None:
    world, link = linked()

    assert refused(world, opening(world, link, "bob"), "link_other_owner").status == 403
    assert not world.store.rows._rows
    assert world.run(opening(world, link, "alice")).location


def test_a_link_that_was_used_is_refused_as_long_as_it_would_otherwise_be_good() -> None:
    world, link = linked()
    _ = world.run(opening(world, link))

    for _ in range(60):
        assert refused(world, opening(world, link), "link_used").status == 410
        world.clock.time += 59
        _ = world.store.swap(Key("sweep", "x"), world.clock.random(16), None)  # lets the store drop what has lapsed
    world.clock.time += 120
    assert refused(world, opening(world, link), "link_expired").status == 410


def test_its_own_owner_may_open_a_link_again() -> None:
    world, link = linked()
    _ = world.run(opening(world, link))
    redirect = world.run(opening(world, link, "alice"))
    finished = world.run(finish_authorization(world.settings, returning(world, redirect), resource_owner="alice"))
    assert finished.connection is not None


@pytest.mark.parametrize("cut", ["", "x", "vk1.test.AAAA", "é", "a" * 3000])
def test_a_link_that_is_none_is_not_found(cut: str) -> None:
    world, _ = linked()
    assert refused(world, opening(world, cut), "link_invalid").status == 404


def test_every_character_of_a_link_counts() -> None:
    world, link = linked()
    for position, character in enumerate(link):
        forged = link[:position] + ("A" if character != "A" else "B") + link[position + 1 :]
        _ = refused(world, read_link(world.settings, forged), "link_invalid")
    assert row(world) is None


@pytest.mark.parametrize("owner", ["x" * 2_000, "\N{GRINNING FACE}" * 200])
def test_a_link_that_would_not_open_is_not_made(owner: str) -> None:
    world, _ = linked()

    error = failure(world, connect_url(world.settings, "two", resource_owner=owner))

    assert isinstance(error, ConfigurationError)
    assert owner not in str(error)


def test_a_link_whose_start_failed_can_be_opened_again() -> None:
    world = world_of()
    link = world.run(connect_url(world.settings, "one", resource_owner="alice")).rpartition("/")[2]
    world.clock.left = 1.0
    _ = failure(world, opening(world, link))
    world.clock.left = 30.0

    assert world.run(opening(world, link)).location
