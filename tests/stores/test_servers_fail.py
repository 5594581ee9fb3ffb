"""PostgreSQL and Redis, in both colours: servers that are killed, connections that are cut, people who mistype."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.stores.bench import AwaitedBench, Bench, row
from tests.stores.conformance import new_key
from tests.stores.cutter import Cutter
from tests.stores.engines import Postgres, Redis, free_port

from valetkey.effects import LOST, UNKNOWN, WON, Key
from valetkey.errors import StoreError
from valetkey.stores.open import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Engine = Postgres | Redis
    Opener = Callable[[str], Bench]

CANARY = "canary-77aa0c"
DOING = {
    "load": "load a row", "swap": "write a row", "list": "list rows", "create": "be created", "check": "be checked",
}  # fmt: skip


@pytest.fixture(params=["postgres", "redis"])
def engine(request: pytest.FixtureRequest) -> Engine:
    server: Engine = request.getfixturevalue(request.param)
    return server


@pytest.fixture(params=["blocking", "awaited"])
def opened(request: pytest.FixtureRequest) -> Iterator[Opener]:
    benches: list[Bench] = []

    def open_bench(url: str) -> Bench:
        awaited = request.param == "awaited"
        store = open_store(url, environ={}, awaited=awaited)
        benches.append(AwaitedBench(store) if awaited else Bench(store))
        return benches[-1]

    yield open_bench
    for bench in benches:
        bench.close()


@pytest.fixture
def cutter(engine: Engine) -> Iterator[Cutter]:
    with Cutter(engine.port) as cutter:
        yield cutter


@pytest.fixture
def bench(engine: Engine, cutter: Cutter, opened: Opener) -> Bench:
    """A store that speaks to its server through the proxy."""
    plain = opened(engine.url())
    plain.perform(plain.store.create())
    return opened(engine.url(port=cutter.port, options="?sslmode=disable" if isinstance(engine, Postgres) else ""))


def test_a_write_whose_answer_was_lost_is_unknown_and_was_done(bench: Bench, cutter: Cutter) -> None:
    first, second = row(new_key()), row(new_key())
    assert bench.swap(first.key, None, first) == WON
    cutter.cut_answer = True

    assert bench.swap(second.key, None, second) == UNKNOWN

    assert bench.load(second.key) == second


@pytest.mark.parametrize("write", ["replace", "delete"])
def test_other_writes_whose_answer_was_lost_are_unknown_too(bench: Bench, cutter: Cutter, write: str) -> None:
    first = row(new_key())
    second = row(first.key) if write == "replace" else None
    assert bench.swap(first.key, None, first) == WON
    cutter.cut_answer = True

    assert bench.swap(first.key, first.version, second) == UNKNOWN

    assert bench.load(first.key) == second


def test_a_write_that_never_arrived_is_unknown_and_was_not_done(bench: Bench, cutter: Cutter) -> None:
    first, second = row(new_key()), row(new_key())
    assert bench.swap(first.key, None, first) == WON
    cutter.cut_request = True

    assert bench.swap(second.key, None, second) == UNKNOWN

    assert bench.load(second.key) is None
    assert bench.swap(second.key, None, second) == WON


def test_a_read_that_was_cut_is_asked_again(bench: Bench, cutter: Cutter) -> None:
    kept = row(new_key())
    assert bench.swap(kept.key, None, kept) == WON
    cutter.cut_answer = True
    assert bench.load(kept.key) == kept
    cutter.cut_request = True

    assert [each.key for each in bench.list(kept.key.partition).rows] == [kept.key]


def test_a_connection_that_was_dropped_while_idle_leaves_no_doubt(bench: Bench, cutter: Cutter) -> None:
    kept = row(new_key())
    assert bench.load(kept.key) is None
    cutter.drop()
    time.sleep(0.05)  # for the news to arrive

    assert bench.swap(kept.key, None, kept) == WON

    assert cutter.connections == 2


def test_a_function_that_was_frozen_begins_with_a_new_connection(
    bench: Bench, cutter: Cutter, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    assert bench.load(new_key()) is None
    assert bench.load(new_key()) is None
    monkeypatch.setattr(time, "time", lambda: real() + 3_600)

    assert bench.load(new_key()) is None

    assert cutter.connections == 2


@pytest.mark.parametrize("kind", [Postgres, Redis])
def test_a_server_that_is_killed_and_started_again_is_found_again(kind: type[Engine], opened: Opener) -> None:
    server = kind().initialize() if issubclass(kind, Postgres) else kind()
    try:
        server.start()
        bench = opened(server.url())
        bench.perform(bench.store.create())
        kept, later = row(new_key(), {"n": 1}), row(new_key())
        assert bench.swap(kept.key, None, kept) == WON

        server.kill()
        with pytest.raises(StoreError, match="cannot be reached"):
            bench.load(kept.key)
        with pytest.raises(StoreError, match="cannot be reached"):
            bench.swap(later.key, None, later)
        server.start()

        assert bench.load(kept.key) == kept
        assert bench.swap(kept.key, kept.version, row(kept.key)) == WON
        assert bench.swap(kept.key, kept.version, row(kept.key)) == LOST
    finally:
        server.remove()


@pytest.mark.parametrize("kind", ["postgresql", "redis"])
@pytest.mark.parametrize("verb", ["load", "swap", "list", "create", "check"])
def test_a_server_that_is_not_there_is_one_error_that_names_the_store(opened: Opener, kind: str, verb: str) -> None:
    port = free_port()
    bench = opened(f"{kind}://{CANARY}:{CANARY}@127.0.0.1:{port}/0")
    key = Key("ab", f"{CANARY}-row")
    calls: dict[str, Callable[[], Any]] = {
        "load": lambda: bench.store.load(key),
        "swap": lambda: bench.store.swap(key, None, row(key, {"x": CANARY})),
        "list": lambda: bench.store.list(None, ""),
        "create": bench.store.create,
        "check": bench.store.check,
    }

    with pytest.raises(StoreError, match="cannot be reached: check host and port") as caught:
        bench.perform(calls[verb]())

    assert str(caught.value).startswith(f"{bench.store.description}: cannot {DOING[verb]}: ")
    assert kind in bench.store.description
    for text in (str(caught.value), repr(caught.value), repr(bench.store), bench.store.description):
        assert CANARY not in text


def test_a_wrong_password_is_said_and_never_shown(postgres: Postgres, opened: Opener) -> None:
    if not postgres.execute("SELECT 1 FROM pg_roles WHERE rolname = 'locked'"):
        postgres.execute("CREATE USER locked PASSWORD 'right-canary'")
    secured = Redis("--requirepass", "right-canary", "--appendonly", "no").start()
    try:
        benches = {
            opened(f"postgresql://locked:{CANARY}@127.0.0.1:{postgres.port}/postgres"): "user or the password",
            opened(f"redis://:{CANARY}@127.0.0.1:{secured.port}"): "user or the password",
            opened(f"redis://127.0.0.1:{secured.port}"): "wants a password",
        }
        for bench, sentence in benches.items():
            with pytest.raises(StoreError, match=sentence) as caught:
                bench.load(new_key())
            assert CANARY not in str(caught.value)
            assert "locked" not in str(caught.value)
        right = opened(f"redis://:right-canary@127.0.0.1:{secured.port}")
        assert right.load(new_key()) is None
    finally:
        secured.remove()


def test_a_table_that_is_not_there_names_the_command_that_makes_it(postgres: Postgres, opened: Opener) -> None:
    bench = opened(postgres.url(options="?table=nowhere"))
    key = new_key()

    for call in (lambda: bench.load(key), lambda: bench.swap(key, None, row(key)), lambda: bench.list(None)):
        with pytest.raises(StoreError, match="`valetkey store create`") as caught:
            call()
        assert key.partition not in str(caught.value)
    assert "there is no table nowhere" in bench.perform(bench.store.check())[0]


def test_a_replica_is_refused_for_reading_too(redis: Redis, opened: Opener) -> None:
    replica = Redis("--appendonly", "no", "--replicaof", f"127.0.0.1 {redis.port}").start()
    try:
        bench = opened(replica.url())
        with pytest.raises(StoreError, match="read-only replica: name the primary"):
            bench.load(new_key())
        with pytest.raises(StoreError, match="read-only replica: name the primary"):
            bench.swap(Key("ab", "c"), None, row(Key("ab", "c")))
    finally:
        replica.remove()


def test_a_standby_is_refused_and_the_primary_beside_it_is_found(postgres: Postgres, opened: Opener) -> None:
    standby = Postgres()
    try:
        source = ("-h", "127.0.0.1", "-p", str(postgres.port), "-U", "vk")
        standby.run("pg_basebackup", "-D", str(standby.data), "-R", "-c", "fast", "--no-sync", *source)
        standby.start()
        alone = opened(standby.url())
        both = opened(f"postgresql://vk@127.0.0.1:{standby.port},127.0.0.1:{postgres.port}/postgres")

        for call in (alone.load, lambda key: alone.swap(key, None, row(key))):
            with pytest.raises(StoreError, match="read-only: name the primary"):
                call(new_key())
        key = new_key()
        both.perform(both.store.create())
        assert both.swap(key, None, row(key)) == WON
    finally:
        standby.remove()


def test_a_server_that_turned_read_only_is_said_and_nothing_is_written(postgres: Postgres, opened: Opener) -> None:
    bench = opened(postgres.url(options="?options=-c%20default_transaction_isolation%3Dserializable"))
    bench.perform(bench.store.create())
    kept = row(new_key())
    assert bench.swap(kept.key, None, kept) == WON
    postgres.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    postgres.execute("SELECT pg_reload_conf()")
    try:
        time.sleep(0.3)
        with pytest.raises(StoreError, match="read-only: name the primary"):
            bench.swap(kept.key, kept.version, None)
    finally:
        _writable_again(postgres)
    assert bench.load(kept.key) == kept


def _writable_again(postgres: Postgres) -> None:
    import psycopg

    url = postgres.url(options="?options=-c%20default_transaction_read_only%3Doff")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
        connection.execute("SELECT pg_reload_conf()")
    time.sleep(0.3)


RACER = """
import asyncio, sys
from valetkey.effects import Key, Row
from valetkey.stores.open import open_store
url, partition, awaited, writer = sys.argv[1], sys.argv[2], sys.argv[3] == "awaited", int(sys.argv[4])
store = open_store(url, environ={}, awaited=awaited)
async def main():
    print("ready", flush=True)
    sys.stdin.readline()
    won = 0
    for number in range(25):
        key = Key(partition, f"{number:02}")
        reply = store.swap(key, None, Row(key, bytes([writer]) * 16, {}))
        won += (await reply if awaited else reply) == "won"
    print(won, flush=True)
    store.close()
