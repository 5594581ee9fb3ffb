"""A vault of either colour, and the resource owner who brings its flows to an end without a browser.

Every verb is called as an application calls it; what differs between Vault and AsyncVault stands here, once.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from tests.certificates import trusting
from tests.interop.peers import Browser

from valetkey.async_vault import AsyncVault
from valetkey.connections.settings import Settings
from valetkey.drivers.clock import AsyncClock, SystemClock
from valetkey.drivers.drive import drive
from valetkey.drivers.transports.stdlib import StdlibTransport
from valetkey.effects import PublicKey
from valetkey.errors import TransportError
from valetkey.http import FORM, Headers, Request, read_form, read_url, with_query, write_form
from valetkey.keys.jwk import public_jwk
from valetkey.keys.local import LocalKeyRing
from valetkey.sandbox.visitor import read_forms
from valetkey.stores.open import open_store
from valetkey.web.routes import respond

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from valetkey.effects import AnyEffect, ClientCertificate, Send
    from valetkey.http import Pairs, Response
    from valetkey.providers.registration import Registration
    from valetkey.vault import Vault

BASE_URL = "https://app.example/oauth"
OWNER = "user-17"
AWS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "canary-secret-key", "AWS_REGION": "eu-central-1"}


class Pages:
    """Our pages on this machine, for servers that fetch what is public in them: documents, which ask for a key at most."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        pages = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                response = drive(respond(pages.settings, Request("GET", self.path), None), _only_keys)
                self.send_response(response.status)
                for name, text in response.headers.pairs:
                    self.send_header(name, text)
                self.send_header("Content-Length", str(len(response.body)))
                self.end_headers()
                _ = self.wfile.write(response.body)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _only_keys(effect: AnyEffect) -> object:
    if isinstance(effect, PublicKey):
        return public_jwk(effect.key)
    message = f"a document asks nobody, and not for {effect!r}"
    raise AssertionError(message)


class Later:
    """A clock that can be set forward, for a blocking and for an awaiting vault."""

    def __init__(self) -> None:
        self.ahead = 0.0


class BlockingClock(SystemClock):
    def __init__(self, later: Later) -> None:
        self._later = later

    def now(self) -> float:
        return super().now() + self._later.ahead


class AwaitingClock(AsyncClock):
    def __init__(self, later: Later) -> None:
        self._later = later

    def now(self) -> float:
        return super().now() + self._later.ahead


class Watched:
    """The standard library's transport, and what went through it. losing: of how many next refreshes the answer is lost."""

    blocking = presents_certificates = True

    def __init__(self) -> None:
        self._transport = StdlibTransport(tls=trusting)
        self._lock = threading.Lock()
        self.requests: list[Request] = []
        self.presented: list[ClientCertificate | None] = []
        self.losing = 0

    def send(self, effect: Send) -> Response:
        with self._lock:
            self.requests.append(effect.request)
            self.presented.append(effect.certificate)
        response = self._transport.send(effect)
        if self.losing and b"grant_type=refresh_token" in effect.request.body:
            self.losing -= 1
            raise TransportError("a test lost the answer", maybe_received=True)
        return response

    def close(self) -> None:
        self._transport.close()

    def sent(self, grant_type: str) -> int:
        """How many token requests there were of that grant type."""
        asked = [dict(read_form(request.body.decode())) for request in self.requests if b"grant_type=" in request.body]
        return [fields["grant_type"] for fields in asked].count(grant_type)


