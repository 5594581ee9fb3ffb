from __future__ import annotations

import http.client
import io
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import flask
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.web.world import SAME_ORIGIN, World

from valetkey.errors import RequestRefused
from valetkey.gateways.wsgi import read_environ, wsgi_app
from valetkey.http import FORM, percent_decode, read_form, write_form

if TYPE_CHECKING:
    from collections.abc import Iterator

paths = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1, max_size=10), max_size=4
)
pairs = st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(max_size=12)), max_size=4)


def environ(
    target: str = "/oauth/connections", *, method: str = "GET", body: bytes = b"", **more: Any
) -> dict[str, Any]:
    path, _, query = target.partition("?")
    found: dict[str, Any] = {}
    setup_testing_defaults(found)
    decoded = percent_decode(path).encode().decode("latin-1")
    found |= {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": decoded,
        "QUERY_STRING": query,
        "wsgi.input": io.BytesIO(body),
    }
    if body:
        found |= {"CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": FORM}
    return found | more


def call(app: Any, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Any:
        started.append((status, headers))
        return lambda _: None

    answer = app(environ, start_response)
    try:
        body = b"".join(answer)
    finally:
        if hasattr(answer, "close"):
            answer.close()
    ((status, headers),) = started
    return status, headers, body


@given(parts=paths, query=pairs, form=pairs)
def test_a_request_comes_through_as_it_was(
    parts: list[str], query: list[tuple[str, str]], form: list[tuple[str, str]]
) -> None:
    path = "/" + "/".join(parts)
    body = write_form(form).encode()

    found = read_environ(
        environ(method="POST", body=body)
        | {"PATH_INFO": path.encode().decode("latin-1"), "QUERY_STRING": write_form(query)}
    )

    target, _, text = found.url.partition("?")
    assert percent_decode(target) == path
    assert read_form(text) == tuple(query)
    assert found.body == body
    assert found.url.isascii()


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS"])
@pytest.mark.parametrize(
    "target", ["/oauth/connections", "/oauth/connect/github", "/oauth/callback/github", "/nowhere"]
)
def test_the_application_keeps_to_the_interface(target: str, method: str) -> None:
    app = validator(wsgi_app(World(), resource_owner=lambda _: "alice"))

    status, headers, body = call(app, environ(target, method=method))

    assert status.split()[0] in {"200", "400", "403", "404", "405", "415"}
    assert (body == b"") == (method == "HEAD")
    assert dict(headers)["Content-Length"] == str(len(body))


@pytest.mark.parametrize(
    "name", ["RAW_URI", "REQUEST_URI", "HTTP_X_FORWARDED_PREFIX", "HTTP_X_ORIGINAL_URL", "HTTP_X_REWRITE_URL"]
)
def test_only_script_name_and_path_info_say_where(name: str) -> None:
    more: dict[str, Any] = {name: "http://evil.example/oauth/connections"}

    found = read_environ(environ("/oauth/callback/github?code=a", **more))

    assert found.url == "/oauth/callback/github?code=a"


def test_a_mounted_application_sees_the_whole_path() -> None:
    found = read_environ(environ() | {"SCRIPT_NAME": "/oauth", "PATH_INFO": "/connections"})

    assert found.url == "/oauth/connections"


@pytest.mark.parametrize(
    "path", ["/callback/git%68ub", "/callback/a b", "/callback/\xc3\xbc", "/callback/?code=x", "//callback", "/a#b"]
)
def test_what_the_server_decoded_is_not_decoded_again(path: str) -> None:
    found = read_environ(environ() | {"PATH_INFO": path})

    assert "?" not in found.url
    assert percent_decode(found.url).encode() == path.encode("latin-1")


@pytest.mark.parametrize(
    ("length", "sent"),
    [("x", b"a"), ("-1", b"a"), ("+1", b"a"), ("1_0", b"a"), ("１", b"a"), ("9" * 20, b"a"), ("5", b"abc")],
)
def test_a_length_that_is_none_is_a_bad_request(length: str, sent: bytes) -> None:
    with pytest.raises(ValueError):
        read_environ(environ(method="POST") | {"CONTENT_LENGTH": length, "wsgi.input": io.BytesIO(sent)})


def test_a_body_over_the_limit_is_not_read() -> None:
    class Untouched:
        def read(self, _: int) -> bytes:
            raise AssertionError

    with pytest.raises(RequestRefused) as caught:
        read_environ(environ(method="POST") | {"CONTENT_LENGTH": "65537", "wsgi.input": Untouched()})
    assert caught.value.status == 413


def test_a_chunked_body_over_the_limit_is_cut_and_refused() -> None:
    more: dict[str, Any] = {
        "wsgi.input_terminated": True,
        "wsgi.input": io.BytesIO(b"a" * 100_000),
        "CONTENT_TYPE": FORM,
    }
    app = wsgi_app(World(), resource_owner=lambda _: "alice")

    status, _, _ = call(app, environ("/oauth/connections/revoke", method="POST", **more))

    assert status.startswith("413")


def test_a_stream_that_gives_a_little_at_a_time_is_read_to_the_end() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(2, size or 0))

    found = read_environ(environ(method="POST") | {"CONTENT_LENGTH": "9", "wsgi.input": Slow(b"form=abcd")})

    assert found.body == b"form=abcd"


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(app: Any) -> Iterator[int]:
    with make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_an_account_is_connected_through_a_real_server() -> None:
    app = validator(wsgi_app(World(), resource_owner=lambda request: request.headers.get("x-owner")))

    with serving(app) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

        def ask(method: str, target: str, **headers: str) -> tuple[int, dict[str, str]]:
            connection.request(method, target, headers={"X-Owner": "alice", **headers})
            response = connection.getresponse()
            response.read()
            return response.status, {name.lower(): text for name, text in response.getheaders()}

        status, started = ask("POST", "/oauth/connect/github", **dict(SAME_ORIGIN))
        state = dict(read_form(started["location"].partition("?")[2]))["state"]
        cookie = started["set-cookie"].partition(";")[0]
        back, finished = ask("GET", f"/oauth/callback/github?code=c&state={state}", Cookie=cookie)
        page, _ = ask("GET", "/oauth/connections")
        connection.close()

    assert (status, back, page) == (303, 303, 200)
    assert finished["location"] == "https://app.example/oauth/connections?connected=github"


def test_a_function_that_gets_a_flask_request_answers_with_one_line() -> None:
    app = wsgi_app(World(), resource_owner=lambda _: "alice")
    functions = flask.Flask("functions")

    @functions.route("/", defaults={"path": ""}, methods=["GET", "POST"])
    @functions.route("/<path:path>", methods=["GET", "POST"])
    def function(path: str) -> flask.Response:
        return flask.Response.from_app(app, flask.request.environ)

    with functions.test_client() as client:
        page = client.get("/oauth/connect/github")
        started = client.post("/oauth/connect/github", headers=dict(SAME_ORIGIN), data={"return_to": "/reports"})

    assert page.status_code == 200
    assert started.status_code == 303
    assert "github.example" in started.headers["Location"]


def test_headers_reach_resource_owner() -> None:
    found = read_environ(environ(HTTP_COOKIE="a=1", HTTP_X_A="b", CONTENT_TYPE="text/plain"))

    assert found.headers.get("Cookie") == "a=1"
    assert found.headers.get("X-A") == "b"
    assert found.headers.get("Content-Type") == "text/plain"
