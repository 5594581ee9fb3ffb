"""Blocking ports on an event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import cast

import pytest
from tests.drivers.peers import Peer, always, ok, silent

from valetkey.drivers.clock import AsyncClock
from valetkey.drivers.drive import drive_async
from valetkey.drivers.events import LogEvents
from valetkey.drivers.threads import ThreadedSigner, ThreadedStore, ThreadedTransport, Workers, async_ports
from valetkey.drivers.transports.stdlib import StdlibTransport
from valetkey.effects import CONFIGURED, WON, Key, Load, Page, Row, Send, Sign, Swap
from valetkey.effects import List as ListRows
from valetkey.effects import PrivateKey as SigningKey
from valetkey.errors import TransportError
from valetkey.http import Request, Response
from valetkey.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable

    from valetkey.effects import Op, Outcome, Place, SignatureAlgorithm


class Blocking:
    """A store, a signer and a key ring that note the thread they are called in."""

    description, blocking, local = "a store of the test", True, True

    def __init__(self) -> None:
        self.threads: list[str] = []
        self.rows: dict[Key, Row] = {}
        self.closed = False

    def _note(self) -> None:
        self.threads.append(threading.current_thread().name)

    def load(self, key: Key) -> Row | None:
        self._note()
        return self.rows.get(key)

    def swap(self, key: Key, expected: bytes | None, new: Row | None) -> Outcome:
        self._note()
        assert new is not None
        self.rows[key] = new
        return WON

    def list(self, partition: str | None, cursor: str) -> Page:
        self._note()
        return Page(tuple(self.rows.values()))

    def create(self) -> None:
        self._note()

    def check(self) -> tuple[str, ...]:
        self._note()
        return ("it is full",)

    def close(self) -> None:
        self.closed = True

    def sign(self, key: SigningKey, algorithm: SignatureAlgorithm, message: bytes) -> bytes:
        self._note()
        return message[::-1]

    def seal(self, place: Place, plaintext: bytes) -> bytes:
        return plaintext

    def open(self, place: Place, sealed: bytes) -> bytes:
        return sealed

    def derive(self, place: Place) -> bytes:
        return place.purpose.encode()


def test_a_program_runs_with_blocking_ports_in_worker_threads() -> None:
    blocking = Blocking()
    key = Key("p", "n")
    row = Row(key, b"v", {})

    def program(url: str) -> Op[tuple[object, ...]]:
        outcome = yield from Swap(key, None, row)
        loaded = yield from Load(key)
        page = yield from ListRows()
        signature = yield from Sign(SigningKey(Secret("pem")), "RS256", b"ab")
        response = yield from Send(Request("GET", url), CONFIGURED, time.time() + 5)
        return outcome, loaded, page.rows, signature, response.body

    with Peer(always(ok())) as peer:
        ports = async_ports(
            transport=StdlibTransport(),
            store=blocking,
            keys=blocking,
            signer=blocking,
            clock=AsyncClock(),
            events=LogEvents(),
        )
        answers = asyncio.run(drive_async(program(peer.url), ports.answer))

    assert answers == (WON, row, (row,), b"ba", b"ok")
    assert len(blocking.threads) == 4
    assert all(name.startswith("valetkey") for name in blocking.threads)


def test_making_and_checking_a_store_happen_in_worker_threads_too() -> None:
    blocking = Blocking()

    async def main() -> tuple[str, ...]:
        store = ThreadedStore(blocking)
        await cast("Awaitable[None]", store.create())
        return await cast("Awaitable[tuple[str, ...]]", store.check())

    assert asyncio.run(main()) == ("it is full",)
    assert len(blocking.threads) == 2
    assert all(name.startswith("valetkey") for name in blocking.threads)


def test_a_signer_can_be_moved_off_the_loop_too() -> None:
    blocking = Blocking()

    async def main() -> bytes:
        return await ThreadedSigner(blocking).sign(SigningKey(Secret("pem")), "RS256", b"ab")

    assert asyncio.run(main()) == b"ba"
    assert blocking.threads[0].startswith("valetkey")


def test_a_store_in_threads_says_what_it_is_and_closes() -> None:
    blocking = Blocking()
    store = ThreadedStore(blocking)

    store.close()

    assert (store.description, store.local, store.blocking) == ("a store of the test", True, False)
    assert blocking.closed


def test_workers_outlive_event_loops() -> None:
    with Peer(always(ok())) as peer, StdlibTransport() as blocking:
        transport = ThreadedTransport(blocking)

        async def main() -> Response:
            return await transport.send(Send(Request("GET", peer.url), CONFIGURED, time.time() + 5, True))

        assert [asyncio.run(main()).body for _ in range(3)] == [b"ok"] * 3
        assert peer.connections == 1


def test_many_requests_wait_at_once() -> None:
    together = threading.Barrier(40)

    def script(connected: object, peer: Peer) -> None:
        peer.read_request(connected)  # type: ignore[arg-type]
        together.wait(5)  # nobody is answered before all have asked
        connected.sendall(ok())  # type: ignore[attr-defined]

    async def main(url: str) -> list[Response]:
        transport = ThreadedTransport(StdlibTransport())
        sends = (transport.send(Send(Request("GET", url), CONFIGURED, time.time() + 5)) for _ in range(40))
        return list(await asyncio.gather(*sends))

    with Peer(script) as peer:
        assert len(asyncio.run(main(peer.url))) == 40


def test_a_failure_in_a_worker_is_raised_where_it_is_awaited() -> None:
    async def main(url: str) -> None:
        await ThreadedTransport(StdlibTransport()).send(Send(Request("GET", url), CONFIGURED, time.time() + 0.1))

    with Peer(silent) as peer, pytest.raises(TransportError):
        asyncio.run(main(peer.url))


def test_a_cancelled_caller_does_not_cut_off_what_was_begun() -> None:
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def write() -> None:
        begun.set()
        may_end.wait(5)
        ended.set()

    async def main() -> None:
        async def caller() -> None:
            await workers.run(write)

        task = asyncio.create_task(caller())
        await asyncio.to_thread(begun.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        may_end.set()

    workers = Workers(1)
    asyncio.run(main())
    workers.close()

    assert ended.wait(5)
