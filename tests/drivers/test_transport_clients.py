"""One suite for every transport: the standard library's, and those over an application's own HTTP client."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import time
from typing import TYPE_CHECKING, Any, Protocol, cast

import aiohttp
import httpx
import httpx2
import pytest
import requests
import trustme
import urllib3
from requests.adapters import HTTPAdapter
from tests.drivers.peers import Clock, Peer, Script, always, dripping, ok, once, silent

from valetkey.drivers.defaults import build_ports
from valetkey.drivers.transports import borrowed
from valetkey.drivers.transports.aiohttp import AiohttpTransport
from valetkey.drivers.transports.borrowed import Outside
from valetkey.drivers.transports.httpx import HttpxTransport
from valetkey.drivers.transports.requests import RequestsTransport
from valetkey.drivers.transports.stdlib import StdlibTransport
from valetkey.drivers.transports.urllib3 import Urllib3Transport
from valetkey.drivers.transports.wire import MAX_BODY
from valetkey.effects import CONFIGURED, PLATFORM, PUBLIC, Send
from valetkey.errors import ConfigurationError, TransportError
from valetkey.http import Headers, Request, Response

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence

    from valetkey.effects import Reach
    from valetkey.http import Pairs

CANARY = "canary-5e1f"
GOOD = "93.184.216.34"


class Sends(Protocol):
    def __call__(
        self, *effects: Send, tls: ssl.SSLContext | None = None, outside: Outside | None = None
    ) -> list[Response]: ...


def by_stdlib(*effects: Send, tls: ssl.SSLContext | None = None, outside: Outside | None = None) -> list[Response]:
    given = outside or Outside()
    with StdlibTransport(tls=tls, resolver=given.resolver, wall=given.wall, monotonic=given.monotonic) as transport:
        return [transport.send(effect) for effect in effects]


def by_urllib3(*effects: Send, tls: ssl.SSLContext | None = None, outside: Outside | None = None) -> list[Response]:
    with urllib3.PoolManager(ssl_context=tls) as pool:
        transport = Urllib3Transport(pool, outside=outside)
        return [transport.send(effect) for effect in effects]


class ContextAdapter(HTTPAdapter):
    """Trusts whom its context trusts, as people write such adapters."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *given: Any, **named: Any) -> None:
        super().init_poolmanager(*given, **named, ssl_context=self._context)

    def build_connection_pool_key_attributes(self, *given: Any, **named: Any) -> Any:
        where, settings = super().build_connection_pool_key_attributes(*given, **named)
        return where, {name: text for name, text in settings.items() if name != "cert_reqs"}

    def cert_verify(self, *_: Any) -> None:
        """The context does."""


def by_requests(*effects: Send, tls: ssl.SSLContext | None = None, outside: Outside | None = None) -> list[Response]:
    with requests.Session() as session:
        session.trust_env = False
        session.auth, session.headers["X-Default"] = ("not", "used"), "1"
        session.cookies.set("a", "b")
        if tls is not None:
            session.mount("https://", ContextAdapter(tls))
        transport = RequestsTransport(session, outside=outside)
        return [transport.send(effect) for effect in effects]


def client_of(library: Any) -> Sends:
    def sends(*effects: Send, tls: ssl.SSLContext | None = None, outside: Outside | None = None) -> list[Response]:
        with library.Client(verify=tls or TRUST, trust_env=False, auth=("not", "used"), cookies={"a": "b"}) as client:
            transport = HttpxTransport(client, outside=outside)
            return [transport.send(effect) for effect in effects]  # type: ignore[misc]

    return sends


async def settled(program: Coroutine[Any, Any, list[Response]]) -> list[Response]:
    """What it answers, and a moment for asyncio to close the sockets that the client has given back."""
    try:
        return await program
    finally:
        await asyncio.sleep(0.02)


