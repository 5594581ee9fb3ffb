"""What is told of a connection, once each; the hooks; the log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.steps import begun, expired, failure, returning, standing, token, works, world_of

from valetkey.connections.authorize import finish_authorization
from valetkey.connections.codec import partition_of
from valetkey.connections.events import COMMON, EVENTS, scope_change
from valetkey.connections.manage import forget, revoke
from valetkey.drivers.drive import drive
from valetkey.drivers.events import WARNED, Listeners, LogEvents, load_hook
from valetkey.effects import Event, Swap
from valetkey.errors import ConfigurationError, ProviderError, ReauthorizationRequired, StoreError
from valetkey.testing.interleave import Caller
from valetkey.testing.world import World
from valetkey.value import replace
from valetkey.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valetkey.effects import AnyEffect


@pytest.fixture(autouse=True)
def only_declared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every event of every test here is in the table, with the fields that the table gives it."""
    seen: list[Event] = []
    emit = type(World().events).emit

    def noted(events: Any, event: Event) -> None:
        seen.append(event)
        emit(events, event)

    monkeypatch.setattr(type(World().events), "emit", noted)
    yield
    for event in seen:
        own = set(EVENTS[event.name].fields)
        assert set(event.fields) == (own if event.name == "unsaved" else own | set(COMMON)), event.name


def told(world: World, name: str) -> list[Event]:
    return [event for event in world.events.events if event.name == name]


def test_an_event_names_the_connection_and_its_owner() -> None:
    world = world_of()
    _ = world.connect(resource_owner="alice")

    event = world.events.events[-1]
    assert (event.name, event.registration, event.resource_owner) == ("connected", "two", "alice")
    assert event.fields == {"partition": partition_of("alice"), "account": "", "generation": 1, "again": 0}


def test_a_refresh_is_told_and_nothing_else() -> None:
    world = expired()
    _ = world.run(token(world))

    assert world.events.names == ["connected", "refreshed"]


def test_a_failing_provider_is_told_once_and_so_is_its_recovery() -> None:
    world = expired()
    world.sandbox.faults.add(endpoint="token", fault="status", status=503, when="before", times=3)
    for _ in range(3):
        assert isinstance(failure(world, token(world)), ProviderError)
        world.clock.time += 60
    world.sandbox.faults.clear()
    _ = world.run(token(world))

    assert world.events.names == ["connected", "refresh_failed", "refreshed", "recovered"]
    assert told(world, "recovered")[0].fields["by"] == "refresh"


def test_another_kind_of_failure_is_told_too() -> None:
    world = expired()
    world.sandbox.faults.add(endpoint="token", fault="status", status=503, when="before", times=1)
    _ = failure(world, token(world))
    world.clock.time += 60
    world.sandbox.faults.add(endpoint="token", fault="status", status=429, when="before", times=1)
    _ = failure(world, token(world))

    assert len({event.fields["error"] for event in told(world, "refresh_failed")}) == 2


def test_a_dead_grant_is_told_once_however_many_callers_come() -> None:
    world = expired("strict")
    world.sandbox.faults.add(endpoint="token", fault="lose_response")
    _ = failure(world, token(world))
    world.clock.time += 60
    for _ in range(3):
        assert isinstance(failure(world, token(world)), ReauthorizationRequired)

    (event,) = told(world, "needs_reauthorization")
    assert event.fields["reason"] == "invalid_grant"


def test_a_connection_whose_only_token_has_ended_is_told_once_however_many_callers_come() -> None:
    world = expired(refresh_tokens=False)
    for _ in range(3):
        assert isinstance(failure(world, token(world)), ReauthorizationRequired)

    (event,) = told(world, "needs_reauthorization")
    assert event.fields["reason"] == "expired_without_refresh_token"


@pytest.mark.parametrize("order", range(8))
def test_of_callers_that_meet_at_the_end_of_a_token_one_tells(order: int) -> None:
    world = expired(refresh_tokens=False)
    callers = [Caller(token(world)) for _ in range(3)]
    turn = order
    while living := [caller for caller in callers if caller.effect is not None]:
        living[turn % len(living)].step(world.answer)
        turn = turn * 5 + 1

    assert {type(caller.error) for caller in callers} == {ReauthorizationRequired}
    assert len(told(world, "needs_reauthorization")) == 1


def test_who_loses_the_end_to_a_person_that_connects_again_looks_again() -> None:
    world = expired(refresh_tokens=False)
    raced: list[None] = []

    def answer(effect: AnyEffect) -> object:
        if isinstance(effect, Swap) and not raced:
            raced.append(None)
            _ = world.connect()
        return world.answer(effect)

    assert works(world, drive(token(world), answer))
    assert raced
    assert told(world, "needs_reauthorization") == []


def test_a_store_that_cannot_be_written_to_leaves_the_end_to_the_next_caller() -> None:
    world = expired(refresh_tokens=False)

    def answer(effect: AnyEffect) -> object:
        if isinstance(effect, Swap):
            message = "the store is out of reach"
            raise StoreError(message)
        return world.answer(effect)

    with pytest.raises(ReauthorizationRequired):
        _ = drive(token(world), answer)
    assert told(world, "needs_reauthorization") == []
    assert isinstance(failure(world, token(world)), ReauthorizationRequired)
    assert len(told(world, "needs_reauthorization")) == 1


def narrowed(world: World) -> None:
    """The provider takes a scope back, and says so at the next refresh (RFC 6749 section 6)."""
    families = world.sandbox.state.families
    for name, family in families.items():
        families[name] = replace(family, scope=family.scope[:1])


def test_a_refresh_that_brings_less_scope_tells_what_is_gone() -> None:
    world = world_of()
    first = begun(world, scope=("read", "write"))
    _ = world.run(finish_authorization(world.settings, returning(world, first), resource_owner="alice"))
    narrowed(world)
    world.clock.time += world.client.access_token_seconds + 1

    _ = world.run(token(world))

    (event,) = told(world, "scope_changed")
    assert (event.fields["added"], event.fields["removed"]) == ("", "write")
    assert standing(world).scope == ("read",)


def test_connecting_again_with_another_scope_tells_what_changed() -> None:
    world = world_of()
    first = begun(world, scope=("read",))
    _ = world.run(finish_authorization(world.settings, returning(world, first), resource_owner="alice"))
    second = begun(world, scope=("read", "write"))
    _ = world.run(finish_authorization(world.settings, returning(world, second), resource_owner="alice"))

    assert world.events.names == ["connected", "connected", "scope_changed"]
    assert (world.events.events[-1].fields["added"], world.events.events[-1].fields["removed"]) == ("write", "")
    assert told(world, "connected")[1].fields["again"] == 1


def test_connecting_again_with_the_same_scope_tells_no_change() -> None:
    world = world_of()
    _ = world.connect()
    _ = world.connect()

    assert world.events.names == ["connected", "connected"]


@pytest.mark.parametrize(
    ("before", "after", "fields"),
    [
        (("a", "b"), ("b", "a"), {}),
        ((), (), {}),
        (("a", "b"), ("a",), {"added": "", "removed": "b"}),
        (("a",), ("b", "c"), {"added": "b c", "removed": "a"}),
    ],
)
def test_a_scope_is_a_set(before: tuple[str, ...], after: tuple[str, ...], fields: dict[str, str]) -> None:
    assert scope_change(before, after) == fields


def test_revoking_and_forgetting_are_told() -> None:
    world = world_of()
    _ = world.connect()
    _ = world.run(revoke(world.settings, "two", resource_owner="alice"))
    _ = world.connect()
    world.run(forget(world.settings, "two", resource_owner="alice"))

    assert world.events.names == ["connected", "revoked", "connected", "forgotten"]


def vault_of(world: World, **listeners: Any) -> Vault:
    return Vault(
        world.settings, store=world.store, keys=world.keys, transport=world.network, clock=world.clock, **listeners
    )


def test_a_hook_gets_every_event_with_its_owner() -> None:
    world = expired()
    heard: list[Event] = []
    vault = vault_of(world, on_event=heard.append)

    _ = vault.access_token("two", "alice")

    assert [(event.name, event.resource_owner) for event in heard] == [("refreshed", "alice")]


def test_a_hook_that_raises_breaks_nothing_and_its_text_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    world = expired()

    def hook(event: Event) -> None:
        message = f"canary-text {event.resource_owner}"
        raise ValueError(message)

    with caplog.at_level(logging.INFO, "valetkey"):
        fresh = vault_of(world, on_event=hook).access_token("two", "alice")

    assert standing(world).generation == 2
    assert "on_event failed: ValueError" in caplog.text
    assert "canary-text" not in caplog.text
    assert fresh.reveal() not in caplog.text


def test_the_log_has_the_hash_of_the_owner_and_not_the_owner(caplog: pytest.LogCaptureFixture) -> None:
    world = expired()
    with caplog.at_level(logging.INFO, "valetkey"):
        _ = vault_of(world).access_token("two", "alice")

    (record,) = caplog.records
    assert "alice" not in repr(vars(record))
    assert vars(record)["valetkey"]["partition"] == partition_of("alice")


def test_an_account_label_cannot_begin_a_line_of_its_own_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "valetkey"):
        LogEvents().emit(Event("connected", "two", {"account": "a\nERROR root forged\x1b[31m"}))

    assert "\n" not in caplog.messages[0]
    assert "\x1b" not in caplog.messages[0]
    assert "\n" not in vars(caplog.records[0])["valetkey"]["account"]


def test_the_log_writes_each_event_at_the_level_of_the_table(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "valetkey"):
        for name in EVENTS:
            LogEvents().emit(Event(name, "two", {}))

    assert {record.getMessage().split()[0]: record.levelname for record in caplog.records} == {
        name: kind.level for name, kind in EVENTS.items()
    }
    assert {name for name, kind in EVENTS.items() if kind.level == "WARNING"} == set(WARNED)


def test_a_function_that_is_told_of_unsaved_tokens_gets_the_line_alone() -> None:
    lines: list[str] = []
    heard: list[Event] = []
    listeners = Listeners(LogEvents(), on_unsaved=lines.append, on_event=heard.append)

    listeners.emit(Event("refreshed", "two", {}))
    listeners.emit(Event("unsaved", "two", {"record": "vkr1.abc"}))

    assert lines == ["vkr1.abc"]
    assert [event.name for event in heard] == ["refreshed", "unsaved"]


def test_a_hook_is_named_as_module_and_function() -> None:
    assert load_hook("os.path:join") is __import__("os").path.join
    for wrong in ("os.path:nothing", "no_such_module:f", "os:sep", "os"):
        with pytest.raises(ConfigurationError, match="hook"):
            load_hook(wrong)
