"""What every store must do; each store's tests inherit it and bring their own `bench`."""

from __future__ import annotations

import os
import time
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from tests.stores.bench import row

from valetkey import Vault
from valetkey.effects import LOST, UNKNOWN, WON, Key, Row
from valetkey.sandbox import approve
from valetkey.testing.world import World, callback_request
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.stores.bench import Bench

    from valetkey.effects import Outcome

HARD_NAMES = (
    "github:alice",
    "a/b#c?d%2F&e=f",
    "NUL\0in the middle",
    "trailing NUL\0",
    "emoji \U0001f511 key",
    "caf\u00e9",
    "cafe\u0301",  # the same to a reader, another name to a store
    "I",
    "\u0130",  # the Turkish dotted capital i
    "i",
    "\u0131",
    "' OR 1=1 --",
    "line\nbreak\ttab",
    " leading and trailing ",
    "\uffff\U0010ffff",
    "x" * 1_000,
    "\U0001f511" * 250,
)


class AtOnce:
    """The store of a bench for a vault, whichever colour it has: what is asked is answered at once."""

    blocking, local = False, False

    def __init__(self, bench: Bench) -> None:
        self.description = bench.store.description
        self.load, self.swap, self.list = bench.load, bench.swap, bench.list

    def create(self) -> None:
        raise AssertionError("the store is there")

    def check(self) -> tuple[str, ...]:
        return ()

    def close(self) -> None:
        pass


