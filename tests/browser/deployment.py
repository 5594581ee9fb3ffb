"""What is deployed for a test: the application's pages behind a gateway, a real Vault on a SQLite file, a provider.

The application is on `localhost` and the provider on `127.0.0.1`, because browsers share cookies between ports. Nothing
is replaced: the vault is made from environment variables, the handler is the one that is deployed.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from html import escape
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from valetkey.connections.cookies import read_cookies
from valetkey.errors import CallbackError
from valetkey.gateways.asgi import asgi_app
from valetkey.gateways.aws import lambda_handler, read_event
from valetkey.gateways.wsgi import wsgi_app
from valetkey.http import read_form
from valetkey.keys.local import generate_key
from valetkey.sandbox import Sandbox, demo_clients, serve
from valetkey.sandbox.clients import IMPLICIT
from valetkey.testing.front import Front
from valetkey.value import replace
from valetkey.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from valetkey.http import Request

    Event = Mapping[str, Any]
    Handler = Callable[[Event, object], dict[str, Any]]

OAUTH1, OAUTH2 = NAMES = ("sandbox-oauth1", "sandbox-oauth2")
TITLES = {OAUTH1: "Sandbox (OAuth 1.0a)", OAUTH2: "Sandbox (OAuth 2.0)"}
APIS = {OAUTH1: "/oauth1/me", OAUTH2: "/oauth2/me"}
GATEWAYS = ("lambda", "asgi", "wsgi")


def signed_in(request: Request) -> str | None:
    """Who is signed in to the application: its cookie says so."""
    return dict(read_cookies(request.headers)).get("session")


class Deployment:
    """Started by `with`; the SQLite file stays in the directory.

    implicit: the response type of the OAuth 2.0 registration where it is not `code`.
    """

    def __init__(self, directory: Path, *, gateway: str = "lambda", implicit: str = "", **settings: str) -> None:
        self.database, self.implicit, self._settings = directory / "connections.db", implicit, settings
        self._opened = ExitStack()
        try:
            self._start(gateway)
        except BaseException:
            self._opened.close()
            raise

    def _start(self, gateway: str) -> None:
        port, mount = self._opened.enter_context(SERVERS[gateway]())
        self.origin = f"http://localhost:{port}"
        self.base_url = f"{self.origin}/oauth"
        clients = demo_clients(
            redirect_uris=(f"{self.base_url}/callback/{OAUTH2}",), callbacks=(f"{self.base_url}/callback/{OAUTH1}",)
        )
        if self.implicit:
            clients = tuple(replace(one, grant_types=(*one.grant_types, IMPLICIT)) for one in clients)
        self.sandbox = Sandbox(now=time.time, random=os.urandom, clients=clients)
        self.provider_url = self._opened.enter_context(serve(self.sandbox)).base_url
        environ = {
            "VALETKEY_STORE": f"sqlite://{self.database}",
            "VALETKEY_KEY": generate_key(os.urandom),
            "VALETKEY_BASE_URL": self.base_url,
            "VALETKEY_APPLICATION": "Notes",
            "VALETKEY_COMPLETION_URL": f"{self.origin}/app/complete",
            "VALETKEY_SANDBOX_BASE_URL": self.provider_url,
            **self._settings,
        }
        for name, client in zip(NAMES, clients, strict=False):
            assert client.secret is not None
            prefix = f"VALETKEY_{name.upper().replace('-', '_')}"
            environ |= {f"{prefix}_CLIENT_ID": client.client_id, f"{prefix}_CLIENT_SECRET": client.secret.reveal()}
        if self.implicit:
            prefix = f"VALETKEY_{OAUTH2.upper().replace('-', '_')}"
            environ |= {f"{prefix}_ACCEPT_IMPLICIT_GRANT": "true", f"{prefix}_RESPONSE_TYPE": self.implicit}
            environ |= {f"{prefix}_SCOPE": "openid read" if "id_token" in self.implicit else "read"}
        self.vault = Vault.from_env(environ)
        self._opened.callback(self.vault.close)
        mount(self.vault)

    def account_of(self, owner: str, registration: str) -> str:
        """Whose account a call with the connection's credentials reaches at the provider."""
        answer = self.vault.session(registration, owner).get(self.provider_url + APIS[registration])
        return str(answer.raise_for_status().json()["account"])

    def exchanges(self) -> int:
        """How often the provider was sent a code or a verifier."""
        return self.sandbox.seen.count("token", grant_type="authorization_code") + self.sandbox.seen.count(
            "oauth1_token"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()


def application(vault: Vault) -> Handler:
    """The function that is deployed: valetkey's pages, and the page that completes what a connect link began."""
    pages = lambda_handler(vault, resource_owner=signed_in)

    def handler(event: Event, context: object) -> dict[str, Any]:
        path, method = event["rawPath"], event["requestContext"]["http"]["method"]
        if path.startswith("/oauth/"):
            return pages(event, context)
        request = read_event(event)
        handle = dict(read_form(request.url.partition("?")[2])).get("handle", "")
        if path != "/app/complete":
            return page("Notes", "<p>Nothing here.</p>", status=404)
        owner = signed_in(request)
        if owner is None:
            return page("Please sign in", "<p>Then come back.</p>", status=401)
        if method == "GET":
            form = '<form method="post"><button>Yes, that was me</button></form>'
            return page(f"Connect as {escape(owner)}?", form)
        try:
            connection = vault.complete_authorization(handle, owner)
        except CallbackError as error:
            return page("That did not work", f"<p>{escape(error.reason)}</p>", status=400)
        return page(f"{connection.registration} is connected", "")

    return handler


def page(heading: str, content: str, *, status: int = 200) -> dict[str, Any]:
    body = f'<!doctype html><html lang="en"><title>Notes</title><h1>{heading}</h1>{content}'
    return {"statusCode": status, "headers": {"Content-Type": "text/html; charset=utf-8"}, "body": body}


# Each server listens first, so that its port is known, and gets its application afterwards.


@contextmanager
def behind_lambda() -> Iterator[tuple[int, Callable[[Vault], None]]]:
    handlers: list[Handler] = []

    def function(event: Event, context: object) -> dict[str, Any]:
        return handlers[0](event, context)

    with Front(function, host="localhost") as front:
        yield front.port, lambda vault: handlers.append(application(vault))


class Threaded(ThreadingMixIn, WSGIServer):
    daemon_threads = False

    def handle_error(self, *_: object) -> None:
        """Browsers open connections that they never use."""


class Quiet(WSGIRequestHandler):
    timeout = 2.0

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def behind_wsgi() -> Iterator[tuple[int, Callable[[Vault], None]]]:
    with Threaded(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port, lambda vault: server.set_app(wsgi_app(vault, resource_owner=signed_in))
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def behind_asgi() -> Iterator[tuple[int, Callable[[Vault], None]]]:
    import uvicorn

    apps: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await apps[0](scope, receive, send)

    config = uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield listening.getsockname()[1], lambda vault: apps.append(asgi_app(vault, resource_owner=signed_in))
        finally:
            server.should_exit = True
            thread.join()


SERVERS = {"lambda": behind_lambda, "asgi": behind_asgi, "wsgi": behind_wsgi}
