"""DynamoDB when answers are lost, requests are throttled, time runs out and tables are not what they should be."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

import pytest
from tests.stores.bench import TRANSPORT, DynamoDBBench, World, row
from tests.stores.conformance import new_key

from valetkey.clouds.aws_credentials import AwsCredentialSource
from valetkey.drivers.drive import drive, drive_async
from valetkey.effects import CONFIGURED, LOST, UNKNOWN, WON, Send
from valetkey.errors import ConfigurationError, StoreError, TransportError
from valetkey.http import Headers, Response
from valetkey.stores.dynamodb import DynamoDBStore
from valetkey.stores.dynamodb_wire import MAX_ATTEMPTS

if TYPE_CHECKING:
    from collections.abc import Callable

    Fault = Callable[[Send], Response]


def send(effect: Send) -> Response:
    return TRANSPORT.send(effect)


def lose_the_answer(effect: Send) -> Response:
    send(effect)
    raise TransportError("the answer was lost", maybe_received=True)


def lose_the_request(effect: Send) -> Response:
    raise TransportError("no connection", maybe_received=False)


def lose_both(effect: Send) -> Response:
    raise TransportError("cut off", maybe_received=True)


def answer(status: int, code: str) -> Fault:
    body = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "canary-body"}).encode()
    return lambda _: Response(status, Headers(), body)


def acted_then(fault: Fault) -> Fault:
    def act(effect: Send) -> Response:
        send(effect)
        return fault(effect)

    return act


throttled = answer(400, "ProvisionedThroughputExceededException")
failed = answer(500, "InternalServerError")
html = acted_then(lambda _: Response(200, Headers(), b"<html>canary-body</html>"))


class Faults:
    """The real server behind a list of things that go wrong first."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = list(faults)
        self.sent: list[Send] = []

    def send(self, effect: Send) -> Response:
        self.sent.append(effect)
        return self.faults.pop(0)(effect) if self.faults else send(effect)


def faulty(table: tuple[str, str], *faults: Fault, remaining: float = 30.0) -> tuple[DynamoDBBench, Faults]:
    network = Faults(*faults)
    return DynamoDBBench(*table, World(network.send, remaining=remaining)), network


@pytest.fixture
def bench(moto_table: tuple[str, str]) -> DynamoDBBench:
    return DynamoDBBench(*moto_table)


@pytest.mark.parametrize("fault", [lose_the_answer, acted_then(failed), html], ids=["lost", "500", "html"])
def test_a_create_that_was_applied_and_whose_answer_was_lost_is_unknown(
    moto_table: tuple[str, str], fault: Fault
) -> None:
    bench, network = faulty(moto_table, fault)
    mine = row(new_key())

    assert bench.swap(mine.key, None, mine) == UNKNOWN

    assert bench.load(mine.key) == mine  # how the caller settles it
    assert len(network.sent) == 3


def test_a_delete_that_was_applied_and_whose_answer_was_lost_is_unknown(moto_table: tuple[str, str]) -> None:
    bench, network = faulty(moto_table)
    mine = row(new_key())
    bench.swap(mine.key, None, mine)
    network.faults = [lose_the_answer]

    assert bench.swap(mine.key, mine.version, None) == UNKNOWN

    assert bench.load(mine.key) is None


def test_a_write_that_lost_is_unknown_after_an_attempt_that_may_have_been_applied(moto_table: tuple[str, str]) -> None:
    bench, network = faulty(moto_table)
    theirs = row(new_key())
    bench.swap(theirs.key, None, theirs)
    network.faults = [lose_both]

    assert bench.swap(theirs.key, None, row(theirs.key)) == UNKNOWN

    assert bench.load(theirs.key) == theirs


@pytest.mark.parametrize(
    "fault", [lose_the_request, lose_both, throttled, failed], ids=["no", "cut", "throttled", "500"]
)
def test_a_write_that_was_not_applied_is_repeated_and_wins(moto_table: tuple[str, str], fault: Fault) -> None:
    bench, _ = faulty(moto_table, fault)
    mine = row(new_key())

    assert bench.swap(mine.key, None, mine) == WON

    assert bench.load(mine.key) == mine
    assert len(bench.world.slept) == 1


