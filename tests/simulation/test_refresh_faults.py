"""A provider and a store that misbehave during a refresh: nothing stored is lost, nobody is sent to connect again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.steps import MODES, credentials, eventually, expired, failure, record, standing, token, works
from tests.simulation.pausing import until_after_send

from valetkey.connections.connection import ACTIVE, IN_DOUBT, NEEDS_REAUTHORIZATION, REFRESHING
from valetkey.connections.rescue_line import read_rescue_line
from valetkey.effects import LOST, UNKNOWN, WON, Load, Seal, Swap
from valetkey.errors import (
    MalformedResponse,
    ProviderError,
    ReauthorizationRequired,
    RefreshInProgress,
    StoreError,
    TransportError,
)
from valetkey.secret import Secret
from valetkey.testing.crash import crash

if TYPE_CHECKING:
    from valetkey.effects import AnyEffect
    from valetkey.sandbox.clients import RotationMode
    from valetkey.testing.world import World


def broken(world: World, fault: str, **details: Any) -> World:
    """The same world with a fault at its token endpoint."""
    world.sandbox.faults.add(endpoint="token", fault=fault, **details)
    return world


# --- the provider


@pytest.mark.parametrize("mode", list(MODES))
@pytest.mark.parametrize(
    ("fault", "details"),
    [
        ("lose_request", {}),
        ("status", {"status": 500}),
        ("status", {"status": 503, "retry_after": 20}),
        ("status", {"status": 429, "retry_after": 7}),
        ("html", {"when": "before"}),
        ("html", {"when": "before", "status": 502}),
    ],
)
def test_a_failure_before_the_provider_acts_costs_a_cool_down_and_nothing_else(
    mode: RotationMode, fault: str, details: dict[str, Any]
) -> None:
    world = broken(expired(mode), fault, **details)

    error = failure(world, token(world))

    assert isinstance(error, ProviderError | TransportError)
    assert standing(world).state in (ACTIVE, IN_DOUBT)
    assert isinstance(failure(world, token(world)), RefreshInProgress), "it cools down"
    assert world.refresh_requests() <= 1
    assert works(world, eventually(world))
    assert standing(world).state == ACTIVE
    assert standing(world).doubts == ()


@pytest.mark.parametrize("mode", ["none", "stable", "window", "until_new_used"])
@pytest.mark.parametrize(
    ("fault", "details"),
    [
        ("lose_response", {}),
        ("status", {"status": 500, "when": "after"}),
        ("html", {}),
        ("delay", {"seconds": 20.0, "when": "after"}),
        ("delay", {"seconds": 20.0, "when": "before"}),
    ],
)
def test_an_answer_that_is_lost_is_recovered_inside_the_window(
    mode: RotationMode, fault: str, details: dict[str, Any]
) -> None:
    world = broken(expired(mode), fault, **details)

    assert isinstance(failure(world, token(world)), ProviderError | TransportError)
    assert standing(world).state == IN_DOUBT
    assert works(world, eventually(world))
    assert world.refresh_requests() == 2
    assert standing(world).state == ACTIVE


@pytest.mark.parametrize("fault", ["lose_response", "html"])
def test_a_strict_provider_that_loses_its_answer_asks_the_resource_owner_again(fault: str) -> None:
    world = broken(expired("strict"), fault)

    assert isinstance(failure(world, token(world)), ProviderError | TransportError)
    with pytest.raises(ReauthorizationRequired) as caught:
        _ = eventually(world)

    assert caught.value.reason == "invalid_grant"
    assert caught.value.connect_url == "https://app.example/oauth/connect/two"
    assert standing(world).state == NEEDS_REAUTHORIZATION
    assert credentials(world).current.refresh_token is not None
    assert world.events.names.count("needs_reauthorization") == 1
    assert world.refresh_requests() == 2


def test_a_strict_provider_in_doubt_is_not_asked_again_while_the_access_token_lives() -> None:
    world = expired("strict")
    world.clock.time -= 30
    old = credentials(world).current.access_token
    _ = broken(world, "lose_response")

    assert world.run(token(world)) == old
    world.clock.time += 12
    assert world.run(token(world)) == old
    assert world.refresh_requests() == 1


def test_a_provider_that_ends_the_old_access_token_is_asked_again_at_once() -> None:
    world = with_dying_tokens()
    old = credentials(world).current.access_token
    _ = broken(world, "lose_request")

    assert world.run(token(world)) == old
    world.clock.time += 12

    assert world.run(token(world)) != old
    assert world.refresh_requests() == 1


def with_dying_tokens() -> World:
    from valetkey.providers.provider import Rotation

    world = expired("strict", rotation=Rotation("strict", old_access_dies=True), old_access_dies=True)
    world.clock.time -= 30
    return world


@pytest.mark.parametrize("code", ["invalid_client", "unauthorized_client", "invalid_scope", "temporarily_unavailable"])
def test_an_error_that_is_not_invalid_grant_keeps_the_connection_active(code: str) -> None:
    world = broken(expired("strict"), "error_with_status_200", error=code)

    error = failure(world, token(world))

    assert isinstance(error, ProviderError)
    assert error.error == code
    assert standing(world).state == ACTIVE
    assert standing(world).last_error == code
    assert works(world, eventually(world))


def test_invalid_grant_with_status_200_is_believed() -> None:
    world = broken(expired("strict"), "error_with_status_200", error="invalid_grant", times=2)

    assert isinstance(failure(world, token(world)), ReauthorizationRequired)
    assert standing(world).state == NEEDS_REAUTHORIZATION


@pytest.mark.parametrize("mode", list(MODES))
def test_an_answer_without_a_refresh_token_keeps_the_one_before(mode: RotationMode) -> None:
    world = expired(mode)
    before = credentials(world).current.refresh_token
    _ = broken(world, "missing_refresh_token")

    fresh = world.run(token(world))

    assert works(world, fresh)
    assert credentials(world).current.refresh_token == before


def test_a_lifetime_that_is_a_string_is_read() -> None:
    world = broken(expired("strict"), "expires_in_string")

    _ = world.run(token(world))

    assert standing(world).access_expires_at == int(world.clock.now()) + 3600


@pytest.mark.parametrize("mode", ["none", "stable", "window", "until_new_used"])
@pytest.mark.parametrize("answer", ["first", "second"])
def test_a_request_that_is_delivered_twice_leaves_a_working_connection(mode: RotationMode, answer: str) -> None:
    world = broken(expired(mode), "double_delivery", answer=answer)

    assert works(world, eventually(world))
    world.clock.time += 4000
    assert works(world, eventually(world))


def test_a_strict_provider_that_gets_a_request_twice_and_answers_the_second_ends_the_grant() -> None:
    world = broken(expired("strict"), "double_delivery", answer="second")

    assert isinstance(failure(world, token(world)), ReauthorizationRequired)


def test_429_waits_as_long_as_the_provider_says() -> None:
    world = broken(expired("strict"), "status", status=429, retry_after=90)

    _ = failure(world, token(world))
    busy = failure(world, token(world))

    assert isinstance(busy, RefreshInProgress)
    assert 80 < busy.retry_after <= 91


def test_a_cool_down_does_not_outlast_the_window_of_a_doubt() -> None:
    world = broken(expired("window"), "status", status=503, when="after", retry_after=3000)

    _ = failure(world, token(world))

    assert standing(world).cool_until <= world.clock.now() + 60
    assert works(world, eventually(world))


def test_an_outage_of_hours_never_asks_the_resource_owner_to_connect_again() -> None:
    world = broken(expired("strict"), "status", status=503, times=400)
    for _ in range(400):
        error = failure(world, token(world))
        assert not isinstance(error, ReauthorizationRequired)
        world.clock.time += 11
    assert standing(world).state == IN_DOUBT
    assert len(standing(world).doubts) <= 12
    world.sandbox.faults.clear()
    assert works(world, eventually(world))


def test_a_kept_refresh_token_is_tried_once_inside_its_window_when_the_new_one_is_refused() -> None:
    world = expired("window")
    previous = credentials(world).current.refresh_token
    _ = world.run(token(world))
    assert credentials(world).previous is not None
    assert credentials(world).previous.refresh_token == previous  # type: ignore[union-attr]
    refused = credentials(world).current.access_token
    world.clock.time += 31
    _ = broken(world, "error_with_status_200", error="invalid_grant")

    fresh = world.run(token(world, rejected=refused))

    assert works(world, fresh)
    assert standing(world).state == ACTIVE


def test_an_outage_while_the_kept_refresh_token_is_tried_does_not_end_the_connection() -> None:
    world = expired("window")
    _ = world.run(token(world))
    refused = credentials(world).current.access_token
    world.clock.time += 31
    _ = broken(world, "error_with_status_200", error="invalid_grant")
    _ = broken(world, "status", status=503)

    error = failure(world, token(world, rejected=refused))

    assert isinstance(error, ProviderError)
    assert error.status == 503
    assert standing(world).state == IN_DOUBT
    world.clock.time += 11
    assert works(world, world.run(token(world, rejected=refused)))


# --- the store


def test_a_commit_whose_answer_is_lost_is_recognised_as_ones_own() -> None:
    world = expired("strict")
    world.store.lost_answers = 2  # of the claim and of the commit

    assert works(world, world.run(token(world)))
    assert standing(world).generation == 2
    assert world.refresh_requests() == 1


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_writes_that_are_lost_are_written_again(count: int) -> None:
    world = expired("strict")
    paused = until_after_send(world, token(world))
    world.store.lost_writes = count

    assert works(world, paused.finish())
    assert standing(world).generation == 2


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_an_outage_between_answer_and_commit_is_waited_out(count: int) -> None:
    world = expired("strict")
    paused = until_after_send(world, token(world))
    world.store.outages = count

    fresh = paused.finish()

    assert works(world, fresh)
    assert credentials(world).current.access_token == fresh
    assert "unsaved" not in world.events.names


def test_a_store_that_stays_down_after_the_answer_hands_over_ciphertext_and_the_caller_gets_the_token() -> None:
    world = expired("strict")
    old = credentials(world).current
    paused = until_after_send(world, token(world))
    world.store.outages = 1000

    fresh = paused.finish()
    world.store.outages = 0

    assert works(world, fresh)
    event = next(event for event in world.events.events if event.name == "unsaved")
    text = repr(dict(event.fields))
    assert fresh.reveal() not in text
    assert old.access_token.reveal() not in text
    kept = read_rescue_line(str(event.fields["record"]), version=b"0" * 16)
    assert kept is not None
    assert kept.sealed.startswith(b"vk1.test.")
    assert standing(world).state == REFRESHING, "the doubt stays written down"
    assert len(standing(world).doubts) == 1


def test_an_unsaved_result_that_is_put_back_is_adopted() -> None:
    world = expired("strict")
    paused = until_after_send(world, token(world))
    world.store.outages = 1000
    fresh = paused.finish()
    world.store.outages = 0
    event = next(event for event in world.events.events if event.name == "unsaved")
    row = read_rescue_line(str(event.fields["record"]), version=world.clock.random(16))

    assert row is not None
    assert world.store.swap(row.key, None, row) == WON
    world.clock.time += 20

    assert world.run(token(world)) == fresh
    assert world.refresh_requests() == 1
    assert standing(world).state == ACTIVE


def test_a_rescue_record_that_cannot_be_written_is_handed_over_sealed() -> None:
    world = expired("strict")
    paused = until_after_send(world, token(world))
    world.clock.time += 20
    holder = until_after_send(world, token(world), performed=False)
    losing = world.store.swap

    def swap(key: Any, expected: Any, new: Any) -> Any:
        return UNKNOWN if key.name.startswith("rescue/") else losing(key, expected, new)

    world.store.swap = swap  # type: ignore[method-assign]
    fresh = paused.finish()

    assert works(world, fresh)
    assert "unsaved" in world.events.names
    del holder


def test_a_broken_rescue_record_does_not_hold_up_the_connection() -> None:
    from valetkey.connections.codec import rescue_name
    from valetkey.effects import Key, Row

    world = expired("window")
    _ = broken(world, "lose_response")
    _ = failure(world, token(world))
    at = record(world)
    key = Key(at.key.partition, rescue_name(at.key.name, at.connection.doubts[0].attempt))
    clear: dict[str, str | int] = {"incarnation": at.connection.incarnation, "generation": 1}
    assert world.store.swap(key, None, Row(key, world.clock.random(16), clear, b"vk1.test.broken")) == WON

    assert works(world, eventually(world))


@pytest.mark.parametrize("kind", [Load, Swap])
def test_an_outage_at_any_call_of_the_store_loses_nothing(kind: type[AnyEffect]) -> None:
    world = expired("strict_family")
    for at in range(40):
        fork = world.fork()
        count = -1

        def answer(effect: AnyEffect, fork: World = fork, at: int = at, kind: type[AnyEffect] = kind) -> object:
            nonlocal count
            count += isinstance(effect, kind)
            if isinstance(effect, kind) and count == at:
                message = "the store is out of reach: try again"
                raise StoreError(message)
            return fork.answer(effect)

        from valetkey.drivers.drive import drive

        try:
            fresh = drive(token(fork), answer)
        except StoreError:
            assert fork.refresh_requests() == 0, "the store is proved writable before the provider is touched"
            fork.clock.time += 20
            fresh = eventually(fork)
        assert works(fork, fresh)
        assert fork.refresh_requests() == 1
        if count < at:
            return
    pytest.fail("it never ran past its last call")


@pytest.mark.parametrize("outcome", [LOST, UNKNOWN])
def test_a_claim_that_is_not_certain_sends_nothing(outcome: str) -> None:
    world = expired("strict")
    lies = iter([outcome] * 3)
    real = world.store.swap

    def swap(key: Any, expected: Any, new: Any) -> Any:
        return next(lies, None) or real(key, expected, new)

    world.store.swap = swap  # type: ignore[method-assign]

    assert works(world, world.run(token(world)))
    assert world.refresh_requests() == 1


def test_a_live_token_survives_an_outage_of_the_store_in_the_cache() -> None:
    from valetkey.testing.world import World, sandbox_client

    world = World(client=sandbox_client(), cache=True)
    _ = world.connect()
    fresh = world.run(token(world))
    world.clock.time += 100
    world.store.outages = 1

    assert world.run(token(world)) == fresh
    world.clock.time += 4000
    world.store.outages = 1
    assert isinstance(failure(world, token(world)), StoreError)


def test_a_token_that_was_found_dead_does_not_come_back_from_the_cache() -> None:
    from valetkey.connections.manage import forget
    from valetkey.testing.world import World, sandbox_client

    world = World(client=sandbox_client(), cache=True)
    _ = world.connect()
    _ = world.run(token(world))
    cache, elsewhere = world.settings.cache, world.fork()
    assert cache is not None
    world.run(forget(elsewhere.settings, "two", resource_owner="alice"))  # another process: our cache does not hear
    world.clock.time += 31

    assert isinstance(failure(world, token(world)), ReauthorizationRequired)
    world.store.outages = 1
    assert isinstance(failure(world, token(world)), StoreError)


def test_a_late_result_after_the_grace_is_still_committed_when_nobody_took_over() -> None:
    world = expired("strict")
    paused = until_after_send(world, token(world))
    world.clock.time += 3000

    fresh = paused.finish()

    assert credentials(world).current.access_token == fresh


def test_tokens_that_fill_the_row_are_kept_without_the_ones_before_them() -> None:
    from valetkey.connections.codec import read_credentials, write_credentials
    from valetkey.connections.connection import Credentials, Tokens
    from valetkey.keys.aead import MAX_PLAINTEXT_OCTETS

    big = Tokens(Secret("a" * 16_000), Secret("r" * 16_000))
    written = write_credentials(Credentials("alice", big, big, ("read",), (("name", "x" * 500),)))

    assert len(written) <= MAX_PLAINTEXT_OCTETS
    assert read_credentials(written).current == big
    assert read_credentials(written).previous is None


def test_the_seal_that_fails_after_the_answer_is_a_doubt_and_not_a_loss() -> None:
    world = expired("window")
    count = 0

    def answer(effect: AnyEffect) -> object:
        nonlocal count
        if isinstance(effect, Seal):
            count += 1
            message = "the key service is out of reach: try again"
            raise StoreError(message)
        return world.answer(effect)

    from valetkey.drivers.drive import drive

    with pytest.raises(StoreError):
        drive(token(world), answer)
    assert count == 1
    world.clock.time += 20
    assert works(world, eventually(world))


def test_malformed_answers_are_named_as_such() -> None:
    world = broken(expired("strict"), "html", when="before")

    assert isinstance(failure(world, token(world)), MalformedResponse)


def test_the_crash_simulator_says_when_a_program_outran_it() -> None:
    world = expired("strict")

    assert crash(token(world), world.answer, at=1000) is None
