"""The doctor sees what becomes of cookies between a browser and our pages, on the way there and back."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from valetkey import Vault
from valetkey.connections.doctor import diagnose
from valetkey.connections.doctor_gateway import FLOWS
from valetkey.effects import Send
from valetkey.errors import TransportError
from valetkey.gateways.wsgi import wsgi_app
from valetkey.http import Headers, Request, Response
from valetkey.testing.world import BASE_URL, World
from valetkey.value import replace
from valetkey.web.routes import respond

if TYPE_CHECKING:
    from collections.abc import Callable

    from valetkey.connections.doctor import Finding

    Edge = Callable[[Request, Callable[[Request], Response]], Response | None]


def found_behind(edge: Edge, world: World | None = None, *, pages: World | None = None) -> dict[str, Finding]:
    """What the doctor finds where the edge stands before our pages. pages: the world that serves them."""
    world = world or World()
    send = world.network.send
    serving = pages or world

    def ours(request: Request) -> Response:
        return serving.run(respond(serving.settings, request, None))

    def sends(effect: Send) -> Response:
        if not effect.request.url.startswith(BASE_URL):
            return send(effect)
        request = replace(effect.request, url="/oauth" + effect.request.url.removeprefix(BASE_URL))
        response = edge(request, ours)
        if response is None:
            message = "no answer"
            raise TransportError(message, maybe_received=False)
        return response

    world.ports._performers[Send] = sends
    findings = [one for one in world.run(diagnose(world.settings)).findings if one.about in ("cookies", "base_url")]
    assert all(one.advice for one in findings)
    assert world.store.rows._rows == {}
    return {one.check: one for one in findings}


def through(request: Request, ours: Callable[[Request], Response]) -> Response:
    return ours(request)


def changing(old: str, new: str) -> Edge:
    """An edge that rewrites each Set-Cookie field."""

    def edge(request: Request, ours: Callable[[Request], Response]) -> Response:
        response = ours(request)
        pairs = tuple(
            (name, text.replace(old, new) if name == "Set-Cookie" else text) for name, text in response.headers.pairs
        )
        return replace(response, headers=Headers(pairs))

    return edge


def test_where_everything_passes_nothing_is_found() -> None:
    assert found_behind(through) == {}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("; Secure", "", "Secure is gone"),
        ("; HttpOnly", "", "HttpOnly is gone"),
        ("SameSite=Lax", "SameSite=Strict", "SameSite=Lax is gone or changed"),
        ("; SameSite=None", "", "SameSite=None is gone or changed"),
        ("Path=/", "Path=/oauth", "Path=/ is gone or changed"),
        ("; HttpOnly", "; HttpOnly; Domain=app.example", "a Domain was added"),
        ("Max-Age=600; ", "", "Max-Age is gone or changed"),
        ("x" * 700, "", "their text is another"),
    ],
)
def test_what_an_edge_changes_in_cookies_is_named(old: str, new: str, said: str) -> None:
    found = found_behind(changing(old, new))

    assert found.keys() == {"cookie_flags"}
    assert found["cookie_flags"].level == "problem"
    assert said in found["cookie_flags"].what


@pytest.mark.parametrize("more", ["; Priority=High", "; Partitioned", ";SECURE;httponly"])
def test_what_does_no_harm_is_no_finding(more: str) -> None:
    assert found_behind(changing("; HttpOnly", f"; HttpOnly{more}")) == {}


def one_set_cookie_only(request: Request, ours: Callable[[Request], Response]) -> Response:
    """A load balancer of AWS without multi-value headers."""
    response = ours(request)
    return replace(response, headers=Headers(tuple(dict(response.headers.pairs).items())))


def folding(request: Request, ours: Callable[[Request], Response]) -> Response:
    response = ours(request)
    joined = ", ".join(response.headers.all("Set-Cookie"))
    return replace(response, headers=response.headers.with_set("Set-Cookie", joined)) if joined else response


def without_set_cookie(request: Request, ours: Callable[[Request], Response]) -> Response:
    response = ours(request)
    pairs = tuple(pair for pair in response.headers.pairs if pair[0] != "Set-Cookie")
    return replace(response, headers=Headers(pairs))


@pytest.mark.parametrize(
    ("edge", "said"),
    [(one_set_cookie_only, "1 of 2"), (folding, "1 of 2"), (without_set_cookie, "2 of 2")],
)
def test_set_cookie_fields_that_do_not_arrive_are_counted(edge: Edge, said: str) -> None:
    found = found_behind(edge)

    assert found.keys() == {"set_cookie"}
    assert said in found["set_cookie"].what


def without_cookies(request: Request, ours: Callable[[Request], Response]) -> Response:
    """A CDN as it is set up at first."""
    return ours(replace(request, headers=Headers()))


def without_query(request: Request, ours: Callable[[Request], Response]) -> Response:
    return ours(replace(request, url=request.url.partition("?")[0]))


def decoding(request: Request, ours: Callable[[Request], Response]) -> Response:
    return ours(replace(request, url=request.url.replace("%20", "+")))


@pytest.mark.parametrize(
    ("edge", "check"), [(without_cookies, "cookie"), (without_query, "query"), (decoding, "query")]
)
def test_what_does_not_arrive_at_our_pages_is_a_problem(edge: Edge, check: str) -> None:
    found = found_behind(edge)

    assert found.keys() == {check}
    assert found[check].level == "problem"


@pytest.mark.parametrize("status", [400, 413, 431, 494, 502, 0])
def test_cookies_that_are_too_large_for_the_edge_are_a_problem(status: int) -> None:
    def edge(request: Request, ours: Callable[[Request], Response]) -> Response | None:
        if len(request.headers.get("cookie") or "") < 3_000:
            return ours(request)
        return Response(status) if status else None

    found = found_behind(edge)

    assert found.keys() == {"cookie_size"}
    assert str(status or "not at all") in found["cookie_size"].what


def test_pages_that_run_with_another_key_ring_are_a_warning() -> None:
    pages = World(seed=1)

    found = found_behind(through, pages=pages)

    assert found["other_keys"].level == "warning"
    assert "VALETKEY_KEY" in found["other_keys"].advice


def a_login(request: Request, ours: Callable[[Request], Response]) -> Response:
    return Response(401, Headers((("Content-Type", "text/plain"),)), b"who are you?")


def another_page(request: Request, ours: Callable[[Request], Response]) -> Response:
    return Response(200, Headers(), b"<h1>welcome</h1>")


@pytest.mark.parametrize("edge", [a_login, another_page])
def test_what_stands_in_the_way_is_a_note_and_no_judgement(edge: Edge) -> None:
    assert found_behind(edge)["not_seen"].level == "note"


def test_the_page_is_for_a_minute_and_sets_nothing_for_anybody_else() -> None:
    world = World()
    asked: list[str] = []

    def edge(request: Request, ours: Callable[[Request], Response]) -> Response:
        asked.append(request.url)
        return ours(request)

    assert found_behind(edge, world) == {}
    url = asked[-1]
    assert world.run(respond(world.settings, Request("GET", url), None)).status == 200

    world.clock.time += 61
    late = world.run(respond(world.settings, Request("GET", url), None))
    never = world.run(respond(world.settings, Request("GET", "/oauth/doctor/vk1.test.AAAA"), None))

    assert (late.status, never.status) == (404, 404)
    assert not late.headers.all("Set-Cookie")
    assert late.body == never.body


def test_the_cookies_of_a_posting_provider_are_judged_as_they_are_on_plain_http() -> None:
    world = World()
    two = world.settings.registrations["two"]
    two = replace(two, provider=replace(two.provider, server=replace(two.provider.server, response_mode="form_post")))
    registrations = {**world.settings.registrations, "two": two}
    world.settings = replace(world.settings, base_url="http://localhost:8000/oauth", registrations=registrations)

    found = world.run(diagnose(world.settings, request=Request("GET", "/oauth/connections"))).findings

    (said,) = [one.what for one in found if one.check == "scheme"]
    assert said.endswith("those of two are Secure (SameSite=None), which browsers take on localhost only")


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_through_a_real_server_and_gateway_cookies_come_and_go_whole() -> None:
    world = World()
    with make_server("127.0.0.1", 0, lambda *_: [], handler_class=Quiet) as server:
        base = f"http://127.0.0.1:{server.server_port}/oauth"
        settings = replace(world.settings, base_url=base, registrations={})
        vault = Vault(settings, store=world.store, keys=world.keys)
        server.set_app(wsgi_app(vault, resource_owner=lambda _: None))
        serving = threading.Thread(target=server.serve_forever, args=(0.02,))
        serving.start()
        try:
            found = vault.doctor().findings
        finally:
            server.shutdown()
            serving.join()

    assert [one.check for one in found if one.level != "note"] == ["scheme", "ephemeral"]
    assert sum(size for _, size, _ in FLOWS) > 3_900
