"""More scope when it is needed: `require`, and a 403 that asks for it (RFC 6750 section 3.1)."""

from __future__ import annotations

import asyncio
import html
import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.steps import failure, world_of

from valetkey.async_vault import AsyncVault
from valetkey.connections.call import call
from valetkey.connections.scope import ASK_SECONDS, needed_scope, require
from valetkey.errors import ConfigurationError, ReauthorizationRequired
from valetkey.http import FORM, Headers, Request, Response, read_form, write_form
from valetkey.sandbox import approve
from valetkey.testing.world import BASE_URL, PROVIDER_URL, callback_request
from valetkey.web.routes import respond

if TYPE_CHECKING:
    from valetkey.effects import Op
    from valetkey.testing.world import World

ECHO = Request("POST", f"{PROVIDER_URL}/oauth2/echo", Headers((("Content-Type", FORM),)), b"a=b")


def requiring(world: World, *scope: str, account: str = "") -> Op[Any]:
    return require(world.settings, "two", resource_owner="alice", scope=scope, account=account)


def refused(world: World, op: Op[Any]) -> ReauthorizationRequired:
    error = failure(world, op)
    assert isinstance(error, ReauthorizationRequired)
    return error


def target(url: str) -> str:
    return url.removeprefix("https://app.example")


def page(world: World, url: str, owner: str | None = "alice") -> Response:
    return world.run(respond(world.settings, Request("GET", target(url)), owner))


def follow(world: World, url: str) -> str:
    """The resource owner goes there, agrees, and comes back; the scope that the provider was asked for."""
    text = page(world, url).body.decode()
    fields = tuple((name, html.unescape(found)) for name, found in re.findall(r'name="(\w+)" value="([^"]*)"', text))
    headers = Headers((("Content-Type", FORM), ("Sec-Fetch-Site", "same-origin")))
    form = Request("POST", target(url).partition("?")[0], headers, write_form(fields).encode())
    going = world.run(respond(world.settings, form, "alice"))
    location = going.headers.get("Location") or ""
    back = approve(world.sandbox.respond, location)
    done = world.run(respond(world.settings, callback_request(back, going.headers.all("Set-Cookie")), "alice"))
    assert done.status == 303
    return dict(read_form(location.partition("?")[2]))["scope"]


def test_what_was_granted_is_enough() -> None:
    world = world_of()
    _ = world.connect()
    sent = len(world.network.sent)

    assert world.run(requiring(world, "read")).scope == ("read",)
    assert world.run(requiring(world)).state == "active"
    assert len(world.network.sent) == sent


def test_what_is_missing_is_asked_for_together_with_what_is_there() -> None:
    world = world_of()
    _ = world.connect()
    error = refused(world, requiring(world, "write"))
    assert error.reason == "insufficient_scope"
    assert error.connect_url.startswith(f"{BASE_URL}/connect/two?ask=")
    assert "<code>write</code>" in page(world, error.connect_url).body.decode()

    assert follow(world, error.connect_url) == "read write"

    assert world.run(requiring(world, "write", "read")).scope == ("read", "write")


def test_who_is_not_connected_connects_with_all_of_it() -> None:
    world = world_of()
    error = refused(world, requiring(world, "write", account="work"))
    assert error.reason == "not_connected"

    assert follow(world, error.connect_url) == "read write"

    assert world.run(requiring(world, "write", account="work")).account == "work"


def test_a_403_for_want_of_scope_leads_to_the_same_page() -> None:
    world = world_of()
    _ = world.connect()
    calling = call(world.settings, ECHO, registration="two", resource_owner="alice")

    error = refused(world, calling)
    assert error.reason == "insufficient_scope"
    assert follow(world, error.connect_url) == "read write"

    again = call(world.settings, ECHO, registration="two", resource_owner="alice")
    assert world.run(again).status == 200
    assert world.refresh_requests() == 0


@pytest.mark.parametrize(
    "challenge",
    [
        None,
        "Bearer",
        'Bearer error="insufficient_scope"',
        'Bearer error="insufficient_scope", scope=""',
        'Bearer error="insufficient_scope", scope="read"',
        'Bearer error="insufficient_scope", scope="a\\"b"',
        'Bearer error="insufficient_scope", scope="é"',
        'Bearer error="insufficient_scope", scope="a  b"',
        f'Bearer error="insufficient_scope", scope="{"a " * 60}a"',
        f'Bearer error="insufficient_scope", scope="{"a" * 4000}"',
        'Bearer error="invalid_token", scope="write"',
        'Basic error="insufficient_scope", scope="write"',
        'Bearer error="insufficient_scope", scope="write',
    ],
)
def test_a_403_that_connecting_again_would_not_mend_is_the_answer(challenge: str | None) -> None:
    world = world_of()
    _ = world.connect()
    usual = world.sandbox.respond

    def answer(_: Request) -> Response:
        world.sandbox.respond = usual  # type: ignore[method-assign]
        return Response(403, Headers((("WWW-Authenticate", challenge),) if challenge else ()))

    world.sandbox.respond = answer  # type: ignore[method-assign, assignment]

    assert world.run(call(world.settings, ECHO, registration="two", resource_owner="alice")).status == 403


def test_a_proof_of_possession_challenge_is_read_too() -> None:
    headers = Headers((("WWW-Authenticate", 'DPoP error="insufficient_scope", scope="a b"'),))

    assert needed_scope(Response(403, headers)) == ("a", "b")


def test_the_page_is_for_nobody_else_and_cannot_be_changed() -> None:
    world = world_of()
    _ = world.connect()
    url = refused(world, requiring(world, "write")).connect_url

    assert page(world, url).status == 200
    assert page(world, url, "mallory").status == 404
    assert page(world, url, None).status == 401
    assert page(world, url[:-2] + ("AA" if url[-2:] != "AA" else "BB")).status == 404
    assert page(world, url + "A" * 5000).status == 404
    assert page(world, f"{BASE_URL}/connect/one?{url.partition('?')[2]}").status == 404
    world.clock.time += ASK_SECONDS + 1
    assert page(world, url).status == 410


def test_a_scope_in_the_clear_is_not_taken() -> None:
    world = world_of()
    body = page(world, f"{BASE_URL}/connect/two?scope=write").body.decode()

    assert "<code>write</code>" not in body


@pytest.mark.parametrize("scope", ["write", ("a b",), ("",), ('a"',), ("é",), (7,), tuple(map(str, range(51)))])
def test_what_is_no_scope_is_refused(scope: Any) -> None:
    world = world_of()

    error = failure(world, require(world.settings, "two", resource_owner="alice", scope=scope))

    assert isinstance(error, ConfigurationError)


def test_oauth_1_has_no_scope() -> None:
    world = world_of()

    error = failure(world, require(world.settings, "one", resource_owner="alice", scope=("read",)))

    assert isinstance(error, ConfigurationError)


def test_both_vaults_have_it() -> None:
    world = world_of()
    _ = world.connect()

    async def ask() -> Any:
        vault = AsyncVault(
            world.settings, store=world.store, keys=world.keys, transport=world.network, clock=world.clock
        )
        return await vault.require("two", "alice", scope=("read",))

    assert asyncio.run(ask()) == world.vault().require("two", "alice", scope=("read",))
