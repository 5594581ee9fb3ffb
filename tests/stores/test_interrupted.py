"""Servers that are killed, and connections that are cut, while writers are writing: nothing acknowledged is ever lost.

Each row of a writer's history names the version that it replaced, so that what stands at the end leads back over every
write that was applied. A write that was acknowledged and is not on that way was lost; two that were acknowledged
for one version cannot both be on it.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest
from tests.stores.bench import ENVIRON, Bench, DynamoDBBench, World, row
from tests.stores.conformance import new_key
from tests.stores.cutter import Cutter
from tests.stores.engines import Azurite, Dynalite, Postgres, Redis
from tests.stores.firestore_fake import FirestoreFake
from tests.stores.http_bench import HttpBench, race_of_processes

from valetkey.drivers.transports.stdlib import StdlibTransport
from valetkey.effects import LOST, UNKNOWN, WON
from valetkey.errors import StoreError
from valetkey.stores.open import open_store
from valetkey.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.stores.engines import Engine

    from valetkey.effects import Key, Outcome, Row

WRITERS = 8
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@value
class Write:
    """One attempt to put a version in the place of another."""

    expected: bytes | None
    version: bytes
    outcome: Outcome


class History:
    """Every write of every writer to one row of their own each, and to one that they all share."""

    def __init__(self, bench: Callable[[], Bench], *, durable: bool = True) -> None:
        """durable: whether the server has on disk what it acknowledged."""
        self.bench, self.durable, self.stopped = bench, durable, threading.Event()
        self.shared = new_key()
        self.writes: dict[Key, list[Write]] = {self.shared: []}
        self.refused = 0
        self.failures: list[BaseException] = []

    def run(self, interrupt: Callable[[], None], *, times: int = 2) -> None:
        """Let everybody write, and interrupt them so many times."""
        keys = [new_key() for _ in range(WRITERS)]
        self.writes |= {key: [] for key in keys}
        threads = [threading.Thread(target=self._write, args=(key,)) for key in keys]
        for thread in threads:
            thread.start()
        try:
            for _ in range(times):
                self._go_on()
                interrupt()
            self._go_on()
        finally:
            self.stopped.set()
            for thread in threads:
                thread.join(60)
        assert not self.failures, self.failures

    def _go_on(self) -> None:
        """Until some writes more have come to something, and the writers are in the middle of others."""
        before, end = self._won(), time.monotonic() + 60
        while self._won() < before + 3 * WRITERS and not self.failures:
            assert time.monotonic() < end, "nobody gets on"
            time.sleep(0.005)

    def _won(self) -> int:
        return sum(write.outcome == WON for writes in self.writes.values() for write in list(writes))

    def _write(self, mine: Key) -> None:
        try:
            bench = self.bench()
            while not self.stopped.is_set():
                for key in (mine, self.shared):
                    self._once(bench, key)
                if self.writes[mine] and self.writes[mine][-1].outcome == UNKNOWN:
                    self._settle(bench, mine, self.writes[mine][-1])
        except BaseException as error:
            self.failures.append(error)
            raise

    def _once(self, bench: Bench, key: Key) -> None:
        try:
            found = bench.load(key)
            expected = None if found is None else found.version
            new = row(key, {"after": "" if expected is None else expected.hex()})
            outcome = bench.swap(key, expected, new)
        except StoreError:  # nothing was written
            self.refused += 1
            time.sleep(0.01)
            return
        self.writes[key].append(Write(expected, new.version, outcome))

    def _settle(self, bench: Bench, key: Key, write: Write) -> None:
        """Nobody else writes this row: what stands there says whether the write was applied."""
        while True:
            with suppress(StoreError):
                found = bench.load(key)
                version = None if found is None else found.version
                assert version in (write.version, write.expected) or not self.durable
                return
            time.sleep(0.01)

    def assert_nothing_was_lost(self) -> None:
        bench = self.bench()
        for key, writes in self.writes.items():
            assert writes
            stands, applied = bench.load(key), set()
            by_version = {write.version: write for write in writes}
            version = None if stands is None else stands.version
            while version is not None:
                write = by_version[version]
                assert write.outcome in (WON, UNKNOWN)
                assert version not in applied
                applied.add(version)
                version = write.expected
            assert {write.version for write in writes if write.outcome == WON} <= applied
            winners = [write.expected for write in writes if write.outcome == WON]
            assert len(set(winners)) == len(winners)


def dynamodb_url(port: int) -> str:
    return f"dynamodb://valetkey?region=eu-central-1&endpoint=http://127.0.0.1:{port}"


def driven(url: str, environ: dict[str, str]) -> Bench:
    return HttpBench(open_store(url, environ=environ), World(remaining=1e9))


@pytest.fixture(params=["postgres", "redis", pytest.param("dynalite", marks=pytest.mark.node)])
def killed(request: pytest.FixtureRequest) -> Iterator[tuple[Engine, Callable[[], Bench]]]:
    """A server that keeps its rows on disk, and what opens a store on it."""
    kinds: dict[str, Callable[[], Postgres | Redis | Dynalite]]
    kinds = {"postgres": lambda: Postgres().initialize(), "redis": Redis, "dynalite": Dynalite}
    server, opened = kinds[request.param](), None
    try:
        server.start()
        make: Callable[[], Bench]
        if isinstance(server, Dynalite):
            make = partial(driven, dynamodb_url(server.port), ENVIRON)
        else:
            opened = open_store(server.url(), environ={})
            make = partial(Bench, opened)
        bench = make()
        bench.perform(bench.store.create())
        yield server, make
    finally:
        if opened is not None:
            opened.close()
        server.remove()


def test_no_acknowledged_write_is_lost_when_the_server_is_killed_while_others_write(
    killed: tuple[Engine, Callable[[], Bench]],
) -> None:
    server, make = killed
    history = History(make)

    def kill_and_start() -> None:
        server.kill()
        server.start()

    history.run(kill_and_start)

    history.assert_nothing_was_lost()
    assert history.refused  # somebody was in the middle


@pytest.mark.node
def test_azurite_that_was_killed_is_found_again_with_all_that_it_had_on_disk() -> None:
    """It writes to its disk every five seconds and when it is asked to end; what it says meanwhile is only in memory."""
    server = Azurite()
    try:
        server.start()
        url = f"aztables://devstoreaccount1/valetkey?endpoint=http://127.0.0.1:{server.port}/devstoreaccount1"
        make = partial(driven, url, {"AZURE_STORAGE_KEY": AZURITE_KEY})
        bench, kept = make(), row(new_key())
        bench.perform(bench.store.create())
        assert bench.swap(kept.key, None, kept) == WON
        server.end()
        server.start()
        history = History(make, durable=False)

        def kill_and_start() -> None:
            server.kill()
            server.start()

        history.run(kill_and_start, times=1)

        assert bench.load(kept.key) == kept
        again = History(make)
        again.run(lambda: None, times=1)
        again.assert_nothing_was_lost()
    finally:
        server.remove()


@pytest.fixture(params=["moto", "firestore", pytest.param("dynalite", marks=pytest.mark.node)])
def behind(request: pytest.FixtureRequest) -> Iterator[tuple[Cutter, Callable[[], Bench]]]:
    """A proxy before a service, and what opens a store that speaks through it."""
    with ExitStack() as stack:
        transport = stack.enter_context(StdlibTransport())
        if request.param == "firestore":
            fake = stack.enter_context(FirestoreFake())
            cutter = stack.enter_context(Cutter(int(fake.host.rpartition(":")[2])))
            url, environ = "firestore://demo-valetkey", {"FIRESTORE_EMULATOR_HOST": f"127.0.0.1:{cutter.port}"}
        else:
            endpoint, table = request.getfixturevalue(f"{request.param}_table")
            cutter = stack.enter_context(Cutter(int(endpoint.rpartition(":")[2])))
            url, environ = dynamodb_url(cutter.port).replace("valetkey", table), ENVIRON
        yield cutter, lambda: HttpBench(open_store(url, environ=environ), World(transport.send, remaining=1e9))


def test_no_acknowledged_write_is_lost_when_everybody_is_cut_off(
    behind: tuple[Cutter, Callable[[], Bench]],
) -> None:
    cutter, make = behind
    history = History(make)

    history.run(cutter.drop, times=4)

    history.assert_nothing_was_lost()
    assert cutter.connections > WRITERS


@pytest.mark.parametrize("write", ["create", "replace", "delete"])
def test_a_write_whose_connection_is_cut_before_its_answer_is_unknown_and_was_done(
    behind: tuple[Cutter, Callable[[], Bench]], write: str
) -> None:
    cutter, make = behind
    bench, first = make(), row(new_key())
    new: Row | None = None if write == "delete" else row(first.key)
    if write != "create":
        assert bench.swap(first.key, None, first) == WON
    cutter.cut_answer = True

    outcome = bench.swap(first.key, None if write == "create" else first.version, new)

    assert outcome == UNKNOWN
    assert bench.load(first.key) == new


def test_a_write_that_is_cut_before_it_arrives_is_sent_again(behind: tuple[Cutter, Callable[[], Bench]]) -> None:
    cutter, make = behind
    bench, mine = make(), row(new_key())
    assert bench.load(mine.key) is None
    cutter.cut_request = True

    assert bench.swap(mine.key, None, mine) == WON

    assert not cutter.cut_request
    assert bench.load(mine.key) == mine


@pytest.mark.parametrize("server", ["moto", pytest.param("dynalite", marks=pytest.mark.node)])
def test_of_eight_processes_exactly_one_creates_the_row_in_dynamodb(
    request: pytest.FixtureRequest, server: str
) -> None:
    endpoint, table = request.getfixturevalue(f"{server}_table")
    url, key = f"dynamodb://{table}?region=eu-central-1&endpoint={endpoint}", new_key()

    outcomes = race_of_processes(url, ENVIRON, key)

    assert sorted(outcomes.values()) == [LOST] * 7 + [WON]
    stands = DynamoDBBench(endpoint, table).load(key)
    assert stands is not None
    assert outcomes[stands.version.hex()] == WON
