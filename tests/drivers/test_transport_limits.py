"""What a hostile or broken server can make the transport do: nothing but raise, soon, with the right `maybe_received`."""

from __future__ import annotations

import gzip
import threading
import time
import zlib

import pytest
from tests.drivers.peers import Peer, Script, always, dripping, ok, once, silent

from valetkey.drivers.transports.stdlib import StdlibTransport
from valetkey.drivers.transports.wire import MAX_BODY
from valetkey.effects import CONFIGURED, Send
from valetkey.errors import TransportError
from valetkey.http import Headers, Request, Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from valetkey.http import Pairs

CANARY = "canary-5e1f"


def ask(url: str, *, method: str = "GET", body: bytes = b"", seconds: float = 5, kept: bool = False) -> Response:
    with StdlibTransport() as transport:
        return transport.send(Send(Request(method, url, Headers(), body), CONFIGURED, time.time() + seconds, kept))


def failure_of(script: Script, *, seconds: float = 5, method: str = "GET") -> TransportError:
    with Peer(script) as peer, pytest.raises(TransportError) as caught:
        ask(peer.url + f"path?secret={CANARY}", seconds=seconds, method=method)
    assert CANARY not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)
    return caught.value


def test_an_exchange_gives_status_headers_and_body() -> None:
    with Peer(always(ok(b"hello", headers=b"X-One: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"))) as peer:
        response = ask(peer.url + "a?b=c", method="POST", body=b"x=y")

    assert (response.status, response.body) == (200, b"hello")
    assert response.headers.all("set-cookie") == ("a", "b")
    head = peer.requests[0]
    assert head.startswith(b"POST /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % peer.port)
    assert head.endswith(b"Content-Length: 3\r\nConnection: close\r\n\r\nx=y")


def test_a_body_of_exactly_the_limit_is_taken() -> None:
    with Peer(always(ok(b"x" * MAX_BODY))) as peer:
        assert len(ask(peer.url).body) == MAX_BODY


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n" + b"x" * 1000,
        ok(b"x" * (MAX_BODY + 1)),
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (MAX_BODY + 1),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b"x" * 65536 + b"\r\n" * 17,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 17,
    ],
    ids=["announced", "sent", "until the end", "chunked and broken", "chunked"],
)
def test_a_body_over_the_limit_is_refused(answer: bytes) -> None:
    assert failure_of(once(answer)).maybe_received


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param((b"gzip", gzip.compress(bytes(50 << 20))), id="gzip"),
        pytest.param((b"deflate", zlib.compress(bytes(50 << 20))), id="deflate"),
    ],
)
def test_a_compressed_bomb_is_cut_off(packed: tuple[bytes, bytes]) -> None:
    coding, body = packed

    error = failure_of(always(ok(body, headers=b"Content-Encoding: " + coding + b"\r\n")))

    assert error.maybe_received
    assert "compressed" in str(error)


def test_a_compressed_body_within_the_limit_is_read_and_loses_its_coding() -> None:
    body = gzip.compress(b"hello")

    with Peer(always(ok(body, headers=b"Content-Encoding: gzip\r\n"))) as peer:
        response = ask(peer.url)

    assert response.body == b"hello"
    assert response.headers.get("content-encoding") is None
    assert response.headers.get("content-length") is None
    assert b"Accept-Encoding: identity" in peer.requests[0]


@pytest.mark.parametrize("coding", [b"br", b"gzip, gzip", b"zstd"])
def test_a_content_coding_that_was_not_asked_for_is_refused(coding: bytes) -> None:
    assert failure_of(always(ok(b"\x8b\x02", headers=b"Content-Encoding: " + coding + b"\r\n"))).maybe_received


@pytest.mark.parametrize("body", [b"not gzip", gzip.compress(b"hello")[:-6]])
def test_a_broken_compressed_body_is_refused(body: bytes) -> None:
    assert failure_of(always(ok(body, headers=b"Content-Encoding: gzip\r\n"))).maybe_received


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"X-A: 1\r\n", id="headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-A: ", b"x" * 4096, id="one header"),
        pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n", id="interim"),
        pytest.param(b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", id="hints"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            b"X-A: " + b"1" * 9999 + b"\r\n",
            id="trailers",
        ),
    ],
)
def test_an_endless_head_is_cut_off(first: bytes, drop: bytes) -> None:
    started = time.monotonic()

    assert failure_of(dripping(first, drop, every=0.0005), seconds=20).maybe_received
    assert time.monotonic() - started < 5


def test_an_interim_response_is_passed_over() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"

    with Peer(always(hints + ok())) as peer:
        assert ask(peer.url).body == b"ok"


