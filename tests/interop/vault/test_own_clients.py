"""People's own HTTP clients with oidc-provider: bound tokens, nonces that nobody knows yet; and the doctor's probe there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import httpx2
import pytest
import requests
import urllib3
from tests.interop.vault.parties import BASE_URL, OWNER, Party
from tests.interop.vault.test_oauth2_proofs import registered

from valetkey.async_vault import AsyncVault
from valetkey.http import Headers, Request
from valetkey.integrations.aiohttp import VaultAuth as AiohttpAuth
from valetkey.integrations.httpx import VaultAuth as HttpxAuth
from valetkey.integrations.httpx2 import VaultAuth as Httpx2Auth
from valetkey.integrations.requests import VaultAuth as RequestsAuth
from valetkey.integrations.urllib3 import VaultPool
from valetkey.oauth2.dpop import Nonces
from valetkey.value import replace
from valetkey.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.interop.peers import NodeOidcProvider

pytestmark = pytest.mark.node
HERE = Request("GET", "/oauth/connections", Headers((("Host", "app.example"),)))


def authorized(kind: Any, *before: Any, alone: bool) -> Any:
    """An integration for the resource owner, or for the client alone."""
    return kind.as_client(*before, "peer") if alone else kind(*before, "peer", OWNER)


def by_requests(vault: Any, url: str, *, alone: bool = False) -> tuple[int, str]:
    with requests.Session() as session:
        session.trust_env = False
        response = session.get(url, auth=authorized(RequestsAuth, vault, alone=alone), timeout=10)
        return response.status_code, response.text


def by_httpx(vault: Any, url: str, *, alone: bool = False) -> tuple[int, str]:
    with httpx.Client(auth=authorized(HttpxAuth, vault, alone=alone), trust_env=False) as client:
        response = client.get(url)
        return response.status_code, response.text


def by_httpx2(vault: Any, url: str, *, alone: bool = False) -> tuple[int, str]:
    with httpx2.Client(auth=authorized(Httpx2Auth, vault, alone=alone), trust_env=False) as client:
        response = client.get(url)
        return response.status_code, response.text


def by_urllib3(vault: Any, url: str, *, alone: bool = False) -> tuple[int, str]:
    with urllib3.PoolManager() as pool:
        response = authorized(VaultPool, pool, vault, alone=alone).request("GET", url)
        return response.status, response.data.decode()


async def by_async_httpx(vault: Any, url: str, *, alone: bool = False) -> tuple[int, str]:
    async with httpx.AsyncClient(auth=authorized(HttpxAuth, vault, alone=alone), trust_env=False) as client:
        response = await client.get(url)
        return response.status_code, response.text


async def by_async_httpx2(vault: Any, url: str, *, alone: bool = False) -> tuple[int, str]:
    async with httpx2.AsyncClient(auth=authorized(Httpx2Auth, vault, alone=alone), trust_env=False) as client:
        response = await client.get(url)
        return response.status_code, response.text


async def by_aiohttp(vault: Any, url: str, *, alone: bool = False) -> tuple[int, str]:
    session = aiohttp.ClientSession(middlewares=(authorized(AiohttpAuth, vault, alone=alone),))
    async with session, session.get(url) as response:
        return response.status, await response.text()


CLIENTS: list[tuple[type[Vault | AsyncVault], Callable[..., Any]]] = [
    (Vault, by_requests),
    (Vault, by_httpx),
    (Vault, by_httpx2),
    (Vault, by_urllib3),
    (AsyncVault, by_async_httpx),
    (AsyncVault, by_async_httpx2),
    (AsyncVault, by_aiohttp),
]
"""Each with the colour of vault that it takes."""


@pytest.mark.parametrize(("colour", "call"), CLIENTS)
def test_a_server_that_wants_a_nonce_is_given_one_by_everybodys_client(
    node_oidc_provider: NodeOidcProvider, tmp_path: Path, colour: type[Vault | AsyncVault], call: Callable[..., Any]
) -> None:
    bound = registered(node_oidc_provider, client={"dpop_bound_access_tokens": True}, dpop_bound_access_tokens=True)

    with Party(colour, f"sqlite://{tmp_path}/c.db", bound) as party:
        party.connect()
        forgetful = replace(bound, nonces=Nonces())
        party.settings = replace(party.settings, registrations={"peer": forgetful})
        vault = party.again()

        status, text = party.done(call(vault, f"{node_oidc_provider.base_url}/me"))

        assert (status, text) == (200, '{"sub":"alice"}')
        assert forgetful.nonces is not None
        assert forgetful.nonces.of(Request("GET", f"{node_oidc_provider.base_url}/me")) is not None


@pytest.mark.parametrize("pushed", [False, True], ids=["by the page", "pushed"])
@pytest.mark.parametrize("wrong", [False, True], ids=["registered", "not registered"])
def test_the_doctor_learns_from_it_whether_the_redirect_uri_is_registered(
    node_oidc_provider: NodeOidcProvider,
    colour: type[Vault | AsyncVault],
    tmp_path: Path,
    pushed: bool,
    wrong: bool,
) -> None:
    endpoint = f"{node_oidc_provider.base_url}/request" if pushed else None
    registration = registered(node_oidc_provider, pushed_authorization_request_endpoint=endpoint)
    if wrong:
        elsewhere = f"{BASE_URL}/callback/elsewhere"
        client: Any = replace(registration.client, redirect_uri=elsewhere)
        registration = replace(registration, redirect_uri=elsewhere, client=client)

    with Party(colour, f"sqlite://{tmp_path}/c.db", registration) as party:
        findings = party.done(party.vault.doctor(HERE, probe=("peer",))).findings

    (found,) = [one for one in findings if one.check == "probe"]
    if not wrong:
        assert found.level == "note"
        assert ("took a pushed request" if pushed else "sends answers to this redirect URI") in found.what
    else:
        assert found.level == ("problem" if pushed else "warning")
        assert "/callback/elsewhere" in found.advice
