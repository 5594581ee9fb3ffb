"""The ports of production: what a vault gets where nobody passed anything else. Each is built when it is first used."""

from __future__ import annotations

import os

from valetkey.drivers.ports import Ports
from valetkey.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable

    from valetkey.drivers.ports import Clock, Events, Signer, Transport
    from valetkey.drivers.transports.stdlib import StdlibTransport
    from valetkey.effects import PrivateKey, Send, SignatureAlgorithm
    from valetkey.http import Response
    from valetkey.keys import KeyRing
    from valetkey.stores import Store


def system_random(octets: int) -> bytes:
    """That many octets from the system's generator."""
    return os.urandom(octets)


class LazyTransport:
    """The standard library's transport, imported when the first request is sent: signing alone never needs a socket."""

    blocking = True

    def __init__(self) -> None:
        self._transport: StdlibTransport | None = None

    def send(self, effect: Send) -> Response | Awaitable[Response]:
        """One exchange. Raises TransportError."""
        if self._transport is None:
            from valetkey.drivers.transports.stdlib import StdlibTransport

            self._transport = StdlibTransport()
        return self._transport.send(effect)

    def close(self) -> None:
        """Close the connections that are kept, if there are any; it can still be used."""
        if self._transport is not None:
            self._transport.close()


class LazySigner:
    """The local signer, imported when the first private key is used."""

    blocking = True

    def __init__(self) -> None:
        self._signer: Signer | None = None

    def sign(self, key: PrivateKey, algorithm: SignatureAlgorithm, message: bytes) -> bytes | Awaitable[bytes]:
        """The raw signature."""
        if self._signer is None:
            from valetkey.keys.signer import LocalSigner

            self._signer = LocalSigner()
        return self._signer.sign(key, algorithm, message)


def build_ports(
    *,
    awaited: bool,
    store: Store,
    keys: KeyRing,
    transport: Transport | None,
    signer: Signer | None,
    clock: Clock | None,
    events: Events | None,
) -> Ports:
    """The ports for one colour: awaited, what blocks is called in worker threads."""
    from valetkey.drivers.clock import AsyncClock, SystemClock
    from valetkey.drivers.events import LogEvents

    transport, signer = transport or LazyTransport(), signer or LazySigner()
    clock, events = clock or (AsyncClock() if awaited else SystemClock()), events or LogEvents()
    if not awaited:
        if getattr(transport, "awaited", False):
            message = "this transport is awaited: pass it to an AsyncVault, or a blocking client's to a Vault"
            raise ConfigurationError(message)
        return Ports(transport=transport, store=store, keys=keys, signer=signer, clock=clock, events=events)
    from valetkey.drivers.threads import async_ports

    return async_ports(transport=transport, store=store, keys=keys, signer=signer, clock=clock, events=events)
