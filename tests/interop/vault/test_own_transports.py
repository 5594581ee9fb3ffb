"""The application's own HTTP client as the vault's: the whole way over TLS with oidc-provider, tokens bound to a key."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import httpx2
import pytest
import requests
import urllib3
from tests.certificates import trusting
from tests.drivers.test_transport_clients import ContextAdapter
from tests.interop.vault.parties import OWNER, Party
from tests.interop.vault.test_oauth2_proofs import registered

from valetkey.async_vault import AsyncVault
from valetkey.drivers.transports.aiohttp import AiohttpTransport
from valetkey.drivers.transports.httpx import HttpxTransport
from valetkey.drivers.transports.requests import RequestsTransport
from valetkey.drivers.transports.urllib3 import Urllib3Transport
from valetkey.errors import ReauthorizationRequired
from valetkey.value import replace
from valetkey.vault import Vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from tests.interop.peers import NodeOidcProvider

pytestmark = pytest.mark.node
AN_HOUR_AND_MORE = 4000


@contextmanager
def by_requests() -> Iterator[Any]:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", ContextAdapter(trusting()))
        yield RequestsTransport(session)


@contextmanager
def by_urllib3() -> Iterator[Any]:
    with urllib3.PoolManager(ssl_context=trusting()) as pool:
        yield Urllib3Transport(pool)


@contextmanager
def by_httpx() -> Iterator[Any]:
    with httpx.Client(verify=trusting(), trust_env=False) as client:
        yield HttpxTransport(client)


@contextmanager
def by_httpx2() -> Iterator[Any]:
    with httpx2.Client(verify=trusting(), trust_env=False) as client:
        yield HttpxTransport(client)


@asynccontextmanager
async def by_async_httpx() -> AsyncIterator[Any]:
    async with httpx.AsyncClient(verify=trusting(), trust_env=False) as client:
        yield HttpxTransport(client)


@asynccontextmanager
async def by_async_httpx2() -> AsyncIterator[Any]:
    async with httpx2.AsyncClient(verify=trusting(), trust_env=False) as client:
        yield HttpxTransport(client)


@asynccontextmanager
async def by_aiohttp() -> AsyncIterator[Any]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting())) as session:
        yield AiohttpTransport(session)
    await asyncio.sleep(0.02)  # for asyncio to close the sockets that were given back


@contextmanager
def entered(party: Party, made: Any) -> Iterator[Any]:
    """The client's transport, opened and closed on the loop that the vault is on."""
    if not hasattr(made, "__aenter__"):
        with made as transport:
            yield transport
        return
    try:
        yield party.runner.run(made.__aenter__())
    finally:
        party.runner.run(made.__aexit__(None, None, None))


@pytest.mark.parametrize(
    ("colour", "client"),
    [
        *(
            (colour, client)
            for colour in (Vault, AsyncVault)
            for client in (by_requests, by_urllib3, by_httpx, by_httpx2)
        ),
        *((AsyncVault, client) for client in (by_async_httpx, by_async_httpx2, by_aiohttp)),
    ],
)
def test_an_account_is_connected_called_refreshed_and_revoked_through_the_applications_own_client(
    tls_oidc_provider: NodeOidcProvider,
    tmp_path: Path,
    colour: type[Vault | AsyncVault],
    client: Callable[[], Any],
) -> None:
    peer = tls_oidc_provider
    bound: dict[str, Any] = {"dpop_bound_access_tokens": True}
    pushed: dict[str, Any] = {"pushed_authorization_request_endpoint": f"{peer.issuer}/request"}
    made = registered(peer, client=bound, **bound, **pushed)
    registration = replace(made, provider=replace(made.provider, api_hosts=("localhost",)))

    with (
        Party(colour, f"sqlite://{tmp_path}/c.db", registration) as party,
        entered(party, client()) as transport,
    ):
        party.through = transport
        party.vault = party.again()
        connection = party.connect().connection
        first = party.get(f"{peer.issuer}/me").json()
        party.later.ahead = AN_HOUR_AND_MORE
        second = party.get(f"{peer.issuer}/me").json()
        refreshed = party.done(party.vault.connection("peer", OWNER))
        report = party.done(party.vault.revoke("peer", OWNER))

        assert (connection.issuer, connection.subject) == (peer.issuer, "alice")
        assert first == second == {"sub": "alice"}
        assert refreshed.generation > connection.generation
        assert report.at_provider == "revoked"
        with pytest.raises(ReauthorizationRequired):
            party.get(f"{peer.issuer}/me")
        assert party.transport.requests == [], "nothing went another way"