def async_client_of(library: Any) -> Sends:
    def sends(*effects: Send, tls: ssl.SSLContext | None = None, outside: Outside | None = None) -> list[Response]:
        async def main() -> list[Response]:
            async with library.AsyncClient(verify=tls or TRUST, trust_env=False, auth=("not", "used")) as client:
                transport = HttpxTransport(client, outside=outside)
                return [await transport.send(effect) for effect in effects]  # type: ignore[misc]

        return asyncio.run(settled(main()))

    return sends


def by_aiohttp(*effects: Send, tls: ssl.SSLContext | None = None, outside: Outside | None = None) -> list[Response]:
    async def main() -> list[Response]:
        connector = aiohttp.TCPConnector(ssl=tls or True)
        given: Any = {"headers": {"X-Default": "1", "Authorization": "Basic not-used"}, "raise_for_status": True}
        async with aiohttp.ClientSession(connector=connector, cookies={"a": "b"}, **given) as session:
            transport = AiohttpTransport(session, outside=outside)
            return [await transport.send(effect) for effect in effects]

    return asyncio.run(settled(main()))


TRUST = ssl.create_default_context()
CLIENTS: dict[str, Sends] = {
    "stdlib": by_stdlib,
    "urllib3": by_urllib3,
    "requests": by_requests,
    "httpx": client_of(httpx),
    "httpx2": client_of(httpx2),
    "async httpx": async_client_of(httpx),
    "async httpx2": async_client_of(httpx2),
    "aiohttp": by_aiohttp,
}
NEW_FOR_EACH = ("httpx", "httpx2")
borrowed_only = pytest.mark.parametrize("name", [name for name in CLIENTS if name != "stdlib"])


