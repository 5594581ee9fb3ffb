"""Where a request may go: the scheme, the port, every address of the name; and TLS for the name, not the address."""

from __future__ import annotations

import socket
import ssl
import time

import pytest
import trustme
from tests.drivers.peers import Clock, Peer, always, ok

from valetkey.drivers.transports import stdlib
from valetkey.drivers.transports.stdlib import StdlibTransport, tls_context
from valetkey.effects import CONFIGURED, PLATFORM, PUBLIC, Send
from valetkey.errors import TransportError
from valetkey.http import Headers, Request, Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from valetkey.effects import Reach

GOOD = "93.184.216.34"


class World:
    """A resolver with the answers of a test, and a dialler that brings every address to one peer on loopback."""

    def __init__(self, peer_port: int, **answers: Sequence[str]) -> None:
        self.peer_port = peer_port
        self.answers: dict[str, Sequence[str]] = {name.replace("_", "."): found for name, found in answers.items()}
        self.asked: list[str] = []
        self.dialled: list[tuple[str, int]] = []

    def resolver(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers[host]

    def dial(self, address: str, port: int, timeout: float) -> socket.socket:
        self.dialled.append((address, port))
        return socket.create_connection(("127.0.0.1", self.peer_port), timeout)


def plain(connected: socket.socket, _: Peer) -> None:
    """A server that knows no TLS."""
    connected.recv(1)
    connected.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


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
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("as.example").configure_cert(context)
    context.sni_callback = lambda connection, name, _: seen.append(name)
    seen: list[str] = []
    with Peer(always(ok()), context) as peer:
        peer.names = seen  # type: ignore[attr-defined]
        yield peer


def send(transport: StdlibTransport, url: str, reach: Reach, *, kept: bool = False) -> Response:
    with transport:
        return transport.send(Send(Request("GET", url), reach, time.time() + 5, kept))


def refused(world: World, url: str, reach: Reach) -> str:
    with pytest.raises(TransportError) as caught:
        send(StdlibTransport(resolver=world.resolver, dial=world.dial), url, reach)
    assert not caught.value.maybe_received
    assert world.dialled == []
    return str(caught.value)


def test_a_public_name_is_resolved_once_and_reached_at_the_checked_address(
    tls_peer: Peer, trust: ssl.SSLContext
) -> None:
    world = World(tls_peer.port, as_example=(GOOD,))
    transport = StdlibTransport(tls=trust, resolver=world.resolver, dial=world.dial)

    response = send(transport, "https://as.example/.well-known/x", PUBLIC)

    assert response.status == 200
    assert world.asked == ["as.example"]
    assert world.dialled == [(GOOD, 443)]
    assert tls_peer.names == ["as.example"]  # type: ignore[attr-defined]
    assert b"\r\nHost: as.example\r\n" in tls_peer.requests[0]


@pytest.mark.parametrize(
    "found",
    [
        ("127.0.0.1",),
        ("169.254.169.254",),
        ("10.1.2.3",),
        ("::1",),
        ("::ffff:10.0.0.1",),
        ("64:ff9b::a00:1",),
        ("2002:a00:1::",),
        ("100.64.0.1",),
        ("fe80::1%2",),
        (GOOD, "10.0.0.1"),
        ("2606:4700::1111", "fd00::1"),
    ],
)
def test_a_public_name_with_one_address_that_is_not_public_is_refused(found: Sequence[str]) -> None:
    assert "public internet" in refused(World(0, as_example=found), "https://as.example/", PUBLIC)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://localhost/",
        "https://a.localhost/",
        "https://192.168.1.1/",
    ],
)
def test_a_public_url_that_names_an_inner_address_is_refused_without_asking_dns(url: str) -> None:
    world = World(0)

    assert "public internet" in refused(world, url, PUBLIC)
    assert world.asked == []


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1"])
def test_a_shortened_address_is_a_name_whose_addresses_are_checked(host: str) -> None:
    with pytest.raises(TransportError) as caught:
        send(StdlibTransport(dial=World(0).dial), f"https://{host}/", PUBLIC)

    assert not caught.value.maybe_received


