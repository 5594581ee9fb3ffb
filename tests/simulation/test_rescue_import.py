"""Tokens that the store did not take come back from the line that was logged, whatever happens meanwhile."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.connections.steps import credentials, expired, failure, record, standing, token, works
from tests.simulation.pausing import until_after_send

from valetkey.connections.connection import ACTIVE, NEEDS_REAUTHORIZATION
from valetkey.connections.manage import forget
from valetkey.connections.rescue_import import FATES, connection_of, import_rescue, rescues
from valetkey.connections.rescue_line import MARK, read_rescue_line
from valetkey.errors import ReauthorizationRequired, StoreError
from valetkey.http import base64url, base64url_decode
from valetkey.keys.local import LocalKeyRing
from valetkey.testing.crash import crashes
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.secret import Secret
    from valetkey.testing.world import World


def unsaved() -> tuple[World, Secret, str]:
    """A world in which a strict provider's new tokens stand in the log only; those tokens, and the line."""
    world = expired("strict")
    paused = until_after_send(world, token(world))
    world.store.outages = 1000
    fresh: Secret = paused.finish()
    world.store.outages = 0
    event = next(event for event in world.events.events if event.name == "unsaved")
    return world, fresh, str(event.fields["record"])


def bring(world: World, line: str) -> str:
    return str(world.run(import_rescue(world.settings, line)))


def altered(line: str, **changes: object) -> str:
    content = json.loads(base64url_decode(line.removeprefix(MARK)))
    clear = {**content["clear"], **{name: changes.pop(name) for name in list(changes) if name in content["clear"]}}
    return MARK + base64url(json.dumps({**content, **changes, "clear": clear}).encode())


def test_a_line_whose_lease_has_lapsed_is_adopted() -> None:
    world, fresh, line = unsaved()
    world.clock.time += 20

    assert bring(world, line) == "adopted"
    assert standing(world).state == ACTIVE
    assert standing(world).generation == 2
    assert credentials(world).current.access_token == fresh
    assert world.run(token(world)) == fresh
    assert works(world, fresh)
    assert world.refresh_requests() == 1
    assert world.events.names[-1] == "recovered"
    assert world.events.events[-1].resource_owner == "alice"


def test_importing_twice_is_importing_once() -> None:
    world, fresh, line = unsaved()
    world.clock.time += 20

    assert [bring(world, line) for _ in range(3)] == ["adopted", "superseded", "superseded"]
    assert standing(world).generation == 2
    assert world.run(token(world)) == fresh
    assert world.run(rescues(world.settings)).rescues == ()


def test_a_line_of_a_log_may_have_other_text_around_it() -> None:
    world, _, line = unsaved()
    world.clock.time += 20

    assert bring(world, f"2026-11-22 ERROR valetkey: unsaved two partition=ab record={line} host=web1\n") == "adopted"


def test_under_a_live_lease_the_record_waits_for_the_next_caller() -> None:
    world, fresh, line = unsaved()

    assert bring(world, line) == "kept"
    assert bring(world, line) == "kept"
    (rescue,) = world.run(rescues(world.settings)).rescues
    assert rescue.waiting
    assert standing(world).generation == 1
    world.clock.time += 20
    assert world.run(token(world)) == fresh
    assert world.refresh_requests() == 1
    assert world.run(rescues(world.settings)).rescues == ()


def test_a_connection_that_asks_for_its_owner_is_brought_back() -> None:
    world, fresh, line = unsaved()
    world.clock.time += 20
    assert isinstance(failure(world, token(world)), ReauthorizationRequired), "the old refresh token is dead"
    assert standing(world).state == NEEDS_REAUTHORIZATION

    assert bring(world, line) == "adopted"
    assert world.run(token(world)) == fresh


def test_a_line_for_a_connection_that_was_made_anew_changes_nothing() -> None:
    world, _, line = unsaved()
    world.clock.time += 20
    _ = world.connect()
    before = record(world)

    assert bring(world, line) == "superseded"
    assert record(world).version == before.version


def test_a_line_for_a_forgotten_connection_writes_nothing() -> None:
    world, _, line = unsaved()
    world.run(forget(world.settings, "two", resource_owner="alice"))

    assert bring(world, line) == "no_connection"
    assert world.store.list(None, "").rows == ()


def test_a_line_for_a_registration_that_is_gone_writes_nothing() -> None:
    world, _, line = unsaved()
    world.settings = replace(world.settings, registrations={"one": world.settings.registrations["one"]})

    assert bring(world, line) == "not_configured"