@pytest.mark.parametrize(
    "first",
    [b"", b"HTTP/1.1 200 OK\r\nX-A: ", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"],
    ids=["status line", "header", "body"],
)
def test_a_server_that_drips_fails_at_the_deadline(first: bytes) -> None:
    started = time.monotonic()

    error = failure_of(dripping(first, b"H", every=0.05), seconds=0.4)

    assert error.maybe_received
    assert 0.3 < time.monotonic() - started < 1.5


def test_a_server_that_is_silent_fails_at_the_deadline_and_may_have_acted() -> None:
    error = failure_of(silent, seconds=0.2)

    assert error.maybe_received
    assert "before the deadline" in str(error)


def test_an_answer_that_came_while_the_caller_was_frozen_over_the_deadline_is_taken() -> None:
    answering, frozen, answered = threading.Event(), threading.Event(), threading.Event()

    def in_two_pieces(connected: socket.socket, peer: Peer) -> None:
        peer.read_request(connected)
        answering.set()
        connected.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        assert frozen.wait(5)
        connected.sendall(b" last")
        answered.set()

    def wall() -> float:
        if not answering.is_set():
            return time.time()
        frozen.set()  # whoever looks at the clock now looks at it again an hour later
        assert answered.wait(5)
        return time.time() + 3600

    with Peer(in_two_pieces) as peer, StdlibTransport(wall=wall) as transport:
        request = Request("POST", peer.url, Headers(), b"refresh")
        assert transport.send(Send(request, CONFIGURED, time.time() + 5)).body == b"first last"


def test_a_request_that_is_never_taken_fails_at_the_deadline() -> None:
    def deaf(_: object, peer: Peer) -> None:
        peer.stopped.wait(5)

    started = time.monotonic()
    with Peer(deaf) as peer, pytest.raises(TransportError) as caught:
        ask(peer.url, method="POST", body=b"x" * (30 << 20), seconds=0.4)

    assert caught.value.maybe_received
    assert time.monotonic() - started < 2


def test_a_deadline_in_the_past_does_not_even_connect() -> None:
    with Peer(always(ok())) as peer, pytest.raises(TransportError) as caught:
        ask(peer.url, seconds=-1)

    assert not caught.value.maybe_received
    assert peer.connections == 0


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 20",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    ],
)
def test_an_answer_that_is_not_http_may_have_been_received(answer: bytes) -> None:
    assert failure_of(once(answer)).maybe_received


def test_a_folded_header_becomes_one_line() -> None:
    with Peer(always(ok(headers=b"X-Long: one\r\n two\r\n"))) as peer:
        assert ask(peer.url).headers.get("x-long") == "one two"


def test_a_refused_connection_was_not_received() -> None:
    with Peer(always(ok())) as peer:
        pass

    with pytest.raises(TransportError, match="was not reached") as caught:
        ask(peer.url + f"?{CANARY}")

    assert not caught.value.maybe_received
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"303 See Other", b"307 Temporary", b"308 Permanent"])
def test_a_redirect_is_returned_and_not_followed(status: bytes) -> None:
    with Peer(always(ok())) as elsewhere:
        location = b"Location: " + elsewhere.url.encode() + b"\r\n"
        with Peer(always(b"HTTP/1.1 " + status + b"\r\n" + location + b"Content-Length: 0\r\n\r\n")) as peer:
            response = ask(peer.url, method="POST", body=b"code")

    assert response.status == int(status[:3])
    assert response.headers.get("location") == elsewhere.url
    assert elsewhere.connections == 0


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_an_answer_without_a_body_needs_no_length(status: bytes) -> None:
    with Peer(always(b"HTTP/1.1 " + status + b"\r\n\r\n")) as peer:
        assert ask(peer.url).body == b""


def test_a_head_request_has_no_body() -> None:
    with Peer(always(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n")) as peer:
        assert ask(peer.url, method="HEAD").body == b""


def test_the_environments_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with Peer(always(ok(b"proxy"))) as proxy, Peer(always(ok(b"direct"))) as peer:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)

        assert ask(peer.url).body == b"direct"
        assert proxy.connections == 0


@pytest.mark.parametrize(
    ("method", "url", "headers"),
    [
        ("GE T", "http://127.0.0.1/", ()),
        ("GET\r\nX: y", "http://127.0.0.1/", ()),
        ("", "http://127.0.0.1/", ()),
        ("GET", "http://127.0.0.1/\r\nX: y", ()),
        ("GET", "http://127.0.0.1/ HTTP/1.1", ()),
        ("GET", "http://user:pass@127.0.0.1/", ()),
        ("GET", "file:///etc/passwd", ()),
        ("GET", "ftp://127.0.0.1/", ()),
        ("GET", "/relative", ()),
        ("GET", "http://127.0.0.1/ä", ()),
        ("POST", "http://127.0.0.1/", (("Transfer-Encoding", "chunked"),)),
        ("GET", "http://127.0.0.1/", (("Host", "other.example"),)),
        ("GET", "http://127.0.0.1/", (("Connection", "keep-alive"),)),
    ],
)
def test_a_request_that_http_does_not_allow_is_never_sent(method: str, url: str, headers: Pairs) -> None:
    def dial(address: str, port: int, timeout: float) -> socket.socket:
        pytest.fail("connected")

    transport = StdlibTransport(dial=dial)
    with pytest.raises(TransportError) as caught:
        transport.send(Send(Request(method, url, Headers(headers)), CONFIGURED, time.time() + 5))

    assert not caught.value.maybe_received


def test_a_content_length_of_the_callers_is_replaced_by_the_true_one() -> None:
    with Peer(always(ok())) as peer, StdlibTransport() as transport:
        headers = Headers((("content-length", "1"), ("host", f"127.0.0.1:{peer.port}")))
        transport.send(Send(Request("POST", peer.url, headers, b"four"), CONFIGURED, time.time() + 5))

    head = peer.requests[0].lower()
    assert head.count(b"content-length:") == 1
    assert head.count(b"host:") == 1
    assert head.endswith(b"four")