@pytest.mark.parametrize("url", ["http://as.example/", "https://as.example:8443/", "https://as.example:22/"])
def test_a_public_url_is_https_on_its_usual_port(url: str) -> None:
    world = World(0, as_example=(GOOD,))

    refused(world, url, PUBLIC)
    assert world.asked == []


def test_a_configured_url_may_lead_to_a_private_address(tls_peer: Peer, trust: ssl.SSLContext) -> None:
    world = World(tls_peer.port, as_example=("10.0.0.1",))
    transport = StdlibTransport(tls=trust, resolver=world.resolver, dial=world.dial)

    assert send(transport, "https://as.example:8443/", CONFIGURED).status == 200
    assert world.dialled == [("10.0.0.1", 8443)]


@pytest.mark.parametrize("url", ["http://as.example/", "http://127.0.0.2/", "http://localhost.evil.example/"])
def test_a_configured_url_without_tls_is_for_loopback_only(url: str) -> None:
    assert "plain http is for loopback" in refused(World(0), url, CONFIGURED)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "provider.localhost"])
def test_loopback_is_reached_without_asking_dns(host: str) -> None:
    def resolver(name: str, port: int) -> Sequence[str]:
        pytest.fail("asked DNS for localhost")

    with Peer(always(ok())) as peer:
        assert send(StdlibTransport(resolver=resolver), f"http://{host}:{peer.port}/", CONFIGURED).status == 200


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/api/token",
        "http://169.254.170.2/v2/credentials/x",
        "http://169.254.170.23/v1/credentials",
        "http://[fd00:ec2::254]/latest/api/token",
        "http://[fd00:ec2::23]/v1/credentials",
        "http://127.0.0.1/local",
        "http://localhost/local",
    ],
)
def test_the_platforms_own_addresses_are_reached_over_http(url: str) -> None:
    with Peer(always(ok())) as peer:
        world = World(peer.port)

        assert send(StdlibTransport(resolver=world.resolver, dial=world.dial), url, PLATFORM).status == 200
        assert world.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.253/",
        "http://metadata.google.internal/",
        "https://169.254.169.254/",
        "http://93.184.216.34/",
        "http://10.0.0.1/",
        "http://[::ffff:169.254.169.254]/",
    ],
)
def test_nothing_else_is_the_platform(url: str) -> None:
    assert "metadata" in refused(World(0), url, PLATFORM)


def test_the_next_address_is_tried_where_the_first_refuses() -> None:
    with Peer(always(ok())) as gone:
        pass
    with Peer(plain) as peer:
        ports = {"10.0.0.1": gone.port, "10.0.0.2": peer.port}

        def dial(address: str, port: int, timeout: float) -> socket.socket:
            assert timeout <= 5 / (2 if address == "10.0.0.1" else 1)
            return socket.create_connection(("127.0.0.1", ports[address]), timeout)

        transport = StdlibTransport(resolver=lambda *_: ("10.0.0.1", "10.0.0.2"), dial=dial)
        with pytest.raises(TransportError, match="was not reached"):  # the second one answers, but not in TLS
            send(transport, "https://as.example/", CONFIGURED)
        assert peer.connections == 1


def test_a_name_without_an_address_was_not_received() -> None:
    assert "has no address" in refused(World(0, as_example=()), "https://as.example/", CONFIGURED)


