"""Id_tokens that come without a browser's flow: with a device, a password, an assertion, an exchanged token."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.openid import OpenidNetwork, connect, openid_world, use
from tests.connections.steps import credentials, failure, row, standing, token, works
from tests.connections.test_assertions import PEM, assertion
from tests.oauth2.tokens import rsa_key

from valetkey.async_vault import AsyncVault
from valetkey.connections.assertion import connect_by_assertion, exchange_token
from valetkey.connections.device import begin_device_authorization, poll_device_authorization
from valetkey.connections.identity import userinfo
from valetkey.connections.password import connect_by_password
from valetkey.effects import Send
from valetkey.errors import AuthorizationExpired, CallbackError, ProviderError, RefreshInProgress, TransportError
from valetkey.oauth2.token_exchange import ID_TOKEN
from valetkey.sandbox import approve_device
from valetkey.sandbox.clients import GRANT_TYPES, PASSWORD
from valetkey.secret import Secret
from valetkey.testing.crash import crashes
from valetkey.testing.world import PROVIDER_URL
from valetkey.value import replace
from valetkey.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable

    from valetkey.connections.connection import Connection
    from valetkey.connections.device import DeviceStep
    from valetkey.effects import Op
    from valetkey.testing.world import World

CLIENT = {"grant_types": (*GRANT_TYPES, PASSWORD), "assertion_public_key": PEM}


def world_of_grants(**server: Any) -> tuple[World, OpenidNetwork]:
    world, network = openid_world(client=CLIENT, **server)
    two = replace(world.settings.registrations["two"], accept_password_grant=True)
    world.settings = replace(world.settings, registrations={**world.settings.registrations, "two": two})
    return world, network


def begun(world: World) -> str:
    """A device authorization that the resource owner has allowed, and whose turn it is."""
    found = world.run(begin_device_authorization(world.settings, "two", resource_owner="alice"))
    _ = approve_device(world.sandbox.respond, found.verification_uri, found.user_code)
    world.clock.time += 6
    return found.handle


def by_device(world: World) -> Op[Connection]:
    handle = begun(world)
    return _polled(poll_device_authorization(world.settings, handle, resource_owner="alice"))


def _polled(polling: Op[DeviceStep]) -> Op[Connection]:
    step = yield from polling
    assert step.connection is not None
    return step.connection


def by_password(world: World) -> Op[Connection]:
    return connect_by_password(
        world.settings, "two", resource_owner="alice", username="alice", password=Secret("wonderland")
    )


def by_assertion(world: World) -> Op[Connection]:
    return connect_by_assertion(world.settings, "two", resource_owner="alice", assertion=assertion(world))


EVERY = pytest.mark.parametrize("connecting", [by_device, by_password, by_assertion])


@EVERY
def test_the_connection_knows_whose_account_it_is(connecting: Callable[[World], Op[Connection]]) -> None:
    world, network = world_of_grants()

    connection = world.run(connecting(world))

    assert (connection.issuer, connection.subject) == (world.sandbox.issuer, "alice")
    assert (standing(world).issuer, standing(world).subject) == (world.sandbox.issuer, "alice")
    assert world.run(userinfo(world.settings, "two", resource_owner="alice")).claims["name"] == "Alice"
    assert network.sent.index("/keys") < network.sent.index("/oauth2/token"), "the keys come first"


@EVERY
@pytest.mark.parametrize(
    ("claims", "header", "reason"),
    [
        ({"iss": "https://evil.example", "aud": "another-client"}, {}, "issuer"),
        ({"aud": "another-client"}, {}, "audience"),
        ({"exp": 1}, {}, "expired"),
        ({"at_hash": "AAAA"}, {}, "at_hash"),
        ({"sub": None}, {}, "subject"),
        ({}, {"alg": "none"}, "algorithm"),
        ({}, {"typ": "at+jwt"}, "type"),
        ({}, {"kid": "b"}, "unknown_key"),
        ({}, {"key": rsa_key(2048, 9)}, "signature"),
        ({}, {"crit": ["exp"]}, "malformed"),
    ],
)
def test_an_id_token_that_fails_makes_no_connection(
    connecting: Callable[[World], Op[Connection]], claims: dict[str, Any], header: dict[str, Any], reason: str
) -> None:
    world, network = world_of_grants()
    network.claims, network.header = claims, {"kid": "a", **header}

    caught = failure(world, connecting(world))

    assert isinstance(caught, CallbackError)
    assert caught.reason == f"id_token_{reason}"
    assert row(world) is None


@EVERY
def test_a_nonce_that_nobody_sent_does_not_matter(connecting: Callable[[World], Op[Connection]]) -> None:
    world, network = world_of_grants()
    network.claims = {"nonce": "the provider's own idea"}

    assert world.run(connecting(world)).subject == "alice"


@EVERY
def test_where_none_comes_the_connection_is_made_and_userinfo_has_nothing_to_compare(
    connecting: Callable[[World], Op[Connection]],
) -> None:
    world, network = world_of_grants()
    network.without = True

    connection = world.run(connecting(world))

    assert (connection.issuer, connection.subject) == ("", "")
    found = world.run(userinfo(world.settings, "two", resource_owner="alice"))
    assert (found.subject, found.claims["name"], standing(world).subject) == ("alice", "Alice", "")


@EVERY
def test_without_openid_an_id_token_is_not_looked_at(connecting: Callable[[World], Op[Connection]]) -> None:
    world, network = world_of_grants()
    two = replace(world.settings.registrations["two"], scope=("read",))
    world.settings = replace(world.settings, registrations={**world.settings.registrations, "two": two})
    network.header = {"alg": "none"}

    assert world.run(connecting(world)).subject == ""
    assert "/keys" not in network.sent


@pytest.mark.parametrize("connecting", [by_device, by_password])
def test_a_refresh_that_answers_for_another_account_is_noticed(connecting: Callable[[World], Op[Connection]]) -> None:
    world, network = world_of_grants()
    _ = world.run(connecting(world))
    before = credentials(world)
    world.clock.time += world.client.access_token_seconds + 1
    network.claims = {"sub": "bob"}

    caught = failure(world, token(world))

    assert isinstance(caught, (ProviderError, RefreshInProgress))
    assert credentials(world) == before
    assert standing(world).last_error == "subject_changed"


@pytest.mark.parametrize("connecting", [by_password, by_assertion])
def test_while_the_keys_are_out_of_reach_nothing_is_spent(connecting: Callable[[World], Op[Connection]]) -> None:
    world, network = world_of_grants()
    network.jwks_down = True

    caught = failure(world, connecting(world))
    network.jwks_down = False

    assert isinstance(caught, TransportError)
    assert not caught.maybe_received
    assert "/oauth2/token" not in network.sent
    assert world.run(connecting(world)).subject == "alice"


def test_a_poll_without_the_keys_waits_and_spends_nothing() -> None:
    world, network = world_of_grants()
    handle = begun(world)
    network.jwks_down = True

    step = world.run(poll_device_authorization(world.settings, handle, resource_owner="alice"))
    network.jwks_down = False
    world.clock.time += step.retry_after

    assert (step.connection, step.retry_after, network.sent.count("/oauth2/token")) == (None, 10, 0)
    later = world.run(poll_device_authorization(world.settings, handle, resource_owner="alice"))
    assert later.connection is not None
    assert later.connection.subject == "alice"


def test_a_device_whose_id_token_failed_says_why_to_everybody_who_polls() -> None:
    world, network = world_of_grants()
    handle = begun(world)
    network.claims = {"iss": "https://evil.example"}

    for _ in range(2):
        caught = failure(world, poll_device_authorization(world.settings, handle, resource_owner="alice"))
        assert isinstance(caught, CallbackError)
        assert caught.reason == "id_token_issuer"
    assert network.sent.count("/oauth2/token") == 1
    assert all(not each.sealed for each in world.store.rows._rows.values()), "the device code is gone"


@pytest.mark.parametrize("body", [b"{}", b'{"sub":""}', b'{"sub":["alice"]}', b'{"sub":"' + b"a" * 256 + b'"}'])
def test_userinfo_that_names_nobody_is_not_used(body: bytes) -> None:
    world, network = world_of_grants()
    network.without = True
    _ = world.run(by_password(world))
    network.userinfo = body

    caught = failure(world, userinfo(world.settings, "two", resource_owner="alice"))

    assert isinstance(caught, ProviderError)
    assert caught.error == "subject_missing"


def forked(world: World) -> World:
    """A world that goes on from here, with the provider's own id_tokens (`fork` knows no network of a test's)."""
    fork = world.fork()
    use(fork, OpenidNetwork(fork))
    return fork


def test_a_crash_at_any_effect_of_a_poll_connects_with_the_subject_or_says_begin_again() -> None:
    world, _ = world_of_grants()
    handle = begun(world)
    ends = {"connected": 0, "in_doubt": 0}

    for crashed in crashes(
        lambda: forked(world),
        lambda fork: poll_device_authorization(fork.settings, handle, resource_owner="alice"),
        every=False,
    ):
        after = crashed.world
        after.clock.time += 60
        try:
            step = after.run(poll_device_authorization(after.settings, handle, resource_owner="alice"))
        except AuthorizationExpired as error:
            ends[error.reason] += 1
            continue
        assert step.connection is not None, crashed
        assert (standing(after).subject, works(after, after.run(token(after)))) == ("alice", True), crashed
        ends["connected"] += 1
    assert min(ends.values()) >= 1


@pytest.mark.parametrize("connecting", [by_password, by_assertion])
def test_a_crash_at_any_effect_leaves_the_subject_with_the_tokens_or_neither(
    connecting: Callable[[World], Op[Connection]],
) -> None:
    world, _ = world_of_grants()

    for crashed in crashes(lambda: forked(world), connecting, every=False):
        after = crashed.world
        found = row(after)
        assert found is None or found.subject == "alice", crashed
        _ = after.run(connecting(after) if connecting is by_password else _another(after))
        assert (standing(after).subject, works(after, after.run(token(after)))) == ("alice", True), crashed


def _another(world: World) -> Op[Connection]:
    vouching = assertion(world, jti="2")
    return connect_by_assertion(world.settings, "two", resource_owner="alice", assertion=vouching)


@EVERY
def test_the_sandbox_gives_id_tokens_with_these_grants_too(connecting: Callable[[World], Op[Connection]]) -> None:
    world = of_the_sandbox()

    assert world.run(connecting(world)).subject == "alice"


def test_the_sandbox_exchanges_a_token_for_an_id_token() -> None:
    world = of_the_sandbox()
    _ = world.run(by_password(world))

    beside = world.run(exchanging(world, scope=("openid",)))
    alone = world.run(exchanging(world, requested_token_type=ID_TOKEN))
    narrowed = world.run(exchanging(world, scope=("read",)))
    two = world.settings.registrations["two"]
    refused = exchange_token(
        world.settings, "two", subject_token=narrowed.token, requested_token_type=ID_TOKEN, scope=two.scope
    )

    assert (beside.subject, alone.subject, alone.token_type, narrowed.subject) == ("alice", "alice", "n_a", "")
    assert beside.id_token is not None
    assert alone.token.reveal() not in repr(alone)
    assert beside.id_token.reveal() not in repr(beside)
    caught = failure(world, refused)
    assert isinstance(caught, ProviderError)
    assert caught.error == "invalid_scope"


def of_the_sandbox() -> World:
    """A world where the id_tokens are the sandbox's own, signed with its own keys."""
    world, _ = world_of_grants(jwks_uri=f"{PROVIDER_URL}/oauth2/jwks")
    world.ports._performers[Send] = world.network.send
    return world


