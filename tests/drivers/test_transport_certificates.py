"""Client certificates in every transport (RFC 8705): who presents which, where, and what a refusal says."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import aiohttp
import httpx
import httpx2
import pytest
import requests
import trustme
import urllib3
from tests.certificates import asking, authority, common_name, issued, trusting
from tests.drivers.peers import Peer, always, ok, once
from tests.drivers.test_transport_clients import ContextAdapter, settled

from valetkey.drivers.transports.aiohttp import AiohttpTransport
from valetkey.drivers.transports.certificates import CertifiedContexts, load_certificate
from valetkey.drivers.transports.httpx import HttpxTransport
from valetkey.drivers.transports.requests import RequestsTransport
from valetkey.drivers.transports.stdlib import StdlibTransport
from valetkey.drivers.transports.urllib3 import Urllib3Transport
from valetkey.effects import CONFIGURED, ClientCertificate, Send
from valetkey.errors import ConfigurationError, TransportError
from valetkey.http import Headers, Request, Response
from valetkey.pem import read_certificate

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

CANARY = "canary-91c2"


class Sends(Protocol):
    def __call__(self, *effects: Send, able: bool = True) -> list[Response]: ...


def by_stdlib(*effects: Send, able: bool = True) -> list[Response]:
    with StdlibTransport(tls=trusting if able else trusting()) as transport:
        return [transport.send(effect) for effect in effects]


def by_urllib3(*effects: Send, able: bool = True) -> list[Response]:
    with urllib3.PoolManager(ssl_context=trusting()) as pool:
        transport = Urllib3Transport(pool, tls=trusting if able else None)
        return [transport.send(effect) for effect in effects]


def by_urllib3_with_authorities(*effects: Send, able: bool = True) -> list[Response]:
    if not able:
        return by_urllib3(*effects, able=False)
    with authority().cert_pem.tempfile() as path, urllib3.PoolManager(ca_certs=path) as pool:
        transport = Urllib3Transport(pool)
        return [transport.send(effect) for effect in effects]


def by_requests(*effects: Send, able: bool = True) -> list[Response]:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", ContextAdapter(trusting()))
        transport = RequestsTransport(session, tls=trusting if able else None)
        return [transport.send(effect) for effect in effects]


def by_requests_with_authorities(*effects: Send, able: bool = True) -> list[Response]:
    if not able:
        return by_requests(*effects, able=False)
    with authority().cert_pem.tempfile() as path, requests.Session() as session:
        session.trust_env, session.verify = False, path
        transport = RequestsTransport(session)
        return [transport.send(effect) for effect in effects]


def client_of(library: Any) -> Sends:
    def certified(tls: ssl.SSLContext) -> Any:
        authority().configure_trust(tls)
        return library.Client(verify=tls, trust_env=False)

    def sends(*effects: Send, able: bool = True) -> list[Response]:
        with library.Client(verify=trusting(), trust_env=False) as client:
            transport = HttpxTransport(client, certified=certified if able else None)
            try:
                return [transport.send(effect) for effect in effects]  # type: ignore[misc]
            finally:
                transport.close()

    return sends


def async_client_of(library: Any) -> Sends:
    def certified(tls: ssl.SSLContext) -> Any:
        authority().configure_trust(tls)
        return library.AsyncClient(verify=tls, trust_env=False)

    def sends(*effects: Send, able: bool = True) -> list[Response]:
        async def main() -> list[Response]:
            async with library.AsyncClient(verify=trusting(), trust_env=False) as client:
                transport = HttpxTransport(client, certified=certified if able else None)
                try:
                    return [await transport.send(effect) for effect in effects]  # type: ignore[misc]
                finally:
                    await transport.aclose()

        return asyncio.run(settled(main()))

    return sends


def by_aiohttp(*effects: Send, able: bool = True) -> list[Response]:
    async def main() -> list[Response]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting())) as session:
            transport = AiohttpTransport(session, tls=trusting if able else None)
            return [await transport.send(effect) for effect in effects]

    return asyncio.run(settled(main()))


CLIENTS: dict[str, Sends] = {
    "stdlib": by_stdlib,
    "urllib3": by_urllib3,
    "urllib3 with authorities": by_urllib3_with_authorities,
    "requests": by_requests,
    "requests with authorities": by_requests_with_authorities,
    "httpx": client_of(httpx),
    "httpx2": client_of(httpx2),
    "async httpx": async_client_of(httpx),
    "async httpx2": async_client_of(httpx2),
    "aiohttp": by_aiohttp,
}


@pytest.fixture(params=list(CLIENTS))
def sends(request: pytest.FixtureRequest) -> Sends:
    return CLIENTS[str(request.param)]


@pytest.fixture(scope="module")
def certificate() -> ClientCertificate:
    return read_certificate(issued())


def tells_who(connected: socket.socket, peer: Peer) -> None:
    """Answers every request with the common name of who asks."""
    while True:
        peer.read_request(connected)
        connected.sendall(ok(common_name(connected).encode()))


def url_of(peer: Peer) -> str:
    return f"https://localhost:{peer.port}/path?secret={CANARY}"


def effect(
    url: str, certificate: ClientCertificate | None, *, kept: bool = False, method: str = "GET", body: bytes = b""
) -> Send:
    return Send(Request(method, url, Headers(), body), CONFIGURED, time.time() + 5, kept, certificate)


def failure_of(sends: Sends, given: Send) -> TransportError:
    with pytest.raises(TransportError) as caught:
        sends(given)
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
    return caught.value


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("kept", [False, True])
def test_the_certificate_is_presented(
    sends: Sends, certificate: ClientCertificate, version: ssl.TLSVersion, kept: bool
) -> None:
    with Peer(tells_who, asking(version=version)) as peer:
        (response,) = sends(effect(url_of(peer), certificate, kept=kept, method="POST", body=b"a=b"))

    assert response.body == b"client-1"


def test_a_kept_connection_is_no_other_certificates(sends: Sends, certificate: ClientCertificate) -> None:
    other = read_certificate(issued("client-2"))

    with Peer(tells_who, asking(ssl.CERT_OPTIONAL)) as peer:
        url = url_of(peer)
        wanted = [None, certificate, other, None, certificate, other, certificate]
        responses = sends(*(effect(url, one, kept=True) for one in wanted))

    names = {None: b"", certificate: b"client-1", other: b"client-2"}
    assert [response.body for response in responses] == [names[one] for one in wanted]


def test_connections_of_one_certificate_are_kept(certificate: ClientCertificate) -> None:
    with Peer(tells_who, asking()) as peer:
        by_stdlib(*(effect(url_of(peer), certificate, kept=True) for _ in range(3)))

        assert peer.connections == 1


def test_a_redirect_takes_no_certificate_along(sends: Sends, certificate: ClientCertificate) -> None:
    with Peer(tells_who, asking(ssl.CERT_OPTIONAL)) as elsewhere:
        answer = b"HTTP/1.1 307 Go\r\nLocation: " + url_of(elsewhere).encode() + b"\r\nContent-Length: 0\r\n\r\n"
        with Peer(always(answer), asking()) as peer:
            (response,) = sends(effect(url_of(peer), certificate))

    assert response.status == 307
    assert elsewhere.connections == 0


def test_a_certificate_is_not_presented_over_plain_http(sends: Sends, certificate: ClientCertificate) -> None:
    with Peer(always(ok())) as peer:
        error = failure_of(sends, effect(peer.url, certificate))

    assert not error.maybe_received
    assert "over https only" in str(error)
    assert peer.connections == 0


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("size", [9, 300_000])
def test_a_refused_certificate_says_that_nothing_was_read(sends: Sends, version: ssl.TLSVersion, size: int) -> None:
    """In TLS 1.3 the refusal comes after the request was sent, and before it was read (RFC 8446 section 2)."""
    stranger = read_certificate(issued(by=trustme.CA()))

    with Peer(tells_who, asking(version=version), patient=True) as peer:
        error = failure_of(sends, effect(url_of(peer), stranger, method="POST", body=b"x" * size))

    assert peer.requests == []
    assert "refused the client certificate (unknown authority)" in str(error)
    assert not error.maybe_received


def test_a_refusal_that_is_lost_with_the_connection_is_no_claim(sends: Sends) -> None:
    """A server that hangs up on what it has not read may take its alert along: then nobody can know."""
    stranger = read_certificate(issued(by=trustme.CA()))

    with Peer(tells_who, asking()) as peer:
        error = failure_of(sends, effect(url_of(peer), stranger, method="POST", body=b"x" * 3_000_000))

    assert peer.requests == []
    assert error.maybe_received or "refused the client certificate" in str(error)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_3])
def test_a_server_that_wants_a_certificate_says_so(sends: Sends, version: ssl.TLSVersion) -> None:
    with Peer(tells_who, asking(version=version), patient=True) as peer:
        error = failure_of(sends, effect(url_of(peer), None, method="POST", body=b"a=b"))

    assert "wants a client certificate" in str(error)


def test_a_connection_that_breaks_after_the_request_may_have_been_read(
    sends: Sends, certificate: ClientCertificate
) -> None:
    def hangs_up(connected: socket.socket, peer: Peer) -> None:
        peer.read_request(connected)

    with Peer(hangs_up, asking()) as peer:
        assert failure_of(sends, effect(url_of(peer), certificate, method="POST", body=b"a=b")).maybe_received


def test_a_client_that_cannot_present_a_certificate_is_told_so(sends: Sends, certificate: ClientCertificate) -> None:
    with Peer(once(ok()), asking(ssl.CERT_OPTIONAL)) as peer:
        with pytest.raises(ConfigurationError, match="cannot present a client certificate"):
            sends(effect(url_of(peer), certificate), able=False)

        assert peer.requests == []


def test_a_sessions_own_client_certificate_is_not_presented_in_its_place(
    certificate: ClientCertificate, tmp_path: Path
) -> None:
    own = read_certificate(issued("of-the-session"))
    assert own.key is not None
    (tmp_path / "own.pem").write_text(own.key.pem.reveal() + own.pem.reveal())
    with (
        Peer(tells_who, asking()) as peer,
        authority().cert_pem.tempfile() as path,
        requests.Session() as session,
    ):
        session.trust_env, session.verify, session.cert = False, path, str(tmp_path / "own.pem")
        transport = RequestsTransport(session)
        sent = [transport.send(effect(url_of(peer), one)) for one in (None, certificate, None)]

    assert [response.body for response in sent] == [b"of-the-session", b"client-1", b"of-the-session"]


def test_a_pools_own_client_certificate_is_not_presented_in_its_place(
    certificate: ClientCertificate, tmp_path: Path
) -> None:
    own = read_certificate(issued("of-the-pool"))
    assert own.key is not None
    (tmp_path / "own.pem").write_text(own.key.pem.reveal() + own.pem.reveal())
    with (
        Peer(tells_who, asking()) as peer,
        authority().cert_pem.tempfile() as path,
        urllib3.PoolManager(ca_certs=path, cert_file=str(tmp_path / "own.pem")) as pool,
    ):
        transport = Urllib3Transport(pool)
        sent = [transport.send(effect(url_of(peer), one)) for one in (None, certificate)]

    assert [response.body for response in sent] == [b"of-the-pool", b"client-1"]


# Loading


def without_memory_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)


def refusing_memory_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "memfd_create", refuse, raising=False)


def with_memory_files(_: pytest.MonkeyPatch) -> None:
    """As this machine has them."""


@pytest.mark.parametrize("system", [with_memory_files, without_memory_files, refusing_memory_files])
def test_nothing_of_the_key_stays_on_disk(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    certificate: ClientCertificate,
    system: Callable[[pytest.MonkeyPatch], None],
) -> None:
    seen: list[tuple[int, str]] = []

    class Watching(ssl.SSLContext):
        def load_cert_chain(self, certfile: Any, *given: Any, **more: Any) -> None:
            if str(certfile).startswith(str(tmp_path)):
                seen.append((Path(certfile).stat().st_mode & 0o777, Path(certfile).read_text()))
            super().load_cert_chain(certfile, *given, **more)

    system(monkeypatch)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    context = Watching(ssl.PROTOCOL_TLS_CLIENT)
    authority().configure_trust(context)
    load_certificate(context, certificate)

    assert list(tmp_path.iterdir()) == []
    assert [mode for mode, _ in seen] == ([] if system is with_memory_files else [0o600])
    assert all("ENCRYPTED PRIVATE KEY" in text and "BEGIN PRIVATE KEY" not in text for _, text in seen)
    with Peer(tells_who, asking()) as peer, StdlibTransport(tls=context) as transport:
        assert transport.send(effect(url_of(peer), None)).body == b"client-1"


def test_without_memory_and_without_a_directory_the_error_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certificate: ClientCertificate
) -> None:
    without_memory_files(monkeypatch)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))

    with pytest.raises(ConfigurationError, match="no temporary directory"):
        load_certificate(trusting(), certificate)


def test_a_certificate_has_one_context_and_no_other_has_it(certificate: ClientCertificate) -> None:
    contexts, other = CertifiedContexts(trusting), read_certificate(issued("client-2"))

    assert contexts.of(certificate) is contexts.of(certificate)
    assert contexts.of(certificate) is not contexts.of(other)


def test_nothing_of_a_certificate_is_printed(certificate: ClientCertificate) -> None:
    assert certificate.key is not None
    given = effect("https://localhost/", certificate)
    lines = {line for line in (certificate.key.pem.reveal() + certificate.pem.reveal()).splitlines() if line}

    for text in (repr(given), repr(certificate), str(given), repr(CertifiedContexts(trusting))):
        assert not any(line in text for line in lines)
