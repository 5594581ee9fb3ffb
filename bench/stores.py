"""Warm reads of a connection from each store against the raw driver's read of the same row, timed by pyperf."""

from __future__ import annotations

import os
import sys
import time
from types import GeneratorType

import pyperf

from valetkey import Settings, Vault
from valetkey.connections.codec import connection_key
from valetkey.connections.sign import access_token
from valetkey.drivers.drive import drive
from valetkey.value import replace

KEY = connection_key("github", "alice")


def raw_sqlite(url: str) -> object:
    import sqlite3

    database = sqlite3.connect(url.removeprefix("sqlite://"))
    statement = "SELECT version, clear, sealed, expires_at FROM rows WHERE partition = ? AND name = ?"
    return lambda: database.execute(statement, (KEY.partition, KEY.name)).fetchone()


def raw_postgresql(url: str) -> object:
    import psycopg

    database = psycopg.connect(url, autocommit=True)  # which prepares the statement after its fifth time
    statement = "SELECT version, clear, sealed, expires_at FROM valetkey_rows WHERE partition = %s AND name = %s"
    where = (KEY.partition.encode(), KEY.name.encode())
    return lambda: database.execute(statement, where).fetchone()


def raw_redis(url: str) -> object:
    import redis

    from valetkey.stores.redis_commands import Keys

    client = redis.Redis.from_url(url)
    name = Keys("valetkey").row(KEY)
    return lambda: client.hgetall(name)


def raw_dynamodb(_: str) -> object:
    import boto3

    client = boto3.client("dynamodb", region_name="eu-central-1", endpoint_url=os.environ["BENCH_DYNAMODB"])
    where = {"partition": {"S": KEY.partition}, "name": {"S": KEY.name}}
    return lambda: client.get_item(TableName="valetkey", Key=where, ConsistentRead=True)["Item"]


def raw_aztables(_: str) -> object:
    from azure.core.credentials import AzureNamedKeyCredential
    from azure.data.tables import TableClient

    from valetkey.stores.azure_tables import _name_text, _partition_text

    endpoint = os.environ["BENCH_AZTABLES"]
    credential = AzureNamedKeyCredential(endpoint.rpartition("/")[2], os.environ["AZURE_STORAGE_KEY"])
    client = TableClient(endpoint=endpoint, table_name="valetkey", credential=credential)
    where = (_partition_text(KEY.partition), _name_text(KEY.name))
    return lambda: client.get_entity(*where)


def raw_firestore(url: str) -> object:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.firestore import Client

    from valetkey.stores.open import open_store

    name: str = open_store(url, environ=os.environ)._name(KEY)  # type: ignore[attr-defined] # of Firestore
    client = Client(project=url.removeprefix("firestore://"), credentials=AnonymousCredentials())
    document = client.collection("valetkey").document(name.rpartition("/")[2])
    return lambda: document.get().to_dict()["version"]


def load(vault: Vault) -> object:
    found = vault._store.load(KEY)
    return drive(found, vault._ports.answer) if isinstance(found, GeneratorType) else found


def answer(vault: Vault, uncached: Settings) -> object:
    return vault.run(access_token(uncached, "github", resource_owner="alice"))


RAW = {
    "sqlite": raw_sqlite,
    "postgresql": raw_postgresql,
    "redis": raw_redis,
    "dynamodb": raw_dynamodb,
    "aztables": raw_aztables,
    "firestore": raw_firestore,
}
COMPILED = ("aztables", "firestore")
WARM_SECONDS = 20.0


def warm(kind: str, url: str) -> None:
    """Read both ways for some seconds: these servers compile themselves while they run, and that is not measured."""
    raw, vault = RAW[kind](url), Vault.from_env({**os.environ, "VALETKEY_STORE": url})
    until = time.monotonic() + WARM_SECONDS
    while time.monotonic() < until:
        raw()
        load(vault)


if sys.argv[1:] == ["--warm"]:
    for url in os.environ["BENCH_STORES"].split():
        if url.partition(":")[0] in COMPILED:
            warm(url.partition(":")[0], url)
elif __name__ == "__main__":
    runner = pyperf.Runner(processes=5, values=4, warmups=1)
    for url in os.environ["BENCH_STORES"].split():
        kind = url.partition(":")[0]
        vault = Vault.from_env({**os.environ, "VALETKEY_STORE": url})
        uncached = replace(vault.settings, cache=None)
        runner.bench_func(f"raw_{kind}", RAW[kind](url))
        runner.bench_func(f"load_{kind}", load, vault)
        runner.bench_func(f"answer_{kind}", answer, vault, uncached)
