"""Azure Tables against azurite, which verifies signatures and ETags; both colours, and what goes wrong on the way."""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import TYPE_CHECKING

import pytest
from tests.stores import servers
from tests.stores.bench import TRANSPORT, World, row
from tests.stores.conformance import Conformance, new_key
from tests.stores.http_bench import (
    AsyncHttpBench,
    Faults,
    HttpBench,
    acted_then,
    answer,
    cutting_proxy,
    lose_both,
    lose_the_answer,
    lose_the_request,
    race_of_processes,
    send,
)

from valetkey.clouds.azure_credentials import AzureTokenSource
from valetkey.drivers.drive import drive, drive_async
from valetkey.drivers.transports.stdlib import StdlibTransport
from valetkey.effects import CONFIGURED, LOST, UNKNOWN, WON, Key
from valetkey.errors import ConfigurationError, StoreError
from valetkey.http import Headers, Response
from valetkey.secret import Secret
from valetkey.stores.azure_tables import AzureTablesStore, _entity_of
from valetkey.stores.http_wire import MAX_ATTEMPTS
from valetkey.stores.open import open_store
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.stores.http_bench import Fault

    from valetkey.effects import Row, Send

pytestmark = pytest.mark.node

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # everybody's


def store(endpoint: str, table: str, key: str = KEY) -> AzureTablesStore:
    tokens = AzureTokenSource({}, resource="https://storage.azure.com")
    return AzureTablesStore(table, account=ACCOUNT, key=Secret(key), tokens=tokens, endpoint=f"{endpoint}/{ACCOUNT}")


class AzureBench(HttpBench):
    store: AzureTablesStore

    def fill(self, rows: Sequence[Row]) -> None:
        """Straight to the server in parallel: filling is not what is tested."""
        self.perform(_fill(self.store, rows))


class AsyncAzureBench(AzureBench, AsyncHttpBench):
    pass


def _fill(store: AzureTablesStore, rows: Sequence[Row]):  # type: ignore[no-untyped-def]
    for each in rows:
        answer = yield from store._wire.ask(store._wire.request("POST", store.table, content=_entity_of(each)))
        assert not answer.error


@pytest.fixture(scope="session")
def azurite() -> Iterator[str]:
    yield from servers.azurite()
    TRANSPORT.close()


@pytest.fixture
def table(azurite: str) -> tuple[str, str]:
    name = f"valetkey{os.urandom(6).hex()}"
    HttpBench(store(azurite, name)).perform(store(azurite, name).create())
    return azurite, name


class TestAzureTables(Conformance):
    @pytest.fixture
    def bench(self, table: tuple[str, str]) -> AzureBench:
        return AzureBench(store(*table))


class TestAzureTablesAsync(Conformance):
    @pytest.fixture
    def bench(self, table: tuple[str, str]) -> AzureBench:
        return AsyncAzureBench(store(*table))


def faulty(table: tuple[str, str], *faults: Fault, remaining: float = 30.0) -> tuple[AzureBench, Faults]:
    network = Faults(*faults)
    return AzureBench(store(*table), World(network.send, remaining=remaining)), network


def odata(status: int, code: str) -> Fault:
    body = json.dumps({"odata.error": {"code": code, "message": {"lang": "en-US", "value": "canary-body"}}}).encode()
    return answer(status, body)


busy = odata(503, "ServerBusy")
throttled = odata(429, "TooManyRequests")
timed_out = odata(500, "OperationTimedOut")
html = acted_then(answer(200, b"<html>canary-body</html>"))
gateway = acted_then(answer(502, b"<html>canary-body</html>"))


@pytest.fixture
def bench(table: tuple[str, str]) -> AzureBench:
    return AzureBench(store(*table))


@pytest.mark.parametrize(
    "fault", [lose_the_answer, acted_then(timed_out), html, gateway], ids=["lost", "500", "html", "502"]
)
def test_a_create_that_was_applied_and_whose_answer_was_lost_is_unknown(table: tuple[str, str], fault: Fault) -> None:
    bench, network = faulty(table, fault)
    mine = row(new_key())

    assert bench.swap(mine.key, None, mine) == UNKNOWN

    assert bench.load(mine.key) == mine  # how the caller settles it
    assert len(network.sent) == 3


