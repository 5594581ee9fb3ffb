"""The gateways with the vaults that people deploy."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from tests.gateways import events
from tests.gateways.test_asgi import call as call_asgi
from tests.gateways.test_asgi import scope
from tests.gateways.test_wsgi import call as call_wsgi
from tests.gateways.test_wsgi import environ
from tests.web.world import BASE, ProviderInMemory, World, registration

from valetkey.async_vault import AsyncVault
from valetkey.connections.settings import Settings
from valetkey.gateways.asgi import asgi_app
from valetkey.gateways.aws import lambda_handler
from valetkey.gateways.wsgi import wsgi_app
from valetkey.http import Request
from valetkey.keys.local import LocalKeyRing
from valetkey.stores.memory import MemoryStore
from valetkey.vault import Vault

if TYPE_CHECKING:
    from valetkey.effects import Send
    from valetkey.http import Response


class AwaitedProvider(ProviderInMemory):
    async def send(self, effect: Send) -> Response:  # type: ignore[override]
        await asyncio.sleep(0)
        return super().send(effect)


def build(kind: type[Vault | AsyncVault]) -> Vault | AsyncVault:
    world = World()
    keys = LocalKeyRing([("test", hashlib.sha256(b"key").digest())], random=world.clock.random)
    settings = Settings({"github": registration("github", "GitHub")}, BASE)
    transport: Any = AwaitedProvider() if kind is AsyncVault else ProviderInMemory()
    return kind(settings, store=MemoryStore(), keys=keys, transport=transport)


async def owner(request: Request) -> str | None:
    await asyncio.sleep(0)
    return "alice"


@pytest.mark.parametrize("kind", [Vault, AsyncVault])
def test_a_lambda_answers(kind: type[Vault | AsyncVault]) -> None:
    handler = lambda_handler(build(kind), resource_owner=owner)

    answers = [handler(events.http(Request("GET", "/oauth/connections")), None) for _ in range(2)]

    assert [answer["statusCode"] for answer in answers] == [200, 200]


@pytest.mark.parametrize("kind", [Vault, AsyncVault])
def test_an_asgi_application_answers(kind: type[Vault | AsyncVault]) -> None:
    start, _ = call_asgi(asgi_app(build(kind), resource_owner=owner), scope())

    assert start["status"] == 200


@pytest.mark.parametrize("kind", [Vault, AsyncVault])
def test_a_wsgi_application_answers(kind: type[Vault | AsyncVault]) -> None:
    status, _, _ = call_wsgi(wsgi_app(build(kind), resource_owner=owner), environ())

    assert status == "200 OK"
