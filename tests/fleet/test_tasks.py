"""Two hundred tasks on one event loop: one refresh for all of them, also beside the processes of a fleet."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.fleet.deployment import deployed
from tests.fleet.worker import open_async_vault, shown

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fleet.crew import Crew
    from tests.fleet.deployment import Deployment

STORES = ("postgres", "redis", "moto", "dynalite")
TASKS = 200


async def ask(fleet: Deployment) -> list[str]:
    """What each of the tasks got."""
    vault = open_async_vault(fleet.setup)

    async def one() -> str:
        async with vault.invocation(90.0):
            return shown(await vault.access_token("two", "alice"))

    try:
        return await asyncio.gather(*(one() for _ in range(TASKS)))
    finally:
        await vault.close()


@pytest.mark.parametrize("store", STORES, indirect=True)
def test_two_hundred_tasks_refresh_an_expired_token_once(store: str, tmp_path: Path) -> None:
    with deployed(store, tmp_path) as fleet:
        fleet.expire()

        tokens = asyncio.run(ask(fleet))

        assert len(tokens) == TASKS
        assert set(tokens) == {fleet.working_token()}
        assert (fleet.provider.refresh_requests, fleet.refused()) == (1, 0)


@pytest.mark.parametrize("store", ["redis"], indirect=True)
def test_tasks_and_processes_refresh_once_between_them(store: str, crew: Crew, tmp_path: Path) -> None:
    with deployed(store, tmp_path) as fleet:
        crew.open(fleet.setup)
        fleet.expire()

        asked = crew.ask()
        tokens = asyncio.run(ask(fleet))
        answers = asked.finish()

        assert len(tokens + answers) == TASKS + crew.callers
        assert set(tokens + answers) == {fleet.working_token()}
        assert (fleet.provider.refresh_requests, fleet.refused()) == (1, 0)
