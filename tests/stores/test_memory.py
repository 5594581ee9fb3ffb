"""The memory store's own behaviour."""

from __future__ import annotations

import os
import time

from tests.stores.bench import Bench, row

from valetkey.effects import WON, Key
from valetkey.stores.memory import MemoryStore


def test_expired_rows_are_swept_by_later_writes() -> None:
    clock = [1_000.0]
    store = MemoryStore(now=lambda: clock[0])
    old, kept = row(Key("ab", "old"), expires_at=1_030), row(Key("ab", "kept"))
    for each in (old, kept):
        assert store.swap(each.key, None, each) == WON

    clock[0] = 1_061.0
    store.swap(Key("ab", "any"), os.urandom(16), None)

    assert store.load(old.key) is None
    assert store.load(kept.key) == kept


def test_a_clock_that_jumps_back_does_not_stop_the_sweeping() -> None:
    clock = [10_000.0]
    store = MemoryStore(now=lambda: clock[0])
    store.swap(Key("ab", "any"), os.urandom(16), None)
    clock[0] = 500.0
    old = row(Key("ab", "old"), expires_at=510)
    store.swap(old.key, None, old)

    clock[0] = 570.0
    store.swap(Key("ab", "any"), os.urandom(16), None)

    assert store.load(old.key) is None


def test_closing_forgets_nothing() -> None:
    store = MemoryStore()
    kept = row(Key("ab", "n"))
    store.swap(kept.key, None, kept)

    store.close()

    assert store.load(kept.key) == kept


class SlowVersion(bytes):
    """Octets that take their time to compare, so that a write without a lock would be interrupted."""

    __hash__ = bytes.__hash__

    def __eq__(self, other: object) -> bool:
        time.sleep(0.005)
        return bytes.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other


def test_a_write_that_is_interrupted_between_looking_and_writing_still_excludes_others() -> None:
    bench = Bench(MemoryStore())
    current = row(Key("ab", "n"))
    bench.swap(current.key, None, current)
    expected = SlowVersion(current.version)

    outcomes = bench.race([(current.key, expected, row(current.key)) for _ in range(8)])

    assert outcomes.count(WON) == 1


def test_a_listing_of_everything_is_in_key_order() -> None:
    store = MemoryStore()
    keys = [Key(partition, name) for partition in ("b", "a") for name in ("2", "1")]
    for key in keys:
        store.swap(key, None, row(key))

    assert [each.key for each in store.list(None, "").rows] == [
        Key("a", "1"),
        Key("a", "2"),
        Key("b", "1"),
        Key("b", "2"),
    ]
