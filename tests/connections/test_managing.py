"""Listing with bad rows among the good, rows that were moved, keys that come and go, revoking and forgetting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.steps import alice_key, credentials, failure, record, row, standing, token, works, world_of

from valetkey.connections.codec import connection_key, partition_of
from valetkey.connections.manage import connections, forget, revoke
from valetkey.connections.records import describe_record
from valetkey.effects import WON, Key, Row
from valetkey.errors import KeyUnavailable, ReauthorizationRequired, SealBroken, StoreError
from valetkey.keys.local import LocalKeyRing
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.testing.world import World


def stored(world: World, key: Key) -> Row:
    found = world.store.load(key)
    assert found is not None
    return found


def overwrite(world: World, key: Key, **changes: Any) -> None:
    """Write over a row as an attacker or an accident would."""
    old = world.store.load(key)
    base = old or Row(key, b"", {})
    new = replace(base, key=key, version=world.clock.random(16), **changes)
    assert world.store.swap(key, None if old is None else old.version, new) == WON


def with_keys(world: World, *keys: tuple[str, bytes]) -> None:
    from valetkey.effects import Open, Seal

    ring = LocalKeyRing(keys, random=world.clock.random)
    world.ports._performers[Seal] = lambda effect: ring.seal(effect.place, effect.plaintext)
    world.ports._performers[Open] = lambda effect: ring.open(effect.place, effect.sealed)


def test_a_listing_goes_on_past_rows_that_cannot_be_read() -> None:
    world = world_of()
    for account in ("", "altered", "newer", "strange", "escaped", "good"):
        _ = world.connect("two", "alice", account)
    broken = connection_key("two", "alice", "altered")
    overwrite(world, broken, sealed=stored(world, broken).sealed[:-4] + b"AAAA")
    newer = connection_key("two", "alice", "newer")
    overwrite(world, newer, clear={**stored(world, newer).clear, "schema": 99})
    strange = connection_key("two", "alice", "strange")
    overwrite(world, strange, clear={**stored(world, strange).clear, "state": "confused"})
    misnamed = Key(partition_of("alice"), "connection/two/%zz")
    overwrite(world, misnamed, clear=stored(world, strange).clear)
    beside = Key(partition_of("alice"), "rescue/two//abc")
    overwrite(world, beside, clear={"state": "rescue"})

    for owner in ("alice", None):
        page = world.run(connections(world.settings, resource_owner=owner))

        found = {connection.account: connection.problem for connection in page.connections}
        assert found == {"": "", "altered": "seal_broken", "escaped": "", "good": ""}
        assert page.skipped == 3
        assert all(connection.resource_owner == "alice" for connection in page.connections if not connection.problem)


def test_what_a_newer_version_sealed_is_listed_with_its_problem() -> None:
    from valetkey.connections.seal import connection_place
    from valetkey.effects import Seal

    world = world_of()
    _ = world.connect()
    at = record(world).connection
    place = connection_place("default", alice_key(), at.incarnation, at.generation)
    sealed = world.answer(Seal(place, b'{"v":99}'))
    overwrite(world, alice_key(), sealed=sealed)

    assert standing(world).problem == "unreadable"
    assert isinstance(failure(world, token(world)), StoreError)


@pytest.mark.parametrize("target", [("bob", "two", ""), ("alice", "one", ""), ("alice", "two", "work")])
def test_a_row_that_was_moved_does_not_open(target: tuple[str, str, str]) -> None:
    owner, registration, account = target
    world = world_of()
    _ = world.connect()
    moved = connection_key(registration, owner, account)
    original = stored(world, alice_key())
    overwrite(world, moved, clear=original.clear, sealed=original.sealed)

    from valetkey.connections.refresh import current_tokens

    program = current_tokens(
        world.settings, world.settings.registration(registration), resource_owner=owner, account=account
    )
    assert isinstance(failure(world, program), SealBroken)
    assert stored(world, moved).sealed == original.sealed, "kept for inspection"


@pytest.mark.parametrize("change", [{"generation": 2}, {"incarnation": "0" * 32}])
def test_a_seal_is_bound_to_its_incarnation_and_generation(change: dict[str, Any]) -> None:
    world = world_of()
    _ = world.connect()
    overwrite(world, alice_key(), clear={**stored(world, alice_key()).clear, **change})

    assert isinstance(failure(world, token(world)), SealBroken)


def test_old_ciphertext_in_a_newer_row_does_not_open() -> None:
    world = world_of()
    _ = world.connect()
    old = stored(world, alice_key()).sealed
    world.clock.time += 4000
    _ = world.run(token(world))
    overwrite(world, alice_key(), sealed=old)

    assert isinstance(failure(world, token(world)), SealBroken)


def test_staging_does_not_open_what_production_sealed() -> None:
    world = world_of()
    _ = world.connect()
    world.settings = replace(world.settings, environment="staging")

    assert isinstance(failure(world, token(world)), SealBroken)


def test_a_row_in_the_clear_is_not_taken() -> None:
    world = world_of()
    _ = world.connect()
    overwrite(world, alice_key(), sealed=b'{"v":1,"owner":"alice","now":["evil",null,null],"scope":[]}')

    assert isinstance(failure(world, token(world)), SealBroken)


def test_a_key_that_was_retired_too_early_keeps_the_row_and_brings_it_back_with_it() -> None:
    world = world_of()
    old, new = ("old", world.clock.random(32)), ("new", world.clock.random(32))
    with_keys(world, old)
    _ = world.connect()
    before = stored(world, alice_key())

    with_keys(world, new)
    error = failure(world, token(world))
    assert isinstance(error, KeyUnavailable)
    assert error.key_id == "old"
    assert standing(world).problem == "key_unavailable"
    assert stored(world, alice_key()) == before

    with_keys(world, new, old)
    assert works(world, world.run(token(world)))
    assert standing(world).key_id == "old"
    world.clock.time += 4000
    assert works(world, world.run(token(world)))
    assert standing(world).key_id == "new", "sealed again by the next write"
    with_keys(world, new)
    assert works(world, world.run(token(world)))


def test_keys_that_are_swapped_under_one_id_do_not_open() -> None:
    world = world_of()
    right = "same", world.clock.random(32)
    with_keys(world, right)
    _ = world.connect()
    before = stored(world, alice_key())
    with_keys(world, ("same", world.clock.random(32)))

    error = failure(world, token(world))
    assert isinstance(error, KeyUnavailable)
    assert isinstance(error, SealBroken)
    assert error.key_id == "same"
    assert "that id stands for another key now" in str(error)
    assert stored(world, alice_key()) == before

    with_keys(world, right)
    assert works(world, world.run(token(world))), "and everything works again when it is back"


@pytest.mark.parametrize("registration", ["one", "two"])
def test_a_revocation_ends_the_grant_and_the_row(registration: str) -> None:
    world = world_of()
    _ = world.connect(registration)

    report = world.run(revoke(world.settings, registration, resource_owner="alice"))

    assert report.at_provider == "revoked"
    assert row(world, registration) is None
    error = failure(world, revoke(world.settings, registration, resource_owner="alice"))
    assert isinstance(error, ReauthorizationRequired)


def test_a_provider_without_a_revocation_endpoint_is_named_so_that_people_can_be_told() -> None:
    world = world_of()
    _ = world.connect()
    two = world.settings.registrations["two"]
    server = replace(two.provider.server, revocation_endpoint=None)
    silent = replace(two, provider=replace(two.provider, server=server, shared_grant_revocation=True))
    world.settings = replace(world.settings, registrations={"two": silent})

    report = world.run(revoke(world.settings, "two", resource_owner="alice"))

    assert (report.at_provider, report.shared) == ("unsupported", True)
    assert row(world) is None


def test_forgetting_tells_the_provider_nothing_and_is_no_error_twice() -> None:
    world = world_of()
    _ = world.connect()
    sent = len(world.network.sent)

    for _ in range(2):
        world.run(forget(world.settings, "two", resource_owner="alice"))

    assert row(world) is None
    assert len(world.network.sent) == sent
    assert world.events.names.count("forgotten") == 1


def test_a_poisoned_row_can_be_forgotten() -> None:
    world = world_of()
    _ = world.connect()
    overwrite(world, alice_key(), sealed=b"rubbish")

    world.run(forget(world.settings, "two", resource_owner="alice"))

    assert row(world) is None


def test_connecting_again_keeps_the_incarnation_and_counts_the_generation() -> None:
    world = world_of()
    first = world.connect()
    before = credentials(world).current
    second = world.connect()

    assert second.incarnation == first.incarnation
    assert second.created_at == first.created_at
    assert second.generation == 2
    assert credentials(world).current != before
    world.run(forget(world.settings, "two", resource_owner="alice"))
    assert world.connect().incarnation != first.incarnation


def test_a_listing_of_everybody_says_whose_each_connection_is() -> None:
    world = world_of()
    for owner in ("alice", "bob"):
        _ = world.connect("two", owner)
        _ = world.connect("one", owner)

    page = world.run(connections(world.settings))

    assert sorted((found.resource_owner, found.registration) for found in page.connections) == [
        ("alice", "one"),
        ("alice", "two"),
        ("bob", "one"),
        ("bob", "two"),
    ]
    assert {
        found.resource_owner for found in world.run(connections(world.settings, resource_owner="bob")).connections
    } == {"bob"}


def test_a_connection_is_described_without_its_tokens() -> None:
    world = world_of()
    _ = world.connect()
    text = repr(world.run(describe_record(world.settings, record(world))))
    held = credentials(world).current
    assert held.access_token.reveal() not in text
    assert held.refresh_token is not None
    assert held.refresh_token.reveal() not in text