@pytest.mark.parametrize("delete", [False, True], ids=["replace", "delete"])
def test_a_change_that_was_applied_and_whose_answer_was_lost_is_unknown(table: tuple[str, str], delete: bool) -> None:
    bench, network = faulty(table)
    mine = row(new_key())
    bench.swap(mine.key, None, mine)
    new = None if delete else row(mine.key)
    network.faults = [lose_the_answer]

    assert bench.swap(mine.key, mine.version, new) == UNKNOWN

    assert bench.load(mine.key) == new


@pytest.mark.parametrize("fault", [lose_both, throttled, busy], ids=["cut", "throttled", "busy"])
def test_a_write_that_was_repeated_and_lost_is_unknown(table: tuple[str, str], fault: Fault) -> None:
    bench, network = faulty(table)
    theirs = row(new_key())
    bench.swap(theirs.key, None, theirs)
    network.faults = [fault]

    assert bench.swap(theirs.key, None, row(theirs.key)) == UNKNOWN

    assert bench.load(theirs.key) == theirs


@pytest.mark.parametrize(
    "fault", [lose_the_request, lose_both, throttled, busy, timed_out], ids=["no", "cut", "429", "503", "500"]
)
def test_a_write_that_was_not_applied_is_repeated_and_wins(table: tuple[str, str], fault: Fault) -> None:
    bench, _ = faulty(table, fault)
    mine = row(new_key())

    assert bench.swap(mine.key, None, mine) == WON

    assert bench.load(mine.key) == mine
    assert len(bench.world.slept) == 1


def test_a_write_whose_every_answer_is_lost_is_unknown_and_ends(table: tuple[str, str]) -> None:
    bench, network = faulty(table, *[lose_both] * 20)
    mine = row(new_key())

    assert bench.swap(mine.key, None, mine) == UNKNOWN

    assert len(network.sent) == MAX_ATTEMPTS


@pytest.mark.parametrize("fault", [lose_the_request, throttled], ids=["no", "throttled"])
def test_a_write_that_certainly_never_was_applied_is_an_error(table: tuple[str, str], fault: Fault) -> None:
    bench, _ = faulty(table, *[fault] * MAX_ATTEMPTS)
    mine = row(new_key())

    with pytest.raises(
        StoreError, match=r"cannot write a row: (no answer: check|TooManyRequests: throttled: ask less)"
    ):
        bench.swap(mine.key, None, mine)

    assert bench.load(mine.key) is None


def test_waiting_is_drawn_by_chance_and_bounded(table: tuple[str, str]) -> None:
    bench, _ = faulty(table, *[busy] * (MAX_ATTEMPTS - 1))

    assert bench.load(new_key()) is None

    waits = bench.world.slept
    assert len(waits) == MAX_ATTEMPTS - 1
    assert all(0 <= wait <= 0.05 * 2**number for number, wait in enumerate(waits, start=1))
    assert len(set(waits)) == len(waits)


def test_nothing_is_repeated_when_the_invocation_is_about_to_end(table: tuple[str, str]) -> None:
    bench, network = faulty(table, *[throttled] * MAX_ATTEMPTS, remaining=0.2)

    with pytest.raises(StoreError, match="cannot load a row: TooManyRequests: throttled: ask less often"):
        bench.load(new_key())

    assert len(network.sent) == 1


def test_nothing_is_sent_when_no_time_is_left(table: tuple[str, str]) -> None:
    bench, network = faulty(table, remaining=0.1)

    with pytest.raises(StoreError, match="cannot load a row: no time left to ask: raise the function's timeout"):
        bench.load(new_key())

    assert not network.sent


def test_a_row_that_was_just_read_or_written_is_changed_by_one_request(table: tuple[str, str]) -> None:
    bench, network = faulty(table)
    first = row(new_key())
    second, third = row(first.key), row(first.key)
    bench.swap(first.key, None, first)
    bench.swap(first.key, first.version, second)
    assert len(network.sent) == 2
    other = AzureBench(store(*table), World(network.send))
    other.load(first.key)

    assert other.swap(first.key, second.version, third) == WON

    assert len(network.sent) == 4
    assert {sent.reach for sent in network.sent} == {CONFIGURED}


def test_a_row_that_another_process_changed_meanwhile_is_lost_by_its_etag(table: tuple[str, str]) -> None:
    bench, other = AzureBench(store(*table)), AzureBench(store(*table))
    first, theirs = row(new_key()), row(new_key())
    theirs = replace(theirs, key=first.key)
    bench.swap(first.key, None, first)
    other.swap(first.key, first.version, theirs)

    assert bench.swap(first.key, first.version, row(first.key)) == LOST
    assert bench.swap(first.key, first.version, None) == LOST

    assert bench.load(first.key) == theirs