def test_a_write_that_was_never_repeated_and_lost_is_lost(moto_table: tuple[str, str]) -> None:
    bench, _ = faulty(moto_table)
    theirs = row(new_key())
    bench.swap(theirs.key, None, theirs)

    assert bench.swap(theirs.key, None, row(theirs.key)) == LOST


def test_a_write_that_was_repeated_and_lost_is_unknown_even_where_it_was_only_throttled(
    moto_table: tuple[str, str],
) -> None:
    bench, network = faulty(moto_table)
    theirs = row(new_key())
    bench.swap(theirs.key, None, theirs)
    network.faults = [throttled]

    assert bench.swap(theirs.key, None, row(theirs.key)) == UNKNOWN

    assert bench.load(theirs.key) == theirs


def test_a_write_whose_every_answer_is_lost_is_unknown_and_ends(moto_table: tuple[str, str]) -> None:
    bench, network = faulty(moto_table, *[lose_both] * 20)
    mine = row(new_key())

    assert bench.swap(mine.key, None, mine) == UNKNOWN

    assert len(network.sent) == MAX_ATTEMPTS


def test_a_write_that_is_refused_for_another_reason_after_a_lost_answer_is_unknown(moto_table: tuple[str, str]) -> None:
    bench, _ = faulty(moto_table, lose_the_answer, answer(400, "AccessDeniedException"))
    mine = row(new_key())

    assert bench.swap(mine.key, None, mine) == UNKNOWN


def test_a_write_whose_credentials_vanish_after_a_lost_answer_is_unknown(moto_table: tuple[str, str]) -> None:
    environ = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "B"}
    network = Faults(lambda effect: (environ.clear(), lose_the_answer(effect))[1])  # type: ignore[func-returns-value]
    bench = DynamoDBBench(*moto_table, World(network.send))
    endpoint, table = moto_table
    store = DynamoDBStore(table, region="eu-central-1", credentials=AwsCredentialSource(environ), endpoint=endpoint)
    mine = row(new_key())

    assert bench.perform(store.swap(mine.key, None, mine)) == UNKNOWN


@pytest.mark.parametrize("fault", [lose_the_request, throttled], ids=["no", "throttled"])
def test_a_write_that_certainly_never_was_applied_is_an_error(moto_table: tuple[str, str], fault: Fault) -> None:
    bench, _ = faulty(moto_table, *[fault] * MAX_ATTEMPTS)
    mine = row(new_key())

    with pytest.raises(StoreError):
        bench.swap(mine.key, None, mine)

    assert bench.load(mine.key) is None


def test_waiting_is_drawn_by_chance_and_bounded(moto_table: tuple[str, str]) -> None:
    bench, _ = faulty(moto_table, *[throttled] * (MAX_ATTEMPTS - 1))

    assert bench.load(new_key()) is None

    waits = bench.world.slept
    assert len(waits) == MAX_ATTEMPTS - 1
    assert all(0 <= wait <= 0.05 * 2**number for number, wait in enumerate(waits, start=1))
    assert len(set(waits)) == len(waits)


def test_nothing_is_repeated_when_the_invocation_is_about_to_end(moto_table: tuple[str, str]) -> None:
    bench, network = faulty(moto_table, *[throttled] * MAX_ATTEMPTS, remaining=0.2)

    with pytest.raises(StoreError, match="cannot load a row: ProvisionedThroughputExceededException: throttled: raise"):
        bench.load(new_key())

    assert len(network.sent) == 1


def test_nothing_is_sent_when_no_time_is_left(moto_table: tuple[str, str]) -> None:
    bench, network = faulty(moto_table, remaining=0.1)

    with pytest.raises(StoreError, match="cannot write a row: no time left to ask: raise the function's timeout"):
        bench.swap(new_key(), b"v" * 16, None)

    assert not network.sent


def test_a_request_ends_before_the_invocation_does(moto_table: tuple[str, str]) -> None:
    bench, network = faulty(moto_table, remaining=1.5)
    before = time.time()

    bench.load(new_key())

    assert before + 1.5 <= network.sent[0].not_after <= time.time() + 1.5
    assert network.sent[0].reach == CONFIGURED


def test_expired_credentials_are_asked_for_again(moto_table: tuple[str, str]) -> None:
    bench, _ = faulty(moto_table, answer(400, "ExpiredTokenException"))
    forgotten: list[bool] = []
    bench.store._wire._credentials.forget = lambda: forgotten.append(True)  # type: ignore[method-assign]

    assert bench.load(new_key()) is None

    assert forgotten == [True]


