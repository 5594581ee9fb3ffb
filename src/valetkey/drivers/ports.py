"""Ports: who performs which effect. Built once by the vault; every answer is a value, an awaitable or a program."""

from __future__ import annotations

from valetkey import effects as e

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any, Protocol

    from valetkey.effects import AnyEffect, Event, PrivateKey, Send, SignatureAlgorithm
    from valetkey.http import Pairs, Response
    from valetkey.keys import KeyRing
    from valetkey.stores import Store

    class Clock(Protocol):
        """Time and chance."""

        def now(self) -> float:
            """Unix seconds."""
            ...

        def remaining(self) -> float:
            """Seconds left of the invocation."""
            ...

        def whole(self) -> float:
            """Seconds that the longest invocation of this process had when it began."""
            ...

        def sleep(self, seconds: float) -> Awaitable[None] | None:
            """Wait."""
            ...

        def random(self, octets: int) -> bytes:
            """That many octets from the system's generator."""
            ...

    class Transport(Protocol):
        """Sends requests. One that presents the certificates of effects says so: `presents_certificates` is True."""

        def send(self, effect: Send) -> Response | Awaitable[Response]:
            """One exchange, within the effect's reach and deadline. Raises TransportError."""
            ...

    class Signer(Protocol):
        """Makes signatures with private keys."""

        def sign(self, key: PrivateKey, algorithm: SignatureAlgorithm, message: bytes) -> bytes | Awaitable[bytes]:
            """The raw signature."""
            ...

    class Events(Protocol):
        """Listens to audit events."""

        def emit(self, event: Event) -> None:
            """Take note; never fail."""
            ...


class Ports:
    """The performers of every effect; `answer` is what a driver calls."""

    def __init__(
        self, *, transport: Transport, store: Store, keys: KeyRing, signer: Signer, clock: Clock, events: Events
    ) -> None:
        self.transport, self.store, self.keys = transport, store, keys
        self.signer, self.clock, self.events = signer, clock, events
        self._performers: dict[type, Callable[[Any], object]] = {
            e.Now: lambda _: clock.now(),
            e.Remaining: lambda effect: clock.whole() if effect.whole else clock.remaining(),
            e.Random: lambda effect: clock.random(effect.octets),
            e.Sleep: lambda effect: clock.sleep(effect.seconds),
            e.Send: transport.send,
            e.Sign: lambda effect: signer.sign(effect.key, effect.algorithm, effect.message),
            e.PublicKey: lambda effect: _public_key(effect.key),
            e.MakeKey: lambda _: _make_key(),
            e.Load: lambda effect: store.load(effect.key),
            e.Swap: lambda effect: store.swap(effect.key, effect.expected, effect.new),
            e.List: lambda effect: store.list(effect.partition, effect.cursor),
            e.CheckStore: lambda _: store.check(),
            e.Seal: lambda effect: keys.seal(effect.place, effect.plaintext),
            e.Open: lambda effect: keys.open(effect.place, effect.sealed),
            e.Emit: lambda effect: events.emit(effect.event),
        }

    def answer(self, effect: AnyEffect) -> object:
        """Perform one effect."""
        return self._performers[type(effect)](effect)


def _public_key(key: PrivateKey) -> Pairs:
    from valetkey.keys.jwk import public_jwk

    return public_jwk(key)


def _make_key() -> PrivateKey:
    from valetkey.keys.jwk import make_key

    return make_key()
