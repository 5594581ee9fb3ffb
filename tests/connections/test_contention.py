"""Others who always write first, rows that move while a provider answers, and what does not fit: said, never looped on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.steps import (
    begun,
    credentials,
    expired,
    failure,
    returning,
    row,
    standing,
    token,
    works,
    world_of,
)
from tests.simulation.pausing import until_after_send

from valetkey.connections.authorize import finish_authorization
from valetkey.connections.cache import MAX_ENTRIES, CachedRecord, TokenCache
from valetkey.connections.codec import write_credentials
from valetkey.connections.connection import Connection, Credentials, Tokens
from valetkey.connections.manage import forget, revoke
from valetkey.connections.records import Record
from valetkey.connections.refresh import current_tokens
from valetkey.effects import LOST, Key
from valetkey.errors import ConfigurationError, ReauthorizationRequired, RefreshInProgress, StoreError
from valetkey.secret import Secret
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.testing.world import World


def always_lost(world: World) -> None:
    """Somebody else is always faster at connections."""
    real = world.store.swap

    def swap(key: Key, expected: bytes | None, new: Any) -> Any:
        return LOST if key.name.startswith("connection/") else real(key, expected, new)

    world.store.swap = swap  # type: ignore[method-assign]


def test_a_row_that_others_keep_writing_ends_every_program() -> None:
    world = expired("strict")
    request = returning(world, begun(world))
    before = credentials(world)
    always_lost(world)

    assert isinstance(failure(world, token(world)), RefreshInProgress)
    assert isinstance(failure(world, revoke(world.settings, "two", resource_owner="alice")), StoreError)
    assert isinstance(failure(world, forget(world.settings, "two", resource_owner="alice")), StoreError)
    assert isinstance(failure(world, finish_authorization(world.settings, request, resource_owner="alice")), StoreError)
    assert world.refresh_requests() == 0
    assert credentials(world) == before


def test_a_store_that_stays_down_after_the_code_was_exchanged_is_said_within_the_invocation() -> None:
    world = world_of()
    request = returning(world, begun(world))
    paused = until_after_send(world, finish_authorization(world.settings, request, resource_owner="alice"))
    world.store.outages = 1000
    began = world.clock.now()
    world.clock.remaining = lambda *_, **__: began + 3 - world.clock.now()  # type: ignore[method-assign]

    with pytest.raises(StoreError):
        _ = paused.finish()

    assert world.clock.now() - began <= 3
    world.store.outages = 0
    assert row(world) is None


def test_a_refusal_that_arrives_after_a_reconnection_takes_nothing_away() -> None:
    world = expired("strict")
    world.sandbox.faults.add(endpoint="token", fault="error_with_status_200", error="invalid_grant")
    paused = until_after_send(world, token(world))
    _ = world.connect()

    assert works(world, paused.finish())
    assert standing(world).state == "active"


def test_a_failure_that_arrives_after_a_reconnection_takes_nothing_away() -> None:
    world = expired("strict")
    world.sandbox.faults.add(endpoint="token", fault="lose_response")
    paused = until_after_send(world, token(world))
    _ = world.connect()

    assert works(world, paused.finish())
    assert standing(world).doubts == ()


def test_a_kept_refresh_token_that_is_dead_too_ends_the_connection() -> None:
    world = expired("window")
    _ = world.run(token(world))
    refused = credentials(world).current.access_token
    world.clock.time += 31
    world.sandbox.faults.add(endpoint="token", fault="error_with_status_200", error="invalid_grant", times=2)

    assert isinstance(failure(world, token(world, rejected=refused)), ReauthorizationRequired)
    assert world.refresh_requests() == 3


def test_a_kept_refresh_token_is_not_tried_after_its_window() -> None:
    world = expired("window")
    _ = world.run(token(world))
    world.clock.time += 4000
    world.sandbox.faults.add(endpoint="token", fault="error_with_status_200", error="invalid_grant")

    assert isinstance(failure(world, token(world)), ReauthorizationRequired)
    assert world.refresh_requests() == 2


def test_tokens_that_no_row_holds_are_refused_with_what_to_do() -> None:
    huge = Tokens(Secret("a" * 30_000), Secret("r" * 30_000))

    with pytest.raises(StoreError, match="less scope"):
        _ = write_credentials(Credentials("alice", huge))


def test_a_registration_whose_parts_belong_to_two_protocols_is_named() -> None:
    world = world_of()
    registrations = world.settings.registrations
    one, two = registrations["one"], registrations["two"]
    crossed = {"one": replace(one, client=two.client), "two": replace(two, client=one.client)}
    world.settings = replace(world.settings, registrations=crossed)

    for name in ("one", "two"):
        from valetkey.connections.authorize import begin_authorization

        error = failure(world, begin_authorization(world.settings, name, resource_owner="alice", cookies=()))
        assert isinstance(error, ConfigurationError)
        assert name in str(error)


def test_an_oauth_1_provider_without_a_revocation_endpoint_is_named() -> None:
    world = world_of()
    _ = world.connect("one")
    one = world.settings.registrations["one"]
    server = replace(one.provider.server, revocation_endpoint=None)
    world.settings = replace(
        world.settings, registrations={"one": replace(one, provider=replace(one.provider, server=server))}
    )

    assert world.run(revoke(world.settings, "one", resource_owner="alice")).at_provider == "unsupported"


def test_a_revocation_of_oauth_1_that_is_refused_for_another_reason_is_tried_again() -> None:
    world = world_of()
    _ = world.connect("one")
    world.sandbox.faults.add(endpoint="oauth1_revoke", fault="status", status=403)

    assert world.run(revoke(world.settings, "one", resource_owner="alice")).at_provider == "failed"
    assert world.run(revoke(world.settings, "one", resource_owner="alice")).at_provider == "revoked"


def test_the_cache_has_a_limit_and_the_oldest_goes_first() -> None:
    cache = TokenCache()
    entry = CachedRecord(
        Record(Key("a", "b"), b"", Connection("two", "a"), b""), Credentials("a", Tokens(Secret("t"))), 0.0
    )
    for number in range(MAX_ENTRIES + 5):
        cache.keep(Key("partition", str(number)), entry, since=cache.mark)

    assert cache.fresh(Key("partition", "0"), now=1) is None
    assert cache.fresh(Key("partition", str(MAX_ENTRIES)), now=1) is not None
    assert repr(cache) == f"TokenCache({MAX_ENTRIES} entries)"


def test_the_cache_keeps_nothing_that_was_loaded_before_something_was_dropped() -> None:
    cache, key = TokenCache(), Key("partition", "1")
    entry = CachedRecord(Record(key, b"", Connection("two", "a"), b""), Credentials("a", Tokens(Secret("t"))), 0.0)
    before = cache.mark
    cache.drop(key)

    cache.keep(key, entry, since=before)
    assert cache.known(key) is None
    cache.keep(key, entry, since=cache.mark)
    assert cache.known(key) is entry


def test_a_connection_that_is_unknown_is_asked_for_by_either_protocol() -> None:
    world = world_of()
    for name in ("one", "two"):
        program = current_tokens(world.settings, world.settings.registration(name), resource_owner="nobody")
        assert isinstance(failure(world, program), ReauthorizationRequired)
