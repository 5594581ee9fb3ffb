"""Warm reads of a connection from each store against the raw driver's read of the same row, timed by pyperf."""

from __future__ import annotations

import os

import pyperf

from valetkey import Settings, Vault
from valetkey.connections.codec import connection_key
from valetkey.connections.sign import access_token
from valetkey.value import replace

KEY = connection_key("github", "alice")


def raw_sqlite(url: str) -> object:
    import sqlite3

    database = sqlite3.connect(url.removeprefix("sqlite://"))
    statement = "SELECT version, clear, sealed, expires_at FROM rows WHERE partition = ? AND name = ?"
    return lambda: database.execute(statement, (KEY.partition, KEY.name)).fetchone()


def raw_postgresql(url: str) -> object:
    import psycopg

    from valetkey.stores.postgres_sql import Statements

    database = psycopg.connect(url, autocommit=True)
    statement = Statements("valetkey_rows").load
    return lambda: database.execute(statement, (KEY.partition, KEY.name)).fetchone()


def raw_redis(url: str) -> object:
    import redis

    from valetkey.stores.redis_commands import Keys

    client = redis.Redis.from_url(url)
    name = Keys("valetkey").row(KEY)
    return lambda: client.hgetall(name)


def answer(vault: Vault, uncached: Settings) -> object:
    return vault.run(access_token(uncached, "github", resource_owner="alice"))


RAW = {"sqlite": raw_sqlite, "postgresql": raw_postgresql, "redis": raw_redis}

if __name__ == "__main__":
    runner = pyperf.Runner(processes=5, values=4, warmups=1)
    for url in os.environ["BENCH_STORES"].split():
        kind = url.partition(":")[0]
        vault = Vault.from_env({**os.environ, "VALETKEY_STORE": url})
        store, uncached = vault._store, replace(vault.settings, cache=None)
        runner.bench_func(f"raw_{kind}", RAW[kind](url))
        runner.bench_func(f"load_{kind}", store.load, KEY)
        runner.bench_func(f"answer_{kind}", answer, vault, uncached)