def test_both_vaults_keep_it() -> None:
    world, network = world_of_grants()

    class Through:
        blocking = False

        def send(self, effect: Any) -> Any:
            return network.send(effect)

    async def connecting() -> tuple[Connection, str]:
        vault = AsyncVault(world.settings, store=world.store, keys=world.keys, transport=Through(), clock=world.clock)
        connection = await vault.connect_by_password("two", "alice", username="alice", password=Secret("wonderland"))
        return connection, (await vault.userinfo("two", "alice")).subject

    connection, subject = asyncio.run(connecting())
    assert (connection.subject, subject) == ("alice", "alice")
    vault = Vault(world.settings, store=world.store, keys=world.keys, transport=Through(), clock=world.clock)
    assert vault.connect_by_assertion("two", "bob", assertion=assertion(world, sub="bob")).subject == "alice"
    assert vault.userinfo("two", "bob").subject == "alice"


# --- token exchange (RFC 8693)


def exchanging(world: World, **changes: Any) -> Op[Any]:
    subject = world.run(token(world))
    return exchange_token(world.settings, "two", subject_token=subject, **changes)


@pytest.mark.parametrize("wanted", [{"requested_token_type": ID_TOKEN}, {"scope": ("openid", "read")}])
def test_an_exchange_for_an_id_token_says_whose_it_is(wanted: dict[str, Any]) -> None:
    world, network = world_of_grants()
    _ = connect(world, network)
    network.nonce = ""

    found = world.run(exchanging(world, **wanted))

    assert (found.issuer, found.subject) == (world.sandbox.issuer, "alice")
    assert (found.issued_token_type == ID_TOKEN) == ("requested_token_type" in wanted)


