"""Servers and tables for the store tests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.stores import servers
from tests.stores.bench import TRANSPORT, DynamoDBBench
from tests.stores.engines import Postgres, Redis, postgres_running, redis_running

if TYPE_CHECKING:
    from collections.abc import Iterator


EMULATED = "test_firestore_emulator.py"
collect_ignore = [] if servers.firestore_emulator_command() else [EMULATED]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if collect_ignore:
        missing = "Google's emulator (google-cloud-cli-firestore-emulator, Java) is not on this machine"
        terminalreporter.write_line(f"Firestore ran against its strict fake alone: {missing}")


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    yield from servers.moto()
    TRANSPORT.close()


@pytest.fixture(scope="session")
def dynalite() -> Iterator[str]:
    yield from servers.dynalite()
    TRANSPORT.close()


@pytest.fixture
def moto_table(moto: str) -> tuple[str, str]:
    return moto, make_table(moto)


@pytest.fixture
def dynalite_table(dynalite: str) -> tuple[str, str]:
    return dynalite, make_table(dynalite)


def make_table(endpoint: str) -> str:
    bench = DynamoDBBench(endpoint, f"valetkey-{os.urandom(6).hex()}")
    bench.perform(bench.store.create())
    return bench.store.table


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    yield from postgres_running()


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    yield from redis_running()