@pytest.fixture(params=list(CLIENTS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def sends(name: str) -> Sends:
    return CLIENTS[name]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trust(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def tls_peer(authority: trustme.CA) -> Iterator[Peer]:
    with Peer(always(ok()), served(authority, "as.example")) as peer:
        yield peer


def served(authority: trustme.CA, host: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    return context


def effect(
    url: str,
    *,
    method: str = "GET",
    body: bytes = b"",
    headers: Pairs = (),
    seconds: float = 5,
    kept: bool = False,
    reach: Reach = CONFIGURED,
) -> Send:
    return Send(Request(method, url, Headers(headers), body), reach, time.time() + seconds, kept)


def failure_of(sends: Sends, script: Script, *, seconds: float = 5, method: str = "GET") -> TransportError:
    with Peer(script) as peer, pytest.raises(TransportError) as caught:
        sends(effect(peer.url + f"path?secret={CANARY}", seconds=seconds, method=method))
    assert CANARY not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)
    assert caught.value.__cause__ is None
    return caught.value


def test_an_exchange_gives_status_headers_and_body(sends: Sends) -> None:
    with Peer(always(ok(b"hello", headers=b"X-One: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"))) as peer:
        (response,) = sends(effect(peer.url + "a/%7Eb?b=c%20d&e=", method="POST", body=b"x=y"))

    assert (response.status, response.body) == (200, b"hello")
    assert response.headers.all("set-cookie") == ("a", "b")
    head = peer.requests[0]
    assert head.startswith(b"POST /a/%7Eb?b=c%20d&e= HTTP/1.1\r\n")
    assert head.endswith(b"\r\n\r\nx=y")


def test_a_request_has_its_own_header_fields_and_none_of_the_clients(sends: Sends) -> None:
    with Peer(always(ok())) as peer:
        sends(effect(peer.url, headers=(("Authorization", "Bearer t"), ("X-One", "1"), ("X-One", "2"))))
        port = peer.port

    fields = [line.partition(b": ")[::2] for line in peer.requests[0].split(b"\r\n\r\n")[0].split(b"\r\n")[1:]]
    assert sorted((name.lower(), text) for name, text in fields) == [
        (b"accept-encoding", b"identity"),
        (b"authorization", b"Bearer t"),
        (b"connection", b"close"),
        (b"host", b"127.0.0.1:%d" % port),
        (b"user-agent", b"valetkey"),
        (b"x-one", b"1"),
        (b"x-one", b"2"),
    ]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_request_without_a_body_says_so(sends: Sends, method: str) -> None:
    with Peer(always(ok())) as peer:
        sends(effect(peer.url, method=method))

    assert b"transfer-encoding" not in peer.requests[0].lower()
    assert (b"content-length: 0" in peer.requests[0].lower()) or method == "DELETE"


def test_a_head_request_has_no_body(sends: Sends) -> None:
    with Peer(always(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n")) as peer:
        assert sends(effect(peer.url, method="HEAD"))[0].body == b""


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified", b"401 No", b"500 Broken"])
def test_every_status_is_an_answer(sends: Sends, status: bytes) -> None:
    length = b"" if status[:3] in (b"204", b"304") else b"Content-Length: 0\r\n"
    with Peer(always(b"HTTP/1.1 " + status + b"\r\n" + length + b"\r\n")) as peer:
        assert sends(effect(peer.url))[0].status == int(status[:3])
        assert len(peer.requests) == 1


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"303 See Other", b"307 Temporary", b"308 Permanent"])
def test_a_redirect_is_returned_and_not_followed(sends: Sends, status: bytes) -> None:
    """CVE-2018-18074, for the endpoint that takes a code."""
    with Peer(always(ok())) as elsewhere:
        location = b"Location: " + elsewhere.url.encode() + b"\r\n"
        with Peer(always(b"HTTP/1.1 " + status + b"\r\n" + location + b"Content-Length: 0\r\n\r\n")) as peer:
            (response,) = sends(effect(peer.url, method="POST", body=b"code"))

    assert response.status == int(status[:3])
    assert response.headers.get("location") == elsewhere.url
    assert elsewhere.connections == 0


def test_the_environments_proxy_is_not_used_for_plain_http(sends: Sends, monkeypatch: pytest.MonkeyPatch) -> None:
    with Peer(always(ok(b"proxy"))) as proxy, Peer(always(ok(b"direct"))) as peer:
        for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(variable, proxy.url)

        assert sends(effect(peer.url))[0].body == b"direct"
        assert proxy.connections == 0


# Limits


def test_a_body_of_exactly_the_limit_is_taken(sends: Sends) -> None:
    with Peer(always(ok(b"x" * MAX_BODY))) as peer:
        assert len(sends(effect(peer.url))[0].body) == MAX_BODY


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n" + b"x" * 1000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (MAX_BODY + 1),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 17,
    ],
    ids=["announced", "until the end", "chunked"],
)
def test_a_body_over_the_limit_is_refused(sends: Sends, answer: bytes) -> None:
    assert failure_of(sends, once(answer)).maybe_received


def test_a_compressed_bomb_is_cut_off(sends: Sends) -> None:
    error = failure_of(sends, always(ok(gzip.compress(bytes(50 << 20)), headers=b"Content-Encoding: gzip\r\n")))

    assert error.maybe_received
    assert "compressed" in str(error)


def test_a_compressed_body_within_the_limit_is_read_and_loses_its_coding(sends: Sends) -> None:
    with Peer(always(ok(gzip.compress(b"hello"), headers=b"Content-Encoding: gzip\r\n"))) as peer:
        (response,) = sends(effect(peer.url))

    assert response.body == b"hello"
    assert response.headers.get("content-encoding") is None


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"X-A: 1\r\n", id="headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-A: ", b"x" * 4096, id="one header"),
    ],
)
def test_an_endless_head_is_cut_off(sends: Sends, first: bytes, drop: bytes) -> None:
    started = time.monotonic()

    assert failure_of(sends, dripping(first, drop, every=0.0005), seconds=1.5).maybe_received
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 20",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    ],
)
def test_an_answer_that_is_cut_or_is_not_http_may_have_been_received(sends: Sends, answer: bytes) -> None:
    assert failure_of(sends, once(answer), method="POST", seconds=2).maybe_received


