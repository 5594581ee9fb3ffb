"""Every error of every store says which store, what was asked of it, what the engine said and what to do next."""

from __future__ import annotations

import json
import re
import sqlite3
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from redis import exceptions as redis_errors
from tests.stores.bench import ENVIRON, Bench, World, row
from tests.stores.http_bench import AsyncHttpBench, HttpBench, answer, lose_both

from valetkey.effects import Key
from valetkey.errors import StoreError
from valetkey.stores import postgres_sql, redis_commands
from valetkey.stores.open import open_store
from valetkey.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from valetkey.effects import Send
    from valetkey.http import Response

CANARY = "canary-31f0aa"
KEY = Key(f"{CANARY}-owner", f"{CANARY}-row")
DOING = {
    "load": "load a row", "swap": "write a row", "list": "list rows", "create": "be created", "check": "be checked",
}  # fmt: skip
STEP = re.compile(
    r"^[^:]+: .*\b(add|allow|ask|change|check|choose|correct|create|enable|find|give|GRANT|look|lower|make|name|raise"
    r"|remove|renew|restore|see|set|spread|try|unset|upgrade|use|wait|write)\b"
)
DYNAMODB_CODES = (
    "AccessDeniedException", "ExpiredTokenException", "IncompleteSignatureException", "InternalServerError",
    "InvalidSignatureException", "ItemCollectionSizeLimitExceededException", "LimitExceededException",
    "MissingAuthenticationTokenException", "OptInRequired", "ProvisionedThroughputExceededException",
    "ReplicatedWriteConflictException", "RequestExpired", "RequestLimitExceeded", "ServiceUnavailable",
    "ThrottlingException", "TransactionConflictException", "UnrecognizedClientException", "ValidationException",
)  # fmt: skip
AZURE_CODES = (
    "AccountIsDisabled", "AuthenticationFailed", "AuthorizationFailure", "AuthorizationPermissionMismatch",
    "AuthorizationSourceIPMismatch", "EntityTooLarge", "InsufficientAccountPermissions", "InternalError",
    "InvalidAuthenticationInfo", "InvalidInput", "KeyBasedAuthenticationNotPermitted", "NoAuthenticationInformation",
    "OperationTimedOut", "OutOfRangeInput", "RequestBodyTooLarge", "ServerBusy", "TableBeingDeleted", "TableNotFound",
    "TooManyRequests",
)  # fmt: skip
FIRESTORE_CODES = (
    "ABORTED", "CANCELLED", "DATA_LOSS", "DEADLINE_EXCEEDED", "FAILED_PRECONDITION", "INTERNAL", "INVALID_ARGUMENT",
    "NOT_FOUND", "OUT_OF_RANGE", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "UNAUTHENTICATED", "UNAVAILABLE",
    "UNIMPLEMENTED", "UNKNOWN",
)  # fmt: skip


def dynamodb(code: str) -> bytes:
    return json.dumps({"__type": f"com.amazonaws#{code}", "message": CANARY}).encode()


def odata(code: str) -> bytes:
    return json.dumps({"odata.error": {"code": code, "message": {"value": CANARY}}}).encode()


def google(code: str) -> bytes:
    return json.dumps([{"error": {"status": code, "message": CANARY}}]).encode()


# how its URL is written, its environment, how an error with a code looks, and its codes
SERVICES = {
    "dynamodb": ("dynamodb://rows?region=eu-west-1", ENVIRON, dynamodb, DYNAMODB_CODES),
    "aztables": ("aztables://account/rows", {"AZURE_STORAGE_KEY": "Y2FuYXJ5LWtleQ=="}, odata, AZURE_CODES),
    "firestore": ("firestore://project", {"FIRESTORE_EMULATOR_HOST": "127.0.0.1:1"}, google, FIRESTORE_CODES),
}


def asked(bench: Bench, verb: str) -> Any:
    calls: dict[str, Callable[[], Any]] = {
        "load": lambda: bench.store.load(KEY),
        "swap": lambda: bench.store.swap(KEY, None, row(KEY, {"note": CANARY}, sealed=CANARY.encode())),
        "replace": lambda: bench.store.swap(KEY, bytes(16), row(KEY)),
        "list": lambda: bench.store.list(KEY.partition, ""),
        "create": bench.store.create,
        "check": bench.store.check,
    }
    return bench.perform(calls[verb]())


def assert_told(bench: Bench, doing: str, error: BaseException, said: str = "") -> None:
    text, begins = str(error), f"{bench.store.description}: cannot {doing}: "
    assert text.startswith(begins + said)
    assert STEP.match(text.removeprefix(begins))
    assert text.count("cannot be") + text.count(": cannot") <= 2
    assert text.count(bench.store.description) == 1
    assert CANARY not in text + repr(error)


def service(kind: str, send: Callable[[Send], Response], *, awaited: bool = False, remaining: float = 30.0) -> Bench:
    url, environ, _, _ = SERVICES[kind]
    make = AsyncHttpBench if awaited else HttpBench
    return make(open_store(url, environ=environ, awaited=awaited), World(send, remaining=remaining))


