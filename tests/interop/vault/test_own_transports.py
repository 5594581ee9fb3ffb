"""The application's own HTTP client as the vault's: the whole way over TLS with oidc-provider, with tokens that are bound."""

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
from tests.certificates import authority, issued, trusting
from tests.drivers.test_transport_clients import ContextAdapter
from tests.interop.vault.parties import OWNER, Party
from tests.interop.vault.test_mutual_tls import BOUND, VOUCHED
from tests.interop.vault.test_mutual_tls import registered as with_certificate
from tests.interop.vault.test_oauth2_proofs import registered

from valetkey.async_vault import AsyncVault
from valetkey.drivers.transports.aiohttp import AiohttpTransport
from valetkey.drivers.transports.httpx import HttpxTransport
from valetkey.drivers.transports.requests import RequestsTransport
from valetkey.drivers.transports.urllib3 import Urllib3Transport
from valetkey.errors import ReauthorizationRequired
from valetkey.pem import read_certificate
from valetkey.value import replace
from valetkey.vault import Vault

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from tests.interop.peers import NodeOidcProvider

    from valetkey.providers.registration import Registration

pytestmark = pytest.mark.node
AN_HOUR_AND_MORE = 4000


@contextmanager
def by_requests() -> Iterator[Any]:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", ContextAdapter(trusting()))
        yield RequestsTransport(session, tls=trusting)


@contextmanager
def by_urllib3() -> Iterator[Any]:
    with urllib3.PoolManager(ssl_context=trusting()) as pool:
        yield Urllib3Transport(pool, tls=trusting)


def made(client: Any) -> Callable[[ssl.SSLContext], Any]:
    """Another client of that kind, for a context that has a certificate."""

    def certified(tls: ssl.SSLContext) -> Any:
        authority().configure_trust(tls)
        return client(verify=tls, trust_env=False)

    return certified


def by_blocking(library: Any) -> Callable[[], Any]:
    @contextmanager
    def opened() -> Iterator[Any]:
        with library.Client(verify=trusting(), trust_env=False) as client:
            transport = HttpxTransport(client, certified=made(library.Client))
            try:
                yield transport
            finally:
                transport.close()

    return opened


def by_awaiting(library: Any) -> Callable[[], Any]:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Any]:
        async with library.AsyncClient(verify=trusting(), trust_env=False) as client:
            transport = HttpxTransport(client, certified=made(library.AsyncClient))
            try:
                yield transport
            finally:
                await transport.aclose()

    return opened


@asynccontextmanager
async def by_aiohttp() -> AsyncIterator[Any]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting())) as session:
        yield AiohttpTransport(session, tls=trusting)
    await asyncio.sleep(0.02)  # for asyncio to close the sockets that were given back


BLOCKING: dict[str, Callable[[], Any]] = {
    "requests": by_requests,
    "urllib3": by_urllib3,
    "httpx": by_blocking(httpx),
    "httpx2": by_blocking(httpx2),
}
AWAITING: dict[str, Callable[[], Any]] = {
    "async httpx": by_awaiting(httpx),
    "async httpx2": by_awaiting(httpx2),
    "aiohttp": by_aiohttp,
}


def bound_to_a_key(peer: NodeOidcProvider) -> Registration:
    """With pushed requests, and proofs with the nonces that the server wants."""
    bound: dict[str, Any] = {"dpop_bound_access_tokens": True}
    pushed: dict[str, Any] = {"pushed_authorization_request_endpoint": f"{peer.issuer}/request"}
    found = registered(peer, client=bound, **bound, **pushed)
    return replace(found, provider=replace(found.provider, api_hosts=("localhost",)))


def bound_to_a_certificate(peer: NodeOidcProvider) -> Registration:
    """Which proves the client, too."""
    return with_certificate(peer, {**VOUCHED, **BOUND}, read_certificate(issued()), **BOUND)


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


@pytest.mark.parametrize("bound", [bound_to_a_key, bound_to_a_certificate])
@pytest.mark.parametrize(
    ("colour", "client"),
    [
        *((colour, client) for colour in (Vault, AsyncVault) for client in BLOCKING),
        *((AsyncVault, client) for client in AWAITING),
    ],
)
def test_an_account_is_connected_called_refreshed_and_revoked_through_the_applications_own_client(
    tls_oidc_provider: NodeOidcProvider,
    tmp_path: Path,
    colour: type[Vault | AsyncVault],
    client: str,
    bound: Callable[[NodeOidcProvider], Registration],
) -> None:
    peer = tls_oidc_provider
    me = f"{peer.mtls if bound is bound_to_a_certificate else peer.issuer}/me"

    with (
        Party(colour, f"sqlite://{tmp_path}/c.db", bound(peer)) as party,
        entered(party, {**BLOCKING, **AWAITING}[client]()) as transport,
    ):
        party.through = transport
        party.vault = party.again()
        connection = party.connect().connection
        first = party.get(me).json()
        party.later.ahead = AN_HOUR_AND_MORE
        second = party.get(me).json()
        refreshed = party.done(party.vault.connection("peer", OWNER))
        report = party.done(party.vault.revoke("peer", OWNER))

        assert (connection.issuer, connection.subject) == (peer.issuer, "alice")
        assert first == second == {"sub": "alice"}
        assert refreshed.generation > connection.generation
        assert report.at_provider == "revoked"
        with pytest.raises(ReauthorizationRequired):
            party.get(me)
        assert party.transport.requests == [], "nothing went another way"
