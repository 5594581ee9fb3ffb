"""What a refusal leads to is the same for `session()` and for everybody's own HTTP client: the same requests, counted."""

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

from valetkey import AsyncVault
from valetkey.errors import ConfigurationError
from valetkey.integrations.aiohttp import VaultAuth as AiohttpAuth
from valetkey.integrations.httpx import VaultAuth as HttpxAuth
from valetkey.integrations.httpx2 import VaultAuth as Httpx2Auth
from valetkey.integrations.requests import VaultAuth as RequestsAuth
from valetkey.integrations.urllib3 import VaultPool
from valetkey.providers.catalog import load_provider
from valetkey.providers.registration import register
from valetkey.sandbox import SandboxClient
from valetkey.sandbox.server import serve
from valetkey.secret import Secret
from valetkey.testing.world import BASE_URL, World, sandbox_client
from valetkey.value import replace

Got = tuple[int, bytes]


class Served(World):
    """A world whose provider is served on a port of this machine."""

    def __init__(self, *, client: dict[str, Any], server: dict[str, Any]) -> None:
        super().__init__(client=sandbox_client(**{n: v for n, v in client.items() if not n.startswith("oauth1")}))
        self.sandbox.base_url, self.sandbox.dpop_nonces = "", True
        self.served = serve(self.sandbox)
        lifetimes = {n: v for n, v in client.items() if n.startswith("oauth1")}
        one = SandboxClient("client-one", Secret("secret-of-one"), callbacks=(f"{BASE_URL}/callback/one",), **lifetimes)
        self.sandbox.register(one)
        found = {}
        for name, protocol in (("one", "oauth1"), ("two", "oauth2")):
            provider = load_provider(f"sandbox-{protocol}", base_url=self.sandbox.base_url)
            changes = {
                key: text.replace("{base}", self.sandbox.base_url) if isinstance(text, str) else text
                for key, text in server.items()
                if hasattr(provider.server, key)
            }
            found[name] = register(
                name,
                replace(provider, server=replace(provider.server, **changes)),
                client_id=f"client-{name}",
                client_secret=Secret(f"secret-of-{name}"),
                redirect_uri=f"{BASE_URL}/callback/{name}",
            )
        self.settings = replace(self.settings, registrations=found)

    def async_vault(self) -> AsyncVault:
        return AsyncVault(self.settings, store=self.store, keys=self.keys, transport=self.network, clock=self.clock)

    def arrived(self) -> list[str]:
        """The endpoints that were asked since the last time."""
        names = [entry.endpoint for entry in self.sandbox.seen.entries()]
        self.sandbox.seen.clear()
        return names


class Someone:
    """Who asks: alice, or the client alone."""

    def __init__(self, registration: str, owner: str | None = "alice") -> None:
        self.registration, self.owner = registration, owner

    def auth(self, kind: Any, *before: Any) -> Any:
        """An integration for that one; before: what comes before the registration."""
        if self.owner is None:
            return kind.as_client(*before, self.registration)
        return kind(*before, self.registration, self.owner)


Call = Callable[[Served, Someone, str], Got]


def by_session(world: Served, who: Someone, url: str) -> Got:
    vault = world.vault()
    session = (
        vault.client_session(who.registration) if who.owner is None else vault.session(who.registration, who.owner)
    )
    answer = session.get(url)
    return answer.status, answer.body


def by_requests(world: Served, who: Someone, url: str) -> Got:
    with requests.Session() as session:
        session.trust_env = False
        response = session.get(url, auth=who.auth(RequestsAuth, world.vault()), timeout=5)
        return response.status_code, response.content


def by_sync(library: Any, kind: Any) -> Call:
    def call(world: Served, who: Someone, url: str) -> Got:
        with library.Client(auth=who.auth(kind, world.vault()), trust_env=False) as client:
            response = client.get(url)
            return response.status_code, response.content

    return call


def by_async(library: Any, kind: Any) -> Call:
    def call(world: Served, who: Someone, url: str) -> Got:
        async def main() -> Got:
            async with library.AsyncClient(auth=who.auth(kind, world.async_vault()), trust_env=False) as client:
                response = await client.get(url)
                return response.status_code, response.content

        return asyncio.run(main())

    return call


def by_aiohttp(world: Served, who: Someone, url: str) -> Got:
    async def main() -> Got:
        session = aiohttp.ClientSession(middlewares=(who.auth(AiohttpAuth, world.async_vault()),))
        async with session, session.get(url) as response:
            return response.status, await response.read()

    return asyncio.run(main())


def by_urllib3(world: Served, who: Someone, url: str) -> Got:
    with urllib3.PoolManager() as pool:
        ours = who.auth(VaultPool, pool, world.vault())
        response = ours.request("GET", url, timeout=5)
        return response.status, response.data


