"""A thousand calls that were all answered 401, with the same access token, before anybody refreshed: one refresh."""

from __future__ import annotations

import asyncio
import resource
from typing import TYPE_CHECKING

import aiohttp
import pytest
from tests.fleet.deployment import deployed
from tests.fleet.worker import open_async_vault

from valetkey.connections.refresh_plan import REJECTION_SECONDS
from valetkey.drivers.transports.aiohttp import AiohttpTransport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fleet.crew import Crew
    from tests.fleet.deployment import Deployment

CALLS = 1000
FILES = 4096  # each call has a socket at both of its ends


@pytest.fixture(autouse=True)
def _files() -> Iterator[None]:
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before < FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, most))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


def refused(fleet: Deployment) -> int:
    """How many calls the provider has answered 401."""
    return fleet.provider.seen.count("me", status="401")


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_a_thousand_threads_that_were_all_answered_401_refresh_once(store: str, crew: Crew, tmp_path: Path) -> None:
    with deployed(store, tmp_path) as fleet:
        crew.open(fleet.setup)
        fleet.pass_time(REJECTION_SECONDS)  # one that was issued just now is not replaced: that would not help
        storm = fleet.provider.refuse_together(CALLS)

        statuses = crew.call(CALLS // len(crew.workers)).finish()

        assert statuses == ["200"] * CALLS
        assert refused(fleet) == CALLS
        assert storm.early == 0, "somebody refreshed before all of them were refused"
        assert (fleet.provider.refresh_requests, fleet.refused()) == (1, 0)


async def call(fleet: Deployment) -> list[int]:
    """The status that each of a thousand tasks on one loop got."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        vault = open_async_vault(fleet.setup, transport=AiohttpTransport(session))

        async def one() -> int:
            async with vault.invocation(120.0):
                return (await vault.session("two", "alice").get(f"{fleet.provider.base_url}/oauth2/me")).status

        try:
            return await asyncio.gather(*(one() for _ in range(CALLS)))
        finally:
            await vault.close()


@pytest.mark.parametrize("store", ["redis"], indirect=True)
def test_a_thousand_tasks_that_were_all_answered_401_refresh_once(store: str, tmp_path: Path) -> None:
    with deployed(store, tmp_path) as fleet:
        fleet.pass_time(REJECTION_SECONDS)  # one that was issued just now is not replaced: that would not help
        storm = fleet.provider.refuse_together(CALLS)

        statuses = asyncio.run(call(fleet))

        assert statuses == [200] * CALLS
        assert refused(fleet) == CALLS
        assert storm.early == 0, "somebody refreshed before all of them were refused"
        assert (fleet.provider.refresh_requests, fleet.refused()) == (1, 0)