asyncio.run(main())
"""


@pytest.mark.parametrize("colour", ["blocking", "awaited"])
def test_of_eight_processes_exactly_one_creates_each_row(engine: Engine, opened: Opener, colour: str) -> None:
    bench = opened(engine.url())
    bench.perform(bench.store.create())
    place = new_key().partition
    command = [sys.executable, "-c", RACER, engine.url(), place, colour]
    racers = [
        subprocess.Popen([*command, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(8)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    answers = []
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    for racer in racers:
        answers.append(int(racer.communicate(timeout=60)[0]))

    assert sum(answers) == 25
    assert len(bench.list(place).rows) == 25


def test_an_awaited_store_outlives_event_loops(engine: Engine) -> None:
    store: Any = open_store(engine.url(), environ={}, awaited=True)
    asyncio.run(store.create())
    kept = row(new_key())

    assert asyncio.run(store.swap(kept.key, None, kept)) == WON
    assert asyncio.run(store.load(kept.key)) == kept
    assert asyncio.run(store.swap(kept.key, kept.version, None)) == WON

    store.close()  # no loop runs here, and nothing is left open


def test_a_child_process_leaves_its_parents_connections_alone(engine: Engine) -> None:
    store: Any = open_store(engine.url(), environ={})
    store.create()
    kept = row(new_key())
    assert store.swap(kept.key, None, kept) == WON

    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if store.load(kept.key) == kept else 2
            store.close()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    assert store.load(kept.key) == kept
    store.close()


def test_so_many_connections_and_no_more_are_opened(engine: Engine, cutter: Cutter, opened: Opener) -> None:
    options = "?connections=2" + ("&sslmode=disable" if isinstance(engine, Postgres) else "")
    bench = opened(engine.url(port=cutter.port, options=options))
    bench.perform(bench.store.create())
    key = new_key()

    outcomes = bench.race([(key, None, row(key)) for _ in range(16)])

    assert sorted(outcomes) == [LOST] * 15 + [WON]
    assert cutter.connections <= 2


def test_a_pooler_that_takes_no_startup_options_is_asked_without(opened: Opener) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        import threading

        seen: list[bytes] = []

        def pooler() -> None:
            for text in (b"unsupported startup parameter: options", b"the database system is starting up"):
                client, _ = listener.accept()
                with client:
                    seen.append(client.recv(65_536))
                    fields = b"SFATAL\0VFATAL\0C08P01\0M" + text + b"\0\0"
                    client.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)

        thread = threading.Thread(target=pooler)
        thread.start()
        bench = opened(f"postgresql://vk@127.0.0.1:{listener.getsockname()[1]}/db?sslmode=disable&gssencmode=disable")

        with pytest.raises(StoreError, match="starting or stopping: try again"):
            bench.load(new_key())
        thread.join(10)

    assert [b"statement_timeout" in startup for startup in seen] == [True, False]
