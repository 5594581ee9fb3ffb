"""A rescue record is deleted only after its tokens stand in the connection's row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valetkey.connections.codec import rescue_name
from valetkey.connections.connection import Tokens
from valetkey.connections.records import Record, load_record, open_record, write_record
from valetkey.connections.refresh import _claim
from valetkey.connections.rescue import adopt_rescue, keep_rescue
from valetkey.drivers.drive import drive
from valetkey.effects import Key, Swap
from valetkey.secret import Secret
from valetkey.testing.world import World
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.effects import AnyEffect


def loaded(world: World) -> Record:
    record = world.run(load_record("two", resource_owner="alice"))
    assert record is not None
    return record


def claimed(world: World) -> Record:
    record = world.run(_claim(loaded(world), world.clock.time, 5.0))
    assert record is not None
    return record


def late_tokens(world: World, holder: Record) -> Key:
    """What a holder leaves whose row had moved on: where its rescue record stands."""
    credentials = world.run(open_record(world.settings, holder))
    renewed = replace(credentials, current=Tokens(Secret("late-access"), Secret("late-refresh")))
    world.run(keep_rescue(world.settings, holder, renewed, holder.connection, store_is_down=False))
    return Key(holder.key.partition, rescue_name(holder.key.name, holder.connection.attempt))


def test_it_stays_where_the_commit_was_lost_to_another_write() -> None:
    world = World()
    world.connect()
    place = late_tokens(world, claimed(world))
    world.clock.time += 60
    holder = claimed(world)
    raced: list[object] = []

    def answer(effect: AnyEffect) -> object:
        if isinstance(effect, Swap) and effect.key == holder.key and not raced:
            raced.append(world.run(write_record(holder.key, holder.version, holder.connection, holder.sealed)))
        return world.answer(effect)

    adopted = drive(adopt_rescue(world.settings, world.settings.registrations["two"], holder), answer)

    assert raced
    assert adopted is None
    assert world.store.rows.load(place) is not None


def test_it_goes_once_its_tokens_stand_in_the_row() -> None:
    world = World()
    world.connect()
    place = late_tokens(world, claimed(world))
    world.clock.time += 60

    adopted = world.run(adopt_rescue(world.settings, world.settings.registrations["two"], claimed(world)))

    assert adopted is not None
    assert world.store.rows.load(place) is None
    assert world.run(open_record(world.settings, loaded(world))).current.access_token == Secret("late-access")


def test_its_scope_counts_and_what_changed_is_told() -> None:
    world = World()
    world.connect()
    holder = claimed(world)
    credentials = world.run(open_record(world.settings, holder))
    late = replace(credentials, current=Tokens(Secret("late-access"), Secret("late-refresh")), scope=("other",))
    world.run(keep_rescue(world.settings, holder, late, holder.connection, store_is_down=False))
    world.clock.time += 60

    _ = world.run(adopt_rescue(world.settings, world.settings.registrations["two"], claimed(world)))

    event = world.events.events[-1]
    assert event.name == "scope_changed"
    assert (event.fields["added"], event.fields["removed"]) == ("other", " ".join(credentials.scope))
