"""Sealing every row anew: the sweep dies at every effect, meets functions that refresh, and is taken up again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.connections.steps import LEASE_SECONDS, credentials, expired, record, standing, token, works
from tests.keys.steps import World as Wire
from tests.simulation.rings import promoted, use
from tests.stores import servers
from tests.stores.bench import TRANSPORT, DynamoDBBench

from valetkey.connections.codec import connection_key, read_clear, write_clear, write_credentials
from valetkey.connections.connection import ACTIVE, REFRESHING, Credentials, Tokens
from valetkey.connections.records import open_record, read_record
from valetkey.connections.rescue import adopt_rescue, keep_rescue
from valetkey.connections.reseal import RESCUE, Resealed, reseal_page, together
from valetkey.connections.seal import connection_place, key_id_of
from valetkey.drivers.drive import drive
from valetkey.effects import List, Load, Open, Row, Seal, Swap
from valetkey.errors import KeyUnavailable, ReauthorizationRequired, StoreError
from valetkey.keys.local import LocalKeyRing
from valetkey.secret import Secret
from valetkey.stores.sqlite import SqliteStore
from valetkey.testing.crash import crashes
from valetkey.testing.interleave import freezes, schedules
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

    from valetkey.effects import Op
    from valetkey.sandbox.clients import RotationMode
    from valetkey.testing.world import World


def sweep(world: World, cursor: str = "") -> Op[Resealed]:
    """The whole of it, as the command does it."""
    total = Resealed("")
    for _ in range(100):
        total = together(total, (yield from reseal_page(world.settings, cursor=cursor)))
        cursor = total.cursor
        if not cursor:
            break
    return total


def valid(mode: RotationMode = "strict") -> World:
    """Alice connected to both, with good tokens, and a new key promoted."""
    world = expired(mode)
    world.clock.time -= world.client.access_token_seconds + 1
    _ = world.connect("one")
    return promoted(world)


def rows(world: World) -> list[Row]:
    return [row for row in world.store.list(None, "").rows if row.key.name.startswith(("connection/", RESCUE))]


def test_every_row_is_sealed_by_the_first_key_and_nothing_else_about_it_changes() -> None:
    world = valid()
    before = {row.key: row for row in rows(world)}
    opened = credentials(world)

    done = world.run(sweep(world))

    assert (done.key_id, done.resealed, done.left, done.cursor) == ("new", 2, 0, "")
    for row in rows(world):
        assert key_id_of(row.sealed) == "new"
        assert row.version != before[row.key].version
        assert {**row.clear, "key_id": ""} == {**before[row.key].clear, "key_id": ""}
        assert row.clear["key_id"] == "new"
    assert credentials(world) == opened
    promoted(world, keep_old=False)
    assert credentials(world) == opened, "the old key can be retired"
    assert world.run(sweep(world)).already == 2


def test_claims_are_left_to_lapse() -> None:
    world = valid()
    claims = [row for row in world.store.list(None, "").rows if row.key.name == "claim"]

    world.run(sweep(world))

    assert claims
    assert [world.store.load(row.key) for row in claims] == claims


def test_a_sweep_that_dies_at_any_effect_loses_nothing_and_the_next_one_finishes() -> None:
    world = valid()
    expected = (credentials(world), credentials(world, "one"))
    count = 0

    def fork() -> World:
        return promoted(world.fork())

    for crashed in crashes(fork, sweep):
        here = crashed.world
        assert (credentials(here), credentials(here, "one")) == expected, crashed

        done = here.run(sweep(here))

        assert (done.resealed + done.already, done.left) == (2, 0), crashed
        assert works(here, here.run(token(here))), crashed
        count += 1
    assert count >= 24


@pytest.mark.parametrize("mode", ["strict", "window"])
def test_beside_a_refresh_the_sweep_costs_no_second_request_and_loses_no_token(mode: RotationMode) -> None:
    world = promoted(expired(mode))
    ends: set[int] = set()

    def make() -> tuple[World, list[Op[Any]]]:
        here = promoted(world.fork())
        return here, [token(here), sweep(here)]

    for run in schedules(make, depth=9):
        assert run.errors == [None, None], run
        here, done = run.world, run.results[1]
        assert here.refresh_requests() == 1, run
        assert standing(here).state == ACTIVE, run
        assert standing(here).generation == 2, run
        assert works(here, run.results[0]), run
        assert credentials(here).current.access_token == run.results[0], run
        assert key_id_of(record(here).sealed) == record(here).connection.key_id == "new", run
        ends.add(done.leased * 4 + done.already * 2 + done.resealed)
    assert len(ends) == 3, "it came before the claim, during the lease and after the commit"


def test_beside_two_refreshing_callers_too() -> None:
    world = promoted(expired("strict"))

    def make() -> tuple[World, list[Op[Any]]]:
        here = promoted(world.fork())
        return here, [token(here), token(here), sweep(here)]

    for run in schedules(make, depth=6):
        assert run.errors == [None, None, None], run
        assert run.world.refresh_requests() == 1, run
        assert run.results[0] == run.results[1], run
        assert record(run.world).connection.key_id == "new", run


def test_a_sweep_that_was_frozen_overwrites_nothing_that_was_written_meanwhile() -> None:
    world = promoted(expired("strict"))

    def make() -> tuple[World, list[Op[Any]]]:
        here = promoted(world.fork())
        return here, [sweep(here), token(here)]

    count = 0
    for freeze, run in freezes(make, seconds=600):
        assert run.errors == [None, None], freeze
        assert credentials(run.world).current.access_token == run.results[1], freeze
        assert standing(run.world).generation == 2, freeze
        count += 1
    assert count >= 4


def test_a_holder_that_thaws_after_its_row_was_sealed_anew_still_commits() -> None:
    world = promoted(expired("strict"))

    def make() -> tuple[World, list[Op[Any]]]:
        here = promoted(world.fork())

        def later() -> Op[Resealed]:
            here.clock.time += LEASE_SECONDS
            return (yield from sweep(here))

        return here, [token(here), later()]

    outcomes = []
    for freeze, run in freezes(make, seconds=LEASE_SECONDS * 2):
        here = run.world
        found = record(here)
        assert found.connection.key_id == key_id_of(found.sealed), freeze
        assert here.refresh_requests() <= 1, freeze
        if run.errors[0] is None:
            assert works(here, run.results[0]), freeze
        else:
            assert not isinstance(run.errors[0], ReauthorizationRequired), freeze
        outcomes.append(found.connection.state)
    assert ACTIVE in outcomes


def test_a_row_under_a_live_lease_is_left_to_its_holder_and_one_whose_holder_died_is_not() -> None:
    world = promoted(expired("window"))
    claimed = next(
        crashed.world
        for crashed in crashes(lambda: promoted(world.fork()), token)
        if crashed.performed and isinstance(crashed.effect, Swap)
    )
    assert standing(claimed).state == REFRESHING

    during = claimed.run(sweep(claimed))
    claimed.clock.time += LEASE_SECONDS
    after = claimed.run(sweep(claimed))

    assert (during.leased, during.left, after.resealed, after.left) == (1, 1, 1, 0)
    assert standing(claimed).state == REFRESHING
    assert len(standing(claimed).doubts) == 1
    assert works(claimed, claimed.run(token(claimed)))


def test_a_rescue_record_is_sealed_anew_and_still_rescues() -> None:
    world = valid()
    held = record(world)
    attempt = "a" * 32
    leased = replace(held, connection=replace(held.connection, attempt=attempt))
    renewed = replace(credentials(world), current=Tokens(Secret("rescued"), Secret("refresh")))
    use(world, LocalKeyRing([("test", world.keys._keys["test"])], random=world.clock.random))
    world.run(keep_rescue(world.settings, leased, renewed, held.connection, store_is_down=False))
    promoted(world)

    done = world.run(sweep(world))

    assert (done.resealed, done.left) == (3, 0)
    promoted(world, keep_old=False)
    rescue = next(row for row in rows(world) if row.key.name.startswith(RESCUE))
    assert key_id_of(rescue.sealed) == "new"
    assert rescue.expires_at > world.clock.now()
    adopt(world, attempt)
    assert credentials(world).current.access_token == Secret("rescued")


def adopt(world: World, attempt: str) -> None:
    """What the next caller does with a connection in doubt."""
    from valetkey.connections.connection import IN_DOUBT, Doubt

    found = record(world)
    doubts = (Doubt(attempt, int(world.clock.now()), int(world.clock.now()) + 1),)
    doubtful = replace(found, connection=replace(found.connection, state=IN_DOUBT, doubts=doubts))
    registration = world.settings.registration("two")
    assert world.run(adopt_rescue(world.settings, registration, doubtful)) is not None


def test_what_does_not_open_is_counted_kept_and_holds_nobody_up() -> None:
    world = valid()
    held = record(world)
    key = connection_key("two", "mallory")
    moved = Row(key, os.urandom(16), {**write_clear(held.connection)}, held.sealed)
    plain = replace(moved, key=connection_key("two", "plain"), sealed=b'{"access_token": "canary"}')
    newer = replace(moved, key=connection_key("two", "newer"), clear={**moved.clear, "schema": 99})
    stray = replace(moved, key=replace(key, name=f"{RESCUE}two/x"), clear={"state": "rescue"})
    broken = (moved, plain, newer, stray)
    for row in broken:
        assert world.store.swap(row.key, None, row) == "won"

    done = world.run(sweep(world))

    assert (done.resealed, done.broken, done.unreadable, done.left) == (2, 1, 2, 4)
    assert done.missing == (("test", 1),), "the key of that id did not seal it where it stands"
    assert [world.store.load(row.key) for row in broken] == list(broken)


def test_rows_of_a_key_that_was_retired_too_early_are_named_kept_and_sealed_anew_when_it_is_back() -> None:
    world = valid()
    before = credentials(world)
    old = world.keys
    promoted(world, keep_old=False)

    gone = world.run(sweep(world))

    assert (gone.missing, gone.left) == ((("test", 2),), 2)
    with pytest.raises(KeyUnavailable) as caught:
        world.run(token(world))
    assert caught.value.key_id == "test"
    use(world, old)
    assert credentials(world) == before
    assert works(world, world.run(token(world)))
    assert world.run(sweep(world)).resealed == 2


def test_every_write_that_seals_uses_the_first_key_without_any_sweep() -> None:
    world = promoted(expired("strict"))
    assert record(world).connection.key_id == "test"

    world.run(token(world))
    assert record(world).connection.key_id == key_id_of(record(world).sealed) == "new"

    _ = promoted(world, keep_old=False).connect("one")
    assert record(world, "one").connection.key_id == "new"


def test_an_outage_in_the_middle_of_a_page_is_raised_and_the_page_is_taken_up_again() -> None:
    world = valid()
    calls = []

    def flaky(effect: Any) -> object:
        if isinstance(effect, Swap):
            calls.append(effect)
            if len(calls) == 2:
                raise StoreError("out of reach")
        return world.answer(effect)

    with pytest.raises(StoreError, match="out of reach"):
        drive(sweep(world), flaky)

    done = world.run(sweep(world))
    assert (done.resealed, done.already) == (1, 1)


def test_a_row_that_others_keep_writing_is_counted_and_one_that_goes_away_is_not() -> None:
    world = valid()

    def busy(effect: Any) -> object:
        return "lost" if isinstance(effect, Swap) else world.answer(effect)

    def deleted(effect: Any) -> object:
        if isinstance(effect, Swap):
            row = world.store.load(effect.key)
            assert row is not None
            world.store.swap(row.key, row.version, None)
        return world.answer(effect)

    assert drive(sweep(world), busy).busy == 2
    gone = drive(sweep(world), deleted)
    assert (gone.resealed, gone.left, rows(world)) == (0, 0, [])


def test_a_write_whose_answer_is_lost_counts_once() -> None:
    world = valid()
    world.store.lost_answers, world.store.lost_writes = 1, 0

    assert world.run(sweep(world)).resealed == 2


def fill(swap: Callable[[Row], object], world: World, number: int) -> None:
    """That many connections of as many people, sealed by the world's first key."""
    held = record(world)
    for index in range(number):
        owner = f"owner-{index}"
        key = connection_key("two", owner)
        connection = replace(held.connection, resource_owner=owner)
        place = connection_place(world.settings.environment, key, connection.incarnation, connection.generation)
        content = Credentials(owner, Tokens(Secret(f"access-{index}"), Secret(f"refresh-{index}")))
        sealed = world.keys.seal(place, write_credentials(content))
        swap(Row(key, os.urandom(16), write_clear(replace(connection, key_id="test")), sealed))


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(str(tmp_path / "rows.db"))
    yield store
    store.close()


