"""Many callers, drawn schedules, and everything that can go wrong at once: what must hold after every single step.

I1  the generation never falls
I2  a refresh token is sent only by a holder whose deadline has not passed, and by one holder at a time
I3  a commit by an attempt that is no longer the row's never lands
I4  no step removes the last copy of a credential
I5  at a provider that forgives, every run ends with a working token
I6  a strict provider ends in `needs_reauthorization` only where an answer was lost, or its holder died or froze
I7  what is written outside a seal holds no token
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.steps import alice_key, eventually, expired, record, standing, token, works

from valetkey.connections.codec import read_clear
from valetkey.connections.connection import ACTIVE, NEEDS_REAUTHORIZATION
from valetkey.connections.seal import connection_place, rescue_place
from valetkey.effects import LOST, Row, Send, Sleep, Swap
from valetkey.errors import ReauthorizationRequired, SealBroken
from valetkey.testing.interleave import Caller

if TYPE_CHECKING:
    from valetkey.sandbox.clients import RotationMode
    from valetkey.testing.world import World

RUNS = 120
CALLERS = 4
MAX_STEPS = 4_000


class Storm:
    """One drawn run: callers that come, sleep, freeze and die, a provider and a store that fail, and time that passes."""

    def __init__(self, world: World, seed: int, *, kindly: bool) -> None:
        self.world, self.chance, self.kindly = world, random.Random(seed), kindly
        self.dead: list[Caller] = []
        self.callers = [Caller(token(world)) for _ in range(CALLERS)]
        self.generation = standing(world).generation
        self.troubled = False
        self.trouble_left = 3
        self.current: Caller | None = None
        self.leases: dict[int, tuple[str, int]] = {}
        world.store.swap = self._swap  # type: ignore[method-assign]
        self._real_swap = type(world.store).swap.__get__(world.store)

    def _swap(self, key: Any, expected: bytes | None, new: Row | None) -> Any:
        before = self.world.store.rows.load(key)
        outcome = self._real_swap(key, expected, new)
        after = self.world.store.rows.load(key)
        if key == alice_key() and after is not None and before is not None and after != before:
            old, now = read_clear(before.clear, key), read_clear(after.clear, key)
            assert now.generation in (old.generation, old.generation + 1), "I1"
            committed = now.generation > old.generation and old.attempt and now.state == ACTIVE
            if committed and self.leases.get(id(self.current), ("", 0))[0] != old.attempt:
                assert self._came_from_rescue(before, after), "I3"
            if now.attempt and now.attempt != old.attempt:
                assert not old.attempt or self.world.clock.now() >= old.lease_until, "I3: a live lease was taken"
                self.leases[id(self.current)] = now.attempt, now.lease_until
        if outcome == LOST:
            assert after == before
        return outcome

    def _came_from_rescue(self, before: Row, after: Row) -> bool:
        """Whether the tokens that were written stood in a rescue record."""
        at = read_clear(before.clear, before.key)
        place = connection_place("default", after.key, at.incarnation, at.generation + 1)
        written = self.world.keys.open(place, after.sealed)
        for row in self.world.store.rows._rows.values():
            if row.key.name.startswith("rescue/"):
                try:
                    found = self.world.keys.open(
                        rescue_place("default", after.key, at.incarnation, at.generation), row.sealed
                    )
                except SealBroken:
                    continue
                if found == written:
                    return True
        return False

    def trouble(self) -> None:
        """Perhaps something goes wrong now."""
        if not self.trouble_left or self.chance.random() > 0.06:
            return
        self.trouble_left -= 1
        kind = self.chance.choice(("die", "freeze", "store", "lost_answers", "lost_writes", "provider", "time"))
        living = [caller for caller in self.callers if not caller.ended]
        if kind == "die" and len(living) > 1:
            victim = self.chance.choice(living)
            self.callers.remove(victim)
            self.dead.append(victim)
            self.troubled = True
        elif kind == "freeze" and living:
            self.chance.choice(living).wakes_at = self.world.clock.now() + self.chance.choice((2, 12, 20))
            self.troubled = True
        elif kind == "store":
            self.world.store.outages = self.chance.randint(1, 3)
            self.troubled = True
        elif kind == "provider":
            fault, details = self.chance.choice(
                (
                    ("lose_request", {}),
                    ("lose_response", {}),
                    ("status", {"status": 503, "when": "before"}),
                    ("status", {"status": 500, "when": "after"}),
                    ("status", {"status": 429, "retry_after": 3}),
                    ("html", {}),
                )
            )
            self.world.sandbox.faults.add(endpoint="token", fault=fault, **details)
            self.troubled = True
        elif kind == "time":
            self.world.clock.time += self.chance.choice((0.5, 3.0))
        elif kind in ("lost_answers", "lost_writes"):
            setattr(self.world.store, kind, self.chance.randint(1, 2))

    def step(self, caller: Caller) -> None:
        self.current = caller
        effect = caller.effect
        if isinstance(effect, Send) and self.world.clock.now() <= effect.not_after:
            assert self.world.clock.now() < self.leases[id(caller)][1], "I2"
        if isinstance(effect, Swap) and effect.new is not None:
            self._hides(effect.new)
        if isinstance(effect, Sleep):
            caller.wakes_at = self.world.clock.now() + effect.seconds
            caller.hold(None, None)
            caller.thaw()
        else:
            caller.step(self.world.answer)
        generation = record(self.calm()).connection.generation
        assert generation >= self.generation, "I1"
        self.generation = generation
        self._last_copy()

    def calm(self) -> World:
        """The same world for an observer, whom no fault hits."""
        outages, self.world.store.outages = self.world.store.outages, 0
        self._outages = outages
        return self.world

    def _last_copy(self) -> None:
        at = record(self.world).connection
        row = self.world.store.rows.load(alice_key())
        assert row is not None, "I4"
        place = connection_place("default", alice_key(), at.incarnation, at.generation)
        assert b'"now"' in self.world.keys.open(place, row.sealed), "I4"
        self.world.store.outages = self._outages

    def _hides(self, row: Row) -> None:
        told = repr(dict(row.clear)) + repr(row.sealed)
        assert "sandbox-" not in told, "I7"

    def run(self) -> None:
        for _ in range(MAX_STEPS):
            living = [caller for caller in self.callers if not caller.ended]
            if not living:
                return
            now = self.world.clock.now()
            able = [caller for caller in living if caller.wakes_at <= now]
            if not able:
                self.world.clock.time = min(caller.wakes_at for caller in living)
                continue
            self.trouble()
            chosen = self.chance.choice(able)
            if chosen in self.callers and chosen.wakes_at <= self.world.clock.now():
                self.step(chosen)
        pytest.fail("it never ended")


@pytest.mark.parametrize("mode", ["none", "stable", "window", "until_new_used"])
def test_at_a_provider_that_forgives_every_run_ends_with_a_working_token(mode: RotationMode) -> None:
    world = expired(mode, window_seconds=600) if mode == "window" else expired(mode)
    for seed in range(RUNS):
        storm = Storm(world.fork(), seed, kindly=True)
        storm.run()
        after = storm.world
        after.store.outages = after.store.lost_answers = after.store.lost_writes = 0
        after.sandbox.faults.clear()
        after.clock.time += 20

        assert works(after, eventually(after)), seed  # I5
        assert standing(after).state == ACTIVE, seed
        for caller in storm.callers:
            assert not isinstance(caller.error, ReauthorizationRequired), seed


@pytest.mark.parametrize("mode", ["strict", "strict_family"])
def test_a_strict_provider_asks_the_resource_owner_only_after_a_misfortune(mode: RotationMode) -> None:
    world = expired(mode)
    ended = calm = 0
    for seed in range(RUNS * 2):
        storm = Storm(world.fork(), seed, kindly=False)
        storm.run()
        after = storm.world
        after.store.outages = after.store.lost_answers = after.store.lost_writes = 0
        after.sandbox.faults.clear()
        after.clock.time += 20
        calm += not storm.troubled

        try:
            fresh = eventually(after)
            assert mode == "strict_family" or works(after, fresh), seed
            if not storm.troubled:
                assert works(after, fresh), seed
                assert after.refresh_requests() == 1, seed
        except ReauthorizationRequired:
            assert storm.troubled, seed  # I6
            assert standing(after).state == NEEDS_REAUTHORIZATION
            assert record(after).sealed
            ended += 1
    assert 0 < ended < RUNS
    assert calm > 10


def test_the_observer_would_notice_an_overwrite() -> None:
    """The test of the test: a commit by an attempt that holds no lease is seen."""
    from valetkey.connections.records import write_record
    from valetkey.value import replace

    world = expired("window")
    storm = Storm(world, 0, kindly=True)
    at = record(world)
    leased = replace(at.connection, attempt="a" * 32, state="refreshing", lease_until=int(world.clock.now()) + 10)
    written = world.run(write_record(at.key, at.version, leased, at.sealed))
    assert written is not None
    storm.current = storm.callers[0]
    forged = replace(leased, attempt="b" * 32)

    with pytest.raises(AssertionError, match="I3"):
        _ = world.run(write_record(at.key, written.version, forged, at.sealed))
