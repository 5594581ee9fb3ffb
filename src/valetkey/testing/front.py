"""A front on this machine: HTTP on one side, an API Gateway HTTP API calling a Lambda function on the other.

    with Front(handler, port=8300) as front:      # `handler` is the one that is deployed
        webbrowser.open(front.url)

It does to a request what the real one does (payload format 2.0): the path is decoded, header names are in lower case
and repeated fields joined by commas, cookies stand in a list of their own and not among the headers, a body that is
not text is base64. Like an instance of a function it runs one invocation at a time, each with a context that counts
the milliseconds down.

The one rule: it listens on loopback only. Not here: stages, authorizers, other payload formats.
"""

from __future__ import annotations

import threading
import time
import uuid
from base64 import b64decode, b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from urllib.parse import unquote

from valetkey.errors import ConfigurationError
from valetkey.http import is_loopback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Self, TypeAlias

    Handler: TypeAlias = Callable[[Mapping[str, Any], object], dict[str, Any]]

MAX_BODY_OCTETS = 6 * 1024 * 1024  # what an invocation takes
TIMEOUT_SECONDS = 29.0  # what an HTTP API waits for an answer
TEXT_TYPES = ("text/", "application/json", "application/javascript", "application/xml")


class InvocationContext:
    """What the platform tells the handler of this invocation."""

    def __init__(self, *, function_name: str = "local", timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.function_name = function_name
        self.aws_request_id = str(uuid.uuid4())
        self._ends_at = time.monotonic() + timeout_seconds

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the platform kills the invocation."""
        return max(0, int((self._ends_at - time.monotonic()) * 1000))


class Front:
    """An HTTP server on loopback whose every request becomes one invocation of the handler."""

    def __init__(self, handler: Handler, *, host: str = "127.0.0.1", port: int = 0) -> None:
        """port: 0 takes a free one. Raises ConfigurationError where it cannot listen."""
        if not is_loopback(host):
            message = f"{host} is not a loopback address: this front is for one machine"
            raise ConfigurationError(message)
        self._handler = handler
        self._one_at_a_time = threading.Lock()
        try:
            self._server = _Server((host, port), _Connection)
        except OSError as problem:
            message = f"{host}:{port} cannot be listened on ({problem.strerror}): choose another port"
            raise ConfigurationError(message) from None
        self._server.front = self
        self.host, self.port = host, int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens, without a trailing slash."""
        return f"http://{self.host}:{self.port}"

    def invoke(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The handler's answer to one event."""
        with self._one_at_a_time:
            return self._handler(event, InvocationContext())

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def write_event(
    method: str, target: str, headers: list[tuple[str, str]], body: bytes, *, source_ip: str = "127.0.0.1"
) -> dict[str, Any]:
    """The event of payload format 2.0 for a request; `target` as it stood in the request line."""
    path, _, query = target.partition("?")
    joined: dict[str, str] = {}
    cookies: list[str] = []
    for name, text in headers:
        key = name.lower()
        if key == "cookie":
            cookies += [cookie for cookie in text.split("; ") if cookie]
        else:
            joined[key] = f"{joined[key]},{text}" if key in joined else text
    decoded = unquote(path)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": decoded,
        "rawQueryString": query,
        "headers": joined,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "local",
            "domainName": joined.get("host", "localhost"),
            "http": {
                "method": method,
                "path": decoded,
                "protocol": "HTTP/1.1",
                "sourceIp": source_ip,
                "userAgent": joined.get("user-agent", ""),
            },
            "requestId": str(uuid.uuid4()),
            "routeKey": "$default",
            "stage": "$default",
            "timeEpoch": int(time.time() * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if body:
        text_type = joined.get("content-type", "").lower().startswith(TEXT_TYPES)
        event["body"] = body.decode("utf-8", "replace") if text_type else b64encode(body).decode()
        event["isBase64Encoded"] = not text_type
    return event


def read_answer(answer: Mapping[str, Any]) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, header fields and body of what a handler answered. Raises ValueError where it is no answer."""
    status = answer.get("statusCode")
    if not isinstance(status, int) or not 200 <= status <= 599:
        message = "the handler's answer has no statusCode"
        raise ValueError(message)
    text = answer.get("body") or ""
    body = b64decode(text, validate=True) if answer.get("isBase64Encoded") else text.encode()
    headers = [(str(name), str(value)) for name, value in (answer.get("headers") or {}).items()]
    return status, [*headers, *(("Set-Cookie", str(cookie)) for cookie in answer.get("cookies") or ())], body


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    front: Front

    def server_bind(self) -> None:
        """Without asking the resolver for a name."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, *_: object) -> None:
        """Say nothing: browsers drop connections all the time."""


class _Connection(BaseHTTPRequestHandler):
    server: _Server
    server_version = "local"
    sys_version = ""
    timeout = 30.0

    def _serve(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in self.headers:
            return self._answer(411, [], b"a body needs a Content-Length")
        if int(length) > MAX_BODY_OCTETS:
            return self._answer(413, [], b"the body is too large")
        body = self.rfile.read(int(length))
        event = write_event(
            self.command, self.path, list(self.headers.items()), body, source_ip=str(self.client_address[0])
        )
        try:
            status, headers, content = read_answer(self.server.front.invoke(event))
        except Exception:  # noqa: BLE001 - what the platform answers where the function failed, whatever it was
            headers = [("Content-Type", "application/json")]
            status, content = 500, b'{"message":"Internal Server Error"}'
        return self._answer(status, headers, content)

    def __getattr__(self, name: str) -> Callable[[], None]:
        """`do_GET` and its like: every method is served alike."""
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response(status)
        for name, text in headers:
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, text)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing: URLs hold codes."""
