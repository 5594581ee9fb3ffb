"""Connections that are kept: counted, bounded, found dead without harm, never shared by two at once or by a child."""

from __future__ import annotations

import gc
import os
import select
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import trustme
from tests.drivers.peers import Clock, Peer, Script, always, ok

from valetkey.drivers.transports.kept import MAX_IDLE_PER_ORIGIN
from valetkey.drivers.transports.stdlib import StdlibTransport
from valetkey.effects import CONFIGURED, Send
from valetkey.errors import TransportError
from valetkey.http import Headers, Request, Response

if TYPE_CHECKING:
    import socket

FORKS = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # from Python 3.12


def ask(transport: StdlibTransport, url: str, *, method: str = "GET", body: bytes = b"", kept: bool = True) -> Response:
    return transport.send(Send(Request(method, url, Headers(), body), CONFIGURED, time.time() + 5, kept))


def closing_after(answers: int, *, last_words: bytes = b"", wait: threading.Event | None = None) -> Script:
    """Answers so many requests a connection, waits for the next one and cuts it off."""

    def script(connected: socket.socket, peer: Peer) -> None:
        for _ in range(answers):
            peer.read_request(connected)
            connected.sendall(ok())
        if wait is None:
            peer.read_request(connected)
            connected.sendall(last_words)

    return script


def test_kept_requests_share_a_connection() -> None:
    with Peer(always(ok())) as peer, StdlibTransport() as transport:
        for _ in range(5):
            assert ask(transport, peer.url).body == b"ok"

        assert peer.connections == 1


def test_a_request_that_is_not_kept_uses_a_new_connection_and_closes_it() -> None:
    with Peer(always(ok())) as peer, StdlibTransport() as transport:
        ask(transport, peer.url)
        ask(transport, peer.url, kept=False)
        ask(transport, peer.url, kept=False)

        assert peer.connections == 3
        assert b"Connection: close" in peer.requests[1]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(ok(headers=b"Connection: close\r\n"), id="closing"),
        pytest.param(ok() + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", id="one more answer than was asked"),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", id="HTTP/1.0"),
    ],
)
def test_a_connection_that_cannot_be_trusted_is_not_used_again(answer: bytes) -> None:
    with Peer(always(answer)) as peer, StdlibTransport() as transport:
        for _ in range(3):
            assert ask(transport, peer.url).body == b"ok"

        assert peer.connections == 3


def test_a_chunked_answer_leaves_its_connection_usable() -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Trailer: 1\r\n\r\n"
    with Peer(always(answer)) as peer, StdlibTransport() as transport:
        for _ in range(3):
            assert ask(transport, peer.url).body == b"ok"

        assert peer.connections == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_a_stale_connection_is_replaced_where_the_method_may_be_repeated(method: str) -> None:
    def script(connected: socket.socket, peer: Peer) -> None:
        peer.read_request(connected)
        connected.sendall(ok(b""))
        if peer.connections == 1:
            peer.read_request(connected)  # and no answer
        else:
            peer.read_request(connected)
            connected.sendall(ok(b""))

    with Peer(script) as peer, StdlibTransport() as transport:
        ask(transport, peer.url, method="GET")
        assert ask(transport, peer.url, method=method).status == 200

        assert peer.connections == 2
        assert len(peer.requests) == 3


@pytest.mark.parametrize("method", ["POST", "PATCH", "PROPFIND"])
def test_a_stale_connection_may_have_received_what_cannot_be_repeated(method: str) -> None:
    with Peer(closing_after(1)) as peer, StdlibTransport() as transport:
        ask(transport, peer.url)
        with pytest.raises(TransportError) as caught:
            ask(transport, peer.url, method=method, body=b"x")

        assert caught.value.maybe_received
        assert len(peer.requests) == 2


def test_an_answer_that_began_is_not_asked_for_again() -> None:
    with Peer(closing_after(1, last_words=b"HTTP/1.1 20")) as peer, StdlibTransport() as transport:
        ask(transport, peer.url)
        with pytest.raises(TransportError) as caught:
            ask(transport, peer.url)

        assert caught.value.maybe_received
        assert peer.connections == 1


def test_a_new_connection_that_fails_is_not_tried_again() -> None:
    with Peer(closing_after(0)) as peer, StdlibTransport() as transport:
        with pytest.raises(TransportError):
            ask(transport, peer.url)

        assert peer.connections == 1


def test_a_retry_happens_once() -> None:
    def script(connected: socket.socket, peer: Peer) -> None:
        peer.read_request(connected)
        if peer.connections == 1:
            connected.sendall(ok())
            peer.read_request(connected)

    with Peer(script) as peer, StdlibTransport() as transport:
        ask(transport, peer.url)
        with pytest.raises(TransportError):
            ask(transport, peer.url)

        assert peer.connections == 2


def test_a_connection_that_the_server_closed_is_noticed_before_a_post_is_sent() -> None:
    with Peer(closing_after(1, wait=threading.Event())) as peer, StdlibTransport() as transport:
        ask(transport, peer.url, method="POST", body=b"1")
        for thread in peer._threads:
            thread.join(5)

        assert ask(transport, peer.url, method="POST", body=b"2").body == b"ok"
        assert len(peer.requests) == 2


