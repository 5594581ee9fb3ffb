"""The handler under the real runtime interface client, against a runtime API of our own on loopback."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.gateways import events
from tests.gateways.test_aws import cookies_set, header

from valetkey.http import Headers, Request, read_form

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
VERSION = "/2018-06-01/runtime"
HANDLER = """
    from tests.web.world import World
    from valetkey.gateways.aws import lambda_handler

    class Deployment(World):
        def invocation(self, context):
            assert context.get_remaining_time_in_millis() > 1000
            return super().invocation(context)

    async def owner(request):
        return "alice" if request.platform["requestContext"] else None

    handler = lambda_handler(Deployment(), resource_owner=owner)
"""


class RuntimeApi(BaseHTTPRequestHandler):
    """Hands out events and takes results, as the documented runtime API does."""

    protocol_version = "HTTP/1.1"
    events: queue.Queue[bytes | None]
    results: queue.Queue[tuple[str, bytes]]

    def do_GET(self) -> None:
        event = self.events.get(timeout=30)
        if event is None:
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + 10_000))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:f")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(event)))
        self.end_headers()
        self.wfile.write(event)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.results.put((self.path, body))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Function:
    """A deployed function."""

    def __init__(self, handler: type[RuntimeApi]) -> None:
        self.handler = handler

    def invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        self.handler.events.put(json.dumps(event).encode())
        path, body = self.handler.results.get(timeout=30)
        answer: dict[str, Any] = json.loads(body)
        assert path.endswith("/response"), answer
        return answer


@contextmanager
def deployed(directory: Path, code: str = HANDLER, **variables: str) -> Iterator[Function]:
    """One environment of the function, started now and killed at the end, with what its code is told by variables."""
    (directory / "app.py").write_text(textwrap.dedent(code))

    class Api(RuntimeApi):
        events = queue.Queue()
        results = queue.Queue()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(directory), str(ROOT), str(ROOT / "src")]),
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_LOG_GROUP_NAME": "g",
        "AWS_LAMBDA_LOG_STREAM_NAME": "s",
        "LAMBDA_TASK_ROOT": str(directory),
        "TZ": "UTC",
        **variables,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "awslambdaric", "app.handler"],
        env=environ,
        cwd=directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Function(Api)
    finally:
        process.kill()
        process.wait()
        Api.events.put(None)
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    with deployed(tmp_path_factory.mktemp("task")) as found:
        yield found


@pytest.mark.parametrize("shape", sorted(events.SHAPES))
def test_an_account_is_connected_in_the_real_runtime(function: Function, shape: str) -> None:
    build = events.SHAPES[shape]

    started = function.invoke(
        build(Request("POST", "/oauth/connect/github", Headers((("sec-fetch-site", "same-origin"),))))
    )
    cookie = cookies_set(started)[0].partition(";")[0]
    state = dict(read_form(header(started, "location").partition("?")[2]))["state"]
    finished = function.invoke(
        build(Request("GET", f"/oauth/callback/github?code=c&state={state}", Headers((("cookie", cookie),))))
    )
    page = function.invoke(build(Request("GET", "/oauth/connections")))

    assert finished["statusCode"] == 303
    assert page["statusCode"] == 200
    assert "GitHub" in page["body"]
