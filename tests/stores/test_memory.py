"""The memory store's own behaviour."""

from __future__ import annotations

import os

from tests.stores.bench import row

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
