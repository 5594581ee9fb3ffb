from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.gateways.test_serve import AsyncWorld
from tests.web.world import BASE, World

from valetkey.gateways.asgi import asgi_app, read_scope
from valetkey.http import Request, percent_encode, read_form, write_form

if TYPE_CHECKING:
    from collections.abc import Iterator

ALICE = {"x-owner": "alice"}
pairs = st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(max_size=12)), max_size=4)


def owner(request: Request) -> str | None:
    return request.headers.get("x-owner")


def scope(path: str = "/oauth/connections", **more: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"x-owner", b"alice")],
        **more,
    }


def call(app: Any, scope: dict[str, Any], *received: dict[str, Any]) -> list[dict[str, Any]]:
    waiting = list(received or [{"type": "http.request", "body": b"", "more_body": False}])
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


@given(parts=st.lists(st.text(min_size=1, max_size=8), max_size=3), query=pairs)
def test_a_request_comes_through_as_it_was(parts: list[str], query: list[tuple[str, str]]) -> None:
    raw = "/" + "/".join(percent_encode(part) for part in parts)

    found = read_scope(scope(raw_path=raw.encode(), query_string=write_form(query).encode()), b"")

    target, _, text = found.url.partition("?")
    assert target == raw
    assert read_form(text) == tuple(query)


@pytest.mark.parametrize(
    ("more", "target"),
    [
        ({"path": "/oauth/connections", "raw_path": b"/oauth/connections"}, "/oauth/connections"),
        (
            {"path": "/oauth/connections", "root_path": "/oauth", "raw_path": b"/oauth/connections"},
            "/oauth/connections",
        ),
        ({"path": "/connections", "root_path": "/oauth", "raw_path": b"/connections"}, "/oauth/connections"),
        ({"path": "/connections", "root_path": "/oauth/", "raw_path": None}, "/oauth/connections"),
        ({"path": "/oauth/a b/ü", "raw_path": None}, "/oauth/a%20b/%C3%BC"),
        ({"path": "/oauth/a%20b", "raw_path": None}, "/oauth/a%2520b"),
        ({"path": "/oauth/x", "raw_path": b"/oauth/x?code=1"}, "/oauth/x"),
        ({"path": "/other", "root_path": "/svc", "raw_path": b"/other"}, "/other"),
    ],
)
def test_the_target_is_the_raw_one_with_the_mount_in_it(more: dict[str, Any], target: str) -> None:
    assert read_scope(scope(**more), b"", base_path="/oauth").url == target


def test_cookies_that_http_2_split_are_one_again() -> None:
    found = read_scope(scope(headers=[(b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b=2")]), b"")

    assert found.headers.all("cookie") == ("a=1; b=2",)


@pytest.mark.parametrize("make", [World, AsyncWorld])
def test_a_page_is_answered(make: Any) -> None:
    start, body = call(asgi_app(make(), resource_owner=owner), scope())

    assert start["status"] == 200
    assert b"GitHub" in body["body"]


def test_a_body_in_pieces_is_joined() -> None:
    pieces = [
        {"type": "http.request", "body": b"registration=git", "more_body": True},
        {"type": "http.request", "body": b"hub", "more_body": True},
        {"type": "http.request", "more_body": False},
    ]
    headers = [(b"x-owner", b"alice"), (b"content-type", b"application/x-www-form-urlencoded")]

    start, _ = call(
        asgi_app(World(), resource_owner=owner),
        scope("/oauth/connections/forget", method="POST", headers=headers),
        *pieces,
    )

    assert start["status"] == 403  # read, and without a token


def test_a_body_over_the_limit_is_not_read_to_its_end() -> None:
    piece = {"type": "http.request", "body": b"a" * 40_000, "more_body": True}

    start, _ = call(
        asgi_app(World(), resource_owner=owner), scope("/oauth/connections/forget", method="POST"), piece, piece
    )

    assert start["status"] == 413


def test_a_client_that_left_gets_nothing() -> None:
    assert call(asgi_app(World(), resource_owner=owner), scope(), {"type": "http.disconnect"}) == []


def test_head_has_no_body() -> None:
    start, body = call(asgi_app(World(), resource_owner=owner), scope(method="HEAD"))

    assert start["status"] == 405
    assert body["body"] == b""


@pytest.mark.parametrize(
    "more",
    [
        {"raw_path": b"/\xff"},
        {"headers": [(b"a b", b"c")]},
        {"headers": [(b"a", b"b\r\nc")]},
        {"raw_path": b"/" + b"a" * 70_000},
        {"raw_path": None, "path": "/" + "é" * 40_000},
        {"query_string": b'"' * 70_000},
    ],
    ids=["path", "name", "value", "long path", "long decoded path", "long query"],
)
def test_a_scope_that_http_does_not_allow_is_a_bad_request(more: dict[str, Any]) -> None:
    start, _ = call(asgi_app(World(), resource_owner=owner), scope(**more))

    assert start["status"] == 400


def test_the_life_of_the_server_is_acknowledged() -> None:
    sent = call(
        asgi_app(World(), resource_owner=owner),
        {"type": "lifespan"},
        {"type": "lifespan.startup"},
        {"type": "lifespan.shutdown"},
    )

    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_a_websocket_is_closed() -> None:
    (sent,) = call(asgi_app(World(), resource_owner=owner), {"type": "websocket"}, {"type": "websocket.connect"})

    assert sent["type"] == "websocket.close"


@contextmanager
def serving(app: Any) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def mounted(vault: Any) -> Starlette:
    return Starlette(routes=[Mount("/oauth", app=asgi_app(vault, resource_owner=owner))])


@pytest.mark.parametrize("make", [World, AsyncWorld])
@pytest.mark.parametrize("build", [mounted, lambda vault: asgi_app(vault, resource_owner=owner)])
def test_an_account_is_connected_through_a_real_server(make: Any, build: Any) -> None:
    with serving(build(make())) as origin, httpx.Client(base_url=origin, headers=ALICE) as client:
        started = client.post("/oauth/connect/github", headers={"Sec-Fetch-Site": "same-origin"})
        state = dict(read_form(started.headers["location"].partition("?")[2]))["state"]
        cookie = started.headers["set-cookie"].partition(";")[0]
        finished = client.get(f"/oauth/callback/github?code=c&state={state}", headers={"Cookie": cookie})
        page = client.get("/oauth/connections")
        lost = client.get("/oauth/callback/git%68ub")

    assert started.status_code == finished.status_code == 303
    assert finished.headers["location"] == f"{BASE}/connections?connected=github"
    assert page.status_code == 200
    assert lost.status_code == 404