# The deadline


@pytest.mark.parametrize(
    "first",
    [b"HTTP/1.1 200 ", b"HTTP/1.1 200 OK\r\nX-A: ", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"],
    ids=["status line", "header", "body"],
)
def test_a_server_that_drips_fails_at_the_deadline(sends: Sends, first: bytes) -> None:
    started = time.monotonic()

    error = failure_of(sends, dripping(first, b"H", every=0.05), seconds=0.3)

    assert error.maybe_received
    assert "deadline" in str(error)
    assert 0.2 < time.monotonic() - started < 1.5


def test_a_server_that_is_silent_fails_at_the_deadline_and_may_have_acted(sends: Sends) -> None:
    error = failure_of(sends, silent, seconds=0.2, method="POST")

    assert error.maybe_received
    assert "before the deadline" in str(error)


def test_a_request_that_is_never_taken_fails_at_the_deadline(sends: Sends) -> None:
    def deaf(_: object, peer: Peer) -> None:
        peer.stopped.wait(5)

    started = time.monotonic()
    with Peer(deaf) as peer, pytest.raises(TransportError) as caught:
        sends(effect(peer.url, method="POST", body=b"x" * (30 << 20), seconds=0.4))

    assert caught.value.maybe_received
    assert time.monotonic() - started < 2


def test_a_deadline_in_the_past_does_not_even_connect(sends: Sends) -> None:
    with Peer(always(ok())) as peer, pytest.raises(TransportError) as caught:
        sends(effect(peer.url, seconds=-1))

    assert not caught.value.maybe_received
    assert peer.connections == 0


def test_a_handshake_that_stalls_fails_at_the_deadline(sends: Sends) -> None:
    def deaf(_: socket.socket, peer: Peer) -> None:
        peer.stopped.wait(5)

    started = time.monotonic()
    with Peer(deaf) as peer, pytest.raises(TransportError) as caught:
        sends(effect(f"https://127.0.0.1:{peer.port}/", seconds=0.3))

    assert not caught.value.maybe_received
    assert time.monotonic() - started < 2


@borrowed_only
@pytest.mark.parametrize("moved", ["wall", "monotonic"])
def test_a_deadline_that_passes_while_connecting_sends_nothing(sends: Sends, moved: str) -> None:
    """A function that is frozen between the connection and the first octet."""
    clocks = {"wall": Clock(), "monotonic": Clock()}

    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    authority = trustme.CA()
    context = served(authority, "localhost")
    context.sni_callback = lambda *_: setattr(clocks[moved], "ahead", 60)
    with Peer(always(ok()), context) as peer, pytest.raises(TransportError) as caught:
        sends(
            effect(f"https://localhost:{peer.port}/", method="POST", body=b"code", seconds=30),
            tls=trust,
            outside=Outside(wall=clocks["wall"], monotonic=clocks["monotonic"]),
        )

    assert not caught.value.maybe_received
    assert peer.connections == 1
    assert peer.requests == []


# What was received


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n" + CANARY.encode(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + CANARY.encode(),
        CANARY.encode() + b"\r\n\r\n",
    ],
    ids=["chunked", "counted", "no http"],
)
def test_the_error_does_not_bring_the_request_or_the_answer_along(sends: Sends, answer: bytes) -> None:
    """A client's errors hold the request with its headers and body, and what was read of the answer."""
    error = failure_of(sends, once(answer), method="POST", seconds=2)

    held: BaseException | None = error
    while held is not None:
        assert not [name for name in ("request", "response", "request_info", "partial", "line") if hasattr(held, name)]
        assert CANARY not in repr(held) + repr(vars(held))
        held = held.__cause__ or held.__context__


def test_a_refused_connection_was_not_received(sends: Sends) -> None:
    with Peer(always(ok())) as peer:
        pass

    with pytest.raises(TransportError, match="was not reached") as caught:
        sends(effect(peer.url + f"?{CANARY}"))

    assert not caught.value.maybe_received
    assert CANARY not in str(caught.value)


