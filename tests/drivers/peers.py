"""Servers on loopback that answer whatever a test says, octet by octet, and count what they see."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ssl

Script = Callable[[socket.socket, "Peer"], None]


class Peer:
    """Each accepted connection runs the script in a thread of its own."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None, *, patient: bool = False) -> None:
        """patient: a handshake that fails is followed by reading, so that the alert is not lost with the connection."""
        self._script, self._tls, self._patient = script, tls, patient
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.requests: list[bytes] = []
        self.stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def __enter__(self) -> Self:
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(5)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connected, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connected,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connected: socket.socket) -> None:
        connected.settimeout(5)
        try:
            if self._tls is not None:
                connected = self._tls.wrap_socket(connected, server_side=True, do_handshake_on_connect=False)
                self._handshake(connected)
            self._script(connected, self)
        except (OSError, EOFError):
            pass
        finally:
            connected.close()

    def _handshake(self, connected: ssl.SSLSocket) -> None:
        try:
            connected.do_handshake()
        except OSError:
            while self._patient and socket.socket.recv(connected, 65536):
                pass
            raise

    def read_request(self, connected: socket.socket) -> bytes:
        """One request, with its body; EOFError where the client has gone."""
        octets = b""
        while b"\r\n\r\n" not in octets:
            piece = connected.recv(65536)
            if not piece:
                raise EOFError
            octets += piece
        head, _, body = octets.partition(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        while len(body) < length:
            piece = connected.recv(65536)
            if not piece:
                raise EOFError
            body += piece
        with self._lock:
            self.requests.append(head + b"\r\n\r\n" + body)
        return head + b"\r\n\r\n" + body


def ok(body: bytes = b"ok", *, headers: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body


def always(answer: bytes) -> Script:
    """Answers every request of a connection with the same octets."""

    def script(connected: socket.socket, peer: Peer) -> None:
        while True:
            peer.read_request(connected)
            connected.sendall(answer)

    return script


def once(answer: bytes) -> Script:
    """Answers one request and closes."""

    def script(connected: socket.socket, peer: Peer) -> None:
        peer.read_request(connected)
        connected.sendall(answer)

    return script


def dripping(first: bytes, drop: bytes, *, every: float = 0.02) -> Script:
    """Sends the first octets, and then a drop at a time until the client is gone."""

    def script(connected: socket.socket, peer: Peer) -> None:
        peer.read_request(connected)
        connected.sendall(first)
        while not peer.stopped.wait(every):
            connected.sendall(drop)

    return script


def silent(connected: socket.socket, peer: Peer) -> None:
    """Takes the request and never answers."""
    peer.read_request(connected)
    peer.stopped.wait(5)


class Clock:
    """A wall clock that a test moves; the monotonic one is the machine's."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead
