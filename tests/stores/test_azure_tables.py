"""Azure Tables against azurite, which verifies signatures and ETags; both colours, and what goes wrong on the way."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING

import pytest
from tests.stores import servers
from tests.stores.bench import TRANSPORT, World, row
from tests.stores.conformance import Conformance, new_key
from tests.stores.http_bench import (
    AsyncHttpBench,
    Faults,
    HttpBench,
    acted_then,
    answer,
    lose_both,
    lose_the_answer,
    lose_the_request,
    send,
)

from valetkey.clouds.azure_credentials import AzureTokenSource
from valetkey.drivers.drive import drive, drive_async
from valetkey.effects import CONFIGURED, LOST, UNKNOWN, WON, Key
from valetkey.errors import ConfigurationError, StoreError
from valetkey.http import Headers, Response
from valetkey.secret import Secret
from valetkey.stores.azure_tables import AzureTablesStore, _entity_of
from valetkey.stores.http_wire import MAX_ATTEMPTS
from valetkey.stores.open import open_store
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.stores.http_bench import Fault

    from valetkey.effects import Row, Send

pytestmark = pytest.mark.node

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # everybody's


def store(endpoint: str, table: str, key: str = KEY) -> AzureTablesStore:
    tokens = AzureTokenSource({}, resource="https://storage.azure.com")
    return AzureTablesStore(
        table, account=ACCOUNT, key=Secret(key), tokens=tokens, endpoint=f"{endpoint}/{ACCOUNT}"
    )


class AzureBench(HttpBench):
    store: AzureTablesStore

    def fill(self, rows: Sequence[Row]) -> None:
        """Straight to the server in parallel: filling is not what is tested."""
        self.perform(_fill(self.store, rows))


class AsyncAzureBench(AzureBench, AsyncHttpBench):
    pass


def _fill(store: AzureTablesStore, rows: Sequence[Row]):  # type: ignore[no-untyped-def]
    for each in rows:
        answer = yield from store._wire.ask(store._wire.request("POST", store.table, content=_entity_of(each)))
        assert not answer.error


@pytest.fixture(scope="session")
def azurite() -> Iterator[str]:
    yield from servers.azurite()
    TRANSPORT.close()


@pytest.fixture
def table(azurite: str) -> tuple[str, str]:
    name = f"valetkey{os.urandom(6).hex()}"
    HttpBench(store(azurite, name)).perform(store(azurite, name).create())
    return azurite, name


class TestAzureTables(Conformance):
    @pytest.fixture
    def bench(self, table: tuple[str, str]) -> AzureBench:
        return AzureBench(store(*table))


class TestAzureTablesAsync(Conformance):
    scale = 250

    @pytest.fixture
    def bench(self, table: tuple[str, str]) -> AzureBench:
        return AsyncAzureBench(store(*table))
