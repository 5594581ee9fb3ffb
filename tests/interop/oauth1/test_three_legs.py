"""The whole of RFC 5849 against Authlib's and oauthlib's servers, over sockets."""

from __future__ import annotations

import os
import time
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import pytest
from tests.interop.oauth1.peers import CLIENT_KEY, CLIENT_SECRET, AuthlibPeer, OauthlibPeer, serving
from tests.oauth1.cast import key_pair, rsa_sign

from valetkey.drivers.drive import drive
from valetkey.effects import Now, PrivateKey, Random, Send, Sign
from valetkey.errors import ProviderError
from valetkey.http import FORM, Headers, Request, Response, read_form, read_url, write_form
from valetkey.oauth1.authorize import authorization_url, request_temporary_credentials, request_token_credentials
from valetkey.oauth1.credentials import ClientCredentials, Server, TokenCredentials
from valetkey.oauth1.sign import sign
from valetkey.secret import Secret
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valetkey.effects import AnyEffect, WireOp
    from valetkey.oauth1.credentials import Placement, SignatureMethod

# Without escapes: Authlib decodes oauth_* values twice wherever they stand, oauthlib in the query and the body.
CALLBACK = "https://printer.example.com/ready?state=a-b_c.d"
EVERYWHERE: tuple[SignatureMethod, ...] = ("HMAC-SHA1", "HMAC-SHA256", "RSA-SHA1", "PLAINTEXT")
OAUTHLIB_ONLY: tuple[SignatureMethod, ...] = ("HMAC-SHA512", "RSA-SHA256", "RSA-SHA512")


class Ports:
    """The real clock, real chance, real keys and real sockets; the clock may be set wrong."""

    def __init__(self, *, clock_error: float = 0.0) -> None:
        self.clock_error = clock_error
        self.sent = 0

    def answer(self, effect: AnyEffect) -> object:
        if isinstance(effect, Now):
            return time.time() + self.clock_error
        if isinstance(effect, Random):
            return os.urandom(effect.octets)
        if isinstance(effect, Sign):
            return rsa_sign(effect)
        assert isinstance(effect, Send)
        self.sent += 1
        return fetch(effect.request)


def fetch(request: Request) -> Response:
    url = read_url(request.url)
    connection = HTTPConnection(url.host, url.port, timeout=10)
    try:
        target = url.path + (f"?{url.query}" if url.query else "")
        connection.request(request.method, target, request.body, dict(request.headers.pairs))
        answer = connection.getresponse()
        return Response(answer.status, Headers(tuple(answer.getheaders())), answer.read())
    finally:
        connection.close()


@pytest.fixture(params=[AuthlibPeer, OauthlibPeer], ids=["authlib", "oauthlib"])
def address(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    with serving(request.param(key_pair()[1])) as url:
        yield url


@pytest.fixture
def oauthlib_address() -> Iterator[str]:
    with serving(OauthlibPeer(key_pair()[1])) as url:
        yield url


def client() -> ClientCredentials:
    return ClientCredentials(CLIENT_KEY, Secret(CLIENT_SECRET), PrivateKey(Secret(key_pair()[0])))


def server(address: str, method: SignatureMethod = "HMAC-SHA1", placement: Placement = "header") -> Server:
    realm = "photos" if placement == "header" else None
    return Server(
        f"{address}/initiate?title=OAuth%20%C3%A9",
        f"{address}/authorize",
        f"{address}/token",
        signature_method=method,
        placement=placement,
        realm=realm,
    )


def run(op: WireOp[Any], ports: Ports | None = None) -> Any:
    return drive(op, (ports or Ports()).answer)


def callback_of(url: str) -> dict[str, str]:
    """What the resource owner's browser brings back after an approval."""
    location = fetch(Request("GET", url)).headers.get("Location") or ""
    assert location.startswith("https://printer.example.com/ready?")
    return dict(read_form(location.partition("?")[2]))


def connect(at: Server) -> TokenCredentials:
    later = time.time() + 30
    temporary = run(request_temporary_credentials(at, client(), callback=CALLBACK, not_after=later))
    brought = callback_of(authorization_url(at, temporary))
    assert (brought["state"], brought["oauth_token"]) == ("a-b_c.d", temporary.identifier)
    verifier = brought["oauth_verifier"]
    token = run(request_token_credentials(at, client(), temporary=temporary, verifier=verifier, not_after=later))
    assert isinstance(token, TokenCredentials)
    return token


def status_of(request: Request, at: Server, token: TokenCredentials) -> int:
    op = sign(
        request,
        client(),
        token=token,
        signature_method=at.signature_method,
        placement=at.placement,
        realm=at.realm,
    )
    return fetch(run(op)).status


def check(at: Server) -> None:
    photos = at.token_endpoint.replace("/token", "/photos")
    form = write_form([("naïve", "☃ +&="), ("repeated", "1"), ("repeated", "2"), ("empty", "")])
    upload = Request("POST", f"{photos}?a=b%20c&a=%2B&f%C3%A9=%7E*", Headers((("Content-Type", FORM),)), form.encode())

    token = connect(at)

    if at.placement != "body":
        assert status_of(Request("GET", f"{photos}?size=original&q=%E2%98%83"), at, token) == 200
    assert status_of(upload, at, token) == 200
    if at.placement == "header":
        json = Request("PUT", photos, Headers((("Content-Type", "application/json"),)), b'{"a": 1}')
        assert status_of(json, at, token) == 200
    assert status_of(upload, at, replace(token, secret=Secret("wrong"))) == (
        200 if "RSA" in at.signature_method else 401
    )


@pytest.mark.parametrize("method", EVERYWHERE)
def test_three_legs_and_a_protected_resource(address: str, method: SignatureMethod) -> None:
    check(server(address, method))


@pytest.mark.parametrize("method", OAUTHLIB_ONLY)
def test_the_methods_that_only_oauthlib_has(oauthlib_address: str, method: SignatureMethod) -> None:
    check(server(oauthlib_address, method))


@pytest.mark.parametrize("placement", ["query", "body"])
def test_parameters_in_the_query_and_in_the_body(address: str, placement: Placement) -> None:
    check(server(address, placement=placement))


def test_a_callback_with_escapes_in_its_query_comes_back_unchanged(oauthlib_address: str) -> None:
    at = server(oauthlib_address)
    callback = "https://printer.example.com/ready?state=a%20b%26c"

    op = request_temporary_credentials(at, client(), callback=callback, not_after=time.time() + 30)
    brought = callback_of(authorization_url(at, run(op)))

    assert brought["state"] == "a b&c"


def test_a_wrong_verifier_is_refused_with_a_code(address: str) -> None:
    at = server(address)
    later = time.time() + 30
    temporary = run(request_temporary_credentials(at, client(), callback=CALLBACK, not_after=later))
    callback_of(authorization_url(at, temporary))
    op = request_token_credentials(at, client(), temporary=temporary, verifier="0" * 24, not_after=later)

    with pytest.raises(ProviderError) as caught:
        run(op)

    assert caught.value.status in (400, 401)
    assert "secret" not in str(caught.value)


def test_a_clock_that_is_hours_slow_is_corrected_once(address: str) -> None:
    ports = Ports(clock_error=-7200)

    op = request_temporary_credentials(server(address), client(), callback=CALLBACK, not_after=time.time() + 30)

    assert run(op, ports).identifier
    assert ports.sent == 2
