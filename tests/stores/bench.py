"""A store on the bench: its three methods as plain calls, whichever colour drives them."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

from valetkey.clouds.aws_credentials import AwsCredentialSource
from valetkey.drivers.drive import drive, drive_async
from valetkey.drivers.transports.stdlib import StdlibTransport
from valetkey.effects import Key, Now, Random, Remaining, Row, Send, Sleep
from valetkey.stores.dynamodb import DynamoDBStore, _attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from valetkey.effects import Outcome, Page
    from valetkey.http import Response
    from valetkey.stores import Store

TRANSPORT = StdlibTransport()  # closed when the run ends
ENVIRON = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "canary-secret-key"}


def row(key: Key, clear: dict[str, str | int] | None = None, *, sealed: bytes = b"", expires_at: int = 0) -> Row:
    return Row(key, os.urandom(16), clear or {}, sealed, expires_at)


class Bench:
    """A store whose methods answer at once."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def perform(self, reply: Any) -> Any:
        return reply

    def load(self, key: Key) -> Row | None:
        found: Row | None = self.perform(self.store.load(key))
        return found

    def swap(self, key: Key, expected: bytes | None, new: Row | None) -> Outcome:
        outcome: Outcome = self.perform(self.store.swap(key, expected, new))
        return outcome

    def list(self, partition: str | None, cursor: str = "") -> Page:
        page: Page = self.perform(self.store.list(partition, cursor))
        return page

    def pages(self, partition: str | None) -> tuple[Page, ...]:
        pages = [self.list(partition)]
        while pages[-1].cursor:
            assert len(pages) < 200
            pages.append(self.list(partition, pages[-1].cursor))
        return tuple(pages)

    def fill(self, rows: Sequence[Row]) -> None:
        for each in rows:
            assert self.swap(each.key, None, each) == "won"

    def race(self, writes: Sequence[tuple[Key, bytes | None, Row | None]]) -> Sequence[Outcome]:
        """All the writes at once, each in a thread of its own that waits for the others to be ready."""
        barrier = threading.Barrier(len(writes))

        def write(arguments: tuple[Key, bytes | None, Row | None]) -> Outcome:
            barrier.wait()
            return self.swap(*arguments)

        with ThreadPoolExecutor(len(writes)) as threads:
            return tuple(threads.map(write, writes))

    def close(self) -> None:
        self.store.close()


class World:
    """Answers the wire effects: real requests under the real clock, and sleeps that are only noted."""

    def __init__(self, send: Callable[[Send], Response] | None = None, *, remaining: float = 30.0) -> None:
        self.send = send or TRANSPORT.send
        self.slept: list[float] = []
        self.remaining = remaining

    def answer(self, effect: object) -> object:
        match effect:
            case Now():
                return time.time()
            case Remaining():
                return self.remaining - sum(self.slept)
            case Random(octets):
                return os.urandom(octets)
            case Sleep(seconds):
                self.slept.append(seconds)
                return None
            case Send():
                return self.send(effect)
        raise AssertionError(effect)

    def answer_async(self, effect: object) -> object:
        if isinstance(effect, Send):
            return asyncio.to_thread(self.send, effect)
        return self.answer(effect)


class DynamoDBBench(Bench):
    """A DynamoDB store whose programs are driven with blocking ports."""

    store: DynamoDBStore

    def __init__(self, endpoint: str, table: str, world: World | None = None) -> None:
        self.world = world or World()
        super().__init__(
            DynamoDBStore(table, region="eu-central-1", credentials=AwsCredentialSource(ENVIRON), endpoint=endpoint)
        )

    def perform(self, reply: Any) -> Any:
        return drive(reply, self.world.answer)

    def fill(self, rows: Sequence[Row]) -> None:
        for start in range(0, len(rows), 25):
            batch = [{"PutRequest": {"Item": _attributes(each)}} for each in rows[start : start + 25]]
            answer = self.perform(self.store._wire.ask("BatchWriteItem", {"RequestItems": {self.store.table: batch}}))
            assert not answer.error
            assert not answer.content["UnprocessedItems"]


class AsyncDynamoDBBench(DynamoDBBench):
    """The same programs with awaited ports."""

    def perform(self, reply: Any) -> Any:
        return asyncio.run(drive_async(reply, self.world.answer_async))

    def race(self, writes: Sequence[tuple[Key, bytes | None, Row | None]]) -> Sequence[Outcome]:
        async def race() -> Sequence[Outcome]:
            programs = [drive_async(self.store.swap(*write), self.world.answer_async) for write in writes]
            return await asyncio.gather(*programs)

        return asyncio.run(race())


class AwaitedBench(Bench):
    """A store whose methods are awaited, all on one event loop of the bench's own."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.runner = asyncio.Runner()

    def perform(self, reply: Any) -> Any:
        async def wait() -> Any:
            return await reply

        return self.runner.run(wait())

    def fill(self, rows: Sequence[Row]) -> None:
        async def fill() -> None:
            for start in range(0, len(rows), 100):
                writes = [cast("Any", self.store.swap(each.key, None, each)) for each in rows[start : start + 100]]
                assert set(await asyncio.gather(*writes)) <= {"won"}

        self.runner.run(fill())

    def race(self, writes: Sequence[tuple[Key, bytes | None, Row | None]]) -> Sequence[Outcome]:
        async def race() -> Sequence[Outcome]:
            outcomes: Sequence[Outcome] = await asyncio.gather(
                *(cast("Any", self.store.swap(*write)) for write in writes)
            )
            return outcomes

        return self.runner.run(race())

    def close(self) -> None:
        async def close() -> None:
            self.store.close()

        self.runner.run(close())
        self.runner.close()