CLIENTS: dict[str, Call] = {
    "requests": by_requests,
    "httpx": by_sync(httpx, HttpxAuth),
    "async httpx": by_async(httpx, HttpxAuth),
    "httpx2": by_sync(httpx2, Httpx2Auth),
    "async httpx2": by_async(httpx2, Httpx2Auth),
    "aiohttp": by_aiohttp,
    "urllib3": by_urllib3,
}


class Case:
    """What goes wrong, to whom, and how many requests an answer takes then: of the first call and of the second."""

    def __init__(
        self,
        go_wrong: Callable[[Served], None],
        *,
        expected: tuple[int, list[str], list[str]],
        who: Someone,
        client: dict[str, Any] | None = None,
        server: dict[str, Any] | None = None,
    ) -> None:
        self.go_wrong, self.expected, self.who = go_wrong, expected, who
        self.client, self.server = client or {}, server or {}


def ended(world: Served) -> None:
    world.clock.time += 100
    world.sandbox.state.access_tokens.clear()


def later(world: Served) -> None:
    world.clock.time += 400  # the sandbox has another nonce


def ended_later(world: Served) -> None:
    later(world)
    ended(world)


def ahead(world: Served) -> None:
    world.sandbox.now = lambda: world.clock.time + 4000


def unknown(world: Served) -> None:
    world.sandbox.state.token_credentials.clear()
    ahead(world)


def prolonged(world: Served) -> None:
    world.clock.time += 120


TWO, ONE, ALONE_TWO, ALONE_ONE = Someone("two"), Someone("one"), Someone("two", None), Someone("one", None)
BOUND: dict[str, Any] = {
    "client": {"dpop_bound_access_tokens": True},
    "server": {"dpop_bound_access_tokens": True},
}
RENEWED: dict[str, Any] = {
    "client": {"oauth1_token_seconds": 60},
    "server": {"renewal_endpoint": "{base}/oauth1/renew", "renewal_keeps_token": True, "token_lifetime_seconds": 7200},
}
ME2, ME1, CLIENT2, CLIENT1 = "me", "oauth1_me", "client", "oauth1_client"
CASES = {
    "a bearer token that ended": Case(ended, who=TWO, expected=(200, [ME2, "token", ME2], [ME2])),
    "another nonce": Case(later, who=TWO, expected=(200, [ME2, ME2], [ME2]), **BOUND),
    "a bound token that ended": Case(ended, who=TWO, expected=(200, [ME2, "token", ME2], [ME2]), **BOUND),
    "a bound token that ended, and another nonce": Case(
        ended_later, who=TWO, expected=(200, [ME2, "token", "token", ME2], [ME2]), **BOUND
    ),
    "a renewable token of OAuth 1.0a": Case(
        prolonged, who=ONE, expected=(200, [ME1, "oauth1_renew", ME1], [ME1]), **RENEWED
    ),
    "another clock": Case(ahead, who=ONE, expected=(200, [ME1, ME1], [ME1])),
    "a token that is unknown, by another clock": Case(unknown, who=ONE, expected=(401, [ME1, ME1], [ME1, ME1])),
    "another clock, the client alone": Case(ahead, who=ALONE_ONE, expected=(200, [CLIENT1, CLIENT1], [CLIENT1])),
    "the client's own token ended": Case(ended, who=ALONE_TWO, expected=(200, [CLIENT2, "token", CLIENT2], [CLIENT2])),
}


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def world(case: Case) -> Iterator[Served]:
    made = Served(client=case.client, server=case.server)
    with made.served:
        yield made


@pytest.mark.parametrize("client", ["session", *CLIENTS])
def test_a_refusal_is_answered_by_the_same_requests(client: str, case: Case, world: Served) -> None:
    call = {"session": by_session, **CLIENTS}[client]
    at = {"one": "oauth1", "two": "oauth2"}[case.who.registration]
    url = f"{world.sandbox.base_url}/{at}/{'me' if case.who.owner else 'client'}"
    status, first, second = case.expected
    if case.who.owner:
        world.connect(case.who.registration)
    assert call(world, case.who, url)[0] == 200
    case.go_wrong(world)
    world.arrived()

    found = [(call(world, case.who, url)[0], world.arrived()) for _ in range(2)]

    assert found == [(status, first), (status, second)]


@pytest.mark.parametrize("client", list(CLIENTS))
@pytest.mark.parametrize("nobody", [None, ""])
def test_want_of_a_resource_owner_is_a_mistake_and_never_means_the_client_alone(
    client: str, nobody: str | None
) -> None:
    """An application whose user is not signed in must not speak with its own authority."""
    made = Served(client={}, server={})
    who = Someone("one")
    who.auth = lambda kind, *before: kind(*before, "one", nobody)  # type: ignore[method-assign]
    with made.served:
        with pytest.raises(ConfigurationError, match="non-empty"):
            CLIENTS[client](made, who, f"{made.sandbox.base_url}/oauth1/client")

        assert made.arrived() == []
