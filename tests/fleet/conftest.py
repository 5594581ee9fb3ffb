"""One crew for all tests, and the stores' servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.fleet.crew import Crew
from tests.fleet.stores import dynamodb_url, postgres_options, redis_options
from tests.stores import servers
from tests.stores.engines import Postgres, Redis, postgres_running, redis_running

if TYPE_CHECKING:
    from collections.abc import Iterator

STORES = ("postgres", "redis", "moto", "dynalite")


@pytest.fixture(scope="session")
def crew() -> Iterator[Crew]:
    with Crew(processes=10, threads=20) as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    yield from postgres_running()


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    yield from redis_running()


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    yield from servers.moto()


@pytest.fixture(scope="session")
def dynalite() -> Iterator[str]:
    yield from servers.dynalite()


@pytest.fixture
def store(request: pytest.FixtureRequest) -> str:
    """The URL of a store of the kind that the test is run with."""
    server = request.getfixturevalue(request.param)
    if isinstance(server, Postgres):
        return server.url(options=postgres_options())
    return server.url(options=redis_options()) if isinstance(server, Redis) else dynamodb_url(server)
