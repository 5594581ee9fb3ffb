"""What each store makes on demand, and what it says is missing."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.stores.bench import AwaitedBench, Bench, DynamoDBBench, row
from tests.stores.conformance import new_key
from tests.stores.engines import Postgres, Redis

from valetkey.drivers.drive import drive
from valetkey.effects import LOST, WON, Key, Send
from valetkey.errors import ConfigurationError, StoreError
from valetkey.http import Headers, Response
from valetkey.stores.memory import MemoryStore
from valetkey.stores.open import check_store_url, open_store
from valetkey.stores.sqlite import SqliteStore
from valetkey.value import replace

if TYPE_CHECKING:
    from pathlib import Path

CANARY = "canary-77aa0c"


@pytest.fixture(params=["blocking", "awaited"])
def awaited(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "awaited")


def bench_of(url: str, *, awaited: bool) -> Bench:
    store = open_store(url, environ={}, awaited=awaited)
    return AwaitedBench(store) if awaited else Bench(store)


def checked(url: str, *, awaited: bool = False, create: bool = False) -> tuple[str, ...]:
    bench = bench_of(url, awaited=awaited)
    try:
        if create:
            bench.perform(bench.store.create())
        missing: tuple[str, ...] = bench.perform(bench.store.check())
    finally:
        bench.close()
    return missing


def test_memory_and_a_sound_file_are_missing_nothing(tmp_path: Path) -> None:
    for store in (MemoryStore(), SqliteStore(str(tmp_path / "rows.db"))):
        store.create()
        assert store.check() == ()
        store.close()


def test_a_file_that_may_not_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(str(tmp_path / "rows.db"))
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everything

    (missing,) = store.check()

    assert "the file is read-only" in missing
    store.close()


# DynamoDB


def test_a_table_as_it_is_made_is_missing_nothing(moto_table: tuple[str, str]) -> None:
    bench = DynamoDBBench(*moto_table)

    assert bench.perform(bench.store.check()) == ()


def test_a_dynamodb_table_that_is_not_there_is_said(moto: str) -> None:
    bench = DynamoDBBench(moto, "nowhere")

    (missing,) = bench.perform(bench.store.check())

    assert missing == "dynamodb:nowhere in eu-central-1: there is no such table: make it with `valetkey store create`"


def test_a_dynamodb_table_without_expiry_and_backups_is_said(moto_table: tuple[str, str]) -> None:
    bench = DynamoDBBench(*moto_table)
    wire, table = bench.store._wire, bench.store.table
    off = {"AttributeName": "expires_at", "Enabled": False}
    bench.perform(wire.ask("UpdateTimeToLive", {"TableName": table, "TimeToLiveSpecification": off}))
    never = {"TableName": table, "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": False}}
    bench.perform(wire.ask("UpdateContinuousBackups", never))

    missing = bench.perform(bench.store.check())

    assert [sentence.split(": ")[1][:20] for sentence in missing] == ["expired rows are nev", "there is no point-in"]


def test_each_missing_permission_is_named(moto_table: tuple[str, str]) -> None:
    bench = DynamoDBBench(*moto_table)
    real = bench.world.send
    denied = ("DescribeTable", "PutItem", "Scan", "DescribeTimeToLive")

    def send(effect: Send) -> Response:
        if _target(effect) in denied:
            return Response(400, Headers(), b'{"__type": "com.amazonaws#AccessDeniedException"}')
        return real(effect)

    bench.world.send = send

    missing = drive(bench.store.check(), bench.world.answer)

    assert [sentence.partition("allow ")[2] for sentence in missing] == [
        f"dynamodb:{operation} on the table" for operation in denied
    ]


@pytest.mark.parametrize(
    ("consistency", "regions"),
    [
        ({}, "us-east-1, ap-south-1"),
        ({"MultiRegionConsistency": "EVENTUAL"}, "us-east-1, ap-south-1"),
        ({"MultiRegionConsistency": "STRONG"}, ""),
    ],
    ids=["older", "eventual", "strong"],
)
def test_a_global_table_whose_regions_compare_alone_is_said_with_the_rule(
    moto_table: tuple[str, str], consistency: dict[str, str], regions: str
) -> None:
    replicas = [{"RegionName": name, "ReplicaStatus": "ACTIVE"} for name in ("us-east-1", "ap-south-1", "canary <&>")]
    bench = described(moto_table, {"Replicas": replicas, **consistency})

    missing = drive(bench.store.check(), bench.world.answer)

    told = f"global table without strong consistency, with replicas in {regions}: "
    assert [told in sentence for sentence in missing] == [True] * bool(regions)
    for sentence in missing:
        assert sentence.startswith(bench.store.description)
        assert "let those of one region alone use it" in sentence
        assert "canary" not in sentence


@pytest.mark.parametrize("replicas", [[], None, [None, {"RegionName": 1}], {"RegionName": "us-east-1"}])
def test_replicas_that_are_none_or_have_no_name_hold_up_no_check(moto_table: tuple[str, str], replicas: object) -> None:
    bench = described(moto_table, {"Replicas": replicas})

    missing = drive(bench.store.check(), bench.world.answer)

    assert ["with replicas in other regions" in sentence for sentence in missing] == [True] * bool(replicas)


def described(table: tuple[str, str], more: dict[str, object]) -> DynamoDBBench:
    """A table of which DescribeTable says more."""
    bench = DynamoDBBench(*table)
    real = bench.world.send

    def send(effect: Send) -> Response:
        found = real(effect)
        if _target(effect) != "DescribeTable":
            return found
        said = json.loads(found.body)
        return Response(200, Headers(), json.dumps({"Table": {**said["Table"], **more}}).encode())

    bench.world.send = send
    return bench


def _target(effect: Send) -> str:
    target = effect.request.headers.get("X-Amz-Target") or ""
    return target.rpartition(".")[2]


# PostgreSQL


def test_a_postgresql_table_is_made_once_and_then_missing_nothing(postgres: Postgres, *, awaited: bool) -> None:
    table = f"rows_{os.urandom(4).hex()}"
    url = postgres.url(options=f"?table={table}")
    (missing,) = checked(url, awaited=awaited)
    assert f"there is no table {table}" in missing

    assert checked(url, awaited=awaited, create=True) == ()
    assert checked(url, awaited=awaited, create=True) == ()


def test_what_a_postgresql_table_or_server_lacks_is_said(postgres: Postgres) -> None:
    table = f"rows_{os.urandom(4).hex()}"
    url = postgres.url(options=f"?table={table}")
    assert checked(url, create=True) == ()
    postgres.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey")
    postgres.execute(f"ALTER TABLE {table} SET UNLOGGED")
    postgres.execute(f"ALTER TABLE {table} ADD COLUMN more text")

    missing = checked(url + "&options=-c%20synchronous_commit%3Doff")

    assert [word for word in ("other columns", "unique key", "unlogged", "synchronous_commit")
            if any(word in sentence for sentence in missing)] == [
        "other columns", "unique key", "unlogged", "synchronous_commit"
    ]  # fmt: skip
    assert len(missing) == 4


def test_a_user_who_may_only_read_is_told_what_to_grant(postgres: Postgres) -> None:
    table = f"rows_{os.urandom(4).hex()}"
    assert checked(postgres.url(options=f"?table={table}"), create=True) == ()
    if not postgres.execute("SELECT 1 FROM pg_roles WHERE rolname = 'reader'"):
        postgres.execute("CREATE USER reader")
    postgres.execute(f"GRANT SELECT ON {table} TO reader")
    url = postgres.url("reader", options=f"?table={table}")

    assert "may not INSERT, UPDATE, DELETE: GRANT INSERT, UPDATE, DELETE ON" in checked(url)[0]
    store: Any = open_store(url, environ={})
    with pytest.raises(StoreError, match="cannot write a row: SQLSTATE 42501: permission denied: GRANT"):
        store.swap(Key("ab", "c"), None, row(Key("ab", "c")))
    store.close()


def test_expired_rows_lapse_with_one_write_in_many(postgres: Postgres, *, awaited: bool) -> None:
    bench = bench_of(postgres.url(options=f"?table=rows_{os.urandom(4).hex()}"), awaited=awaited)
    bench.perform(bench.store.create())
    place = new_key().partition
    rows = [row(Key(place, name), expires_at=at) for name, at in (("old", 1), ("later", 4_102_444_800), ("ever", 0))]
    for each in rows:
        assert bench.swap(each.key, None, replace(each, version=b"\1" + each.version[1:])) == WON
    assert len(bench.list(place).rows) == 3

    sweeping = replace(row(Key(place, "sweeping")), version=b"\0" * 16)
    assert bench.swap(sweeping.key, None, sweeping) == WON

    assert [each.key.name for each in bench.list(place).rows] == ["ever", "later", "sweeping"]
    bench.close()


def test_writes_under_a_strict_isolation_level_still_have_one_winner(postgres: Postgres, *, awaited: bool) -> None:
    bench = bench_of(
        postgres.url(options="?options=-c%20default_transaction_isolation%3Dserializable"), awaited=awaited
    )
    bench.perform(bench.store.create())
    current = row(new_key())
    assert bench.swap(current.key, None, current) == WON

    outcomes = bench.race([(current.key, current.version, row(current.key)) for _ in range(16)])

    assert sorted(outcomes) == [LOST] * 15 + [WON]
    bench.close()


def test_a_row_that_stays_locked_is_an_error_and_not_written(postgres: Postgres, *, awaited: bool) -> None:
    import psycopg

    bench = bench_of(postgres.url(options="?options=-c%20statement_timeout%3D200ms"), awaited=awaited)
    bench.perform(bench.store.create())
    kept = row(new_key())
    assert bench.swap(kept.key, None, kept) == WON
    with psycopg.connect(postgres.url()) as other:
        other.execute("SELECT FROM valetkey_rows WHERE partition = %s FOR UPDATE", (kept.key.partition.encode(),))

        with pytest.raises(
            StoreError, match=r"cannot write a row: SQLSTATE 57014: it took too long: .* nothing was written"
        ):
            bench.swap(kept.key, kept.version, None)

    assert bench.load(kept.key) == kept
    bench.close()


def test_operators_can_read_the_clear_columns(postgres: Postgres) -> None:
    bench = bench_of(postgres.url(), awaited=False)
    bench.store.create()
    kept = row(new_key("connection/github/"), {"state": "active"})
    bench.swap(kept.key, None, kept)

    found = postgres.execute(
        "SELECT convert_from(name, 'UTF8'), clear->>'state' FROM valetkey_rows"
        f" WHERE partition = convert_to('{kept.key.partition}', 'UTF8')"
    )

    assert found == [("connection/github/", "active")]
    bench.close()


# Redis


@pytest.mark.parametrize(
    ("arguments", "sentences"),
    [
        (("--appendonly", "yes"), []),
        (("--appendonly", "no"), ["it keeps nothing on disk"]),
        (("--save", "60 1"), ["it only takes snapshots"]),
        (("--appendonly", "yes", "--appendfsync", "no"), ["appendfsync is no"]),
        (("--appendonly", "yes", "--maxmemory-policy", "allkeys-lru"), ["maxmemory-policy is allkeys-lru"]),
        (("--appendonly", "yes", "--maxmemory-policy", "volatile-ttl"), ["maxmemory-policy is volatile-ttl"]),
        (("--cluster-enabled", "yes", "--appendonly", "yes"), ["a cluster is not supported", "which is not supported"]),
    ],
    ids=lambda given: " ".join(given).replace("--", "") if isinstance(given, tuple) else "",
)
def test_a_redis_that_may_drop_a_connection_is_said(
    arguments: tuple[str, ...], sentences: list[str], *, awaited: bool
) -> None:
    server = Redis(*arguments).start()
    try:
        missing = checked(server.url(), awaited=awaited, create=True)
    finally:
        server.remove()

    assert len(missing) == len(sentences)
    assert all(wanted in found for wanted, found in zip(sentences, missing, strict=True))


def test_a_redis_user_without_scripts_or_info_is_told(redis: Redis) -> None:
    import redis as client

    with client.Redis(port=redis.port) as admin:
        admin.execute_command("ACL", "SETUSER", "weak", "on", ">right-canary", "~*", "+@read", "+ping")
    url = f"redis://weak:right-canary@127.0.0.1:{redis.port}"

    missing = checked(url)

    assert "permission denied: allow EVAL" in missing[0]
    assert "its INFO says nothing" in missing[1]
    store: Any = open_store(url, environ={})
    with pytest.raises(StoreError, match="cannot write a row: NoPermissionError: permission denied: allow EVAL"):
        store.swap(Key("ab", "c"), None, row(Key("ab", "c")))
    assert store.load(Key("ab", "c")) is None
    store.close()


def test_a_redis_without_memory_refuses_writes_and_keeps_what_it_has(*, awaited: bool) -> None:
    server = Redis("--maxmemory", "2mb", "--appendonly", "no").start()
    try:
        bench = bench_of(server.url(), awaited=awaited)
        place, written = new_key().partition, []
        full = ""
        for number in range(100):
            each = row(Key(place, f"{number:03}"), sealed=os.urandom(60_000))
            try:
                assert bench.swap(each.key, None, each) == WON
            except StoreError as error:
                full = str(error)
                break
            written.append(each)
        assert full.endswith(
            "cannot write a row: OutOfMemoryError: the memory is full: raise maxmemory; nothing was written"
        )
        assert written
        assert list(bench.list(place).rows) == written
        bench.close()
    finally:
        server.remove()


def test_a_row_lapses_by_itself_and_listings_tidy_up_after_it(redis: Redis, *, awaited: bool) -> None:
    import redis as client

    bench = bench_of(redis.url(options=f"?prefix=vk{os.urandom(4).hex()}"), awaited=awaited)
    place = new_key().partition
    brief, kept = row(Key(place, "brief"), expires_at=int(time.time()) + 1), row(Key(place, "kept"), expires_at=2**62)
    for each in (brief, kept):
        assert bench.swap(each.key, None, each) == WON
    end = time.monotonic() + 5
    while bench.load(brief.key) is not None and time.monotonic() < end:
        time.sleep(0.05)

    assert [each.key.name for each in bench.list(None).rows] == ["kept"]

    prefix = redis_prefix(bench)
    with client.Redis(port=redis.port) as raw:
        assert raw.zrange(f"{prefix}:all", 0, -1) == [f"{place}\0\0kept".encode()]
        assert raw.zrange(f"{prefix}:partition:{place}", 0, -1) == [b"kept"]
    assert bench.swap(brief.key, None, row(brief.key)) == WON
    bench.close()


def redis_prefix(bench: Bench) -> str:
    store: Any = bench.store
    prefix: str = store._place.prefix
    return prefix


def test_a_row_that_is_renewed_without_an_end_no_longer_lapses(redis: Redis) -> None:
    import redis as client

    bench = bench_of(redis.url(), awaited=False)
    brief = row(new_key(), expires_at=int(time.time()) + 1000)
    ever = row(brief.key)
    bench.swap(brief.key, None, brief)
    bench.swap(brief.key, brief.version, ever)

    with client.Redis(port=redis.port) as raw:
        assert raw.ttl(f"valetkey:row:64:{brief.key.partition}:github") == -1
    bench.close()


def test_the_script_is_sent_again_where_the_server_forgot_it(redis: Redis, *, awaited: bool) -> None:
    import redis as client

    bench = bench_of(redis.url(), awaited=awaited)
    with client.Redis(port=redis.port) as raw:
        raw.script_flush()
    kept = row(new_key())

    assert bench.swap(kept.key, None, kept) == WON
    bench.close()


def test_keys_of_something_else_are_left_alone(redis: Redis, *, awaited: bool) -> None:
    import redis as client

    bench = bench_of(redis.url(options="?prefix=other"), awaited=awaited)
    key = new_key()
    with client.Redis(port=redis.port) as raw:
        raw.set(f"other:row:64:{key.partition}:github", "theirs")
        raw.set(f"other:partition:{key.partition[::-1]}", "theirs")

    other = Key(key.partition[::-1], "n")
    for taken in (key, other):
        with pytest.raises(StoreError, match="cannot write a row: WRONGTYPE: a key is used by something else"):
            bench.swap(taken, None, row(taken))
    with pytest.raises(StoreError, match="cannot load a row: WRONGTYPE: a key is used by something else"):
        bench.load(key)
    assert bench.load(other) is None
    bench.close()


# URLs


@pytest.fixture
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("postgresql:db", "is written postgresql://|cannot be read"),
        (f"postgresql://u:{CANARY}%zz@host/db", "percent escapes in user and password"),
        (f"postgresql://u:{CANARY}@[::1/db", "cannot be read"),
        ("postgresql://host/db?table=Drop%20table", "table is a name of a-z"),
        ("postgresql://host/db?table=a.b.c", "table is a name of a-z"),
        ("postgresql://host/db?target_session_attrs=any", "no option 'target_session_attrs'"),
        ("postgresql://host/db?connections=0", "connections is a number"),
        ("redis:host", "it is written rediss://"),
        ("redis://", "it is written rediss://"),
        (f"redis://:{CANARY}@host:abc", "port is a number"),
        (f"redis://:{CANARY}%zz@host", "percent"),
        ("redis://host/x", "database is a number"),
        ("redis://host?prefix=%00", "prefix is 1 to 100"),
        ("redis://host?cafile=ca.pem", "cafile is for rediss"),
        ("redis://host?connections=many", "connections is a number"),
    ],
)
def test_urls_that_cannot_be_are_refused_without_their_password(url: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        open_store(url, environ={})

    assert CANARY not in str(caught.value)
    assert check_store_url(url) == caught.value.problems


@pytest.mark.usefixtures("_no_environment")
@pytest.mark.parametrize(
    ("url", "mode"),
    [
        ("postgresql://db.example/app", "require"),
        ("postgresql://db.example/app?sslmode=verify-full", "verify-full"),
        ("postgresql://127.0.0.1/app", None),
        ("postgresql://app?host=/run/postgresql", None),
        ("postgres://a.example,127.0.0.1/app", "require"),
    ],
)
def test_a_server_on_another_machine_must_speak_tls(url: str, mode: str | None) -> None:
    store: Any = open_store(url, environ={})

    assert store._parameters.get("sslmode") == mode
    assert bool(store._unverified) == (mode == "require")


def test_a_redis_that_is_asked_in_the_clear_over_a_network_is_said() -> None:
    plain: Any = open_store("redis://cache.example", environ={})
    secured: Any = open_store("rediss://user:pw@[::1]:7000/3?cafile=ca.pem&prefix=app", environ={}, awaited=True)

    assert "travel unencrypted" in plain._place.exposed[0]
    assert secured._place.exposed == ()
    assert secured.description == "redis:::1:7000/3"
    assert secured._parameters["ssl_check_hostname"] is True
