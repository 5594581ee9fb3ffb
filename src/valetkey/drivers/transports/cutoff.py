"""A deadline for sockets that somebody else reads from.

The one rule: when the time is over the socket is shut down, so that whoever waits on it, for the next octet of many,
wakes up; what was read until then counts for nothing. One thread for the length of an exchange.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from threading import Timer
    from typing import Any, Self

    from valetkey.drivers.transports.wire import Deadline


class Cutoff:
    """Watches one socket until the `with` block ends; it raises TimeoutError where the deadline came first."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._timer: Timer | None = None
        self.fired = False

    def watch(self, connected: Any) -> None:
        """Start. Raises TimeoutError where there is no time left."""
        from threading import Timer

        self._timer = Timer(self._deadline.left(), self._fire, (connected,))
        self._timer.daemon = True
        self._timer.start()

    def _fire(self, connected: Any) -> None:
        import socket

        self.fired = True
        try:
            if isinstance(connected, socket.socket):
                socket.socket.shutdown(connected, socket.SHUT_RDWR)  # an SSLSocket's own would drop its TLS state
            else:
                connected.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is closed already

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        if self.fired:
            message = "the deadline has passed"
            raise TimeoutError(message)
