"""What both naive programs do beside OAuth: keep one token in the application's database, and ask with many threads.

The database is a URL: `postgresql://...` by psycopg, `redis://...` by redis-py, and DynamoDB's endpoint by boto3.
"""

from __future__ import annotations

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class InPostgres:
    def __init__(self, url: str) -> None:
        import psycopg

        self.connect = lambda: psycopg.connect(url, autocommit=True)

    def create(self) -> None:
        with self.connect() as database:
            database.execute("CREATE TABLE IF NOT EXISTS token (owner text PRIMARY KEY, content text NOT NULL)")

    def load(self) -> str:
        with self.connect() as database:
            row = database.execute("SELECT content FROM token WHERE owner = 'alice'").fetchone()
        assert row is not None
        content: str = row[0]
        return content

    def save(self, content: str) -> None:
        statement = (
            "INSERT INTO token VALUES ('alice', %s) ON CONFLICT (owner) DO UPDATE SET content = excluded.content"
        )
        with self.connect() as database:
            database.execute(statement, (content,))


class InRedis:
    def __init__(self, url: str) -> None:
        import redis

        self.client = redis.Redis.from_url(url, decode_responses=True)

    def create(self) -> None:
        """There is nothing to create."""

    def load(self) -> str:
        return str(self.client.get("token:alice"))

    def save(self, content: str) -> None:
        self.client.set("token:alice", content)


class InDynamoDB:
    def __init__(self, endpoint: str) -> None:
        import boto3

        self.client = boto3.client("dynamodb", region_name="eu-central-1", endpoint_url=endpoint)

    def create(self) -> None:
        if "token" in self.client.list_tables()["TableNames"]:
            return
        self.client.create_table(
            TableName="token",
            AttributeDefinitions=[{"AttributeName": "owner", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "owner", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        self.client.get_waiter("table_exists").wait(TableName="token", WaiterConfig={"Delay": 1})

    def load(self) -> str:
        found = self.client.get_item(TableName="token", Key={"owner": {"S": "alice"}}, ConsistentRead=True)
        content: str = found["Item"]["content"]["S"]
        return content

    def save(self, content: str) -> None:
        self.client.put_item(TableName="token", Item={"owner": {"S": "alice"}, "content": {"S": content}})


class Saved:
    """The application's token."""

    def __init__(self, database: str) -> None:
        kind = {"postgresql": InPostgres, "redis": InRedis}.get(database.partition(":")[0], InDynamoDB)
        self.place = kind(database)

    def create(self) -> None:
        self.place.create()

    def load(self) -> dict[str, object]:
        token: dict[str, object] = json.loads(self.place.load())
        return token

    def save(self, token: dict[str, object]) -> None:
        self.place.save(json.dumps(dict(token)))


def run(call: Callable[[], str]) -> None:
    """Say `ready`; for each number on the standard input, call in so many threads at once and say what they got."""
    print("ready", flush=True)
    for line in sys.stdin:
        threads = int(line)
        barrier = threading.Barrier(threads)

        def one(_: int, barrier: threading.Barrier = barrier) -> str:
            barrier.wait()
            try:
                return call()
            except Exception as error:
                return str(getattr(error, "error", "") or getattr(error, "reason", "") or type(error).__name__)

        with ThreadPoolExecutor(threads) as pool:
            print(json.dumps(list(pool.map(one, range(threads)))), flush=True)