def test_a_table_that_is_not_there_is_an_error_that_says_what_to_do(moto: str) -> None:
    with pytest.raises(
        StoreError,
        match=r"dynamodb:nowhere in eu-central-1: cannot load a row: ResourceNotFoundException: there is no such table .*`valetkey store create`",
    ):
        DynamoDBBench(moto, "nowhere").load(new_key())


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        (answer(400, "AccessDeniedException"), "AccessDeniedException: access denied: allow GetItem"),
        (answer(403, "InvalidSignatureException"), "clock"),
        (answer(400, "UnrecognizedClientException"), "access key"),
        (answer(400, "ValidationException"), "ValidationException: .*: see whether `valetkey store check`"),
        (answer(400, "canary body"), "without a code: something between may have answered"),
        (answer(500, "InternalServerError"), "InternalServerError: AWS failed: try again"),
        (lambda _: Response(200, Headers(), b"canary-body"), "not JSON: something between may have answered"),
        (lambda _: Response(502, Headers(), b"canary-body"), "without a code: something between may have answered"),
        (lose_both, "no answer: check the address"),
    ],
)
def test_errors_say_what_to_do_and_quote_nothing_that_was_received(
    moto_table: tuple[str, str], fault: Fault, advice: str
) -> None:
    bench, _ = faulty(moto_table, *[fault] * MAX_ATTEMPTS)

    with pytest.raises(StoreError, match=f"{bench.store.description}: cannot load a row: .*{advice}") as caught:
        bench.load(new_key())

    for text in (str(caught.value), repr(caught.value), repr(bench.store), repr(bench.store._wire)):
        assert "canary" not in text


def test_making_a_table_that_is_there_changes_nothing(bench: DynamoDBBench) -> None:
    kept = row(new_key())
    bench.swap(kept.key, None, kept)

    bench.perform(bench.store.create())

    assert bench.load(kept.key) == kept


def describe(status: str) -> Fault:
    keys = [{"AttributeName": "partition", "KeyType": "HASH"}, {"AttributeName": "name", "KeyType": "RANGE"}]
    body = json.dumps({"Table": {"TableStatus": status, "KeySchema": keys}}).encode()
    return lambda _: Response(200, Headers(), body)


def test_making_a_table_waits_until_it_is_there(moto_table: tuple[str, str]) -> None:
    not_yet = answer(400, "ResourceNotFoundException")
    bench, network = faulty(moto_table, send, not_yet, describe("CREATING"), describe("ACTIVE"))

    bench.perform(bench.store.create())

    assert bench.world.slept == [1.0, 1.0]
    assert len(network.sent) == 6


def test_waiting_for_a_table_ends(moto_table: tuple[str, str]) -> None:
    network = Faults(send, *[describe("CREATING")] * 100)
    bench = DynamoDBBench(*moto_table, World(network.send, remaining=600))

    with pytest.raises(StoreError, match="still not active"):
        bench.perform(bench.store.create())


@pytest.mark.parametrize("call", [0, 2], ids=["CreateTable", "UpdateTimeToLive"])
def test_a_table_that_may_not_be_made_is_an_error(moto_table: tuple[str, str], call: int) -> None:
    faults: list[Fault] = [send, send, send]
    faults[call] = answer(400, "AccessDeniedException")
    bench, _ = faulty(moto_table, *faults)

    with pytest.raises(StoreError, match="access denied"):
        bench.perform(bench.store.create())


def test_a_table_with_other_keys_is_refused(moto: str) -> None:
    bench = DynamoDBBench(moto, "invoices")
    keys = [{"AttributeName": "id", "KeyType": "HASH"}]
    types = [{"AttributeName": "id", "AttributeType": "S"}]
    table = {
        "TableName": "invoices",
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": keys,
        "AttributeDefinitions": types,
    }
    bench.perform(bench.store._wire.ask("CreateTable", table))

    with pytest.raises(StoreError, match="other keys"):
        bench.perform(bench.store.create())


def test_expired_rows_lapse_by_the_table_itself(bench: DynamoDBBench) -> None:
    answer = bench.perform(bench.store._wire.ask("DescribeTimeToLive", {"TableName": bench.store.table}))

    description = answer.content["TimeToLiveDescription"]
    assert (description["AttributeName"], description["TimeToLiveStatus"]) == ("expires_at", "ENABLED")


