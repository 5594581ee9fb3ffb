"""Blocking ports for callers on an event loop: each call runs in a worker thread.

The one rule: a caller that is cancelled stops waiting and nothing else; what a worker has begun, it finishes, so a
write or a token request is never cut in half. The workers belong to no event loop and outlive every one of them.
Not here: contextvars (a port that needs them is called on the loop, as the clock is).
"""

from __future__ import annotations

import os
from _thread import allocate_lock

from valetkey.drivers.ports import Ports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from concurrent.futures import ThreadPoolExecutor
    from typing import Any

    from valetkey.drivers.ports import Clock, Events, Signer, Transport
    from valetkey.effects import Key, Outcome, Page, PrivateKey, Row, Send, SignatureAlgorithm
    from valetkey.http import Response
    from valetkey.keys import KeyRing
    from valetkey.stores import Answer, Store

WORKERS = 64
"""So many requests wait for an answer at once; a worker is started when it is needed."""


class Workers:
    """Threads that run blocking calls; made at first need, and anew in a child process."""

    def __init__(self, limit: int = WORKERS) -> None:
        self._limit = limit
        self._start()

    def _start(self) -> None:
        self._process = os.getpid()
        self._lock = allocate_lock()
        self._pool: ThreadPoolExecutor | None = None

    def run(self, call: Callable[..., object], *given: object) -> Awaitable[Any]:
        """What the call answers, awaited. Must be called on an event loop."""
        import asyncio  # who awaits has loaded it

        if self._process != os.getpid():  # after a fork: the threads stayed behind
            self._start()
        with self._lock:
            if self._pool is None:
                from concurrent.futures import ThreadPoolExecutor

                self._pool = ThreadPoolExecutor(self._limit, thread_name_prefix="valetkey")
            return asyncio.get_running_loop().run_in_executor(self._pool, call, *given)

    def close(self) -> None:
        """Let the threads end; what they have begun is finished."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)


_shared = Workers()


class ThreadedTransport:
    """A blocking transport whose `send` is awaited."""

    blocking = False

    def __init__(self, transport: Transport, workers: Workers = _shared) -> None:
        self.transport = transport
        self._workers = workers

    def send(self, effect: Send) -> Awaitable[Response]:
        """One exchange in a worker thread. The deadline runs while it waits for a free one. Raises TransportError."""
        return self._workers.run(self.transport.send, effect)


class ThreadedStore:
    """A blocking store whose methods are awaited."""

    blocking = False

    def __init__(self, store: Store, workers: Workers = _shared) -> None:
        self.store = store
        self.description = store.description
        self.local = store.local
        self._workers = workers

    def load(self, key: Key) -> Answer[Row | None]:
        """See `Store.load`."""
        return self._workers.run(self.store.load, key)

    def swap(self, key: Key, expected: bytes | None, new: Row | None) -> Answer[Outcome]:
        """See `Store.swap`."""
        return self._workers.run(self.store.swap, key, expected, new)

    def list(self, partition: str | None, cursor: str) -> Answer[Page]:
        """See `Store.list`."""
        return self._workers.run(self.store.list, partition, cursor)

    def create(self) -> Answer[None]:
        """See `Store.create`."""
        return self._workers.run(self.store.create)

    def check(self) -> Answer[tuple[str, ...]]:
        """See `Store.check`."""
        return self._workers.run(self.store.check)

    def close(self) -> None:
        """Close the store."""
        self.store.close()


class ThreadedSigner:
    """A signer whose `sign` is awaited: an RSA signature holds up a loop for a millisecond, a key service for more."""

    def __init__(self, signer: Signer, workers: Workers = _shared) -> None:
        self.signer = signer
        self._workers = workers

    async def sign(self, key: PrivateKey, algorithm: SignatureAlgorithm, message: bytes) -> bytes:
        """The raw signature, made in a worker thread; what an async signer answers there is awaited on the loop."""
        made: bytes | Awaitable[bytes] = await self._workers.run(self.signer.sign, key, algorithm, message)
        return await made if hasattr(made, "__await__") else made


def async_ports(
    *, transport: Transport, store: Store, keys: KeyRing, signer: Signer, clock: Clock, events: Events
) -> Ports:
    """The ports of an async vault: a transport or store that says it is blocking is called in a worker thread."""
    return Ports(
        transport=ThreadedTransport(transport) if getattr(transport, "blocking", False) else transport,
        store=ThreadedStore(store) if store.blocking else store,
        keys=keys,
        signer=ThreadedSigner(signer) if getattr(signer, "blocking", False) else signer,
        clock=clock,
        events=events,
    )
