"""Firestore against a strict fake of its documented REST contract, which can be made to misbehave."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.stores.bench import TRANSPORT, World, row
from tests.stores.conformance import Conformance, new_key
from tests.stores.firestore_fake import DATABASE, FirestoreFake, NoTokens
from tests.stores.http_bench import (
    AsyncHttpBench,
    Faults,
    HttpBench,
    acted_then,
    answer,
    lose_both,
    lose_the_answer,
    lose_the_request,
    race_of_processes,
    send,
)

from valetkey.clouds.google_credentials import GoogleTokenSource
from valetkey.drivers.drive import drive, drive_async
from valetkey.effects import CONFIGURED, LOST, UNKNOWN, WON, Key, Send
from valetkey.errors import ConfigurationError, StoreError
from valetkey.secret import Secret
from valetkey.stores import rows
from valetkey.stores.firestore import FirestoreStore
from valetkey.stores.http_wire import MAX_ATTEMPTS
from valetkey.stores.open import open_store
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stores.http_bench import Fault

    from valetkey.effects import WireOp
    from valetkey.http import Response


class OneToken(GoogleTokenSource):
    def __init__(self, token: str = "token-1") -> None:
        super().__init__({}, scope=())
        self.token, self.forgotten = token, 0

    def current(self) -> WireOp[Secret]:
        yield from ()
        return Secret(self.token)

    def forget(self) -> None:
        self.forgotten += 1
        self.token = "token-1"


def store(fake: FirestoreFake) -> FirestoreStore:
    return FirestoreStore("demo-valetkey", tokens=NoTokens(), emulator=fake.host)


@pytest.fixture(scope="session")
def running() -> Iterator[FirestoreFake]:
    with FirestoreFake() as fake:
        yield fake
    TRANSPORT.close()


@pytest.fixture
def fake(running: FirestoreFake) -> FirestoreFake:
    running.database.documents.clear()
    return running


class TestFirestore(Conformance):
    @pytest.fixture
    def bench(self, fake: FirestoreFake) -> HttpBench:
        return HttpBench(store(fake))


class TestFirestoreAsync(Conformance):
    @pytest.fixture
    def bench(self, fake: FirestoreFake) -> HttpBench:
        return AsyncHttpBench(store(fake))


def faulty(fake: FirestoreFake, *faults: Fault, remaining: float = 30.0) -> tuple[HttpBench, Faults]:
    network = Faults(*faults)
    return HttpBench(store(fake), World(network.send, remaining=remaining)), network


def google(status: int, code: str, *, streamed: bool = False) -> Fault:
    error = {"error": {"code": status, "message": "canary-body", "status": code}}
    return answer(status, json.dumps([error] if streamed else error).encode())


exhausted = google(429, "RESOURCE_EXHAUSTED")
aborted = google(409, "ABORTED")
unavailable = google(503, "UNAVAILABLE")
html = acted_then(answer(200, b"<html>canary-body</html>"))


@pytest.fixture
def bench(fake: FirestoreFake) -> HttpBench:
    return HttpBench(store(fake))


@pytest.mark.parametrize(
    "fault",
    [lose_the_answer, acted_then(unavailable), acted_then(google(499, "CANCELLED")), html],
    ids=["lost", "503", "cancelled", "html"],
)
def test_a_create_that_was_applied_and_whose_answer_was_lost_is_unknown(fake: FirestoreFake, fault: Fault) -> None:
    bench, network = faulty(fake, fault)
    mine = row(new_key())

    assert bench.swap(mine.key, None, mine) == UNKNOWN

    assert bench.load(mine.key) == mine
    assert len(network.sent) == 3


@pytest.mark.parametrize("delete", [False, True], ids=["replace", "delete"])
def test_a_change_that_was_applied_and_whose_answer_was_lost_is_unknown(fake: FirestoreFake, delete: bool) -> None:
    bench, network = faulty(fake)
    mine = row(new_key())
    bench.swap(mine.key, None, mine)
    new = None if delete else row(mine.key)
    network.faults = [lose_the_answer]

    assert bench.swap(mine.key, mine.version, new) == UNKNOWN

    assert bench.load(mine.key) == new


@pytest.mark.parametrize("fault", [lose_both, exhausted, aborted], ids=["cut", "throttled", "contention"])
def test_a_write_that_was_repeated_and_lost_is_unknown(fake: FirestoreFake, fault: Fault) -> None:
    bench, network = faulty(fake)
    theirs = row(new_key())
    bench.swap(theirs.key, None, theirs)
    network.faults = [fault]

    assert bench.swap(theirs.key, None, row(theirs.key)) == UNKNOWN

    assert bench.load(theirs.key) == theirs


@pytest.mark.parametrize(
    "fault", [lose_the_request, lose_both, exhausted, aborted, unavailable], ids=["no", "cut", "429", "409", "503"]
)
def test_a_write_that_was_not_applied_is_repeated_and_wins(fake: FirestoreFake, fault: Fault) -> None:
    bench, _ = faulty(fake, fault)
    mine = row(new_key())

    assert bench.swap(mine.key, None, mine) == WON

    assert bench.load(mine.key) == mine
    assert len(bench.world.slept) == 1


@pytest.mark.parametrize("fault", [lose_the_request, exhausted, aborted], ids=["no", "throttled", "contention"])
def test_a_write_that_certainly_never_was_applied_is_an_error(fake: FirestoreFake, fault: Fault) -> None:
    bench, _ = faulty(fake, *[fault] * MAX_ATTEMPTS)
    mine = row(new_key())

    with pytest.raises(
        StoreError,
        match=r"cannot write a row: (no answer|ABORTED|RESOURCE_EXHAUSTED): .*(check the address|try again|ask less often)",
    ):
        bench.swap(mine.key, None, mine)

    assert bench.load(mine.key) is None


def test_a_row_that_was_just_read_or_written_is_changed_by_one_request(fake: FirestoreFake) -> None:
    bench, network = faulty(fake)
    first = row(new_key())
    second = row(first.key)
    bench.swap(first.key, None, first)

    assert bench.swap(first.key, first.version, second) == WON

    assert len(network.sent) == 2
    assert {sent.reach for sent in network.sent} == {CONFIGURED}


@pytest.mark.parametrize("gone", [False, True], ids=["changed", "deleted"])
def test_a_row_that_another_process_changed_meanwhile_is_lost(fake: FirestoreFake, gone: bool) -> None:
    bench, other = HttpBench(store(fake)), HttpBench(store(fake))
    first = row(new_key())
    theirs = None if gone else row(first.key)
    bench.swap(first.key, None, first)
    other.swap(first.key, first.version, theirs)

    assert bench.swap(first.key, first.version, row(first.key)) == LOST
    assert bench.swap(first.key, first.version, None) == LOST

    assert bench.load(first.key) == theirs


def test_of_eight_processes_exactly_one_wins(fake: FirestoreFake, bench: HttpBench) -> None:
    key = new_key()

    outcomes = race_of_processes("firestore://demo-valetkey", {"FIRESTORE_EMULATOR_HOST": fake.host}, key)

    assert sorted(outcomes.values()) == [LOST] * 7 + [WON]
    stands = bench.load(key)
    assert stands is not None
    assert outcomes[stands.version.hex()] == WON


def test_a_missing_database_is_never_taken_for_a_missing_row(fake: FirestoreFake) -> None:
    tokens = NoTokens()
    bench = HttpBench(FirestoreStore("demo-valetkey", tokens=tokens, database="other", emulator=fake.host))
    mine = row(new_key())

    for operation in (
        lambda: bench.load(mine.key),
        lambda: bench.swap(mine.key, None, mine),
        lambda: bench.swap(mine.key, mine.version, None),
        lambda: bench.list(None),
    ):
        with pytest.raises(StoreError, match="no such database"):
            operation()


def test_a_database_in_another_mode_is_an_error_and_not_a_lost_write(fake: FirestoreFake) -> None:
    bench, _ = faulty(fake, google(400, "FAILED_PRECONDITION"))
    mine = row(new_key())

    with pytest.raises(StoreError, match="Native mode"):
        bench.swap(mine.key, None, mine)


def test_names_that_are_too_long_for_the_service_are_kept_apart_by_their_hash(bench: HttpBench) -> None:
    place = new_key().partition
    rows = [row(Key(place, "\U0001f511" * 249 + end)) for end in ("a", "b", "#")]

    for each in rows:
        assert bench.swap(each.key, None, each) == WON

    assert {each.key for each in bench.list(place).rows} == {each.key for each in rows}


def test_a_partition_that_begins_like_another_is_not_listed_with_it(bench: HttpBench) -> None:
    place = new_key().partition
    keys = [Key(place, "n"), Key(place + "!", "n"), Key(place + " ", "n"), Key(place + "0", "n"), Key(place[:-1], "n")]
    for key in keys:
        bench.swap(key, None, row(key))

    assert [each.key for each in bench.list(place).rows] == [keys[0]]


def test_a_page_of_the_biggest_rows_is_listed_in_smaller_pages(bench: HttpBench) -> None:
    place = new_key().partition
    rows = [row(Key(place, f"{number:02}"), sealed=bytes(65_536)) for number in range(20)]
    bench.fill(rows)

    assert [each for page in bench.pages(place) for each in page.rows] == rows


@pytest.mark.parametrize("expires_at", [1, 253_402_300_799, 253_402_300_800, 2**63 - 1])
def test_a_row_expires_when_it_says_however_far_that_is(bench: HttpBench, expires_at: int) -> None:
    wanted = row(new_key(), expires_at=expires_at)
    bench.swap(wanted.key, None, wanted)

    assert bench.load(wanted.key) == wanted


def test_a_documents_fields_can_be_read_and_its_expiry_is_a_timestamp(fake: FirestoreFake, bench: HttpBench) -> None:
    written = row(new_key(), {"state": "ACTIVE", "generation": 3}, sealed=b"sealed", expires_at=4_102_444_800)
    bench.swap(written.key, None, written)

    (document,) = fake.database.documents.values()

    assert document["name"] == f"{DATABASE}/documents/valetkey/k{written.key.partition} github"
    assert document["fields"]["expires_at"] == {"timestampValue": "2100-01-01T00:00:00Z"}
    assert document["fields"]["c_state"] == {"stringValue": "ACTIVE"}
    assert document["fields"]["c_generation"] == {"integerValue": "3"}
    assert document["fields"]["sealed"] == {"bytesValue": "c2VhbGVk"}


def test_a_document_of_another_application_is_an_error_with_a_name(fake: FirestoreFake, bench: HttpBench) -> None:
    key = new_key()
    name = f"{DATABASE}/documents/valetkey/k{key.partition} {key.name}"
    bench.perform(
        bench.store._wire.ask(  # type: ignore[attr-defined]
            bench.store._wire.request(  # type: ignore[attr-defined]
                "/documents:commit",
                {"writes": [{"update": {"name": name, "fields": {"total": {"integerValue": "1"}}}}]},
            )
        )
    )

    with pytest.raises(StoreError, match="written by something else"):
        bench.load(key)


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        (google(403, "PERMISSION_DENIED", streamed=True), "Cloud Datastore User"),
        (google(404, "NOT_FOUND", streamed=True), "no such database"),
        (google(400, "INVALID_ARGUMENT", streamed=True), "INVALID_ARGUMENT: .*: check project"),
        (google(400, "canary body"), "without a code: something between may have answered"),
        (unavailable, "UNAVAILABLE: Google failed: try again"),
        (answer(200, b"canary-body"), "not JSON: something between may have answered"),
        (answer(200, b'{"canary": 1}'), "not a stream of messages: something between"),
        (answer(200, b'[{"canary": 1}]'), "neither .*: something between"),
        (lose_both, "no answer: check the address"),
    ],
)
def test_errors_say_what_to_do_and_quote_nothing_that_was_received(
    fake: FirestoreFake, fault: Fault, advice: str
) -> None:
    bench, _ = faulty(fake, *[fault] * MAX_ATTEMPTS)

    with pytest.raises(StoreError, match=rf"firestore:valetkey in .*: cannot load a row: .*{advice}") as caught:
        bench.load(new_key())

    assert "canary" not in str(caught.value) + repr(caught.value) + repr(bench.store)


def test_requests_and_the_fakes_answers_are_messages_of_googles_own_definitions(fake: FirestoreFake) -> None:
    """The published protocol buffers of the API refuse a field or a value that they do not know."""
    from google.cloud.firestore_v1 import types as api

    kinds: dict[str, tuple[Any, Any]] = {
        "batchGet": (api.BatchGetDocumentsRequest, api.BatchGetDocumentsResponse),
        "runQuery": (api.RunQueryRequest, api.RunQueryResponse),
        "commit": (api.CommitRequest, api.CommitResponse),
    }
    seen: set[str] = set()

    def network(effect: Send) -> Response:
        response = send(effect)
        method = effect.request.url.rpartition(":")[2]
        asked, answered = kinds[method]
        asked.from_json(effect.request.body, ignore_unknown_fields=False)
        content = json.loads(response.body)
        if response.status == 200:
            for part in content if isinstance(content, list) else [content]:
                answered.from_json(json.dumps(part), ignore_unknown_fields=False)
        seen.add(method)
        return response

    bench = HttpBench(store(fake), World(network))
    mine = row(new_key(), {"state": "ACTIVE", "n": 3}, sealed=b"sealed", expires_at=4_102_444_800)
    bench.load(mine.key)
    bench.swap(mine.key, None, mine)
    bench.load(mine.key)
    cursor = bench.list(mine.key.partition).cursor
    bench.list(None, cursor or rows.write_cursor(mine.key))
    bench.swap(mine.key, mine.version, row(mine.key))
    bench.swap(mine.key, os.urandom(16), None)

    assert seen == set(kinds)


class Google:
    """The service itself, as far as the fake can be it: its address leads there, and it wants a token."""

    def __init__(self, fake: FirestoreFake) -> None:
        self.fake = fake

    def send(self, effect: Send) -> Response:
        url = effect.request.url
        assert url.startswith("https://firestore.googleapis.com/v1/")
        url = url.replace("https://firestore.googleapis.com", f"http://{self.fake.host}")
        return send(replace(effect, request=replace(effect.request, url=url)))


@pytest.fixture
def service() -> Iterator[FirestoreFake]:
    with FirestoreFake(token="token-1") as fake:
        yield fake
    TRANSPORT.close()


def test_a_token_that_is_refused_is_asked_for_again(service: FirestoreFake) -> None:
    tokens = OneToken("expired")
    bench = HttpBench(FirestoreStore("demo-valetkey", tokens=tokens), World(Google(service).send))

    assert bench.load(new_key()) is None

    assert tokens.forgotten == 1


def test_what_a_database_is_missing_is_said_and_made(service: FirestoreFake) -> None:
    from google.cloud.firestore_admin_v1 import types as api

    def network(effect: Send) -> Response:
        request = effect.request
        if request.method == "PATCH":  # the published definitions know these fields and values
            kind: Any = api.Field if "/fields/" in request.url else api.Database
            kind.from_json(request.body, ignore_unknown_fields=False)
        return Google(service).send(effect)

    bench = HttpBench(FirestoreStore("demo-valetkey", tokens=OneToken()), World(network))

    before = bench.perform(bench.store.check())
    bench.perform(bench.store.create())
    bench.perform(bench.store.create())

    assert ["expired rows" in before[0], "point-in-time" in before[1], len(before)] == [True, True, 2]
    assert bench.perform(bench.store.check()) == ()
    assert service.database.fields["/collectionGroups/valetkey/fields/*"]["indexConfig"] == {"indexes": []}
    assert service.database.documents == {}


@pytest.mark.parametrize(
    ("denied", "problem"),
    [
        ("/documents:batchGet", "Cloud Datastore User"),
        ("/documents:commit", "Cloud Datastore User"),
        ("/collectionGroups/valetkey/fields/expires_at", "datastore.indexes.get"),
    ],
)
def test_a_missing_permission_is_said_by_the_check(service: FirestoreFake, denied: str, problem: str) -> None:
    service.database.denied = {denied}
    bench = HttpBench(FirestoreStore("demo-valetkey", tokens=OneToken()), World(Google(service).send))

    assert problem in bench.perform(bench.store.check())[0]


def test_an_emulator_has_no_settings_to_check(bench: HttpBench) -> None:
    bench.perform(bench.store.create())

    assert bench.perform(bench.store.check()) == ()


def test_both_colours_ask_for_the_same_things(fake: FirestoreFake) -> None:
    key, asked = new_key(), []
    for run in (drive, lambda op, answer: asyncio.run(drive_async(op, answer))):
        bench, network = faulty(fake, unavailable)
        run(store(fake).load(key), bench.world.answer)
        asked.append([(sent.request.url, sent.request.body, sent.reach, sent.kept) for sent in network.sent])

    assert asked[0] == asked[1]


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("firestore://acme-prod/rows", "firestore:valetkey in acme-prod/rows"),
        ("firestore://acme-prod", "firestore:valetkey in acme-prod/(default)"),
        ("firestore://acme-prod/(default)?collection=vault", "firestore:vault in acme-prod/(default)"),
    ],
)
def test_its_url_names_project_database_and_collection(url: str, where: str) -> None:
    opened = open_store(url, environ={})

    assert isinstance(opened, FirestoreStore)
    assert opened.description == where
    assert opened._wire._base == "https://firestore.googleapis.com"


def test_an_emulator_is_honoured_on_loopback_only() -> None:
    opened = open_store("firestore://acme", environ={"FIRESTORE_EMULATOR_HOST": "127.0.0.1:8080"})
    assert isinstance(opened, FirestoreStore)
    assert opened._wire._base == "http://127.0.0.1:8080"

    for host in ("firestore.example:8080", "http://127.0.0.1", "127.0.0.1:8080/canary"):
        with pytest.raises(ConfigurationError, match="on loopback"):
            open_store("firestore://acme", environ={"FIRESTORE_EMULATOR_HOST": host})


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("firestore:acme", "is written firestore://project/database"),
        ("firestore://", "project by its id"),
        ("firestore://Acme Inc/rows", "project by its id"),
        ("firestore://acme/Rows", "database's name"),
        ("firestore://acme/a/b", "database's name"),
        ("firestore://acme?collection=a/b", "collection's name"),
        ("firestore://acme?collection=__x__", "collection's name"),
        ("firestore://acme?colection=x", "no option 'colection'"),
    ],
)
def test_a_store_that_cannot_work_is_refused_at_start(url: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        open_store(url, environ={})


@pytest.mark.parametrize("url", ["firestore://acme/rows", "aztables://acme/rows"])
def test_opening_it_imports_no_other_store_and_no_network_code(url: str) -> None:
    script = (
        f"import sys; from valetkey.stores.open import open_store; open_store({url!r}, environ={{}});"
        "print([name for name in ('sqlite3', 'valetkey.stores.dynamodb', 'ssl', 'http.client', 'json', 'google.auth',"
        " 'azure.core', 'cryptography', 'threading') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("status", "code", "problem"),
    [(400, "FAILED_PRECONDITION", "point-in-time recovery .* see billing"), (403, "PERMISSION_DENIED", "denied")],
)
def test_recovery_that_cannot_be_switched_on_is_said(
    service: FirestoreFake, status: int, code: str, problem: str
) -> None:
    google_itself = Google(service)
    network = Faults(google_itself.send, google_itself.send, google(status, code))
    bench = HttpBench(FirestoreStore("demo-valetkey", tokens=OneToken()), World(network.send))

    with pytest.raises(StoreError, match=problem):
        bench.perform(bench.store.create())


def test_a_commit_that_does_not_say_when_it_happened_is_won_and_read_again(fake: FirestoreFake) -> None:
    bench, network = faulty(fake, acted_then(answer(200, b'{"commitTime": "2026-01-01T00:00:00Z"}')))
    first = row(new_key())
    second = row(first.key)

    assert bench.swap(first.key, None, first) == WON
    assert bench.swap(first.key, first.version, second) == WON

    assert len(network.sent) == 3
