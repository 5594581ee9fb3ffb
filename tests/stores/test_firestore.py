"""Firestore against a strict fake of its documented REST contract: not Google's code, see `firestore_fake`."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from tests.stores.bench import TRANSPORT, World, row
from tests.stores.conformance import Conformance, new_key
from tests.stores.firestore_fake import DATABASE, FirestoreFake
from tests.stores.http_bench import (
    AsyncHttpBench,
    Faults,
    HttpBench,
    acted_then,
    answer,
    lose_both,
    lose_the_answer,
    lose_the_request,
    send,
)

from valetkey.clouds.google_credentials import GoogleTokenSource
from valetkey.drivers.drive import drive, drive_async
from valetkey.effects import CONFIGURED, LOST, UNKNOWN, WON, Key, Send
from valetkey.errors import ConfigurationError, StoreError
from valetkey.http import Headers, Response
from valetkey.secret import Secret
from valetkey.stores.firestore import FirestoreStore
from valetkey.stores.http_wire import MAX_ATTEMPTS
from valetkey.stores.open import open_store
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stores.http_bench import Fault

    from valetkey.effects import WireOp


class NoTokens(GoogleTokenSource):
    """An emulator is asked without credentials."""

    def __init__(self) -> None:
        super().__init__({}, scope=())

    def current(self) -> WireOp[Secret]:
        raise AssertionError("an emulator is given no credentials")


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
    scale = 250

    @pytest.fixture
    def bench(self, fake: FirestoreFake) -> HttpBench:
        return AsyncHttpBench(store(fake))
