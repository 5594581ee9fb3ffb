"""The bench for Azure Tables and Firestore: both colours of their programs, and the things that go wrong on the way."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.stores.bench import TRANSPORT, Bench, World

from valetkey.drivers.drive import drive, drive_async
from valetkey.errors import TransportError
from valetkey.http import Headers, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from valetkey.effects import Key, Outcome, Row, Send
    from valetkey.stores import Store

    Fault = Callable[[Send], Response]


class HttpBench(Bench):
    """A store whose programs are driven with blocking ports."""

    def __init__(self, store: Store, world: World | None = None) -> None:
        self.world = world or World()
        super().__init__(store)

    def perform(self, reply: Any) -> Any:
        return drive(reply, self.world.answer)


class AsyncHttpBench(HttpBench):
    """The same programs with awaited ports."""

    def fill(self, rows: Sequence[Row]) -> None:
        """Without a loop for each row: filling is not what is tested."""
        HttpBench(self.store, self.world).fill(rows)

    def perform(self, reply: Any) -> Any:
        return asyncio.run(drive_async(reply, self.world.answer_async))

    def race(self, writes: Sequence[tuple[Key, bytes | None, Row | None]]) -> Sequence[Outcome]:
        async def race() -> Sequence[Outcome]:
            programs = [drive_async(self.store.swap(*write), self.world.answer_async) for write in writes]  # type: ignore[arg-type]
            return await asyncio.gather(*programs)

        return asyncio.run(race())


class Faults:
    """The real server behind a list of things that go wrong first."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = list(faults)
        self.sent: list[Send] = []

    def send(self, effect: Send) -> Response:
        self.sent.append(effect)
        return self.faults.pop(0)(effect) if self.faults else send(effect)


def send(effect: Send) -> Response:
    return TRANSPORT.send(effect)


def lose_the_answer(effect: Send) -> Response:
    send(effect)
    raise TransportError("the answer was lost", maybe_received=True)


def lose_the_request(effect: Send) -> Response:
    raise TransportError("no connection", maybe_received=False)


def lose_both(effect: Send) -> Response:
    raise TransportError("cut off", maybe_received=True)


def answer(status: int, body: bytes, headers: tuple[tuple[str, str], ...] = ()) -> Fault:
    return lambda _: Response(status, Headers(headers), body)


def acted_then(fault: Fault) -> Fault:
    def act(effect: Send) -> Response:
        send(effect)
        return fault(effect)

    return act


WRITER = """
import json, os, sys
from tests.stores.bench import World, row
from valetkey.drivers.drive import drive
from valetkey.effects import Key
from valetkey.stores.open import open_store

url, environ, key = json.loads(sys.stdin.readline())
store, world = open_store(url, environ=environ), World()
mine = row(Key(*key))
drive(store.load(mine.key), world.answer)
print("ready", flush=True)
sys.stdin.readline()
print(drive(store.swap(mine.key, None, mine), world.answer), mine.version.hex(), flush=True)
"""


def race_of_processes(url: str, environ: Mapping[str, str], key: Key, *, processes: int = 8) -> dict[str, str]:
    """Version to outcome of as many processes that create the same row at the same moment."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", WRITER]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": root}
    path = os.pathsep.join([str(root), *sys.path])
    running = [subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}, **pipes) for _ in range(processes)]
    told = json.dumps([url, dict(environ), [key.partition, key.name]])
    for process in running:
        assert process.stdin is not None
        process.stdin.write(told + "\n")
        process.stdin.flush()
    assert [process.stdout.readline() for process in running if process.stdout] == ["ready\n"] * processes
    answers = [process.communicate("go\n", timeout=30)[0].split() for process in running]
    return {version: outcome for outcome, version in answers}


@contextmanager
def cutting_proxy(port: int) -> Iterator[int]:
    """The port of a relay whose first connection is cut when the server has answered, before any of it is passed on."""
    ends: list[socket.socket] = []

    def pump(source: socket.socket, target: socket.socket, *, cut: bool) -> None:
        try:
            while octets := source.recv(65_536):
                if cut:
                    break
                target.sendall(octets)
        except OSError:
            pass
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        cut = True
        while True:
            try:
                client = listening.accept()[0]
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", port))
            ends.extend((client, server))
            for arguments in ((client, server, False), (server, client, cut)):
                thread = threading.Thread(target=pump, args=arguments[:2], kwargs={"cut": arguments[2]})
                thread.start()
                threads.append(thread)
            cut = False

    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        accepting = threading.Thread(target=accept)
        accepting.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    accepting.join()
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join()
    for end in ends:
        end.close()