@pytest.mark.parametrize("failure", [socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long")])
def test_a_name_that_does_not_resolve_was_not_received(failure: Exception) -> None:
    def resolver(host: str, port: int) -> Sequence[str]:
        raise failure

    with pytest.raises(TransportError, match=r"https://as\.example was not reached") as caught:
        send(StdlibTransport(resolver=resolver), "https://as.example/?secret=canary", CONFIGURED)

    assert not caught.value.maybe_received
    assert "canary" not in str(caught.value)


def test_a_certificate_for_another_name_fails_before_anything_is_sent(tls_peer: Peer, trust: ssl.SSLContext) -> None:
    world = World(tls_peer.port, other_example=(GOOD,))

    with pytest.raises(TransportError, match=r"other\.example") as caught:
        send(StdlibTransport(tls=trust, resolver=world.resolver, dial=world.dial), "https://other.example/", PUBLIC)

    assert not caught.value.maybe_received
    assert tls_peer.requests == []


def test_a_certificate_of_an_unknown_authority_fails_before_anything_is_sent(tls_peer: Peer) -> None:
    world = World(tls_peer.port, as_example=(GOOD,))

    with pytest.raises(TransportError, match="was not reached") as caught:
        send(StdlibTransport(resolver=world.resolver, dial=world.dial), "https://as.example/", CONFIGURED)

    assert not caught.value.maybe_received
    assert tls_peer.requests == []


def test_a_plain_server_behind_https_was_not_received() -> None:
    with Peer(plain) as peer, pytest.raises(TransportError) as caught:
        send(StdlibTransport(), f"https://127.0.0.1:{peer.port}/", CONFIGURED)

    assert not caught.value.maybe_received


def test_an_answer_that_ends_without_the_tls_alert_is_broken(authority: trustme.CA, trust: ssl.SSLContext) -> None:
    """RFC 9112 section 9.8: whoever cuts the connection must not be able to shorten a token."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    def script(connected: socket.socket, peer: Peer) -> None:
        peer.read_request(connected)
        connected.sendall(b"HTTP/1.1 200 OK\r\n\r\noauth_token=a&oauth_token_secret=b")

    with Peer(script, context) as peer, pytest.raises(TransportError) as caught:
        send(StdlibTransport(tls=trust), f"https://localhost:{peer.port}/", CONFIGURED)

    assert caught.value.maybe_received


@pytest.mark.parametrize("moved", ["wall", "monotonic"])
def test_a_deadline_that_passes_during_tls_sends_nothing(moved: str, tls_peer: Peer, trust: ssl.SSLContext) -> None:
    clocks = {"wall": Clock(), "monotonic": Clock()}
    world = World(tls_peer.port, as_example=(GOOD,))

    class Frozen:
        """The function is frozen between the handshake and the first octet."""

        def wrap_socket(self, connected: socket.socket, **given: object) -> ssl.SSLSocket:
            secured = trust.wrap_socket(connected, server_hostname="as.example")
            clocks[moved].ahead = 60
            return secured

    transport = StdlibTransport(
        tls=Frozen(),  # type: ignore[arg-type]
        resolver=world.resolver,
        dial=world.dial,
        wall=clocks["wall"],
        monotonic=clocks["monotonic"],
    )
    with pytest.raises(TransportError) as caught:
        transport.send(Send(Request("POST", "https://as.example/", Headers(), b"code"), CONFIGURED, time.time() + 30))

    assert not caught.value.maybe_received
    assert tls_peer.connections == 1
    assert tls_peer.requests == []


def test_a_handshake_that_stalls_fails_at_the_deadline() -> None:
    def deaf(_: socket.socket, peer: Peer) -> None:
        peer.stopped.wait(5)

    started = time.monotonic()
    with Peer(deaf) as peer, pytest.raises(TransportError) as caught, StdlibTransport() as transport:
        transport.send(Send(Request("GET", f"https://127.0.0.1:{peer.port}/"), CONFIGURED, time.time() + 0.3))

    assert not caught.value.maybe_received
    assert time.monotonic() - started < 2


def test_one_tls_context_serves_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[ssl.SSLContext] = []
    make = ssl.create_default_context

    def counted() -> ssl.SSLContext:
        made.append(make())
        return made[-1]

    monkeypatch.setattr(stdlib, "_tls", None)
    monkeypatch.setattr(ssl, "create_default_context", counted)
    with Peer(plain) as peer:
        for _ in range(3):
            with pytest.raises(TransportError):
                send(StdlibTransport(), f"https://127.0.0.1:{peer.port}/", CONFIGURED)

    assert len(made) == 1
    assert tls_context() is made[0]
    assert made[0].minimum_version >= ssl.TLSVersion.TLSv1_2
    assert made[0].verify_mode == ssl.CERT_REQUIRED
    assert made[0].check_hostname