def test_a_row_that_was_deleted_and_made_again_is_not_taken_for_the_old_one(table: tuple[str, str]) -> None:
    bench, other = AzureBench(store(*table)), AzureBench(store(*table))
    first = row(new_key())
    again = row(first.key)
    bench.swap(first.key, None, first)
    other.swap(first.key, first.version, None)
    other.swap(first.key, None, again)

    assert bench.swap(first.key, first.version, None) == LOST

    assert bench.load(first.key) == again


def test_names_that_are_too_long_for_the_service_are_kept_apart_by_their_hash(bench: AzureBench) -> None:
    place = new_key().partition
    rows = [row(Key(place, "x" * 900 + end)) for end in ("a", "b", "#")]

    for each in rows:
        assert bench.swap(each.key, None, each) == WON

    assert {each.key for each in bench.list(place).rows} == {each.key for each in rows}


def test_a_page_of_the_biggest_rows_is_listed_in_smaller_pages(bench: AzureBench) -> None:
    place = new_key().partition
    rows = [row(Key(place, f"{number:02}"), sealed=bytes(65_536)) for number in range(20)]
    bench.fill(rows)

    assert [each for page in bench.pages(place) for each in page.rows] == rows


def test_a_listing_follows_the_service_over_pages_without_rows(table: tuple[str, str]) -> None:
    token = (("x-ms-continuation-NextPartitionKey", "1!4!YQ--"), ("x-ms-continuation-NextRowKey", "1!4!Yg--"))
    bench, network = faulty(table, answer(200, b'{"value":[]}', token), answer(200, b'{"value":[]}'))

    assert bench.list("ab").rows == ()

    assert "NextPartitionKey=1%214%21YQ--&NextRowKey=1%214%21Yg--" in network.sent[1].request.url


def test_a_service_that_goes_on_for_ever_is_an_error(table: tuple[str, str]) -> None:
    token = (("x-ms-continuation-NextPartitionKey", "a"),)
    bench, _ = faulty(table, *[answer(200, b'{"value":[]}', token)] * 60)

    with pytest.raises(StoreError, match="without giving rows"):
        bench.list("ab")


def test_of_eight_processes_exactly_one_wins(table: tuple[str, str], bench: AzureBench) -> None:
    endpoint, name = table
    url, key = f"aztables://{ACCOUNT}/{name}?endpoint={endpoint}/{ACCOUNT}", new_key()

    outcomes = race_of_processes(url, {"AZURE_STORAGE_KEY": KEY}, key)

    assert sorted(outcomes.values()) == [LOST] * 7 + [WON]
    stands = bench.load(key)
    assert stands is not None
    assert outcomes[stands.version.hex()] == WON


def test_a_write_whose_connection_is_cut_before_its_answer_is_unknown(table: tuple[str, str]) -> None:
    mine = row(new_key())
    with cutting_proxy(int(table[0].rpartition(":")[2])) as port, StdlibTransport() as transport:
        bench = AzureBench(store(f"http://127.0.0.1:{port}", table[1]), World(transport.send))

        assert bench.swap(mine.key, None, mine) == UNKNOWN

        assert bench.load(mine.key) == mine


def test_a_sweep_drops_the_rows_that_expired_some_time_ago_and_no_others(table: tuple[str, str]) -> None:
    bench, _ = faulty(table)
    now = int(time.time())
    ends = (0, now - 7_200, now - 60, now + 60, 1)
    rows = [row(new_key(str(number)), expires_at=end) for number, end in enumerate(ends)]
    bench.fill(rows)
    kept = {each.key for each in (rows[0], rows[2], rows[3])}

    assert {each.key for each in bench.list(rows[1].key.partition).rows} == {rows[1].key}
    assert {each.key for page in bench.pages(None) for each in page.rows} == kept

    assert [bench.load(each.key) is not None for each in rows] == [each.key in kept for each in rows]


def test_a_sweep_goes_on_where_an_expired_row_cannot_be_dropped(table: tuple[str, str]) -> None:
    bench, network = faulty(table)
    rows = [row(new_key(), expires_at=1), row(new_key())]
    bench.fill(rows)
    network.faults = [send, odata(403, "AuthorizationPermissionMismatch")]

    assert [each.key for each in bench.list(None).rows] == [rows[1].key]


def test_a_wrong_key_is_refused_and_said_so(table: tuple[str, str]) -> None:
    wrong = AzureBench(store(*table, key="d3Jvbmcga2V5"))

    with pytest.raises(StoreError, match="check the account's key"):
        wrong.load(new_key())
    with pytest.raises(StoreError, match="check the account's key"):
        wrong.swap(new_key(), b"v" * 16, None)


