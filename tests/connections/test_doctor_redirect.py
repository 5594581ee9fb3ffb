"""Whether the provider takes our redirect URI: asked only of who is named, as a flow would ask, and honestly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.tenants.tenancy import Tenancy

from valetkey.connections.doctor import diagnose
from valetkey.effects import Send
from valetkey.errors import TransportError
from valetkey.http import Headers, Request, Response
from valetkey.testing.world import BASE_URL, PROVIDER_URL, World
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.connections.doctor import Finding

HERE = Request("GET", "/oauth/connections", Headers((("Host", "app.example"),)))
PAR = {"pushed_authorization_request_endpoint": f"{PROVIDER_URL}/oauth2/par"}


def world_of(name: str = "two", *, redirect_uri: str = "", **server: Any) -> World:
    """A world whose registration of that name is changed like that, and which nobody is connected in."""
    world = World()
    at = world.settings.registrations[name]
    at = replace(at, provider=replace(at.provider, server=replace(at.provider.server, **server)))
    if redirect_uri:
        changed = {"redirect_uri": redirect_uri} if hasattr(at.client, "redirect_uri") else {}
        at = replace(at, redirect_uri=redirect_uri, client=replace(at.client, **changed))
    world.settings = replace(world.settings, registrations={**world.settings.registrations, name: at})
    return world


def probed(world: World, *names: str) -> list[Finding]:
    findings = world.run(diagnose(world.settings, request=HERE, probe=names)).findings
    found = [one for one in findings if one.check == "probe"]
    assert all(one.advice for one in found)
    assert "secret-of" not in repr(found)
    assert world.store.rows._rows == {}
    return found


def answering(world: World, response: Response | None) -> list[Send]:
    """The authorization page answers that; what it was asked."""
    send, asked = world.network.send, list[Send]()

    def sends(effect: Send) -> Response:
        if "/oauth2/authorize" not in effect.request.url:
            return send(effect)
        asked.append(effect)
        if response is None:
            message = "no answer"
            raise TransportError(message, maybe_received=True)
        return response

    world.ports._performers[Send] = sends
    return asked


def to(location: str, status: int = 302) -> Response:
    return Response(status, Headers((("Location", location),)))


def test_nobody_is_asked_for_a_flow_who_was_not_named() -> None:
    world = world_of(**PAR)

    assert probed(world) == []
    _ = probed(world, "one")

    assert world.sandbox.seen.count("oauth1_initiate") == 1
    assert world.sandbox.seen.count("par") == 0
    assert world.sandbox.seen.count("authorize") == 0


@pytest.mark.parametrize("wrong", ["", f"{BASE_URL}/callback/two/", "https://other.example/oauth/callback/two"])
def test_a_pushed_request_tells(wrong: str) -> None:
    world = world_of(redirect_uri=wrong, **PAR)

    (found,) = probed(world, "two")

    assert found.level == ("problem" if wrong else "note")
    assert (wrong or f"{BASE_URL}/callback/two") in found.advice


@pytest.mark.parametrize("wrong", ["", f"{BASE_URL}/callback/one/"])
def test_temporary_credentials_tell(wrong: str) -> None:
    (found,) = probed(world_of("one", redirect_uri=wrong), "one")

    assert found.level == ("problem" if wrong else "note")


@pytest.mark.parametrize(
    ("answer", "level", "said"),
    [
        (to(f"{BASE_URL}/callback/two?error=login_required&state=x"), "note", "sends answers to this redirect URI"),
        (to(f"{BASE_URL}/callback/two#error=login_required", 303), "note", "sends answers to this redirect URI"),
        (to(f"{BASE_URL}/callback/twofold?error=x"), "note", "cannot be told"),
        (to(f"https://evil.example/?u={BASE_URL}/callback/two?error=x"), "note", "cannot be told"),
        (to(f"{PROVIDER_URL}/login"), "note", "cannot be told"),
        (Response(200, Headers(), b"<form action=login>"), "note", "cannot be told"),
        (Response(200, Headers(), b"redirect_uri_mismatch"), "note", "cannot be told"),
        (Response(400, Headers(), b"redirect_uri_mismatch"), "warning", "before anybody signs in (status 400)"),
        (Response(500), "note", "cannot be told"),
        (None, "note", "cannot be told"),
    ],
)
def test_the_authorization_page_tells_only_what_it_says(answer: Response | None, level: str, said: str) -> None:
    world = world_of()
    asked = answering(world, answer)

    (found,) = probed(world, "two")

    assert (found.level, found.about) == (level, "two")
    assert said in found.what
    assert "mismatch" not in found.what
    (effect,) = asked
    assert "prompt=none" in effect.request.url
    assert effect.request.headers.get("cookie") is None


def test_the_sandbox_refuses_an_address_that_is_not_registered_before_anybody_signs_in() -> None:
    wrong = world_of(redirect_uri=f"{BASE_URL}/callback/elsewhere")

    assert [one.level for one in probed(wrong, "two")] == ["warning"]
    assert [one.level for one in probed(world_of(), "two")] == ["note"]


def test_a_tenants_context_is_probed_by_its_own_redirect_uri() -> None:
    tenancy = Tenancy("acme")

    found = [
        one
        for one in tenancy.world.run(diagnose(tenancy.world.settings, request=HERE, probe=("desk:acme",))).findings
        if one.check == "probe"
    ]

    assert [one.about for one in found] == ["desk:acme"]
    assert f"{BASE_URL}/callback/desk:acme" in found[0].advice


@pytest.mark.parametrize("name", ["nobody", "", "desk:acme", "\x1b[31m"])
def test_a_name_that_nobody_has_is_a_problem_and_asks_nobody(name: str) -> None:
    world = world_of()

    (found,) = probed(world, name)

    assert found.level == "problem"
    assert "\x1b" not in found.what
    assert world.sandbox.seen.count("authorize") == 0
