"""A 403 for want of scope, with a body that is streamed: what everybody's own HTTP client makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
import requests
import urllib3
from requests.adapters import HTTPAdapter
from tests.integrations.test_like_session import CLIENTS, Served, Someone, by_session

from valetkey.errors import ReauthorizationRequired
from valetkey.integrations.aiohttp import VaultAuth as AiohttpAuth
from valetkey.integrations.httpx import VaultAuth as HttpxAuth
from valetkey.integrations.httpx2 import VaultAuth as Httpx2Auth
from valetkey.integrations.requests import VaultAuth as RequestsAuth
from valetkey.integrations.urllib3 import VaultPool
from valetkey.testing.world import BASE_URL

ALICE, NOBODY = Someone("two"), Someone("two", None)
Streamed = Callable[[Served, Someone, str, list[Any]], tuple[int, bytes]]
"""Status and body of a call whose body is read by its caller; what tells whether it was closed goes into the list."""


class Noting(HTTPAdapter):
    def __init__(self, closed: list[Any]) -> None:
        super().__init__()
        self.closed = closed

    def send(self, *given: Any, **named: Any) -> requests.Response:
        response = super().send(*given, **named)
        self.closed.append(lambda: response.raw.closed)
        return response


def by_requests(world: Served, who: Someone, url: str, closed: list[Any]) -> tuple[int, bytes]:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", Noting(closed))
        response = session.get(url, auth=who.auth(RequestsAuth, world.vault()), stream=True, timeout=5)
        return response.status_code, response.raw.read()


def by_sync(library: Any, kind: Any) -> Streamed:
    def call(world: Served, who: Someone, url: str, closed: list[Any]) -> tuple[int, bytes]:
        hooks = {"response": [lambda response: closed.append(lambda: response.is_closed)]}
        auth = who.auth(kind, world.vault())
        with library.Client(auth=auth, trust_env=False, event_hooks=hooks) as client, client.stream("GET", url) as got:
            assert not got.is_stream_consumed
            return got.status_code, got.read()

    return call


def by_async(library: Any, kind: Any) -> Streamed:
    def call(world: Served, who: Someone, url: str, closed: list[Any]) -> tuple[int, bytes]:
        async def note(response: Any) -> None:
            closed.append(lambda: response.is_closed)

        async def main() -> tuple[int, bytes]:
            auth = who.auth(kind, world.async_vault())
            client = library.AsyncClient(auth=auth, trust_env=False, event_hooks={"response": [note]})
            async with client, client.stream("GET", url) as got:
                assert not got.is_stream_consumed
                return got.status_code, await got.aread()

        return asyncio.run(main())

    return call


def by_aiohttp(world: Served, who: Someone, url: str, closed: list[Any]) -> tuple[int, bytes]:
    async def noting(request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
        response: aiohttp.ClientResponse = await handler(request)
        closed.append(lambda: response.closed)
        return response

    async def main() -> tuple[int, bytes]:
        auth = who.auth(AiohttpAuth, world.async_vault())
        async with aiohttp.ClientSession(middlewares=(auth, noting)) as session, session.get(url) as got:
            return got.status, await got.content.read()

    return asyncio.run(main())


def by_urllib3(world: Served, who: Someone, url: str, closed: list[Any]) -> tuple[int, bytes]:
    with urllib3.PoolManager(maxsize=1, block=True) as pool:
        places = pool.connection_from_url(url).pool
        assert places is not None
        try:
            response = who.auth(VaultPool, pool, world.vault()).request("GET", url, timeout=5, preload_content=False)
            return response.status, response.read()
        finally:
            free = places.qsize()
            closed.append(lambda: free == 1)  # who comes next need not wait for ever


STREAMED: dict[str, Streamed] = {
    "requests": by_requests,
    "httpx": by_sync(httpx, HttpxAuth),
    "async httpx": by_async(httpx, HttpxAuth),
    "httpx2": by_sync(httpx2, Httpx2Auth),
    "async httpx2": by_async(httpx2, Httpx2Auth),
    "aiohttp": by_aiohttp,
    "urllib3": by_urllib3,
}


@pytest.fixture
def world() -> Iterator[Served]:
    made = Served(client={}, server={})
    with made.served:
        yield made


@pytest.mark.parametrize("client", ["session", *CLIENTS])
def test_want_of_scope_leads_to_the_page_that_asks_for_it(client: str, world: Served) -> None:
    _ = world.connect("two")
    world.arrived()

    with pytest.raises(ReauthorizationRequired) as caught:
        {"session": by_session, **CLIENTS}[client](world, ALICE, f"{world.sandbox.base_url}/oauth2/userinfo")

    assert caught.value.reason == "insufficient_scope"
    assert caught.value.connect_url.startswith(f"{BASE_URL}/connect/two?ask=")
    assert world.arrived() == ["userinfo"]


@pytest.mark.parametrize("client", list(STREAMED))
def test_a_body_that_was_to_be_streamed_is_closed(client: str, world: Served) -> None:
    _ = world.connect("two")
    closed: list[Any] = []

    with pytest.raises(ReauthorizationRequired):
        STREAMED[client](world, ALICE, f"{world.sandbox.base_url}/oauth2/userinfo", closed)

    assert [one() for one in closed] == [True]


@pytest.mark.parametrize("client", list(STREAMED))
def test_a_403_to_the_client_alone_is_the_answer_and_its_body_is_the_callers_to_read(
    client: str, world: Served
) -> None:
    status, body = STREAMED[client](world, NOBODY, f"{world.sandbox.base_url}/oauth2/me", [])

    assert status == 403
    assert b"insufficient_scope" in body