def test_clear_columns_are_attributes_that_operators_can_read(bench: DynamoDBBench) -> None:
    written = row(new_key(), {"state": "ACTIVE", "generation": 3}, sealed=b"sealed", expires_at=4_102_444_800)
    bench.swap(written.key, None, written)

    place = {"partition": {"S": written.key.partition}, "name": {"S": written.key.name}}
    item = bench.perform(bench.store._wire.ask("GetItem", {"TableName": bench.store.table, "Key": place})).content[
        "Item"
    ]

    assert item["state"] == {"S": "ACTIVE"}
    assert item["generation"] == {"N": "3"}
    assert item["expires_at"] == {"N": "4102444800"}
    assert item["sealed"] == {"B": "c2VhbGVk"}


def test_a_row_that_never_expires_has_no_expiry_that_the_table_could_act_on(bench: DynamoDBBench) -> None:
    written = row(new_key())
    bench.swap(written.key, None, written)

    place = {"partition": {"S": written.key.partition}, "name": {"S": written.key.name}}
    item = bench.perform(bench.store._wire.ask("GetItem", {"TableName": bench.store.table, "Key": place})).content[
        "Item"
    ]

    assert set(item) == {"partition", "name", "version"}


def test_an_item_of_another_application_is_an_error_with_a_name(bench: DynamoDBBench) -> None:
    key = new_key()
    item = {"partition": {"S": key.partition}, "name": {"S": key.name}, "total": {"N": "1.5"}}
    bench.perform(bench.store._wire.ask("PutItem", {"TableName": bench.store.table, "Item": item}))

    with pytest.raises(StoreError, match="written by something else"):
        bench.load(key)


def test_a_page_of_the_biggest_rows_is_listed_in_smaller_pages(bench: DynamoDBBench) -> None:
    place = new_key().partition
    rows = [row(new_key(f"{number:02}"), sealed=bytes(65_536)) for number in range(20)]
    rows = [type(each)(type(each.key)(place, each.key.name), each.version, {}, each.sealed) for each in rows]
    for each in rows:
        bench.swap(each.key, None, each)

    found = [each for page in bench.pages(place) for each in page.rows]

    assert found == rows


def test_both_colours_ask_for_the_same_things(moto_table: tuple[str, str]) -> None:
    key, asked = new_key(), []
    for run in (drive, lambda op, answer: asyncio.run(drive_async(op, answer))):
        bench, network = faulty(moto_table, throttled)
        run(bench.store.load(key), bench.world.answer)
        asked.append([(sent.request.url, sent.request.body, sent.reach, sent.kept) for sent in network.sent])

    assert asked[0] == asked[1]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"table": "no spaces"}, "table's name"),
        ({"table": "ab"}, "table's name"),
        ({"region": ""}, "^dynamodb:valetkey: name the region"),
        ({"region": "eu/central"}, "name the region"),
        ({"endpoint": "http://dynamodb.example.com"}, "https"),
        ({"endpoint": "https://dynamodb.example.com/path"}, "without a path"),
        ({"endpoint": "ftp://example.com"}, "https://"),
    ],
)
def test_a_store_that_cannot_work_is_refused_at_start(arguments: dict[str, str], problem: str) -> None:
    given = {"table": "valetkey", "region": "eu-central-1", "endpoint": ""} | arguments

    with pytest.raises(ConfigurationError, match=problem):
        DynamoDBStore(given.pop("table"), credentials=AwsCredentialSource({}), **given)


@pytest.mark.parametrize(
    ("region", "host"),
    [("eu-central-1", "dynamodb.eu-central-1.amazonaws.com"), ("cn-north-1", "dynamodb.cn-north-1.amazonaws.com.cn")],
)
def test_without_an_endpoint_the_regions_own_is_asked(region: str, host: str) -> None:
    seen: list[Send] = []

    def note(effect: Send) -> Response:
        seen.append(effect)
        return Response(200, Headers(), b"{}")

    credentials = AwsCredentialSource({"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "B"})
    store = DynamoDBStore("valetkey", region=region, credentials=credentials)

    assert drive(store.load(new_key()), World(note).answer) is None

    assert seen[0].request.url == f"https://{host}/"
    assert f"/{region}/dynamodb/aws4_request" in (seen[0].request.headers.get("authorization") or "")
