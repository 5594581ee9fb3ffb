"""Third-party servers, started for a test run, and a browser that needs no window."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from http.cookies import SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urljoin

import pytest
from tests.certificates import trusting
from tests.machine import CACHE, install_npm_packages, node_or_skip

from valetkey.drivers.drive import drive
from valetkey.drivers.transports.stdlib import StdlibTransport
from valetkey.effects import CONFIGURED, MakeKey, Now, PrivateKey, PublicKey, Random, Send, Sign
from valetkey.http import Headers, Request, read_form, read_url
from valetkey.keys.jwk import make_key, public_jwk
from valetkey.keys.signer import LocalSigner
from valetkey.oauth2.client import Client
from valetkey.oauth2.signed_jwt import thumbprint
from valetkey.sandbox.visitor import read_forms
from valetkey.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valetkey.effects import AnyEffect, Op
    from valetkey.http import Pairs

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
NODE = CACHE / "node-interop"
SOURCES = Path(__file__).parent / "node"
REDIRECT_URI = "https://app.example/callback/peer"
MAX_REDIRECTS = 12


def run(op: Op[T]) -> T:
    """Drive a program against the real network of this machine."""
    with StdlibTransport(tls=trusting) as transport:

        def answer(effect: AnyEffect) -> object:
            match effect:
                case Now():
                    return time.time()
                case Random():
                    return os.urandom(effect.octets)
                case Send():
                    return transport.send(effect)
                case Sign():
                    return LocalSigner().sign(effect.key, effect.algorithm, effect.message)
                case PublicKey():
                    return public_jwk(effect.key)
                case MakeKey():
                    return make_key()
            message = f"a wire program asked for {effect!r}"
            raise AssertionError(message)

        return drive(op, answer)


def soon() -> float:
    """A deadline for one exchange on this machine."""
    return time.time() + 10


class Browser:
    """Follows redirects and keeps cookies of one host, until it is sent to somewhere else, or posts something there."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}

    def visit(self, url: str) -> Pairs:
        """The parameters with which the provider sends the browser back, in the query or in the fragment."""
        origin = read_url(url).origin
        for _ in range(MAX_REDIRECTS):
            address, _, fragment = url.partition("#")
            if read_url(address).origin != origin:
                return read_form(fragment or read_url(address).query)
            location, body = self._get(url)
            assert location is not None, body[:500]
            url = urljoin(url, location)
        message = "the provider redirects in circles"
        raise AssertionError(message)

    def visit_posting(self, url: str) -> tuple[str, Pairs]:
        """Where the provider's last page posts to by itself, and what."""
        for _ in range(MAX_REDIRECTS):
            location, body = self._get(url)
            if location is None:
                [form] = read_forms(body)
                return form.action, tuple(form.fields.items())
            url = urljoin(url, location)
        message = "the provider redirects in circles"
        raise AssertionError(message)

    def _get(self, url: str) -> tuple[str | None, str]:
        parts = read_url(url)
        connection = (
            http.client.HTTPSConnection(parts.host, parts.port, timeout=10, context=trusting())
            if parts.scheme == "https"
            else http.client.HTTPConnection(parts.host, parts.port, timeout=10)
        )
        try:
            cookie = "; ".join(f"{name}={text}" for name, text in self.cookies.items())
            connection.request("GET", f"{parts.path}?{parts.query}", headers={"Cookie": cookie} if cookie else {})
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        for line in response.headers.get_all("Set-Cookie") or []:
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value
                if not morsel.value or morsel["max-age"] == "0":
                    del self.cookies[name]
        return response.getheader("Location"), f"{response.status} {body.decode('utf-8', 'replace')}"


class NodeOidcProvider:
    """oidc-provider on this machine: its issuer, its clients, and a way to register more.

    Whoever visits it is signed in as the `login_hint` (alice without one) and consents; `deny` refuses.
    """

    def __init__(self, base_url: str, mtls: str = "") -> None:
        """mtls: where it asks for client certificates; empty where it does not speak TLS."""
        self.base_url = self.issuer = base_url
        self.mtls = mtls
        self.clients = {
            "basic": Client("basic", Secret("basic-secret"), REDIRECT_URI),
            "post": Client("post", Secret("post-secret"), REDIRECT_URI),
            "odd": Client("web:colon%20", Secret("p+w %/~*:&="), REDIRECT_URI),
            "public": Client("public", None, REDIRECT_URI),
        }

    def register(
        self,
        redirect_uri: str,
        *,
        token_endpoint_auth_method: str = "client_secret_basic",
        private_key: PrivateKey | None = None,
        **more: object,
    ) -> Client:
        """One more client, with a redirect URI of the test's own (RFC 7591). private_key: it signs with this one."""
        wanted: dict[str, object] = {
            "redirect_uris": [redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": token_endpoint_auth_method,
            **more,
        }
        if private_key is not None:
            jwk = public_jwk(private_key)
            wanted["jwks"] = {"keys": [{**dict(jwk), "kid": thumbprint(jwk)}]}
        headers = Headers((("Content-Type", "application/json"),))
        request = Request("POST", f"{self.base_url}/reg", headers, json.dumps(wanted).encode())
        with StdlibTransport(tls=trusting) as transport:
            response = transport.send(Send(request, CONFIGURED, soon()))
        assert response.status == 201, response.body
        made = json.loads(response.body)
        secret = made.get("client_secret")
        return Client(made["client_id"], None if secret is None else Secret(secret), redirect_uri, private_key)


def node_oidc_provider(certificates: Path | None = None, **environ: str) -> Iterator[NodeOidcProvider]:
    """Start it, and stop it at the end. certificates: a folder with its own and its authority's, to speak TLS.

    environ: what else it is told, see its source.
    """
    given = [] if certificates is None else [str(certificates)]
    for told in running("oidc_provider.mjs", *given, **environ):
        yield NodeOidcProvider(told["issuer"], told.get("mtls") or "")


def running(script: str, *given: str, **environ: str) -> Iterator[dict[str, str]]:
    """What one of the scripts beside this file tells when it is ready, while it runs. environ: what else it is told."""
    node = node_or_skip(script)
    install()
    pipe = subprocess.PIPE
    command = [node, str(SOURCES / script), str(NODE), *given]
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, env=os.environ | environ
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            while not (line := process.stdout.readline()).startswith("{"):
                if not line:
                    pytest.fail(f"{script} did not start", pytrace=False)
            yield json.loads(line)
        finally:
            process.stdin.close()  # its end
            process.wait(10)


def python_server(script: str, *given: str) -> Iterator[str]:
    """The base URL that one of the servers in `oauth2` tells when it is ready, while it runs in its own process."""
    command, pipe = [sys.executable, str(Path(__file__).parent / "oauth2" / script), *given], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline() or pytest.fail(f"{script} did not start", pytrace=False)
            yield json.loads(line)
        finally:
            process.stdin.close()  # its end
            process.wait(10)


def install() -> None:
    """The pinned npm packages, in the git-ignored cache."""
    install_npm_packages(SOURCES / "package.json", NODE, what="the interoperability tests")