def test_an_old_connection_is_not_used() -> None:
    wall = Clock()
    with Peer(always(ok())) as peer, StdlibTransport(wall=wall) as transport:
        ask(transport, peer.url)
        wall.ahead = 51
        transport.send(Send(Request("GET", peer.url), CONFIGURED, wall() + 5, True))

        assert peer.connections == 2


def test_a_deadline_on_a_kept_connection_is_not_answered_with_a_retry() -> None:
    def script(connected: socket.socket, peer: Peer) -> None:
        peer.read_request(connected)
        connected.sendall(ok())
        peer.read_request(connected)
        peer.stopped.wait(5)

    with Peer(script) as peer, StdlibTransport() as transport:
        ask(transport, peer.url)
        with pytest.raises(TransportError, match="deadline") as caught:
            transport.send(Send(Request("GET", peer.url), CONFIGURED, time.time() + 0.2, True))

        assert caught.value.maybe_received
        assert peer.connections == 1


def test_origins_do_not_share_connections() -> None:
    with Peer(always(ok(b"1"))) as one, Peer(always(ok(b"2"))) as two, StdlibTransport() as transport:
        assert [ask(transport, peer.url).body for peer in (one, two, one, two)] == [b"1", b"2", b"1", b"2"]
        assert (one.connections, two.connections) == (1, 1)


def test_the_number_of_origins_whose_connections_are_kept_is_bounded() -> None:
    with Peer(always(ok())) as peer, StdlibTransport() as transport:
        for number in range(40):
            ask(transport, f"http://h{number}.localhost:{peer.port}/")

        kept = transport._kept._idle
        assert sum(map(len, kept.values())) == 32
        assert len(kept) == 32


def test_sixty_four_threads_get_their_own_answers() -> None:
    def echo(connected: socket.socket, peer: Peer) -> None:
        while True:
            target = peer.read_request(connected).split(b" ")[1]
            connected.sendall(ok(target))

    with Peer(echo) as peer, StdlibTransport() as transport, ThreadPoolExecutor(64) as pool:
        started = threading.Barrier(64)

        def work(number: int) -> bool:
            started.wait(10)
            return all(
                ask(transport, f"{peer.url}{number}-{turn}").body == f"/{number}-{turn}".encode() for turn in range(4)
            )

        assert all(pool.map(work, range(64)))
        assert 1 <= peer.connections <= 256
        assert all(len(kept) <= MAX_IDLE_PER_ORIGIN for kept in transport._kept._idle.values())


def test_a_transport_that_nobody_closed_closes_its_connections() -> None:
    with Peer(closing_after(1)) as peer:
        transport = StdlibTransport()
        ask(transport, peer.url)
        del transport
        gc.collect()  # a socket that is left open is a ResourceWarning, which is an error here


def test_an_unusual_platform_without_poll_notices_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(select, "poll")
    with Peer(closing_after(2, wait=threading.Event())) as peer, StdlibTransport() as transport:
        for _ in range(2):
            ask(transport, peer.url, method="POST", body=b"1")
        for thread in peer._threads:
            thread.join(5)

        assert ask(transport, peer.url, method="POST", body=b"2").body == b"ok"
        assert peer.connections == 2


def test_many_dead_connections_are_passed_over() -> None:
    together = threading.Barrier(3)

    def script(connected: socket.socket, peer: Peer) -> None:
        peer.read_request(connected)
        if peer.connections <= 3:
            together.wait(5)
        connected.sendall(ok())

    with Peer(script) as peer, StdlibTransport() as transport, ThreadPoolExecutor(3) as pool:
        assert len(list(pool.map(lambda _: ask(transport, peer.url), range(3)))) == 3
        for thread in peer._threads:
            thread.join(5)

        assert ask(transport, peer.url, method="POST", body=b"1").body == b"ok"
        assert peer.connections == 4


@FORKS
def test_a_child_process_does_not_use_its_parents_connection() -> None:
    with Peer(always(ok())) as peer, StdlibTransport() as transport:
        ask(transport, peer.url)
        reads, writes = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(writes, ask(transport, peer.url).body)
            finally:
                os._exit(0)
        os.close(writes)
        with os.fdopen(reads, "rb") as told:
            assert told.read() == b"ok"
        assert os.waitpid(child, 0)[1] == 0
        assert peer.connections == 2

        ask(transport, peer.url)
        assert peer.connections == 2  # and the parent's own still works


@FORKS
def test_a_fork_while_another_thread_holds_the_lock_does_not_stop_the_child() -> None:
    with Peer(always(ok())) as peer, StdlibTransport() as transport:
        with transport._kept._lock:
            child = os.fork()
            if child == 0:
                try:
                    os._exit(0 if ask(transport, peer.url).body == b"ok" else 1)
                finally:
                    os._exit(2)
        assert os.waitpid(child, 0)[1] == 0


def test_a_kept_tls_connection_is_used_again_and_its_end_is_noticed() -> None:
    authority = trustme.CA()
    served, trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(served)
    authority.configure_trust(trust)
    with Peer(closing_after(3, wait=threading.Event()), served) as peer, StdlibTransport(tls=trust) as transport:
        url = f"https://localhost:{peer.port}/"
        for _ in range(3):
            ask(transport, url, method="POST", body=b"x")
        assert peer.connections == 1
        for thread in peer._threads:
            thread.join(5)

        assert ask(transport, url, method="POST", body=b"x").body == b"ok"
        assert peer.connections == 2