def test_a_name_that_does_not_resolve_was_not_received(sends: Sends) -> None:
    with pytest.raises(TransportError) as caught:
        sends(effect("https://no-such-host.invalid/?" + CANARY))

    assert not caught.value.maybe_received
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
def test_a_new_connection_that_is_cut_after_the_request_is_not_tried_again(sends: Sends, method: str) -> None:
    with Peer(once(b"")) as peer, pytest.raises(TransportError) as caught:
        sends(effect(peer.url, method=method, body=b"x"))

    assert caught.value.maybe_received
    assert len(peer.requests) == peer.connections == 1


@pytest.mark.parametrize(
    ("method", "url", "headers"),
    [
        ("GE T", "http://127.0.0.1/", ()),
        ("GET\r\nX: y", "http://127.0.0.1/", ()),
        ("GET", "http://127.0.0.1/\r\nX: y", ()),
        ("GET", "http://127.0.0.1/ HTTP/1.1", ()),
        ("GET", "http://user:pass@127.0.0.1/", ()),
        ("GET", "http://example.com/", ()),
        ("GET", "ftp://127.0.0.1/", ()),
        ("POST", "http://127.0.0.1/", (("Transfer-Encoding", "chunked"),)),
        ("GET", "http://127.0.0.1/", (("Host", "other.example"),)),
    ],
)
def test_a_request_that_http_or_its_reach_does_not_allow_is_never_sent(
    sends: Sends, method: str, url: str, headers: Pairs
) -> None:
    with pytest.raises(TransportError) as caught:
        sends(effect(url, method=method, headers=headers))

    assert not caught.value.maybe_received


@pytest.mark.parametrize("text", ["a\r\nX: y", "a\nb", "a\0b", "\u20ac"])
def test_a_header_with_a_line_break_or_outside_latin_1_cannot_be_made(text: str) -> None:
    with pytest.raises(ValueError, match="refused"):
        effect("http://127.0.0.1/", headers=(("X-One", text),))


# TLS and reach


def test_a_certificate_for_another_name_fails_before_anything_is_sent(
    sends: Sends, authority: trustme.CA, trust: ssl.SSLContext
) -> None:
    with Peer(always(ok()), served(authority, "other.example")) as peer, pytest.raises(TransportError) as caught:
        sends(effect(f"https://localhost:{peer.port}/", method="POST", body=b"code"), tls=trust)

    assert not caught.value.maybe_received
    assert "localhost" in str(caught.value)
    assert peer.requests == []


def test_a_certificate_of_an_unknown_authority_fails_before_anything_is_sent(
    sends: Sends, authority: trustme.CA
) -> None:
    with Peer(always(ok()), served(authority, "localhost")) as peer, pytest.raises(TransportError) as caught:
        sends(effect(f"https://localhost:{peer.port}/", method="POST", body=b"code"))

    assert not caught.value.maybe_received
    assert peer.requests == []


def test_an_answer_that_ends_without_the_tls_alert_is_broken(
    sends: Sends, authority: trustme.CA, trust: ssl.SSLContext
) -> None:
    """RFC 9112 section 9.8: whoever cuts the connection must not be able to shorten a token."""
    answer = b"HTTP/1.1 200 OK\r\n\r\noauth_token=a&oauth_token_secret=b"
    with Peer(once(answer), served(authority, "localhost")) as peer, pytest.raises(TransportError) as caught:
        sends(effect(f"https://localhost:{peer.port}/"), tls=trust)

    assert caught.value.maybe_received


