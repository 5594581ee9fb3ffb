"""The process dies at every effect of a refresh; the next caller has to go on (RFC 6749 section 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.connections.steps import (
    FORGIVING,
    LEASE_SECONDS,
    MODES,
    credentials,
    eventually,
    expired,
    standing,
    token,
    works,
)

from valetkey.connections.connection import ACTIVE, NEEDS_REAUTHORIZATION
from valetkey.effects import Swap
from valetkey.errors import ReauthorizationRequired
from valetkey.providers.provider import Rotation
from valetkey.testing.crash import crashes

if TYPE_CHECKING:
    from valetkey.sandbox.clients import RotationMode


@pytest.mark.parametrize("mode", FORGIVING)
def test_a_crash_at_any_effect_leaves_a_connection_that_the_next_caller_refreshes(mode: RotationMode) -> None:
    world = expired(mode)
    count = 0

    for crashed in crashes(world.fork, token):
        crashed.world.clock.time += LEASE_SECONDS
        found = eventually(crashed.world)

        assert works(crashed.world, found), crashed
        assert standing(crashed.world).state == ACTIVE, crashed
        assert credentials(crashed.world).current.access_token == found, crashed
        assert crashed.world.refresh_requests() <= 2, crashed
        count += 1
    assert count >= 28  # it ran past the last effect, both ways


@pytest.mark.parametrize("mode", ["strict", "strict_family"])
def test_a_crash_asks_the_resource_owner_again_only_where_a_strict_provider_had_answered(mode: RotationMode) -> None:
    world = expired(mode)
    burnt, reasons = 0, set()

    for crashed in crashes(world.fork, token):
        answered = crashed.world.sandbox.seen.count("token", outcome="ok")
        committed = standing(crashed.world).generation == 2
        crashed.world.clock.time += LEASE_SECONDS
        try:
            assert works(crashed.world, eventually(crashed.world)), crashed
            assert not (answered and not committed), crashed
        except ReauthorizationRequired as error:
            assert answered, crashed
            assert not committed, crashed
            reasons.add(error.reason)
            assert standing(crashed.world).state == NEEDS_REAUTHORIZATION
            assert credentials(crashed.world).current.refresh_token is not None, "the ciphertext is kept"
            burnt += 1
        assert crashed.world.refresh_requests() <= 2, crashed
    assert reasons == {"invalid_grant"}
    assert burnt >= 8  # between the provider's answer and the commit, both ways


@pytest.mark.parametrize("mode", ["window", "until_new_used", "strict"])
def test_a_crash_before_expiry_never_takes_the_valid_token_away(mode: RotationMode) -> None:
    world = expired(mode)
    world.clock.time -= 20  # inside the margin: due, and still alive
    assert standing(world).refresh_due_at <= world.clock.now() < standing(world).access_expires_at

    for crashed in crashes(world.fork, token, every=False):
        found = crashed.world.run(token(crashed.world))

        assert works(crashed.world, found), crashed
        assert crashed.world.refresh_requests() <= 1, crashed


def test_a_second_crash_inside_the_window_is_recovered_too() -> None:
    world = expired("window")
    ends = 0

    for first in crashes(world.fork, token, every=False):
        first.world.clock.time += LEASE_SECONDS
        if not first.performed:
            continue
        after_one = first.world
        for second in crashes(after_one.fork, token, every=False):
            second.world.clock.time += LEASE_SECONDS
            assert works(second.world, eventually(second.world)), (first, second)
            ends += 1
    assert ends > 20


def test_an_unknown_rotation_is_recovered_like_a_window() -> None:
    world = expired("window", rotation=Rotation("unknown"))

    for crashed in crashes(world.fork, token, every=False):
        crashed.world.clock.time += LEASE_SECONDS
        assert works(crashed.world, eventually(crashed.world)), crashed


def test_no_crash_ever_writes_without_a_new_version_or_lowers_the_generation() -> None:
    world = expired("window")
    before = standing(world).generation

    for crashed in crashes(world.fork, token):
        assert standing(crashed.world).generation >= before
        if isinstance(crashed.effect, Swap):
            assert crashed.effect.new is not None
            assert crashed.effect.new.version != crashed.effect.expected


@pytest.mark.parametrize("mode", list(MODES))
def test_a_crash_while_recovering_from_a_provider_outage_keeps_the_credentials(mode: RotationMode) -> None:
    world = expired(mode)
    world.sandbox.faults.add(endpoint="token", fault="status", status=503, times=1)

    def make():  # type: ignore[no-untyped-def]
        fork = world.fork()
        fork.sandbox.faults.add(endpoint="token", fault="status", status=503, when="before")
        return fork

    for crashed in crashes(make, token, every=False):
        crashed.world.clock.time += LEASE_SECONDS
        crashed.world.sandbox.faults.clear()
        assert works(crashed.world, eventually(crashed.world)), crashed