@pytest.mark.parametrize("awaited", [False, True], ids=["blocking", "awaited"])
@pytest.mark.parametrize("verb", DOING)
@pytest.mark.parametrize("kind", SERVICES)
def test_whatever_is_asked_of_a_service_is_named_when_nobody_answers(kind: str, verb: str, awaited: bool) -> None:
    bench = service(kind, lose_both, awaited=awaited)

    if verb == "swap":  # it may have been applied
        assert asked(bench, verb) == "unknown"
        bench = service(kind, lose_both, awaited=awaited, remaining=0.1)
    with pytest.raises(StoreError) as caught:
        asked(bench, verb)

    assert_told(bench, DOING[verb], caught.value, "no time left" if verb == "swap" else "no answer")


@pytest.mark.parametrize(
    ("kind", "code"),
    [(kind, code) for kind, (*_, codes) in SERVICES.items() for code in (*codes, "CodeOfNextYear")],
)
def test_every_code_of_a_service_is_told_with_a_next_step(kind: str, code: str) -> None:
    body = SERVICES[kind][2](code)

    for verb in ("load", "list"):
        bench = service(kind, answer(400, body))
        with pytest.raises(StoreError) as caught:
            asked(bench, verb)
        assert_told(bench, DOING[verb], caught.value, f"{code}: ")


@pytest.mark.parametrize("kind", ["aztables", "firestore"])
def test_a_write_that_has_to_look_first_is_a_write(kind: str) -> None:
    code = SERVICES[kind][3][1]
    bench = service(kind, answer(400, SERVICES[kind][2](code)))

    with pytest.raises(StoreError) as caught:
        asked(bench, "replace")

    assert_told(bench, "write a row", caught.value, f"{code}: ")


def test_credentials_that_cannot_be_had_are_told_by_the_store_that_wanted_them() -> None:
    environ = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials"}
    bench = HttpBench(open_store("dynamodb://rows?region=eu-west-1", environ=environ), World(lose_both))

    with pytest.raises(StoreError) as caught:
        asked(bench, "load")

    assert_told(bench, "load a row", caught.value, "the container's credential endpoint gave no AWS credentials")


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Bench]:
    """A SQLite store whose file somebody keeps for himself."""
    path = str(tmp_path / "rows.db")
    bench = Bench(SqliteStore(path, busy_seconds=0.01))
    bench.close()
    keeper = sqlite3.connect(path, isolation_level=None)
    keeper.execute("PRAGMA locking_mode = EXCLUSIVE")
    keeper.execute("BEGIN IMMEDIATE")
    keeper.execute("PRAGMA user_version = 1")
    keeper.execute("COMMIT")
    yield bench
    keeper.close()


@pytest.mark.parametrize("verb", [verb for verb in DOING if verb != "create"])
def test_whatever_is_asked_of_a_file_is_named(locked: Bench, verb: str) -> None:
    with pytest.raises(StoreError) as caught:
        asked(locked, verb)

    assert_told(locked, DOING[verb], caught.value, "SQLITE_BUSY: another process")


def test_opening_a_file_is_named(locked: Bench) -> None:
    with pytest.raises(StoreError) as caught:
        SqliteStore(locked.store.path, busy_seconds=0.01)  # type: ignore[attr-defined]

    assert_told(locked, "be opened", caught.value, "SQLITE_BUSY: another process")


def test_every_code_of_sqlite_has_a_next_step(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "rows.db"))
    names = [name for name in vars(sqlite3) if name.startswith("SQLITE_") and isinstance(getattr(sqlite3, name), int)]

    for name in names:
        error = sqlite3.OperationalError(CANARY)
        error.sqlite_errorcode, error.sqlite_errorname = getattr(sqlite3, name), name
        told = str(store._explain(error)).removeprefix(f"{store.description}: ")
        assert STEP.match(told), told
        assert CANARY not in told
    assert len(names) > 50
    assert STEP.match(str(store._explain(sqlite3.OperationalError(CANARY))))


def test_every_code_of_postgresql_has_a_next_step() -> None:
    codes = {each.sqlstate for each in vars(psycopg.errors).values() if getattr(each, "sqlstate", None)}

    for code in (*codes, None, "ZZ999"):
        assert STEP.match(postgres_sql.explain(code)), code
    assert len(codes) > 200
    for words, _ in (*postgres_sql.CONNECT_ADVICE, (CANARY, "")):
        assert STEP.match(postgres_sql.explain_connect(f"{CANARY} {words}"))
        assert CANARY not in postgres_sql.explain_connect(f"{CANARY} {words}")


@pytest.mark.parametrize("connecting", [False, True])
def test_every_error_of_redis_has_a_next_step(connecting: bool) -> None:
    kinds = [each for each in vars(redis_errors).values() if isinstance(each, type) and issubclass(each, Exception)]
    errors = [kind(f"1 {CANARY}:6379") for kind in kinds if issubclass(kind, redis_errors.RedisError)]
    errors += [redis_errors.ResponseError(f"{words} {CANARY}") for words, _ in redis_commands.ADVICE]
    errors += [
        redis_errors.ResponseError(f"{code} {CANARY}") for code in ("EXECABORT", "BUSY", "NOTBUSY", "UNKILLABLE")
    ]

    for error in errors:
        told = redis_commands.explain(error, connecting=connecting)
        assert STEP.match(told), told
        assert CANARY not in told
    assert len(errors) > 40
