"""The bench for Azure Tables and Firestore: both colours of their programs, and the things that go wrong on the way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.stores.bench import TRANSPORT, Bench, World

from valetkey.drivers.drive import drive, drive_async
from valetkey.errors import TransportError
from valetkey.http import Headers, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