@pytest.mark.parametrize("wanted", [{"requested_token_type": ID_TOKEN}, {"scope": ("openid", "read")}])
@pytest.mark.parametrize(
    ("claims", "header", "reason"),
    [
        ({"iss": "https://evil.example"}, {}, "issuer"),
        ({"aud": "another-client"}, {}, "audience"),
        ({}, {"key": rsa_key(2048, 9)}, "signature"),
    ],
)
def test_an_exchanged_id_token_that_fails_is_not_handed_out(
    wanted: dict[str, Any], claims: dict[str, Any], header: dict[str, Any], reason: str
) -> None:
    world, network = world_of_grants()
    _ = connect(world, network)
    network.nonce, network.claims, network.header = "", claims, {"kid": "a", **header}

    caught = failure(world, exchanging(world, **wanted))

    assert isinstance(caught, CallbackError)
    assert caught.reason == f"id_token_{reason}"


def test_an_id_token_that_was_asked_for_somebody_else_is_theirs_to_check() -> None:
    world, network = world_of_grants()
    _ = connect(world, network)
    network.nonce, network.claims = "", {"aud": "the-other-service"}

    found = world.run(exchanging(world, requested_token_type=ID_TOKEN, audience=("the-other-service",)))

    assert (found.issued_token_type, found.issuer, found.subject) == (ID_TOKEN, "", "")