def test_a_table_that_is_not_there_is_made_on_demand_only(azurite: str) -> None:
    bench = AzureBench(store(azurite, f"table{os.urandom(6).hex()}"))
    mine = row(new_key())

    with pytest.raises(StoreError, match="no such table"):
        bench.swap(mine.key, None, mine)
    (problem,) = bench.perform(bench.store.check())
    assert "valetkey store create" in problem

    bench.perform(bench.store.create())
    bench.perform(bench.store.create())

    assert bench.perform(bench.store.check()) == ()
    assert bench.swap(mine.key, None, mine) == WON


@pytest.mark.parametrize("sent_before", [0, 1], ids=["reading", "writing"])
def test_a_missing_permission_is_said_by_the_check(table: tuple[str, str], sent_before: int) -> None:
    bench, _ = faulty(table, *[send] * sent_before, odata(403, "AuthorizationPermissionMismatch"))

    (problem,) = bench.perform(bench.store.check())

    assert "Storage Table Data Contributor" in problem


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        (odata(403, "AuthorizationFailure"), "network rules"),
        (odata(403, "AuthenticationFailed"), "clock"),
        (odata(400, "InvalidInput"), "InvalidInput: look it up"),
        (odata(400, "canary body"), "without a code: something between may have answered"),
        (busy, "ServerBusy: Azure is busy or throttles: spread the load"),
        (answer(200, b"canary-body"), "not JSON: something between may have answered"),
        (lose_both, "no answer: check the address"),
    ],
)
def test_errors_say_what_to_do_and_quote_nothing_that_was_received(
    table: tuple[str, str], fault: Fault, advice: str
) -> None:
    bench, _ = faulty(table, *[fault] * MAX_ATTEMPTS)

    with pytest.raises(StoreError, match=f"aztables:.*: cannot load a row: .*{advice}") as caught:
        bench.load(new_key())

    for text in (str(caught.value), repr(caught.value), repr(bench.store), repr(bench.store._wire)):
        assert "canary" not in text
        assert KEY not in text


def test_an_entity_of_another_application_is_an_error_with_a_name(bench: AzureBench) -> None:
    key = new_key()
    entity = {"PartitionKey": key.partition, "RowKey": key.name, "total": 1.5}
    wire = bench.store._wire
    bench.perform(wire.ask(wire.request("POST", bench.store.table, content=entity)))

    with pytest.raises(StoreError, match="written by something else"):
        bench.load(key)


def test_clear_columns_are_properties_that_operators_can_read(bench: AzureBench) -> None:
    written = row(new_key(), {"state": "ACTIVE", "generation": 3}, sealed=b"sealed", expires_at=4_102_444_800)
    bench.swap(written.key, None, written)

    wire = bench.store._wire
    entity = bench.perform(wire.ask(wire.request("GET", bench.store._entity(written.key)))).content

    assert (entity["PartitionKey"], entity["RowKey"]) == (written.key.partition, "github")
    assert (entity["c_state"], entity["c_generation"]) == ("ACTIVE", "3")
    assert (entity["expires_at"], entity["sealed"]) == ("4102444800", "c2VhbGVk")


def test_a_token_is_sent_where_there_is_no_key() -> None:
    seen: list[Send] = []

    def network(effect: Send) -> Response:
        seen.append(effect)
        if "oauth2/token" in effect.request.url:
            token = {"access_token": f"canary-{len(seen)}", "token_type": "Bearer", "expires_in": 3600}
            return Response(200, Headers(), json.dumps(token).encode())
        if len(seen) < 4:
            return odata(401, "InvalidAuthenticationInfo")(effect)
        return odata(404, "ResourceNotFound")(effect)

    tokens = AzureTokenSource({}, resource="https://storage.azure.com")
    bench = HttpBench(AzureTablesStore("rows", account="acme", key=None, tokens=tokens), World(network))

    assert bench.load(Key("ab", "n")) is None

    sent = [each.request.headers.get("authorization") for each in seen]
    assert sent == [None, "Bearer canary-1", None, "Bearer canary-3"]
    assert seen[1].request.url == "https://acme.table.core.windows.net/rows(PartitionKey='ab',RowKey='n')"


