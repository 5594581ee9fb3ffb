"""Firestore against Google's own emulator. Collected where that is installed; where it is not, `conftest` says so at the end."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.stores import servers
from tests.stores.bench import TRANSPORT, row
from tests.stores.conformance import Conformance, new_key
from tests.stores.firestore_fake import NoTokens
from tests.stores.http_bench import AsyncHttpBench, HttpBench, race_of_processes

from valetkey.effects import LOST, WON
from valetkey.stores.firestore import FirestoreStore

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def emulator() -> Iterator[str]:
    yield from servers.firestore_emulator()
    TRANSPORT.close()


def on_emulator(emulator: str) -> FirestoreStore:
    """A database of its own: the emulator keeps one for each project."""
    host = emulator.removeprefix("http://")
    return FirestoreStore(f"demo-{os.urandom(6).hex()}", tokens=NoTokens(), emulator=host)


class TestFirestoreOnGooglesEmulator(Conformance):
    scale = 250  # it takes 10 ms for a row

    @pytest.fixture
    def bench(self, emulator: str) -> HttpBench:
        return HttpBench(on_emulator(emulator))


class TestFirestoreOnGooglesEmulatorAsync(Conformance):
    scale = 250  # it takes 10 ms for a row

    @pytest.fixture
    def bench(self, emulator: str) -> HttpBench:
        return AsyncHttpBench(on_emulator(emulator))


def test_of_eight_processes_one_creates_the_row_at_googles_emulator(emulator: str) -> None:
    environ = {"FIRESTORE_EMULATOR_HOST": emulator.removeprefix("http://")}

    outcomes = race_of_processes(f"firestore://demo-{os.urandom(6).hex()}", environ, new_key())

    assert sorted(outcomes.values()) == [LOST] * 7 + [WON]


def test_googles_emulator_has_nothing_to_be_made_and_nothing_missing(emulator: str) -> None:
    bench = HttpBench(on_emulator(emulator))

    bench.perform(bench.store.create())

    assert bench.perform(bench.store.check()) == ()


def test_googles_own_client_reads_what_was_written_and_a_write_of_its_is_seen(
    emulator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.firestore import Client

    store = on_emulator(emulator)
    bench, mine = HttpBench(store), row(new_key(), sealed=b"sealed octets")
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", emulator.removeprefix("http://"))
    client = Client(project=store._documents.split("/")[1], credentials=AnonymousCredentials())

    assert bench.perform(store.swap(mine.key, None, mine)) == WON
    document = client.collection("valetkey").document(store._name(mine.key).rpartition("/")[2])
    seen = document.get().to_dict() or {}
    document.update({"c_state": "touched"})

    assert seen["version"] == mine.version
    assert seen["sealed"] == mine.sealed
    assert bench.perform(store.load(mine.key)).clear["state"] == "touched"
    assert bench.perform(store.swap(mine.key, mine.version, None)) == WON
