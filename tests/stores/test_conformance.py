"""Each store passes the one suite, against the real engine or a faithful server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.stores.bench import AsyncDynamoDBBench, AwaitedBench, Bench, DynamoDBBench
from tests.stores.conformance import Conformance

from valetkey.stores.memory import MemoryStore
from valetkey.stores.open import open_store
from valetkey.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.stores.engines import Postgres, Redis


class TestMemory(Conformance):
    @pytest.fixture
    def bench(self) -> Bench:
        return Bench(MemoryStore())


class TestSqlite(Conformance):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[Bench]:
        bench = Bench(SqliteStore(str(tmp_path / "rows.db")))
        yield bench
        bench.close()


class TestDynamoDBOnMoto(Conformance):
    @pytest.fixture
    def bench(self, moto_table: tuple[str, str]) -> Bench:
        return DynamoDBBench(*moto_table)


class TestDynamoDBOnMotoAsync(Conformance):
    @pytest.fixture
    def bench(self, moto_table: tuple[str, str]) -> Bench:
        return AsyncDynamoDBBench(*moto_table)


@pytest.mark.node
class TestDynamoDBOnDynalite(Conformance):
    @pytest.fixture
    def bench(self, dynalite_table: tuple[str, str]) -> Bench:
        return DynamoDBBench(*dynalite_table)


@pytest.mark.node
class TestDynamoDBOnDynaliteAsync(Conformance):
    @pytest.fixture
    def bench(self, dynalite_table: tuple[str, str]) -> Bench:
        return AsyncDynamoDBBench(*dynalite_table)


class TestPostgres(Conformance):
    @pytest.fixture
    def bench(self, postgres: Postgres) -> Iterator[Bench]:
        bench = Bench(open_store(postgres.url(), environ={}))
        bench.perform(bench.store.create())
        yield bench
        bench.close()


class TestPostgresAsync(Conformance):
    @pytest.fixture
    def bench(self, postgres: Postgres) -> Iterator[Bench]:
        bench = AwaitedBench(open_store(postgres.url(), environ={}, awaited=True))
        bench.perform(bench.store.create())
        yield bench
        bench.close()


class TestRedis(Conformance):
    @pytest.fixture
    def bench(self, redis: Redis) -> Iterator[Bench]:
        bench = Bench(open_store(redis.url(), environ={}))
        yield bench
        bench.close()


class TestRedisAsync(Conformance):
    @pytest.fixture
    def bench(self, redis: Redis) -> Iterator[Bench]:
        bench = AwaitedBench(open_store(redis.url(), environ={}, awaited=True))
        yield bench
        bench.close()