@borrowed_only
def test_a_public_name_is_resolved_once_and_reached_at_the_checked_address(
    sends: Sends, tls_peer: Peer, trust: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checked address is one of loopback here, and the port not 443: the checks are the same functions as ever."""
    asked: list[str] = []

    def resolver(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ("127.0.0.1",)

    monkeypatch.setattr(borrowed, "addresses", lambda url, reach, resolver, port: resolver(url.host, port))
    monkeypatch.setattr(borrowed, "check_url", lambda url, reach: None)
    url = f"https://as.example:{tls_peer.port}/"

    responses = sends(
        effect(url, reach=PUBLIC), effect(url, reach=PUBLIC, kept=True), tls=trust, outside=Outside(resolver)
    )

    assert [response.status for response in responses] == [200, 200]
    assert asked == ["as.example", "as.example"]
    assert tls_peer.connections == 2
    assert b"\r\nHost: as.example:%d\r\n" % tls_peer.port in tls_peer.requests[0]

    with pytest.raises(TransportError) as caught:
        sends(effect(url.replace("as.", "other."), reach=PUBLIC), tls=trust, outside=Outside(resolver))
    assert not caught.value.maybe_received
    assert len(tls_peer.requests) == 2


@borrowed_only
def test_an_address_that_is_silent_leaves_time_for_the_next(
    sends: Sends, tls_peer: Peer, trust: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(borrowed, "addresses", lambda url, reach, resolver, port: ("127.0.0.2", "127.0.0.1"))
    monkeypatch.setattr(borrowed, "check_url", lambda url, reach: None)

    assert sends(effect(f"https://as.example:{tls_peer.port}/", reach=PUBLIC), tls=trust)[0].status == 200


@pytest.mark.parametrize(
    "found", [("127.0.0.1",), ("169.254.169.254",), ("::1",), ("64:ff9b::a00:1",), (GOOD, "10.0.0.1"), ()]
)
def test_a_public_name_with_one_address_that_is_not_public_is_refused(sends: Sends, found: Sequence[str]) -> None:
    with pytest.raises(TransportError, match=r"public internet|has no address") as caught:
        sends(effect("https://as.example/", reach=PUBLIC), outside=Outside(lambda *_: found))

    assert not caught.value.maybe_received


@pytest.mark.parametrize("url", ["http://as.example/", "https://as.example:8443/", "https://127.0.0.1/"])
def test_a_public_url_is_https_on_its_own_port_and_no_inner_address(sends: Sends, url: str) -> None:
    with pytest.raises(TransportError) as caught:
        sends(effect(url, reach=PUBLIC))

    assert not caught.value.maybe_received


def test_a_metadata_request_goes_to_the_fixed_addresses_only(sends: Sends) -> None:
    with Peer(always(ok())) as peer:
        assert sends(effect(peer.url, reach=PLATFORM))[0].status == 200
    with pytest.raises(TransportError, match="fixed addresses"):
        sends(effect("http://10.0.0.1/", reach=PLATFORM))


# Connections that are kept


def test_kept_requests_share_a_connection(name: str, sends: Sends) -> None:
    with Peer(always(ok())) as peer:
        responses = sends(*[effect(peer.url, kept=True) for _ in range(3)])

        assert [response.body for response in responses] == [b"ok"] * 3
        assert peer.connections == (3 if name in NEW_FOR_EACH else 1)


def test_a_request_that_is_not_kept_uses_a_new_connection_and_closes_it(sends: Sends) -> None:
    with Peer(always(ok())) as peer:
        sends(*[effect(peer.url, kept=kept) for kept in (True, False, False)])

        assert peer.connections == 3


def test_a_server_that_ignores_close_is_left_all_the_same(sends: Sends) -> None:
    with Peer(always(ok(headers=b"Connection: keep-alive\r\n"))) as peer:
        sends(*[effect(peer.url, kept=kept) for kept in (False, True, False)])

        assert peer.connections == 3


# What a client brings along


def proxied(library: str, url: str) -> Callable[[Send], Response]:
    async def by_async_httpx(effect: Send) -> Response:
        async with httpx.AsyncClient(proxy=url, trust_env=False) as client:
            return await cast("Awaitable[Response]", HttpxTransport(client).send(effect))

    async def by_aiohttp(effect: Send) -> Response:
        async with aiohttp.ClientSession(proxy=url) as session:
            return await AiohttpTransport(session).send(effect)

    def by_httpx(effect: Send) -> Response:
        with httpx2.Client(proxy=url, trust_env=False) as client:
            return HttpxTransport(client).send(effect)  # type: ignore[return-value]

    def by_urllib3(effect: Send) -> Response:
        with urllib3.ProxyManager(url) as pool:
            return Urllib3Transport(pool).send(effect)

    def by_requests(effect: Send) -> Response:
        with requests.Session() as session:
            session.proxies = {"http": url, "https": url}
            return RequestsTransport(session).send(effect)

    calls: dict[str, Callable[[Send], Response]] = {
        "requests": by_requests,
        "httpx2": by_httpx,
        "urllib3": by_urllib3,
        "async httpx": lambda effect: asyncio.run(by_async_httpx(effect)),
        "aiohttp": lambda effect: asyncio.run(by_aiohttp(effect)),
    }
    return calls[library]


@pytest.mark.parametrize("library", ["urllib3", "requests", "httpx2", "async httpx", "aiohttp"])
@pytest.mark.parametrize(
    ("url", "reach"),
    [("http://127.0.0.1:9/", CONFIGURED), ("http://169.254.169.254/latest", PLATFORM), ("https://as.example/", PUBLIC)],
)
def test_a_proxy_of_the_clients_sees_nothing_in_the_clear_and_chooses_no_address(
    library: str, url: str, reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(borrowed, "addresses", lambda url, reach, resolver, port: (GOOD,))
    with Peer(always(ok(b"proxy"))) as proxy:
        with pytest.raises(TransportError, match=r"without a proxy.*default transport") as caught:
            proxied(library, proxy.url)(effect(url, reach=reach))

        assert not caught.value.maybe_received
        assert proxy.requests == []


def test_a_session_whose_requests_are_authorized_by_the_vault_can_serve_that_vault() -> None:
    """Its middlewares are not used, so that a token request does not wait for a token."""

    async def never(request: object, handler: object) -> Any:
        pytest.fail("the session's middleware was asked")

    async def main(url: str) -> Response:
        async with aiohttp.ClientSession(middlewares=(never,)) as session:
            return await AiohttpTransport(session).send(effect(url))

    with Peer(always(ok())) as peer:
        assert asyncio.run(main(peer.url)).status == 200


def test_without_a_trace_only_an_error_that_says_so_means_not_received() -> None:
    def connecting(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no")

    def reading(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("no")

    for handler, received in ((connecting, False), (reading, True)):
        with httpx.Client(transport=httpx.MockTransport(handler)) as client, pytest.raises(TransportError) as caught:
            HttpxTransport(client).send(effect("https://as.example/"))
        assert caught.value.maybe_received is received


def test_an_awaited_transport_in_a_blocking_vault_is_a_mistake_that_is_named() -> None:
    parts: Any = {"store": None, "keys": None, "signer": None, "clock": None, "events": None}

    async def main() -> None:
        async with httpx.AsyncClient() as client, aiohttp.ClientSession() as session:
            for transport in (HttpxTransport(client), AiohttpTransport(session)):
                with pytest.raises(ConfigurationError, match="AsyncVault"):
                    build_ports(awaited=False, transport=transport, **parts)

    asyncio.run(main())


def test_a_blocking_client_serves_an_async_vault_in_worker_threads() -> None:
    from valetkey.drivers.threads import ThreadedTransport

    async def main(url: str) -> Response:
        with urllib3.PoolManager() as pool:
            return await ThreadedTransport(Urllib3Transport(pool)).send(effect(url))

    with Peer(always(ok())) as peer:
        assert asyncio.run(main(peer.url)).status == 200
    with httpx.Client() as client:
        assert HttpxTransport(client).blocking
