"""What is a session's own: its bundle, its proxies, its adapters. What all transports promise is in the suite of all."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
import trustme
from requests.adapters import BaseAdapter, HTTPAdapter
from tests.drivers.peers import Peer, always, ok, once

from valetkey.drivers.transports import borrowed
from valetkey.drivers.transports.requests import RequestsTransport
from valetkey.effects import CONFIGURED, PUBLIC, Send
from valetkey.errors import ConfigurationError, TransportError
from valetkey.http import Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from valetkey.effects import Reach


def effect(url: str, *, method: str = "GET", body: bytes = b"", reach: Reach = CONFIGURED) -> Send:
    return Send(Request(method, url, body=body), reach, time.time() + 5)


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[requests.Session]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with requests.Session() as made:
        yield made


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "bundle.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture
def peer(authority: trustme.CA) -> Iterator[Peer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "as.example").configure_cert(context)
    with Peer(always(ok()), context) as served:
        yield served


def test_the_sessions_bundle_says_whom_to_trust(session: requests.Session, bundle: str, peer: Peer) -> None:
    url = f"https://localhost:{peer.port}/"
    with pytest.raises(TransportError):
        RequestsTransport(session).send(effect(url))
    assert peer.requests == []

    session.verify = bundle

    assert RequestsTransport(session).send(effect(url)).status == 200


def test_the_environments_bundle_counts_where_the_session_trusts_the_environment(
    session: requests.Session, bundle: str, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)

    assert RequestsTransport(session).send(effect(f"https://localhost:{peer.port}/")).status == 200


def test_at_a_checked_address_the_bundle_and_the_name_are_asked_for(
    session: requests.Session, bundle: str, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(borrowed, "addresses", lambda url, reach, resolver, port: ("127.0.0.1",))
    monkeypatch.setattr(borrowed, "check_url", lambda url, reach: None)
    session.verify = bundle
    transport = RequestsTransport(session)

    assert transport.send(effect(f"https://as.example:{peer.port}/", reach=PUBLIC)).status == 200
    with pytest.raises(TransportError) as caught:
        transport.send(effect(f"https://other.example:{peer.port}/", reach=PUBLIC))

    assert not caught.value.maybe_received
    assert len(peer.requests) == 1
    assert b"\r\nHost: as.example:" in peer.requests[0]


def test_a_session_that_verifies_nothing_is_refused_whenever_it_does_so(session: requests.Session, peer: Peer) -> None:
    transport = RequestsTransport(session)
    session.verify = False

    with pytest.raises(ConfigurationError, match="does not verify certificates"):
        RequestsTransport(session)
    with pytest.raises(ConfigurationError, match="does not verify certificates"):
        transport.send(effect(f"https://localhost:{peer.port}/"))
    assert peer.connections == 0


class Recorder(HTTPAdapter):
    """Sends in its own way."""

    def send(self, request: Any, *given: Any, **named: Any) -> Any:
        pytest.fail("it was asked")


class Elsewhere(BaseAdapter):
    """No HTTP at all."""

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("adapter", [Recorder(), Elsewhere()])
def test_an_adapter_that_sends_in_its_own_way_is_refused_by_its_name(
    session: requests.Session, adapter: BaseAdapter
) -> None:
    transport = RequestsTransport(session)
    with Peer(always(ok())) as peer:
        session.mount(peer.url, adapter)
        with pytest.raises(ConfigurationError, match=f"adapter {type(adapter).__name__} .* default transport"):
            transport.send(effect(peer.url))
        assert peer.connections == 0

    session.mount("https://", adapter)
    with pytest.raises(ConfigurationError, match=type(adapter).__name__):
        RequestsTransport(session)


def test_nothing_is_sent_twice_by_an_adapter_that_would(session: requests.Session) -> None:
    session.mount("http://", HTTPAdapter(max_retries=3))
    with Peer(once(b"")) as peer, pytest.raises(TransportError) as caught:
        RequestsTransport(session).send(effect(peer.url, method="PUT", body=b"x"))

    assert caught.value.maybe_received
    assert len(peer.requests) == 1


def test_a_proxy_of_the_environment_is_told_the_name_and_sees_no_request(
    session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Peer(once(b"HTTP/1.1 403 No\r\n\r\n")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        transport = RequestsTransport(session)
        with pytest.raises(TransportError) as caught:
            transport.send(effect("https://as.example/path?secret=canary", method="POST", body=b"canary"))
        with pytest.raises(TransportError, match="without a proxy"):
            transport.send(effect("http://127.0.0.1:9/"))
        session.trust_env = False
        with pytest.raises(TransportError, match="was not reached"):
            transport.send(effect("http://127.0.0.1:9/"))

        (seen,) = proxy.requests

    assert not caught.value.maybe_received
    assert seen.startswith(b"CONNECT as.example:443 ")
    assert b"canary" not in seen