class Party:
    """One vault and its resource owner. `again` makes another of the same deployment, as another process would have."""

    def __init__(self, colour: type[Vault | AsyncVault], store_url: str, known: Registration | Settings) -> None:
        """Known: the one registration that there is, or all that is configured."""
        self.colour, self.store_url, self.name = colour, store_url, getattr(known, "name", "")
        self.settings = known if isinstance(known, Settings) else Settings({known.name: known}, BASE_URL)
        self.keys = LocalKeyRing([("test", os.urandom(32))], random=os.urandom)
        self.transport, self.later = Watched(), Later()
        self.through: Any = self.transport  # or a transport of the application's own
        self.runner = asyncio.Runner()
        self.vaults: list[Vault | AsyncVault] = []
        self.vault = self.again()
        self.jar: dict[str, str] = {}
        self.crossing: set[str] = set()

    def again(self, store_url: str = "") -> Vault | AsyncVault:
        clock: Any = (AwaitingClock if self.colour is AsyncVault else BlockingClock)(self.later)
        store = open_store(store_url or self.store_url, environ=AWS)
        vault = self.colour(self.settings, store=store, keys=self.keys, transport=self.through, clock=clock)
        self.vaults.append(vault)
        return vault

    def done(self, reply: Any) -> Any:
        """What a verb gives, awaited where it must be."""
        return self.runner.run(_awaited(reply)) if inspect.isawaitable(reply) else reply

    def begin(self, **wanted: Any) -> str:
        """Where the browser is sent; it keeps the cookies."""
        going = self.done(self.vault.begin_authorization(self.name, OWNER, cookies=self.jar, **wanted))
        self.keep(going.set_cookies)
        return str(going.location)

    def keep(self, cookies: Iterable[str]) -> None:
        """What a browser does with cookies."""
        for cookie in cookies:
            name, _, text = cookie.partition(";")[0].partition("=")
            self.jar[name] = text
            if "SameSite=None; Secure" in cookie:
                self.crossing.add(name)

    def callback(self, pairs: Pairs) -> Request:
        """The request with which the browser comes back."""
        target = with_query(f"{read_url(BASE_URL).path}/callback/{self.name}", pairs)
        cookies = "; ".join(f"{name}={text}" for name, text in self.jar.items())
        return Request("GET", target, Headers((("cookie", cookies),)))

    def posted(self, target: str, fields: Pairs) -> Request:
        """The request with which the provider's page posts its answer; only cookies that cross sites come along."""
        crossing = {name: text for name, text in self.jar.items() if name in self.crossing}
        cookies = "; ".join(f"{name}={text}" for name, text in crossing.items())
        headers = Headers((("cookie", cookies), ("content-type", FORM)))
        return Request("POST", read_url(target).path, headers, write_form(fields).encode())

    def finish(self, request: Request) -> Any:
        return self.done(self.vault.finish_authorization(request, resource_owner=OWNER))

    def connect(self, **wanted: Any) -> Any:
        """The whole way, in two vaults: a function forgets everything in between."""
        pairs = Browser().visit(self.begin(**wanted))
        self.vault = self.again()
        return self.finish(self.callback(pairs))

    def page(self, request: Request, *, owner: str | None = OWNER) -> Response:
        """What our pages answer the browser, which keeps their cookies."""
        answer: Response = self.done(self.vault.run(respond(self.settings, request, owner)))
        self.keep(answer.headers.all("Set-Cookie"))
        return answer

    def consent(self, url: str, *, owner: str | None = OWNER) -> tuple[dict[str, str], str]:
        """The resource owner opens one of our pages, presses its button, agrees, and comes back.

        What the provider was asked for, and where the browser lands. owner: who is signed in, as far as we can see.
        """
        target = url.removeprefix(read_url(BASE_URL).origin)
        [form] = read_forms(self.page(Request("GET", target), owner=owner).body.decode())
        headers = Headers((("Content-Type", FORM), ("Sec-Fetch-Site", "same-origin")))
        fields = write_form(tuple(form.fields.items())).encode()
        going = self.page(Request("POST", target.partition("?")[0], headers, fields), owner=owner)
        location = going.headers.get("Location") or ""
        self.vault = self.again()
        landed = self.page(self.callback(Browser().visit(location)), owner=owner)
        assert landed.status == 303, landed.body
        return dict(read_form(read_url(location).query)), landed.headers.get("Location") or ""

    def get(self, url: str) -> Any:
        """A call of a protected resource."""
        return self.done(self.vault.session(self.name, OWNER).get(url))

    def at_once(self, verb: Callable[[Vault | AsyncVault], Any], *, callers: int) -> list[Any]:
        """What the callers get, each with a vault of its own, in threads or as tasks, all at the same moment."""
        vaults = [self.again() for _ in range(callers)]
        if self.colour is AsyncVault:
            return list(self.runner.run(_gathered([verb(vault) for vault in vaults])))
        barrier = threading.Barrier(callers, timeout=30)

        def call(vault: Vault | AsyncVault) -> Any:
            barrier.wait()
            return verb(vault)

        with ThreadPoolExecutor(callers) as threads:
            return list(threads.map(call, vaults))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for vault in self.vaults:
            self.done(vault.close())
        self.transport.close()
        self.runner.close()


async def _awaited(reply: Any) -> Any:
    return await reply


async def _gathered(replies: list[Any]) -> list[Any]:
    return await asyncio.gather(*replies)
