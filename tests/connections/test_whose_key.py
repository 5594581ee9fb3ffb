"""A client that was registered with a key: what a wrong key, a wrong clock or no key at all may not do to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.connections.internet import ISSUER, said
from tests.connections.steps import failure
from tests.connections.test_own_registrations import begin, configure, connect, notes, row, there, token

from valetkey.connections.manage import connection
from valetkey.errors import ConfigurationError, ProviderError
from valetkey.keys.jwk import make_key

if TYPE_CHECKING:
    from tests.connections.internet import Server

    from valetkey.testing.world import World


def keyed() -> tuple[World, Any, Server, dict[str, Any]]:
    signing = {"private_key": make_key(), "signature_method": "ES256"}
    world, internet, server = there(**signing)
    server.said["token_endpoint_auth_methods_supported"] = ["private_key_jwt", "client_secret_post"]
    return world, internet, server, signing


def test_a_signature_that_is_refused_ends_no_client() -> None:
    world, internet, server, signing = keyed()
    _ = connect(world, server)
    world.clock.time += 3700
    usual = internet.pages[f"{ISSUER}/token"]
    internet.pages[f"{ISSUER}/token"] = lambda _: said({"error": "invalid_client"}, 401)
    other = {**signing, "private_key": make_key()}
    configure(world, notes(**other))

    caught = failure(world, token(world))
    world.clock.time += 60
    again = failure(world, token(world))
    internet.pages[f"{ISSUER}/token"] = usual
    configure(world, notes(**signing))
    world.clock.time += 600

    assert isinstance(caught, ProviderError)
    assert isinstance(again, ProviderError), "the key or the clock may be what is wrong: nothing has ended"
    assert not row(world).clients[0].refused
    kept = world.run(connection(world.settings, "notes", resource_owner="alice"))
    assert kept is not None
    assert world.run(token(world)).reveal() in server.access
    assert len(server.asked) == 1


def test_a_key_that_was_taken_out_is_said() -> None:
    world, _, server, _ = keyed()
    _ = connect(world, server)
    configure(world, notes())

    caught = failure(world, begin(world, "bob"))

    assert isinstance(caught, ConfigurationError)
    assert "private_key_jwt" in str(caught)
    assert len(server.asked) == 1


def test_a_refresh_without_the_key_that_it_needs_is_said_and_ends_nothing() -> None:
    world, _, server, signing = keyed()
    _ = connect(world, server)
    configure(world, notes())
    world.clock.time += 3700

    caught = failure(world, token(world))
    configure(world, notes(**signing))
    world.clock.time += 600

    assert isinstance(caught, ConfigurationError)
    assert "private_key" in str(caught)
    assert world.run(token(world)).reveal() in server.access
