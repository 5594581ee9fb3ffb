"""Connections to a store's server: kept, lent to one caller at a time, never across a fork or an event loop.

The one rule: a connection over which anything went wrong is closed, not kept; what went wrong with a row is for the
store to judge. One that was idle for a minute, or whose server has hung up, is not lent: a function that was frozen
begins with a new one.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from contextlib import asynccontextmanager, contextmanager

from valetkey.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Semaphore
    from collections.abc import AsyncIterator, Iterator
    from typing import Generic, Protocol, TypeVar

    C = TypeVar("C")

    class Maker(Protocol[C]):
        """What a pool of blocking connections asks of an engine."""

        def connect(self) -> C:
            """A new connection. Raises StoreError."""
            ...

        def usable(self, connection: C) -> bool:
            """Whether the server still listens on an idle one, as far as this machine knows."""
            ...

        def disconnect(self, connection: C) -> None:
            """Close it; never fails."""
            ...

    class AsyncMaker(Protocol[C]):
        """What a pool of awaited connections asks of an engine."""

        async def connect(self) -> C:
            """A new connection. Raises StoreError."""
            ...

        async def usable(self, connection: C) -> bool:
            """Whether the server still listens on an idle one, as far as this machine knows."""
            ...

        def disconnect(self, connection: C) -> None:
            """Close it without waiting; never fails, even where its loop has ended."""
            ...
else:

    class Generic:
        """Nothing, when the program runs."""

        def __class_getitem__(cls, _: object) -> type:
            return cls

    C = None

IDLE_SECONDS = 60
WAIT_SECONDS = 10
CONNECTIONS = 8

# Connections that a fork brought into a child: closing them there would end the parent's, so they are kept from the
# garbage collector until the child ends.
_inherited: list[object] = []


class Pool(Generic[C]):
    """Connections for blocking callers, each used by one thread at a time."""

    def __init__(self, maker: Maker[C], *, limit: int = CONNECTIONS) -> None:
        """limit: so many callers use a connection at once; others wait for one."""
        self._maker, self._limit = maker, limit
        self._idle: deque[tuple[C, float]] = deque()
        self._start()

    def _start(self) -> None:
        if self._idle:
            _inherited.append(self._idle)
        self._process = os.getpid()
        self._idle = deque()  # append and pop are atomic
        self._free = threading.BoundedSemaphore(self._limit)

    @contextmanager
    def lend(self, *, new: bool = False) -> Iterator[C]:
        """A connection, kept afterwards unless something is raised. Raises StoreError where none is to be had."""
        if self._process != os.getpid():
            self._start()
        free = self._free
        if not free.acquire(timeout=WAIT_SECONDS):
            raise all_in_use(self._limit)
        try:
            connection = None if new else self._take()
            if connection is None:
                connection = self._maker.connect()
            try:
                yield connection
            except BaseException:
                self._maker.disconnect(connection)
                raise
            self._idle.append((connection, time.time()))
        finally:
            free.release()

    def close(self) -> None:
        """Close the connections that nobody is using."""
        if self._process != os.getpid():
            self._start()
        while self._idle:
            self._maker.disconnect(self._idle.pop()[0])

    def _take(self) -> C | None:
        while self._idle:
            try:
                connection, since = self._idle.pop()
            except IndexError:  # another thread was faster
                return None
            if 0 <= time.time() - since < IDLE_SECONDS and self._maker.usable(connection):
                return connection
            self._maker.disconnect(connection)
        return None


class AsyncPool(Generic[C]):
    """Connections for awaiting callers, each belonging to the event loop that made it."""

    def __init__(self, maker: AsyncMaker[C], *, limit: int = CONNECTIONS) -> None:
        """limit: so many callers of one loop use a connection at once; others wait for one."""
        self._maker, self._limit = maker, limit
        self._process = os.getpid()
        self._loops: dict[AbstractEventLoop, tuple[deque[tuple[C, float]], Semaphore]] = {}

    @asynccontextmanager
    async def lend(self, *, new: bool = False) -> AsyncIterator[C]:
        """A connection, kept afterwards unless something is raised. Raises StoreError where none is to be had."""
        import asyncio

        idle, free = self._of_this_loop()
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                _ = await free.acquire()
        except TimeoutError:
            raise all_in_use(self._limit) from None
        try:
            connection = None if new else await self._take(idle)
            if connection is None:
                connection = await self._maker.connect()
            try:
                yield connection
            except BaseException:
                self._maker.disconnect(connection)
                raise
            idle.append((connection, time.time()))
        finally:
            free.release()

    def close(self) -> None:
        """Close the connections that nobody is using, whichever loop made them."""
        self._leave_inherited()
        for loop in list(self._loops):
            self._forget(loop)

    def _of_this_loop(self) -> tuple[deque[tuple[C, float]], Semaphore]:
        import asyncio

        self._leave_inherited()
        for loop in [loop for loop in list(self._loops) if loop.is_closed()]:
            self._forget(loop)
        loop = asyncio.get_running_loop()
        if loop not in self._loops:
            self._loops[loop] = deque(), asyncio.Semaphore(self._limit)
        return self._loops[loop]

    def _forget(self, loop: AbstractEventLoop) -> None:
        idle, _ = self._loops.pop(loop, (deque(), None))
        while idle:
            self._maker.disconnect(idle.pop()[0])

    def _leave_inherited(self) -> None:
        if self._process != os.getpid():
            _inherited.append(self._loops)
            self._loops = {}
            self._process = os.getpid()

    async def _take(self, idle: deque[tuple[C, float]]) -> C | None:
        while idle:
            connection, since = idle.pop()
            if 0 <= time.time() - since < IDLE_SECONDS and await self._maker.usable(connection):
                return connection
            self._maker.disconnect(connection)
        return None


def is_silent(descriptor: int) -> bool:
    """Whether nothing has come on an idle connection: neither its end, nor what nobody asked for."""
    if descriptor < 0:
        return False
    import select

    poll = select.poll()  # not select.select, which knows no descriptor above 1,023
    poll.register(descriptor, select.POLLIN)
    return not poll.poll(0)


def all_in_use(limit: int) -> StoreError:
    """The error of a caller that waited in vain."""
    return StoreError(
        f"all {limit} connections of this process were in use for {WAIT_SECONDS} s: add"
        " ?connections=N to the store URL, or look for what keeps the server busy"
    )


def read_limit(text: str) -> int:
    """The URL's option `connections`. Raises ValueError."""
    number = text or str(CONNECTIONS)
    limit = int(number) if number.isascii() and number.isdecimal() and len(number) < 5 else 0
    if not 1 <= limit <= 1000:
        message = "connections is a number from 1 to 1000"
        raise ValueError(message)
    return limit
