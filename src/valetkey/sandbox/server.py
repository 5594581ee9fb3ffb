"""The sandbox on a port of this machine, by the standard library's threading server.

The one rule: it only translates; a fault that loses an answer becomes a closed socket. Not here: TLS, and anything that
would make it fit for the internet.
"""

from __future__ import annotations

import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

from valetkey.errors import ConfigurationError, TransportError
from valetkey.http import Headers, Request, Response
from valetkey.sandbox.answers import empty_answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from valetkey.sandbox.sandbox import Sandbox

MAX_BODY = 1_048_576  # octets
IDLE_SECONDS = 30
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    server: _HTTPServer

    def __getattr__(self, name: str) -> Any:
        if name in [f"do_{method}" for method in METHODS]:
            return self._exchange
        raise AttributeError(name)

    def _exchange(self) -> None:
        refusal, body = self._read_body()
        if refusal is not None:
            self.close_connection = True
            return self._write(refusal)
        try:
            headers = Headers(tuple((name, text) for name, text in self.headers.items()))
        except ValueError:
            self.close_connection = True
            return self._write(empty_answer(400))
        try:
            response = self.server.sandbox.respond(Request(self.command, self.path, headers, body))
        except TransportError:  # a fault lost the request or the answer
            self.close_connection = True
            return None
        return self._write(response)

    def _read_body(self) -> tuple[Response | None, bytes]:
        lengths = self.headers.get_all("Content-Length", [])
        if self.headers.get("Transfer-Encoding") is not None:
            return empty_answer(411), b""
        if not lengths:
            return None, b""
        if len(lengths) > 1 or not lengths[0].isascii() or not lengths[0].isdigit():
            return empty_answer(400), b""
        if len(lengths[0]) > 9 or int(lengths[0]) > MAX_BODY:
            return empty_answer(413), b""
        body = self.rfile.read(int(lengths[0]))
        return (None, body) if len(body) == int(lengths[0]) else (empty_answer(400), b"")

    def _write(self, response: Response) -> None:
        self.send_response_only(response.status)
        for name, text in response.headers.pairs:
            self.send_header(name, text)
        if response.status != 204:
            self.send_header("Content-Length", str(len(response.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and response.status != 204:
            self.wfile.write(response.body)

    def log_message(self, *_: object) -> None:
        """Say nothing: request lines hold codes; `Sandbox.seen` has what can be shown."""


class _HTTPServer(ThreadingHTTPServer):
    """Knows its connections, so that it can end them."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, sandbox: Sandbox, address: tuple[str, int]) -> None:
        self.sandbox = sandbox
        self._connections: set[socket.socket] = set()
        self._lock = Lock()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Without asking the resolver for a name."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away is not news; anything else is printed."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def end_connections(self) -> None:
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # it was closed meanwhile


class Server:
    """A sandbox that is being served; a context manager that closes it."""

    def __init__(self, sandbox: Sandbox, server: _HTTPServer) -> None:
        self.sandbox = sandbox
        self._server = server
        self._thread = Thread(target=server.serve_forever, args=(0.02,), name="valetkey-sandbox", daemon=True)
        self._thread.start()

    @property
    def base_url(self) -> str:
        """Where it is."""
        return self.sandbox.base_url

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.server_port

    def close(self) -> None:
        """Stop listening and end every connection; a second time does nothing."""
        if not self._thread.is_alive():
            return
        self._server.shutdown()
        self._thread.join()
        self._server.end_connections()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def serve(sandbox: Sandbox, host: str = "127.0.0.1", port: int = 0) -> Server:
    """The sandbox, served in a thread of its own; port 0 takes any free one.

    A sandbox without base_url gets the one it is served at. Raises ConfigurationError where the port cannot be had.
    """
    try:
        server = _HTTPServer(sandbox, (host, port))
    except OSError as error:
        from errno import EADDRINUSE

        if error.errno == EADDRINUSE:
            message = f"port {port} on {host} is in use: choose another one, or 0 for any that is free"
        else:
            message = f"the sandbox cannot listen on {host} port {port}: choose another host or port"
        raise ConfigurationError(message) from None
    if not sandbox.base_url:
        shown = f"[{host}]" if ":" in host else host
        sandbox.base_url = f"http://{shown}:{server.server_port}"
    if sandbox.sleep is None:
        sandbox.sleep = time.sleep
    return Server(sandbox, server)