def test_both_colours_ask_for_the_same_things(table: tuple[str, str]) -> None:
    key, asked = new_key(), []
    for run in (drive, lambda op, answer: asyncio.run(drive_async(op, answer))):
        bench, network = faulty(table, busy)
        run(bench.store.load(key), bench.world.answer)
        asked.append([(sent.request.url, sent.request.body, sent.reach, sent.kept) for sent in network.sent])

    assert asked[0] == asked[1]


def test_its_url_names_account_and_table_and_the_environment_has_the_key() -> None:
    url = "aztables://acme/rows?endpoint=http%3A%2F%2F127.0.0.1%3A10002%2Facme"

    opened = open_store(url, environ={"AZURE_STORAGE_KEY": "a2V5"})

    assert isinstance(opened, AzureTablesStore)
    assert opened.description == "aztables:rows in acme"
    assert opened._wire._key is not None
    assert opened._wire._base == "http://127.0.0.1:10002/acme"


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("UseDevelopmentStorage=true", "http://127.0.0.1:10002/devstoreaccount1"),
        (f"AccountName={ACCOUNT};AccountKey={KEY};TableEndpoint=https://tables.example/", "https://tables.example"),
        (f"AccountName={ACCOUNT};AccountKey={KEY}", f"https://{ACCOUNT}.table.core.windows.net"),
    ],
)
def test_its_connection_string_says_where_it_is(text: str, base: str) -> None:
    opened = open_store(f"aztables://{ACCOUNT}/rows", environ={"AZURE_STORAGE_CONNECTION_STRING": text})

    assert isinstance(opened, AzureTablesStore)
    assert opened._wire._base == base
    assert opened._wire._key is not None
    assert opened._wire._key.reveal() == KEY


def test_an_emulator_is_worked_with_by_its_connection_string(azurite: str) -> None:
    text = f"AccountName={ACCOUNT};AccountKey={KEY};TableEndpoint={azurite}/{ACCOUNT};"
    url = f"aztables://{ACCOUNT}/t{os.urandom(6).hex()}"
    opened = open_store(url, environ={"AZURE_STORAGE_CONNECTION_STRING": text})
    assert isinstance(opened, AzureTablesStore)
    bench, mine = AzureBench(opened), row(new_key())

    bench.perform(opened.create())

    assert bench.perform(opened.swap(mine.key, None, mine)) == WON
    assert bench.load(mine.key) == mine


@pytest.mark.parametrize(
    ("url", "environ", "problem"),
    [
        (
            f"aztables://{ACCOUNT}/rows",
            {"AZURE_STORAGE_CONNECTION_STRING": f"AccountName={ACCOUNT};TableEndpoint=http://tables.example"},
            "http only on loopback",
        ),
        ("aztables:acme/rows", {}, "is written aztables://account/table"),
        ("aztables://acme", {}, "is written aztables://account/table"),
        ("aztables://Acme_/rows", {}, "account's name"),
        ("aztables://acme/my-rows", {}, "table's name"),
        ("aztables://acme/1rows", {}, "table's name"),
        ("aztables://acme/rows?endpoint=http://tables.example", {}, "http only on loopback"),
        ("aztables://acme/rows?endpoint=canary", {}, "starts with https"),
        ("aztables://acme/rows", {"AZURE_STORAGE_KEY": "canary key"}, "not base64"),
    ],
)
def test_a_store_that_cannot_work_is_refused_at_start(url: str, environ: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        open_store(url, environ=environ)

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("verb", ["create", "check"])
def test_what_fails_while_a_table_is_made_or_checked_is_an_error(table: tuple[str, str], verb: str) -> None:
    bench, _ = faulty(table, *([send] if verb == "check" else []), odata(400, "InvalidInput"))

    with pytest.raises(StoreError, match="InvalidInput"):
        bench.perform(getattr(bench.store, verb)())


def test_an_answer_that_is_no_listing_is_an_error_that_quotes_none_of_it(table: tuple[str, str]) -> None:
    bench, _ = faulty(table, answer(200, b'{"value": "canary"}'))

    with pytest.raises(StoreError, match="not a listing"):
        bench.list("ab")


def test_a_write_whose_token_vanishes_after_a_lost_answer_is_unknown(table: tuple[str, str]) -> None:
    bench, network = faulty(table)
    wire, mine = bench.store._wire, row(new_key())

    def lose_and_forget(effect: Send) -> Response:
        wire._key = None
        wire._tokens._environ = {"AZURE_CLIENT_SECRET": "without a client"}
        return lose_the_answer(effect)

    network.faults = [lose_and_forget]

    assert bench.swap(mine.key, None, mine) == UNKNOWN