def on_store(world: World, store: Any, wire: Callable[[Any], object] | None = None) -> Callable[[Any], object]:
    """The world's answers, with rows kept elsewhere."""

    def answer(effect: Any) -> object:
        match effect:
            case Load():
                return store.load(effect.key)
            case Swap():
                return store.swap(effect.key, effect.expected, effect.new)
            case List():
                return store.list(effect.partition, effect.cursor)
        if wire is not None and not isinstance(effect, Seal | Open):
            return wire(effect)
        return world.answer(effect)

    return answer


def pages(world: World, answer: Callable[[Any], object], cursor: str, most: int) -> Resealed:
    """So many pages from that cursor."""
    total = Resealed("")
    for _ in range(most):
        total = together(total, drive(reseal_page(world.settings, cursor=cursor), answer))
        cursor = total.cursor
        if not cursor:
            break
    return total


def test_2500_rows_in_sqlite_are_sealed_anew_in_two_sittings(sqlite_store: SqliteStore) -> None:
    world = valid()
    use(world, LocalKeyRing([("test", world.keys._keys["test"])], random=os.urandom))
    fill(lambda row: sqlite_store.swap(row.key, None, row), world, 2_500)
    promoted(world)
    answer = on_store(world, sqlite_store)

    first = pages(world, answer, "", 10)
    second = pages(world, answer, first.cursor, 100)

    assert first.cursor
    assert (first.resealed, second.resealed, first.left + second.left) == (1_000, 1_500, 0)
    assert pages(world, answer, "", 100).already == 2_500
    promoted(world, keep_old=False)
    for index in (0, 1_234, 2_499):
        row = sqlite_store.load(connection_key("two", f"owner-{index}"))
        assert row is not None
        opened = world.run(open_record(world.settings, read_record(row, resource_owner=f"owner-{index}")))
        assert opened.current.access_token == Secret(f"access-{index}")


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    yield from servers.moto()
    TRANSPORT.close()


def test_rows_in_dynamodb_are_sealed_anew_too(moto: str) -> None:
    world = valid()
    use(world, LocalKeyRing([("test", world.keys._keys["test"])], random=os.urandom))
    bench = DynamoDBBench(moto, f"valetkey-{os.urandom(6).hex()}")
    bench.perform(bench.store.create())
    rows: list[Row] = []
    fill(rows.append, world, 150)
    bench.fill(rows)
    promoted(world)
    answer = on_store(world, bench.store, Wire(TRANSPORT.send, real=True).answer)

    done = pages(world, answer, "", 100)

    assert (done.resealed, done.left) == (150, 0)
    promoted(world, keep_old=False)
    row = bench.load(rows[7].key)
    assert row is not None
    assert read_clear(row.clear, row.key).key_id == "new"
    assert world.run(open_record(world.settings, read_record(row, resource_owner="owner-7")))
