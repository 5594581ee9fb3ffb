"""A TCP proxy that cuts: it passes bytes on until it is told to lose a request or an answer."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self


class Cutter:
    """Stands before a server on a port of its own.

    cut_answer: close the connection when the next answer arrives: the server has done what it was asked.
    cut_request: close the connection when the next request arrives, which is never passed on.
    """

    def __init__(self, port: int) -> None:
        self.target = port
        self.cut_answer = self.cut_request = False
        self.connections = 0
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()
        for thread in self._threads:
            thread.join(5)

    def drop(self) -> None:
        """Hang up on everybody."""
        for each in self._sockets:
            _end(each)

    def passing(self, octets: bytes, *, asks: bool) -> None:
        """What is about to be passed on, of a request (`asks`) or of an answer, for who counts."""

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            self.connections += 1
            self._sockets += [client, server]
            self._start(self._requests, client, server)
            self._start(self._answers, client, server)

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        self._pass(client, server, "cut_request")

    def _answers(self, client: socket.socket, server: socket.socket) -> None:
        self._pass(server, client, "cut_answer")

    def _pass(self, source: socket.socket, target: socket.socket, switch: str) -> None:
        try:
            while octets := source.recv(65_536):
                if getattr(self, switch):
                    setattr(self, switch, False)
                    break
                self.passing(octets, asks=switch == "cut_request")
                target.sendall(octets)
        except OSError:
            pass
        finally:
            _end(source)
            _end(target)


def _end(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
