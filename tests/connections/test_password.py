"""The resource owner password credentials grant (RFC 6749 section 4.3), which only an opt-in opens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.connections.steps import eventually, failure, row, standing, token, works, world_of
from tests.oauth2.peer import CLIENT, NOW, SERVER, Peer, answer, form_of

from valetkey.async_vault import AsyncVault
from valetkey.connections.doctor import diagnose
from valetkey.connections.password import connect_by_password
from valetkey.errors import (
    ConfigurationError,
    KeyUnavailable,
    ProviderError,
    ReauthorizationRequired,
    RequestRefused,
    StoreError,
    TransportError,
)
from valetkey.oauth2.password import MAX_CHARACTERS, password_grant
from valetkey.sandbox.clients import GRANT_TYPES, PASSWORD, SandboxClient
from valetkey.secret import Secret
from valetkey.testing.crash import crashes
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.effects import Op
    from valetkey.testing.world import World

WORD = "wonderland"
GOOD = answer('{"access_token":"at","token_type":"Bearer","expires_in":60}')


def accepting(world: World, **changes: Any) -> World:
    """The world with the opt-in."""
    two = replace(world.settings.registrations["two"], accept_password_grant=True, **changes)
    world.settings = replace(world.settings, registrations={**world.settings.registrations, "two": two})
    return world


def willing(**client: Any) -> World:
    """A provider and a registration that both allow it."""
    return accepting(world_of(**{"grant_types": (*GRANT_TYPES, PASSWORD), **client}))


def connecting(world: World, word: str = WORD, **changes: Any) -> Op[Any]:
    wanted = {"resource_owner": "alice", "username": "alice", "password": Secret(word), **changes}
    return connect_by_password(world.settings, "two", **wanted)


def test_a_password_connects_once_and_refreshing_needs_none() -> None:
    world = willing()

    connection = world.run(connecting(world, scope=("read",)))

    assert (connection.state, connection.scope) == ("active", ("read",))
    assert works(world, world.run(token(world)))
    world.clock.time += 3601
    assert works(world, eventually(world))
    assert world.sandbox.seen.count("token", grant_type=PASSWORD) == 1


def test_without_the_opt_in_no_password_is_sent() -> None:
    world = world_of(grant_types=(*GRANT_TYPES, PASSWORD))

    error = failure(world, connecting(world))

    assert isinstance(error, ConfigurationError)
    assert "accept_password_grant" in str(error)
    assert "9700" in str(error)
    assert world.network.sent == []


def test_a_wrong_password_is_told_as_one_and_a_connection_that_is_there_stays() -> None:
    world = willing()
    before = world.run(connecting(world))

    error = failure(world, connecting(world, "canary-wrong"))

    assert isinstance(error, ProviderError)
    assert not isinstance(error, ReauthorizationRequired)
    assert error.error == "invalid_grant"
    assert "password is wrong" in str(error)
    assert "canary" not in f"{error!r}{error.__context__!r}{error.__cause__!r}"
    assert standing(world) == before


def test_a_client_that_the_provider_does_not_allow_it_is_told_so() -> None:
    world = accepting(world_of())
    errors = [failure(world, connecting(world))]
    other = SandboxClient("other", grant_types=(PASSWORD,))
    world.sandbox._clients["other"] = other
    errors.append(failure(world, connecting(world)))

    assert [getattr(error, "error", "") for error in errors] == ["unsupported_grant_type", "unauthorized_client"]
    assert row(world) is None


@pytest.mark.parametrize("word", ["", "a\nb", "a\rb", "a\0b", "\x1b", "a\x7f", "\ud800", "a" * (MAX_CHARACTERS + 1)])
def test_what_cannot_be_a_password_or_user_name_is_refused_unsent(word: str) -> None:
    world = willing()

    for changes in ({"password": Secret(word)}, {"username": word}):
        error = failure(world, connecting(world, **changes))
        assert isinstance(error, RequestRefused)
        assert (error.reason, error.status) == ("malformed_request", 400)
        assert not word or word not in str(error)
    assert world.network.sent == []


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_user_name_and_password_arrive_as_they_were_typed_or_are_refused(username: str, word: str) -> None:
    peer = Peer(GOOD)
    try:
        peer.run(password_grant(SERVER, CLIENT, username=username, password=Secret(word), not_after=NOW))
    except RequestRefused:
        assert peer.sent == []
    else:
        assert form_of(peer.request) == {"grant_type": "password", "username": username, "password": word}


def test_scope_and_resources_are_asked_for() -> None:
    peer = Peer(GOOD)
    server = replace(SERVER, resources=("https://api.example/",))

    peer.run(password_grant(server, CLIENT, username="u", password=Secret("p"), scope=("a", "b"), not_after=NOW))

    fields = form_of(peer.request)
    assert (fields["scope"], fields["resource"]) == ("a b", "https://api.example/")


def test_a_provider_that_rests_is_not_a_wrong_password() -> None:
    world = willing()
    world.sandbox.faults.add(endpoint="token", fault="status", status=429, retry_after=7)

    error = failure(world, connecting(world))

    assert isinstance(error, ProviderError)
    assert (error.error, error.retry_after) == ("temporarily_unavailable", 7)


def test_without_a_refresh_token_the_person_is_asked_again() -> None:
    world = willing(refresh_tokens=False)
    _ = world.run(connecting(world))
    world.clock.time += 3601

    error = failure(world, token(world))

    assert isinstance(error, ReauthorizationRequired)
    assert error.reason == "expired_without_refresh_token"


def test_no_password_is_sent_for_tokens_that_could_not_be_kept() -> None:
    world = willing()

    def seal(*_: object) -> bytes:
        raise KeyUnavailable("test")

    world.keys.seal = seal  # type: ignore[method-assign, assignment]

    assert isinstance(failure(world, connecting(world)), KeyUnavailable)
    assert world.network.sent == []


def test_an_outage_says_so() -> None:
    world = willing()
    world.sandbox.faults.add(endpoint="token", fault="lose_response")
    assert isinstance(failure(world, connecting(world)), TransportError)

    world.store.outages = 100
    assert isinstance(failure(world, connecting(world)), StoreError)


def test_a_crash_at_any_effect_leaves_what_the_password_mends_and_never_the_password() -> None:
    world = willing()

    for crashed in crashes(world.fork, lambda fork: connecting(accepting(fork))):
        after = accepting(crashed.world)
        assert WORD not in repr(after.store.rows._rows)
        _ = after.run(connecting(after))
        assert works(after, after.run(token(after))), crashed


def test_oauth_1_is_told_that_it_has_no_such_grant() -> None:
    world = willing()
    one = replace(world.settings.registrations["one"], accept_password_grant=True)
    settings = replace(world.settings, registrations={"one": one})

    error = failure(
        world, connect_by_password(settings, "one", resource_owner="a", username="a", password=Secret(WORD))
    )

    assert isinstance(error, ConfigurationError)
    assert world.network.sent == []


def test_the_doctor_does_not_forget_the_opt_in() -> None:
    world = willing()

    found = world.run(diagnose(world.settings, request=None)).findings

    (told,) = [finding for finding in found if finding.check == "opt_in"]
    assert (told.level, told.about) == ("warning", "two")
    assert "9700" in told.what


def test_both_vaults_have_it() -> None:
    world = willing()

    async def connect() -> Any:
        vault = AsyncVault(
            world.settings, store=world.store, keys=world.keys, transport=world.network, clock=world.clock
        )
        _ = await vault.connect_by_password("two", "alice", username="alice", password=Secret(WORD))
        return await vault.access_token("two", "alice")

    assert works(world, asyncio.run(connect()))
    vault = world.vault()
    _ = vault.connect_by_password("two", "bob", username="bob", password=Secret("pickwick"), scope=("read",))
    assert works(world, vault.access_token("two", "bob"))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"username": "alice"}, "invalid_request"),
        ({"password": WORD}, "invalid_request"),
        ({"username": "alice", "password": WORD, "scope": "admin"}, "invalid_scope"),
        ({"username": "alice", "password": "pickwick"}, "invalid_grant"),
        ({"username": "nobody", "password": WORD}, "invalid_grant"),
    ],
)
def test_the_sandbox_is_strict_about_it(fields: dict[str, str], error: str) -> None:
    from valetkey.oauth2.endpoint import ask

    world = willing()
    at = world.settings.registrations["two"]
    pairs = (("grant_type", "password"), *fields.items())
    server: Any = at.provider.server
    client: Any = at.client

    response = world.run(ask(server, client, endpoint=server.token_endpoint, fields=pairs, not_after=1e12))

    assert response.status == 400
    assert f'"error":"{error}"'.encode() in response.body