def partition(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def new_key(name: str = "github") -> Key:
    """A key that no other test uses: the tables of a server are shared."""
    return Key(os.urandom(32).hex(), name)


class Conformance:
    """The suite."""

    scale = 2_500

    def test_a_row_that_is_not_there_is_none(self, bench: Bench) -> None:
        assert bench.load(new_key()) is None

    def test_a_row_comes_back_as_it_was_written(self, bench: Bench) -> None:
        clear: dict[str, str | int] = {
            "state": "ACTIVE",
            "generation": 2**63 - 1,
            "doubts": "",
            "lease_until": -5,
            "note": "caf\u00e9 \U0001f511 \0",
        }
        wanted = row(new_key(), clear, sealed=bytes(range(256)), expires_at=4_102_444_800)

        assert bench.swap(wanted.key, None, wanted) == WON

        found = bench.load(wanted.key)
        assert found == wanted
        assert found is not None
        assert type(found.clear["generation"]) is int

    def test_an_empty_row_comes_back_empty(self, bench: Bench) -> None:
        wanted = row(new_key())

        assert bench.swap(wanted.key, None, wanted) == WON

        assert bench.load(wanted.key) == wanted

    def test_a_row_is_created_only_where_none_is(self, bench: Bench) -> None:
        first, second = row(new_key(), {"n": 1}), row(new_key(), {"n": 2})
        second = replace(second, key=first.key)
        assert bench.swap(first.key, None, first) == WON

        assert bench.swap(first.key, None, second) == LOST

        assert bench.load(first.key) == first

    def test_a_row_is_replaced_by_whoever_knows_its_version(self, bench: Bench) -> None:
        first = row(new_key(), {"n": 1, "gone": "x"}, sealed=b"old", expires_at=4_102_444_800)
        second = row(first.key, {"n": 2})
        bench.swap(first.key, None, first)

        assert bench.swap(first.key, first.version, second) == WON

        assert bench.load(first.key) == second

    def test_a_write_with_an_old_version_is_lost_and_changes_nothing(self, bench: Bench) -> None:
        first = row(new_key(), {"n": 1})
        second, third = row(first.key, {"n": 2}), row(first.key, {"n": 3})
        bench.swap(first.key, None, first)
        bench.swap(first.key, first.version, second)

        assert bench.swap(first.key, first.version, third) == LOST

        assert bench.load(first.key) == second

    def test_replacing_a_row_that_is_not_there_is_lost_and_creates_nothing(self, bench: Bench) -> None:
        ghost = row(new_key())

        assert bench.swap(ghost.key, os.urandom(16), ghost) == LOST

        assert bench.load(ghost.key) is None

    def test_a_row_is_deleted_by_its_version_only(self, bench: Bench) -> None:
        kept = row(new_key())
        bench.swap(kept.key, None, kept)

        assert bench.swap(kept.key, os.urandom(16), None) == LOST
        assert bench.load(kept.key) == kept
        assert bench.swap(kept.key, kept.version, None) == WON
        assert bench.load(kept.key) is None
        assert bench.swap(kept.key, kept.version, None) == LOST

    def test_names_that_look_alike_are_different_rows(self, bench: Bench) -> None:
        keys = [Key(new_key().partition, name) for name in HARD_NAMES]
        keys = [replace(key, partition=keys[0].partition) for key in keys]
        rows = {key: row(key, {"number": number}) for number, key in enumerate(keys)}

        assert [bench.swap(key, None, rows[key]) for key in keys] == [WON] * len(keys)

        assert {key: bench.load(key) for key in keys} == rows
        listed = [each.key.name for page in bench.pages(keys[0].partition) for each in page.rows]
        assert listed == sorted(HARD_NAMES)

    def test_a_partition_may_be_any_text(self, bench: Bench) -> None:
        unique = os.urandom(8).hex()
        keys = [Key(f"{unique}{text}", "n") for text in (":", "/", "#", "\0", "\U0001f511", "a" * 900)]

        for key in keys:
            assert bench.swap(key, None, row(key)) == WON

        assert [len(bench.list(key.partition).rows) for key in keys] == [1] * len(keys)

    def test_a_listing_of_one_partition_has_every_row_once_and_in_order(self, bench: Bench) -> None:
        place, other = new_key().partition, new_key().partition
        rows = [row(Key(place, f"name {number * 7919 % self.scale:05}"), {"n": number}) for number in range(self.scale)]
        bench.fill(rows)
        bench.fill([row(Key(other, "name 00000"))])

        pages = bench.pages(place)

        assert [each for page in pages for each in page.rows] == sorted(rows, key=lambda each: each.key.name)
        assert max(len(page.rows) for page in pages) == 100
        assert all(page.rows for page in pages[:-1])

    def test_a_listing_of_everything_has_every_row_once(self, bench: Bench) -> None:
        rows = [row(Key(f"{os.urandom(32).hex()}", f"n{number % 3}"), {"n": number}) for number in range(self.scale)]
        bench.fill(rows)

        found = [each for page in bench.pages(None) for each in page.rows]

        assert len({each.key for each in found}) == len(found)
        assert {each.key for each in rows} <= {each.key for each in found}

    def test_a_listing_goes_on_while_rows_come_and_go(self, bench: Bench) -> None:
        place = new_key().partition
        rows = [row(Key(place, f"{number:03}")) for number in range(150)]
        bench.fill(rows)
        first = bench.list(place)
        bench.swap(rows[99].key, rows[99].version, None)  # the row that the cursor names
        bench.swap(rows[149].key, rows[149].version, None)
        bench.swap(Key(place, "000a"), None, row(Key(place, "000a")))

        second = bench.list(place, first.cursor)

        assert [each.key.name for each in second.rows] == [f"{number:03}" for number in range(100, 149)]
        assert not second.cursor

    def test_an_empty_listing_has_no_cursor(self, bench: Bench) -> None:
        page = bench.list(new_key().partition)

        assert (page.rows, page.cursor) == ((), "")

    def test_a_cursor_of_another_partition_is_refused(self, bench: Bench) -> None:
        place = new_key().partition
        bench.fill([row(Key(place, f"{number:03}")) for number in range(101)])
        cursor = bench.list(place).cursor

        with pytest.raises(ValueError, match="another partition"):
            bench.list(new_key().partition, cursor)
        with pytest.raises(ValueError, match="not given out"):
            bench.list(place, "no cursor")

    def test_a_row_of_64_kilobytes_is_kept(self, bench: Bench) -> None:
        big = row(new_key(), {"note": "n" * 8_000}, sealed=os.urandom(65_536))

        assert bench.swap(big.key, None, big) == WON

        assert bench.load(big.key) == big

    @pytest.mark.parametrize(
        "change",
        [
            {"sealed": bytes(65_537)},
            {"clear": {"note": "n" * 16_384}},
            {"clear": {"live": True}},
            {"clear": {"share": 0.5}},
            {"clear": {"count": 2**63}},
            {"clear": {"half": "\ud83d"}},
            {"clear": {"Name": "x"}},
            {"clear": {"version": "x"}},
            {"version": b"short"},
            {"expires_at": -1},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_a_row_that_some_store_could_not_keep_is_refused_by_each(
        self, bench: Bench, change: dict[str, object]
    ) -> None:
        refused = replace(row(new_key()), **change)

        with pytest.raises(ValueError):
            bench.swap(refused.key, None, refused)

        assert bench.load(refused.key) is None

    @pytest.mark.parametrize(
        "name", ["", "x" * 1_001, "\U0001f511" * 251, "\ud83d"], ids=["empty", "long", "wide", "half"]
    )
    def test_a_name_that_some_store_could_not_keep_is_refused_by_each(self, bench: Bench, name: str) -> None:
        with pytest.raises(ValueError, match="name"):
            bench.load(Key("ab", name))
        with pytest.raises(ValueError, match="name"):
            bench.swap(Key("ab", name), None, row(Key("ab", name)))

    def test_a_write_that_means_nothing_is_refused(self, bench: Bench) -> None:
        one, other = row(new_key()), row(new_key())

        with pytest.raises(ValueError, match="creates, replaces or deletes"):
            bench.swap(one.key, None, None)
        with pytest.raises(ValueError, match="another key"):
            bench.swap(one.key, None, other)
        with pytest.raises(ValueError, match="version"):
            bench.swap(one.key, one.version, one)
        with pytest.raises(ValueError, match="version"):
            bench.swap(one.key, b"short", one)

    def test_what_the_caller_changes_afterwards_is_not_stored(self, bench: Bench) -> None:
        clear: dict[str, str | int] = {"state": "ACTIVE"}
        kept = row(new_key(), clear)
        bench.swap(kept.key, None, kept)
        clear["state"] = "changed"

        found = bench.load(kept.key)

        assert found is not None
        assert found.clear == {"state": "ACTIVE"}

    def test_of_sixteen_who_create_exactly_one_wins(self, bench: Bench) -> None:
        for _ in range(3):
            key = new_key()
            rows = [row(key, {"writer": number}) for number in range(16)]

            outcomes = bench.race([(key, None, each) for each in rows])

            self.exactly_one(bench, rows, outcomes)

    def test_of_sixteen_who_replace_exactly_one_wins(self, bench: Bench) -> None:
        current = row(new_key())
        bench.swap(current.key, None, current)
        for _ in range(3):
            rows = [row(current.key, {"writer": number}) for number in range(16)]

            outcomes = bench.race([(current.key, current.version, each) for each in rows])

            current = self.exactly_one(bench, rows, outcomes)

    def test_of_sixteen_who_delete_exactly_one_wins(self, bench: Bench) -> None:
        doomed = row(new_key())
        bench.swap(doomed.key, None, doomed)

        outcomes = bench.race([(doomed.key, doomed.version, None)] * 16)

        assert sorted(outcomes) == [LOST] * 15 + [WON]
        assert bench.load(doomed.key) is None

    def test_resource_owners_of_a_kilobyte_are_served_and_kept_apart(self, bench: Bench) -> None:
        world = World(seed=int.from_bytes(os.urandom(6)))  # whose handles no other test has drawn
        world.clock.time = float(int(time.time()))  # an engine goes by its own clock
        vault = Vault(world.settings, store=AtOnce(bench), keys=world.keys, transport=world.network, clock=world.clock)
        long = f"https://idp.example/:/#?&\0\U0001f511 {os.urandom(8).hex()} " + "o/" * 480
        owners, account = (f"{long}a", f"{long}b"), "work:/#\U0001f511"
        assert min(len(owner.encode()) for owner in owners) > 1_000
        for owner in owners:
            begun = vault.begin_authorization("two", resource_owner=owner, cookies=(), account=account)
            request = callback_request(approve(world.sandbox.respond, begun.location), begun.set_cookies)
            vault.finish_authorization(request, resource_owner=owner)

        before = [vault.access_token("two", owner, account) for owner in owners]
        world.clock.time += 7_200
        after = [vault.access_token("two", owner, account) for owner in owners]
        vault.forget("two", owners[0], account)

        assert len({token.reveal() for token in (*before, *after)}) == 4
        assert [[each.account for each in vault.connections(owner).connections] for owner in owners] == [[], [account]]
        assert vault.access_token("two", owners[1], account) == after[1]

    def exactly_one(self, bench: Bench, rows: Sequence[Row], outcomes: Sequence[Outcome]) -> Row:
        assert outcomes.count(WON) == 1
        assert UNKNOWN not in outcomes
        winner = rows[outcomes.index(WON)]
        assert bench.load(winner.key) == winner
        return winner
