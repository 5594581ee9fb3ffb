"""The sandbox on a port, and the table that it is made of."""

from __future__ import annotations

import ast
import os
import socket
import threading
import time
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, RemoteDisconnected
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.sandbox.steps import APP, REDIRECT_URI, VERIFIER

import valetkey.sandbox
from valetkey.errors import ConfigurationError
from valetkey.http import FORM, Headers, Request, read_url, with_query, write_form
from valetkey.oauth2.pkce import code_challenge
from valetkey.sandbox import Sandbox, approve, serve
from valetkey.sandbox.table import TABLE
from valetkey.sandbox.visitor import over_http

if TYPE_CHECKING:
    from valetkey.sandbox.server import Server

CHECKS = Path(valetkey.sandbox.__file__).parent / "checks"


def new_sandbox(base_url: str = "") -> Sandbox:
    return Sandbox(now=time.time, random=os.urandom, base_url=base_url, clients=(APP,))


def connect(server: Server) -> HTTPConnection:
    url = read_url(server.base_url)
    return HTTPConnection(url.host, url.port, timeout=10)


def test_it_learns_its_base_url_from_the_port_and_serves_the_whole_flow() -> None:
    with serve(new_sandbox()) as server:
        location = with_query(
            server.base_url + "/oauth2/authorize",
            [
                ("response_type", "code"),
                ("client_id", "app"),
                ("redirect_uri", REDIRECT_URI),
                ("code_challenge", code_challenge(VERIFIER)),
                ("code_challenge_method", "S256"),
            ],
        )

        came_back = approve(server.base_url, location)

        assert server.base_url == f"http://127.0.0.1:{server.port}"
        assert came_back.startswith(REDIRECT_URI + "?code=")


def test_a_base_url_that_was_given_is_kept() -> None:
    with serve(new_sandbox("https://sandbox.example")) as server:
        assert server.base_url == "https://sandbox.example"


def test_a_port_in_use_is_one_clear_sentence() -> None:
    with serve(new_sandbox()) as server, pytest.raises(ConfigurationError, match=f"port {server.port} .* is in use"):
        serve(new_sandbox(), port=server.port)


def test_an_address_that_is_not_ours_is_one_clear_sentence() -> None:
    with pytest.raises(ConfigurationError, match="cannot listen"):
        serve(new_sandbox(), host="192.0.2.1")


def test_a_connection_is_kept_until_the_client_says_close() -> None:
    with serve(new_sandbox()) as server:
        connection = connect(server)
        for _ in range(2):
            connection.request("GET", "/oauth2/me")
            answer = connection.getresponse()
            answer.read()
            assert answer.getheader("Connection") is None
        before = connection.sock

        connection.request("GET", "/oauth2/me", headers={"Connection": "close"})
        answer = connection.getresponse()
        answer.read()

        assert before is not None
        assert answer.getheader("Connection") == "close"
        connection.close()


def test_closing_ends_idle_connections_at_once() -> None:
    server = serve(new_sandbox())
    connection = connect(server)
    connection.request("GET", "/oauth2/me")
    connection.getresponse().read()
    began = time.monotonic()

    server.close()
    server.close()

    assert time.monotonic() - began < 5
    connection.close()


@pytest.mark.parametrize(("fault", "seen"), [("lose_response", 1), ("lose_request", 0)])
def test_a_lost_answer_is_a_closed_socket(fault: str, seen: int) -> None:
    with serve(new_sandbox()) as server:
        server.sandbox.faults.add(endpoint="me", fault=fault)
        connection = connect(server)
        connection.request("GET", "/oauth2/me")

        with pytest.raises(RemoteDisconnected):
            connection.getresponse()

        connection.close()
        assert server.sandbox.seen.count("me") == seen
        assert over_http(Request("GET", server.base_url + "/oauth2/me")).status == 401


def test_a_delay_is_really_waited_for() -> None:
    with serve(new_sandbox()) as server:
        server.sandbox.faults.add(endpoint="me", fault="delay", seconds=0.05)
        began = time.monotonic()

        over_http(Request("GET", server.base_url + "/oauth2/me"))

        assert time.monotonic() - began >= 0.05


def test_answers_carry_the_date_of_the_sandboxs_clock() -> None:
    sandbox = Sandbox(now=lambda: 1_800_000_000.9, random=os.urandom, base_url="http://127.0.0.1:8400")

    date = sandbox.respond(Request("GET", "/oauth2/me")).headers.get("Date") or ""

    assert parsedate_to_datetime(date).timestamp() == 1_800_000_000


def raw(server: Server, octets: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(octets)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while piece := connection.recv(65536):
            received += piece
    return received


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /oauth2/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (b"POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", b"400"),
        (b"POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
        (b"POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nshort", b"400"),
        (b"GET /oauth2/me?%zz HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"GET /oauth1/me\xe9 HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"BREW /oauth2/me HTTP/1.1\r\nHost: x\r\n\r\n", b"501"),
        (b"DELETE /oauth2/me HTTP/1.1\r\nHost: x\r\n\r\n", b"405"),
    ],
)
def test_bad_http_gets_a_status_and_not_a_traceback(
    head: bytes, status: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(new_sandbox()) as server:
        received = raw(server, head)

    assert received.split(b" ")[1] == status
    assert capsys.readouterr().err == ""


def test_many_connections_at_once_are_served() -> None:
    statuses: list[int] = []

    with serve(new_sandbox()) as server:

        def ask() -> None:
            form = write_form((("grant_type", "refresh_token"), ("client_id", "app"))).encode()
            headers = Headers((("Content-Type", FORM),))
            statuses.append(over_http(Request("POST", server.base_url + "/oauth2/token", headers, form)).status)

        threads = [threading.Thread(target=ask) for _ in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert statuses == [401] * 24


def test_every_check_stands_in_its_own_file_under_its_own_name_and_is_used() -> None:
    files = {path.stem for path in CHECKS.glob("*.py")} - {"__init__"}
    used = {check.__name__ for row in TABLE for check in row.checks}

    assert files == used
    for stem in files:
        tree = ast.parse((CHECKS / f"{stem}.py").read_text())
        public = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name[0] != "_"}
        assert public == {stem}


def test_no_path_has_two_rows_that_fit_the_same_request() -> None:
    keys = [(row.path, method, row.when) for row in TABLE for method in row.methods]

    assert len(keys) == len(set(keys))


def test_a_long_life_does_not_fill_the_memory() -> None:
    clock = [1_800_000_000.0]
    sandbox = Sandbox(now=lambda: clock[0], random=os.urandom, base_url="http://127.0.0.1:8400", clients=(APP,))
    location = "/oauth2/authorize?response_type=code&client_id=app&code_challenge_method=S256&code_challenge="

    for _ in range(1024):
        clock[0] += 600
        sandbox.respond(Request("GET", location + code_challenge(VERIFIER)))

    assert len(sandbox.state.sessions) < 512
