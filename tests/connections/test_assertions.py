"""Assertions (RFC 7521 to 7523) and token exchange (RFC 8693)."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.connections.steps import failure, row, token, works, world_of
from tests.oauth2.peer import CLIENT, NOW, SERVER, Peer, answer, form_of

from valetkey.async_vault import AsyncVault
from valetkey.connections.assertion import connect_by_assertion, exchange_token
from valetkey.errors import (
    ConfigurationError,
    KeyUnavailable,
    MalformedResponse,
    ProviderError,
    ReauthorizationRequired,
    StoreError,
    TransportError,
)
from valetkey.http import base64url, read_form
from valetkey.oauth2 import token_exchange
from valetkey.oauth2.assertion import MAX_ASSERTION, jwt_bearer_grant, saml_bearer_grant
from valetkey.secret import Secret
from valetkey.testing.crash import crashes
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.effects import Op
    from valetkey.testing.world import World

KEY = generate_private_key(65537, 2048)
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
OTHER_KEY = generate_private_key(65537, 2048)
GOOD = answer('{"access_token":"at","token_type":"Bearer","expires_in":60}')


def trusting() -> World:
    return world_of(assertion_public_key=PEM)


def assertion(world: World, *, key: Any = KEY, alg: str = "RS256", **changes: object) -> Secret:
    claims: dict[str, object] = {
        "iss": "client-two",
        "sub": "alice",
        "aud": world.sandbox.issuer,
        "exp": int(world.clock.time) + 300,
        "jti": "1",
        **changes,
    }
    claims = {name: claim for name, claim in claims.items() if claim is not None}
    parts = ".".join(base64url(json.dumps(part).encode()) for part in ({"alg": alg}, claims))
    return Secret(f"{parts}.{base64url(key.sign(parts.encode(), PKCS1v15(), SHA256()))}")


def connecting(world: World, given: Secret | None = None, **changes: Any) -> Op[Any]:
    wanted = {"resource_owner": "alice", "assertion": given or assertion(world), **changes}
    return connect_by_assertion(world.settings, "two", **wanted)


def test_an_assertion_connects_without_a_browser() -> None:
    world = trusting()

    connection = world.run(connecting(world, scope=("read", "write")))

    assert (connection.state, connection.scope) == ("active", ("read", "write"))
    assert works(world, world.run(token(world)))


def test_without_a_refresh_token_the_application_brings_a_new_assertion() -> None:
    world = trusting()
    _ = world.run(connecting(world))
    world.clock.time += 3601
    error = failure(world, token(world))
    assert isinstance(error, ReauthorizationRequired)
    assert error.reason == "expired_without_refresh_token"

    again = world.run(connecting(world, assertion(world, jti="2")))

    assert again.generation == 2
    assert works(world, world.run(token(world)))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "client-one"},
        {"iss": None},
        {"sub": "nobody"},
        {"sub": None},
        {"aud": "https://other.example"},
        {"aud": ["https://other.example"]},
        {"aud": None},
        {"exp": 1},
        {"exp": None},
        {"exp": True},
        {"exp": "soon"},
        {"exp": 10**12},
        {"alg": "none"},
        {"alg": "HS256"},
        {"key": OTHER_KEY},
    ],
)
def test_what_does_not_vouch_connects_nobody(changes: dict[str, Any]) -> None:
    world = trusting()

    error = failure(world, connecting(world, assertion(world, **changes)))

    assert isinstance(error, ProviderError)
    assert error.error == "invalid_grant"
    assert row(world) is None


def test_an_assertion_works_once() -> None:
    world = trusting()
    given = assertion(world)
    _ = world.run(connecting(world, given))

    error = failure(world, connecting(world, given))

    assert isinstance(error, ProviderError)
    assert error.error == "invalid_grant"


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c.d", "a..c", "a.b.c\n", "a.é.c", "a.b." + "c" * MAX_ASSERTION])
def test_what_is_no_jwt_is_not_sent(text: str) -> None:
    world = trusting()

    error = failure(world, connecting(world, Secret(text) if text else Secret("x")))

    assert isinstance(error, ConfigurationError)
    assert world.network.sent == []
    assert "c" * 100 not in str(error)


@pytest.mark.parametrize("text", ["", "<xml/>", "a b", "é", "a" * (MAX_ASSERTION + 1)])
def test_what_is_no_encoded_saml_is_not_sent(text: str) -> None:
    peer = Peer()

    with pytest.raises(ConfigurationError, match="base64url"):
        peer.run(saml_bearer_grant(SERVER, CLIENT, assertion=Secret(text), not_after=NOW))
    assert peer.sent == []


def test_a_saml_assertion_is_sent_as_the_rfc_says() -> None:
    peer = Peer(GOOD)

    peer.run(saml_bearer_grant(SERVER, CLIENT, assertion=Secret("PHNhbWw-"), scope=("a", "b"), not_after=NOW))

    assert form_of(peer.request) == {
        "grant_type": "urn:ietf:params:oauth:grant-type:saml2-bearer",
        "assertion": "PHNhbWw-",
        "scope": "a b",
    }


def test_a_jwt_assertion_is_sent_as_the_rfc_says() -> None:
    peer = Peer(GOOD)

    peer.run(jwt_bearer_grant(SERVER, CLIENT, assertion=Secret("a.b.c"), not_after=NOW))

    grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert form_of(peer.request) == {"grant_type": grant_type, "assertion": "a.b.c"}


def test_nothing_is_fetched_that_could_not_be_kept() -> None:
    world = trusting()

    def seal(*_: object) -> bytes:
        raise KeyUnavailable("test")

    world.keys.seal = seal  # type: ignore[method-assign, assignment]

    assert isinstance(failure(world, connecting(world)), KeyUnavailable)
    assert world.network.sent == []


def test_an_unknown_kind_and_oauth_1_are_refused() -> None:
    world = trusting()

    assert isinstance(failure(world, connecting(world, kind="xml")), ConfigurationError)
    other = connect_by_assertion(world.settings, "one", resource_owner="alice", assertion=assertion(world))
    assert isinstance(failure(world, other), ConfigurationError)


def test_an_outage_says_so() -> None:
    world = trusting()
    world.sandbox.faults.add(endpoint="token", fault="lose_response")
    assert isinstance(failure(world, connecting(world)), TransportError)

    world.store.outages = 100
    assert isinstance(failure(world, connecting(world, assertion(world, jti="2"))), StoreError)


def test_a_crash_at_any_effect_leaves_what_a_new_assertion_mends() -> None:
    world = trusting()
    given = assertion(world)

    for crashed in crashes(world.fork, lambda fork: connecting(fork, given)):
        after = crashed.world
        _ = after.run(connecting(after, assertion(after, jti="2")))
        assert works(after, after.run(token(after))), crashed


# --- token exchange


def test_a_token_is_exchanged_for_a_smaller_one_and_not_stored() -> None:
    world = world_of()
    _ = world.connect()
    rows = dict(world.store.rows._rows)
    subject = world.run(token(world))

    found = world.run(exchange_token(world.settings, "two", subject_token=subject, scope=("read",)))

    assert found.token != subject
    assert found.issued_token_type == token_exchange.ACCESS_TOKEN
    assert (found.token_type, found.scope, found.refresh_token) == ("bearer", ("read",), None)
    assert works(world, found.token)
    assert world.store.rows._rows == rows
    assert found.token.reveal() not in repr(found)


def test_a_wider_scope_and_a_strange_token_are_refused() -> None:
    world = world_of()
    _ = world.connect()
    subject = world.run(token(world))

    wide = failure(world, exchange_token(world.settings, "two", subject_token=subject, scope=("write",)))
    strange = failure(world, exchange_token(world.settings, "two", subject_token=Secret("x")))

    assert isinstance(wide, ProviderError)
    assert isinstance(strange, ProviderError)
    assert (wide.error, strange.error) == ("invalid_scope", "invalid_request")


def test_every_parameter_of_the_exchange_is_sent() -> None:
    peer = Peer(answer('{"access_token":"t","issued_token_type":"urn:x:jwt","token_type":"N_A"}'))

    found = peer.run(
        token_exchange.exchange_token(
            SERVER,
            CLIENT,
            subject_token=Secret("s"),
            subject_token_type="urn:x:jwt",
            actor_token=Secret("a"),
            actor_token_type="urn:x:saml",
            requested_token_type="urn:x:jwt",
            audience=("one", "two"),
            resource=("https://a.example/", "https://b.example/"),
            scope=("r", "w"),
            not_after=NOW,
        )
    )

    assert read_form(peer.request.body.decode()) == (
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", "s"),
        ("subject_token_type", "urn:x:jwt"),
        ("actor_token", "a"),
        ("actor_token_type", "urn:x:saml"),
        ("requested_token_type", "urn:x:jwt"),
        ("audience", "one"),
        ("audience", "two"),
        ("resource", "https://a.example/"),
        ("resource", "https://b.example/"),
        ("scope", "r w"),
    )
    assert (found.token_type, found.issued_token_type, found.expires_at) == ("n_a", "urn:x:jwt", None)


@pytest.mark.parametrize("actor", [{"actor_token": Secret("a")}, {"actor_token_type": "urn:x"}])
def test_an_actor_has_a_token_and_its_type(actor: dict[str, Any]) -> None:
    world = world_of()

    error = failure(world, exchange_token(world.settings, "two", subject_token=Secret("s"), **actor))

    assert isinstance(error, ConfigurationError)
    assert world.network.sent == []


@pytest.mark.parametrize(
    "body",
    [
        '{"access_token":"t","token_type":"bearer"}',
        '{"access_token":"t","token_type":"bearer","issued_token_type":""}',
        '{"access_token":"t","token_type":"bearer","issued_token_type":{}}',
        '{"access_token":"","token_type":"bearer","issued_token_type":"x"}',
        '{"issued_token_type":"x"}',
        "[]",
        "<html>",
    ],
)
def test_an_exchange_that_does_not_say_what_it_gave_is_malformed(body: str) -> None:
    with pytest.raises(MalformedResponse):
        Peer(answer(body)).run(token_exchange.exchange_token(SERVER, CLIENT, subject_token=Secret("s"), not_after=NOW))


def test_both_vaults_have_them() -> None:
    world = trusting()

    async def connect() -> Any:
        vault = AsyncVault(
            world.settings, store=world.store, keys=world.keys, transport=world.network, clock=world.clock
        )
        _ = await vault.connect_by_assertion("two", "alice", assertion=assertion(world))
        return await vault.exchange_token("two", subject_token=await vault.access_token("two", "alice"))

    assert works(world, asyncio.run(connect()).token)
    vault = world.vault()
    _ = vault.connect_by_assertion("two", "bob", assertion=assertion(world, sub="bob", jti="2"))
    assert works(world, vault.exchange_token("two", subject_token=vault.access_token("two", "bob")).token)


def test_where_tokens_are_bound_to_a_key_none_is_exchanged_and_nothing_is_sent() -> None:
    world = trusting()
    two = world.settings.registrations["two"]
    server: Any = replace(two.provider.server, dpop_bound_access_tokens=True)
    two = replace(two, provider=replace(two.provider, server=server))
    world.settings = replace(world.settings, registrations={"two": two})

    caught = failure(world, exchange_token(world.settings, "two", subject_token=Secret("x")))

    assert isinstance(caught, ConfigurationError)
    assert "dpop_bound_access_tokens" in str(caught)
    assert world.network.sent == []
