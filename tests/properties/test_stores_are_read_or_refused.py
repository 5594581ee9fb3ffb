"""Whatever a store's server answers, and whatever stands in its URL, is read or refused with an error that names it."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.properties.outside import bodies, nearly, outcome
from tests.properties.test_errors_bring_nothing_along import held

from valetkey.drivers.drive import drive
from valetkey.effects import LOST, UNKNOWN, WON, Key, Now, Random, Remaining, Row, Send, Sleep
from valetkey.errors import ConfigurationError, StoreError
from valetkey.http import Headers, Response, percent_encode
from valetkey.stores import azure_tables, dynamodb, firestore, postgres_sql, postgres_url, redis_commands, redis_url
from valetkey.stores.open import SCHEMES, StoreUrl, check_store_url, open_store
from valetkey.stores.pool import read_limit
from valetkey.stores.rows import VERSION_OCTETS, read_cursor
from valetkey.value import replace

CANARY = "canary-7f3a"  # stands in the row: no error shows any of it
KEY = Key("partition/1", "connection/two/\N{GRINNING FACE}")
ROW = Row(KEY, bytes(range(16)), {"state": "active", "generation": 3, "who": CANARY}, CANARY.encode(), 1_800_000_000)
NEXT = replace(ROW, version=bytes(range(16, 32)))
latin = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=40)
URLS = {
    "dynamodb": "dynamodb://table?region=eu-central-1",
    "firestore": "firestore://project/database",
    "aztables": "aztables://account/table",
}
ENVIRON = {
    "AWS_ACCESS_KEY_ID": "id",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "FIRESTORE_EMULATOR_HOST": "127.0.0.1:1",
    "AZURE_STORAGE_KEY": base64.b64encode(b"key").decode(),
}


def store_of(kind: str) -> Any:
    return open_store(URLS[kind], environ=ENVIRON)


def run(program: Any, response: Response) -> Any:
    """What comes of the program where everything that is sent is answered so."""

    def answer(effect: object) -> object:
        match effect:
            case Now():
                return 1_790_000_000.0
            case Remaining():
                return 30.0
            case Random(octets):
                return bytes(octets)
            case Sleep():
                return None
            case Send():
                return response
        raise AssertionError(effect)

    return drive(program, answer)


TIME = "2026-11-22T10:00:00.000001Z"
DOCUMENT = {"name": store_of("firestore")._name(KEY), "fields": firestore._fields(ROW), "updateTime": TIME}
ENTITY: Any = {"odata.etag": 'W/"1"', **(azure_tables._entity_of(ROW) or {})}
ITEM: Any = dynamodb._attributes(ROW)
SCHEMA = [{"AttributeName": "partition", "KeyType": "HASH"}, {"AttributeName": "name", "KeyType": "RANGE"}]
RIGHT: dict[tuple[str, str], list[Any]] = {
    ("dynamodb", "load"): [{"Item": ITEM}],
    ("dynamodb", "list"): [
        {"Items": [ITEM], "LastEvaluatedKey": {"partition": {"S": "p"}, "name": {"S": "n"}}},
        {"Items": [ITEM, ITEM]},
    ],
    ("dynamodb", "swap"): [{}, {"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}],
    ("dynamodb", "check"): [
        {
            "Table": {"TableStatus": "ACTIVE", "KeySchema": SCHEMA},
            "TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED"},
            "ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": CANARY}},
        },
        {"__type": "x#AccessDeniedException", "Message": CANARY},
    ],
    ("firestore", "load"): [
        [{"found": DOCUMENT, "readTime": TIME}],
        [{"found": DOCUMENT, "readTime": TIME}],
        [{"missing": DOCUMENT["name"], "readTime": TIME}],
    ],
    ("firestore", "list"): [[{"document": DOCUMENT, "readTime": TIME}, {"document": DOCUMENT}]],
    ("firestore", "swap"): [
        {"writeResults": [{"updateTime": TIME}], "commitTime": TIME},
        {"error": {"code": 409, "message": CANARY, "status": "ALREADY_EXISTS"}},
        [{"found": DOCUMENT, "readTime": TIME}],
    ],
    ("firestore", "check"): [
        [{"error": {"code": 404, "message": CANARY, "status": "NOT_FOUND"}}],
        [{"missing": DOCUMENT["name"], "readTime": TIME}],
    ],
    ("aztables", "load"): [ENTITY],
    ("aztables", "list"): [{"value": [ENTITY, ENTITY]}],
    ("aztables", "swap"): [ENTITY, {"odata.error": {"code": "UpdateConditionNotSatisfied", "message": CANARY}}],
    ("aztables", "check"): [{"value": [ENTITY]}, {"odata.error": {"code": "AuthorizationFailure", "message": CANARY}}],
}
HEADERS = ["ETag", "x-ms-error-code", "x-ms-continuation-NextPartitionKey", "x-ms-continuation-NextRowKey"]
each_store = pytest.mark.parametrize("kind", sorted(URLS))


@st.composite
def said(draw: st.DrawFn, kind: str, operation: str) -> Response:
    """What a server of that kind answers to everything: in most cases nearly what it would."""
    pairs = draw(st.lists(st.tuples(st.sampled_from(HEADERS), latin), max_size=2).map(tuple))
    status = draw(st.sampled_from([200] * 12 + [204, 302, 400, 404, 409, 412, 429, 503]))
    return Response(status, Headers(pairs), draw(bodies(*RIGHT[kind, operation])))


def failed_of(program: Any, response: Response) -> tuple[Any, StoreError | None]:
    found, error = outcome(lambda: run(program, response), StoreError)
    if error is not None:
        assert CANARY not in held(error)
        assert len(str(error)) < 500
    return found, error


def whole(row: Row) -> bool:
    """Whether it is one that a write could have made, so that the next write can expect its version."""
    return len(row.version) == VERSION_OCTETS and type(row.expires_at) is int and isinstance(row.sealed, bytes)


@each_store
@given(data=st.data())
@settings(max_examples=100)
def test_a_load_is_that_row_or_none_or_a_store_error(kind: str, data: st.DataObject) -> None:
    row, error = failed_of(store_of(kind).load(KEY), data.draw(said(kind, "load")))

    assert error is None or row is None
    assert row is None or (row.key == KEY and whole(row))


@each_store
@given(data=st.data(), partition=st.sampled_from([None, KEY.partition]))
@settings(max_examples=100)
def test_a_listing_is_a_page_of_rows_or_a_store_error(kind: str, data: st.DataObject, partition: str | None) -> None:
    page, error = failed_of(store_of(kind).list(partition, ""), data.draw(said(kind, "list")))

    assert (page is None) == (error is not None)
    if page is not None:
        assert all(whole(row) for row in page.rows)
        assert not page.cursor or read_cursor(page.cursor, None)


@each_store
@given(data=st.data(), write=st.sampled_from([(None, ROW), (ROW.version, NEXT), (ROW.version, None)]))
@settings(max_examples=100)
def test_a_swap_has_an_outcome_or_is_a_store_error(
    kind: str, data: st.DataObject, write: tuple[bytes | None, Row | None]
) -> None:
    response = data.draw(said(kind, "swap"))

    found, error = failed_of(store_of(kind).swap(KEY, *write), response)

    assert (found in (WON, LOST, UNKNOWN)) == (error is None)
    assert found != WON or response.status in (200, 201, 204)


@each_store
@given(data=st.data(), make=st.booleans())
@settings(max_examples=100)
def test_a_check_or_a_creation_ends_with_sentences_or_a_store_error(kind: str, data: st.DataObject, make: bool) -> None:
    store = store_of(kind)

    found, error = failed_of(store.create() if make else store.check(), data.draw(said(kind, "check")))

    assert error is not None or found is None or all(CANARY not in sentence for sentence in found)


@each_store
def test_what_a_store_wrote_is_a_right_answer_to_its_load(kind: str) -> None:
    """Otherwise the properties would test refusals alone."""
    assert run(store_of(kind).load(KEY), Response(200, Headers(), json.dumps(RIGHT[kind, "load"][0]).encode())) == ROW


INFINITE, SHORT = {"N": float("inf")}, {"B": "AAAA"}
WRONG: list[tuple[str, str, Any]] = [
    ("dynamodb", "load", {"Item": {**ITEM, "expires_at": INFINITE}}),
    ("dynamodb", "load", {"Item": {**ITEM, "version": SHORT}}),
    ("dynamodb", "load", {"Item": {**ITEM, "partition": {"S": "somebody else's"}}}),
    ("dynamodb", "list", {"Items": None}),
    ("dynamodb", "list", {"Items": [ITEM], "LastEvaluatedKey": {"partition": {"S": "p"}}}),
    ("dynamodb", "list", {"Items": [ITEM], "LastEvaluatedKey": {"partition": {"S": 5}, "name": {"S": "n"}}}),
    ("dynamodb", "list", {"Items": [{**ITEM, "name": {"S": None}}]}),
    ("firestore", "load", [{"found": {**DOCUMENT, "updateTime": 5}}]),
    (
        "firestore",
        "load",
        [{"found": {**DOCUMENT, "fields": {**DOCUMENT["fields"], "version": {"bytesValue": "AA=="}}}}],
    ),
    (
        "firestore",
        "load",
        [{"found": {**DOCUMENT, "fields": {**DOCUMENT["fields"], "c_a": {"integerValue": float("inf")}}}}],
    ),
    ("aztables", "load", {**ENTITY, "expires_at": float("inf")}),
    ("aztables", "load", {**ENTITY, "version": "AAAA"}),
    ("aztables", "load", {**ENTITY, "odata.etag": 5}),
]


@pytest.mark.parametrize(("kind", "operation", "found"), WRONG, ids=range(len(WRONG)))
def test_a_row_that_no_write_of_ours_left_is_a_store_error(kind: str, operation: str, found: Any) -> None:
    store = store_of(kind)
    program = store.load(KEY) if operation == "load" else store.list(None, "")

    _, error = failed_of(program, Response(200, Headers(), json.dumps(found).encode()))

    assert error is not None
    assert "written by something else" in str(error)


@pytest.mark.parametrize("etag", ["a\r\nb", "", "caf\xe9"])
def test_a_stamp_that_no_header_may_hold_is_not_sent_back(etag: str) -> None:
    body = json.dumps({**ENTITY, "odata.etag": etag}).encode()

    assert run(store_of("aztables").swap(KEY, ROW.version, NEXT), Response(200, Headers(), body)) == LOST


@pytest.mark.parametrize("found", [{"Table": None}, {"Table": {}}, {"ContinuousBackupsDescription": []}])
def test_a_table_that_is_described_as_nothing_is_a_finding(found: Any) -> None:
    sentences = run(store_of("dynamodb").check(), Response(200, Headers(), json.dumps(found).encode()))

    assert "other keys" in sentences[0]


# --- rows of the engines that are spoken to by their own drivers


@given(st.binary(max_size=40), nearly('{"state":"active"}', '{"a":1}'), st.binary(max_size=9))
@example(b"v" * 16, '{"a":"canary-7f3a",}', b"5")
def test_a_row_of_redis_is_whole_or_a_store_error(version: bytes, clear: str, expires_at: bytes) -> None:
    fields = (version, clear.encode("utf-8", "surrogatepass"), CANARY.encode(), expires_at)

    row, error = outcome(lambda: redis_commands.read_row(KEY, fields), StoreError)

    assert (row is None) == (error is not None)
    assert row is None or whole(row)
    assert error is None or CANARY not in held(error)


@given(st.binary(max_size=20), st.binary(max_size=20), nearly('{"state":"active"}'), st.binary(max_size=20))
@example(b"p", b"n", '{"a":"canary-7f3a",}', b"v" * 16)
def test_a_row_of_postgresql_is_whole_or_a_store_error(
    partition: bytes, name: bytes, clear: str, version: bytes
) -> None:
    columns = (partition, name, version, clear, CANARY.encode(), 5)

    row, error = outcome(lambda: postgres_sql.read_row(columns), StoreError)

    assert (row is None) == (error is not None)
    assert row is None or (whole(row) and row.key.partition.encode() == partition)
    assert error is None or CANARY not in held(error)


@given(st.binary(max_size=60))
def test_a_member_of_an_index_of_redis_is_a_key_or_a_value_error(member: bytes) -> None:
    key, _ = outcome(lambda: redis_commands.read_member(None, member), ValueError)

    assert key is None or redis_commands.write_member(key).replace(b"\0\xff", b"\0") == member.replace(b"\0\xff", b"\0")


@given(st.lists(st.binary(max_size=60), max_size=3))
def test_whatever_redis_says_of_itself_is_a_table(texts: list[bytes]) -> None:
    assert all(
        isinstance(sentence, str) for sentence in redis_commands.missing("redis:h", redis_commands.read_info(*texts))
    )


# --- URLs

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
hosts = st.sampled_from(["127.0.0.1", "localhost", "db.example", "[::1]", "[2001:db8::1]"])
ports = st.none() | st.integers(1, 65_535)


def url_of(scheme: str, place: str, options: dict[str, str]) -> StoreUrl:
    return StoreUrl(scheme, place, options, {})


@given(st.sampled_from(["redis", "rediss"]), words, words, hosts, ports, st.none() | st.integers(0, 99_999))
def test_a_redis_url_gives_its_parts_to_redis_and_its_password_to_nobody_else(
    scheme: str, user: str, password: str, host: str, port: int | None, database: int | None
) -> None:
    secret = f"{CANARY}{password}"
    authority = f"{percent_encode(user)}:{percent_encode(secret)}@{host}" + (f":{port}" if port else "")
    place = f"//{authority}" + (f"/{database}" if database is not None else "")

    found = redis_url.read_place(url_of(scheme, place, {}))

    given = found.parameters
    assert (given["username"], given["password"]) == (user or None, secret)
    assert (given["host"], given["port"], given["db"]) == (host.strip("[]"), port or 6379, database or 0)
    assert found.tls == (scheme == "rediss") == ("ssl_cert_reqs" in given)
    assert bool(found.exposed) == (scheme == "redis" and host in ("db.example", "[2001:db8::1]"))
    assert CANARY not in f"{found!r} {found.description} {found.exposed}"
    assert check_store_url(f"{scheme}:{place}") == ()


@given(nearly("//user:canary-7f3a@h.example:6379/0", "//:canary-7f3a@[::1]", "//h/3"), nearly("", "p", "3"))
def test_any_other_redis_url_is_a_place_or_a_problem_without_its_password(place: str, prefix: str) -> None:
    found, error = outcome(lambda: redis_url.read_place(url_of("redis", place, {"prefix": prefix})), ValueError)

    if found is None:
        assert error
        assert CANARY not in held(error)
        return
    assert found.parameters["host"]
    assert 0 < found.parameters["port"] < 65_536
    assert found.parameters["db"] >= 0
    assert found.prefix.isascii()
    if f":{CANARY}@" in place:
        assert CANARY not in f"{found!r} {found.exposed}"


@given(words, words, hosts, ports, words, st.sampled_from(["", "require", "verify-full", "disable"]))
def test_a_postgresql_url_gives_its_parts_to_libpq_and_its_password_to_nobody_else(
    user: str, password: str, host: str, port: int | None, database: str, sslmode: str
) -> None:
    secret = f"{CANARY}{password}"
    authority = f"{percent_encode(user)}:{percent_encode(secret)}@{host}" + (f":{port}" if port else "")
    place = f"//{authority}/{percent_encode(database)}"

    found = postgres_url.read_place(url_of("postgresql", place, {"sslmode": sslmode} if sslmode else {}))

    given, far = found.parameters, host in ("db.example", "[2001:db8::1]")
    assert (given.get("user", ""), given["password"], given.get("dbname", "")) == (user, secret, database)
    assert (given["host"], given.get("port", "")) == (host.strip("[]"), str(port or ""))
    assert given.get("sslmode", "") == (sslmode or ("require" if far else ""))
    assert bool(found.unverified) == (far and sslmode != "verify-full")
    assert CANARY not in f"{found!r} {found.description} {found.unverified}"


@given(
    nearly("//user:canary-7f3a@h.example:5432/db", "//:canary-7f3a@[::1]/db", "//h,i/db"),
    st.dictionaries(st.sampled_from([*SCHEMES["postgresql"].options]), nearly("require", "app.rows", "5"), max_size=3),
)
@settings(max_examples=100)
@example("///user:canary-7f3a@h.example/db", {})
def test_any_other_postgresql_url_is_a_place_or_a_problem_without_its_password(
    place: str, options: dict[str, str]
) -> None:
    url = url_of("postgresql", place, options)

    found, error = outcome(lambda: postgres_url.read_place(url), ConfigurationError)

    assert (found is None) == (error is not None)
    assert error is None or error.problems
    if f":{CANARY}@" in place:
        assert CANARY not in (held(error) if error else f"{found!r} {found and (found.description, found.unverified)}")


@given(nearly("8", "1000", "0") | st.text(max_size=6))
def test_a_number_of_connections_is_one_from_1_to_1000_or_a_value_error(text: str) -> None:
    limit, _ = outcome(lambda: read_limit(text), ValueError)

    assert limit is None or not text or (1 <= limit <= 1000 and text.isascii() and int(text) == limit)


@each_store
@given(text=nearly("http://127.0.0.1:8000", "https://store.example", "localhost:1", "http://store.example", "h:1"))
@settings(max_examples=60)
def test_credentials_go_to_an_endpoint_over_tls_or_to_this_machine(kind: str, text: str) -> None:
    url = f"{URLS[kind]}{'&' if '?' in URLS[kind] else '?'}endpoint={percent_encode(text.replace(chr(0xD800), ''))}"
    environ = {**ENVIRON, "FIRESTORE_EMULATOR_HOST": text}

    store, error = outcome(
        lambda: open_store(URLS[kind] if kind == "firestore" else url, environ=environ), ConfigurationError
    )

    assert (store is None) == (error is not None)
    if store is not None:
        sent = urlsplit(store._wire._url if kind == "dynamodb" else store._wire._base)  # type: ignore[attr-defined]
        assert sent.scheme == "https" or sent.hostname in ("127.0.0.1", "localhost", "::1")