def test_a_line_of_another_environment_does_not_open() -> None:
    world, _, line = unsaved()
    world.clock.time += 20
    world.settings = replace(world.settings, environment="staging")

    assert bring(world, line) == "seal_broken"
    assert standing(world).generation == 1


def test_a_line_under_a_key_that_is_not_here_says_so() -> None:
    world, _, line = unsaved()
    world.clock.time += 20
    other = LocalKeyRing([("other", world.clock.random(32))], random=world.clock.random)
    from valetkey.drivers.drive import drive
    from valetkey.effects import Open

    def answer(effect: object) -> object:
        return other.open(effect.place, effect.sealed) if isinstance(effect, Open) else world.answer(effect)  # type: ignore[arg-type]

    assert drive(import_rescue(world.settings, line), answer) == "key_unavailable"
    assert world.run(rescues(world.settings)).rescues == ()


@pytest.mark.parametrize("cut", [6, 20, 200, -1])
def test_a_line_that_was_cut_short_is_called_so(cut: int) -> None:
    world, _, line = unsaved()

    assert bring(world, line[:cut]) in ("malformed", "nothing")
    assert bring(world, "an ordinary line of a log") == "nothing"
    assert bring(world, MARK + "A" * 300_000) == "malformed"


def test_a_forged_line_moves_nothing_to_another_connection() -> None:
    world, _, line = unsaved()
    world.clock.time += 20
    bob = world.connect(resource_owner="bob")
    row = read_rescue_line(line, version=b"v" * 16)
    assert row is not None
    alice = record(world)
    found = record(world, resource_owner="bob")
    forged = altered(line, partition=found.key.partition, incarnation=bob.incarnation)

    assert bring(world, forged) == "superseded", "bob's connection is not in doubt"
    assert bring(world, altered(line, name=row.key.name.replace("rescue/two/", "connection/two/"))) == "malformed"
    assert bring(world, altered(line, generation="1")) == "malformed"
    assert bring(world, altered(line, sealed="vk1.test.AAAA")) == "seal_broken"
    assert record(world, resource_owner="bob").version == found.version
    assert record(world).version == alice.version


def test_a_record_in_the_stores_place_that_does_not_open_gives_way() -> None:
    world, fresh, line = unsaved()
    world.clock.time += 20
    row = read_rescue_line(line, version=b"v" * 16)
    assert row is not None
    _ = world.store.swap(row.key, None, replace(row, sealed=b"vk1.test.garbage"))

    assert bring(world, line) == "adopted"
    assert world.run(token(world)) == fresh


def test_a_crash_at_any_effect_of_an_import_is_mended_by_importing_again() -> None:
    world, fresh, line = unsaved()
    world.clock.time += 20
    count = 0

    for crashed in crashes(world.fork, lambda copy: import_rescue(copy.settings, line)):
        assert bring(crashed.world, line) in ("adopted", "superseded"), crashed
        assert crashed.world.run(token(crashed.world)) == fresh, crashed
        assert standing(crashed.world).generation == 2, crashed
        assert crashed.world.refresh_requests() == 0, crashed
        count += 1
    assert count > 20


def test_a_crash_at_any_effect_of_an_import_leaves_what_the_next_caller_can_use() -> None:
    world, fresh, line = unsaved()
    world.clock.time += 20

    for crashed in crashes(world.fork, lambda copy: import_rescue(copy.settings, line), every=False):
        if crashed.performed and any(
            row.key.name.startswith("rescue/") for row in crashed.world.store.list(None, "").rows
        ):
            assert crashed.world.run(token(crashed.world)) == fresh, crashed
            assert crashed.world.refresh_requests() == 0, crashed


def test_a_store_that_fails_is_said_to_fail() -> None:
    world, _, line = unsaved()
    world.clock.time += 20
    world.store.outages = 1

    assert isinstance(failure(world, import_rescue(world.settings, line)), StoreError)
    assert bring(world, line) == "adopted"


def test_a_rescue_record_that_nobody_needs_any_more_is_listed_as_that() -> None:
    world, _, line = unsaved()
    assert bring(world, line) == "kept"
    _ = world.connect()

    (rescue,) = world.run(rescues(world.settings)).rescues
    assert not rescue.waiting
    assert rescue.registration == "two"
    row = read_rescue_line(line, version=b"v" * 16)
    assert row is not None
    assert connection_of(row.key) == record(world).key


def test_every_fate_has_a_sentence() -> None:
    assert all(sentence and not sentence.endswith(".") for sentence in FATES.values())
