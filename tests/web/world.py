"""A deployment in memory with real ports, and a provider that answers its token and revocation endpoints."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import valetkey.web
from valetkey.connections.settings import Settings
from valetkey.drivers.drive import drive
from valetkey.drivers.ports import Ports
from valetkey.http import FORM, Headers, Request, Response, read_form, write_form
from valetkey.keys.local import LocalKeyRing
from valetkey.oauth2.client import Client
from valetkey.oauth2.server import AuthorizationServer
from valetkey.providers.provider import Provider, Rotation
from valetkey.providers.registration import Registration
from valetkey.secret import Secret
from valetkey.stores.memory import MemoryStore
from valetkey.web.routes import respond

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from valetkey.effects import AnyEffect, Event, Op, PrivateKey, Send, SignatureAlgorithm

T = TypeVar("T")

TEMPLATES = Path(valetkey.web.__file__).parent / "templates"
BASE = "https://app.example/oauth"
CANARY = "canary-7f3a"  # in every secret; it may stand in no page
SAME_ORIGIN = (("Sec-Fetch-Site", "same-origin"),)


class Clock:
    """Virtual time, and chance that is the same in every run."""

    def __init__(self) -> None:
        self.at = 1_793_318_400.0
        self.drawn = 0

    def now(self) -> float:
        return self.at

    def remaining(self) -> float:
        return 30.0

    def whole(self) -> float:
        return 30.0

    def sleep(self, seconds: float) -> None:
        self.at += seconds

    def random(self, octets: int) -> bytes:
        self.drawn += 1
        return hashlib.shake_256(str(self.drawn).encode()).digest(octets)


class ProviderInMemory:
    """Answers as a provider would; `answers` may be set to fail."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.failure: Callable[[Request], Response] | None = None

    def send(self, effect: Send) -> Response:
        request = effect.request
        self.requests.append(request)
        if self.failure is not None:
            return self.failure(request)
        if request.url.endswith("/revoke"):
            return Response(200)
        answer = {
            "access_token": f"at-{CANARY}-{len(self.requests)}",
            "token_type": "bearer",
            "expires_in": 3600,
            "refresh_token": f"rt-{CANARY}",
        }
        return Response(200, Headers((("Content-Type", "application/json"),)), json.dumps(answer).encode())


class NoSigner:
    def sign(self, key: PrivateKey, algorithm: SignatureAlgorithm, message: bytes) -> bytes:
        raise AssertionError


class Heard:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)


def registration(name: str, title: str, *, base: str = BASE, origin: str = "", **habits: Any) -> Registration:
    """A registration at a provider of that title."""
    origin = origin or f"https://{name}.example"
    server = AuthorizationServer(
        None, f"{origin}/authorize", f"{origin}/token", revocation_endpoint=f"{origin}/revoke", **habits
    )
    provider = Provider(
        name=name,
        title=title,
        protocol="oauth2",
        server=server,
        api_hosts=(f"api.{name}.example",),
        rotation=Rotation("unknown"),
        source="https://example.com/",
        verified_on="2026-11-22",
        loopback_allowed=True,
    )
    redirect_uri = f"{base}/callback/{name}"
    client = Client(f"id-of-{name}", Secret(f"cs-{CANARY}"), redirect_uri)
    return Registration(name, provider, client, ("read",), redirect_uri)


class World:
    """A vault as gateways see it: `settings`, `run`, `invocation`; and a browser's view of it."""

    def __init__(self, base: str = BASE, **settings: Any) -> None:
        self.clock, self.provider, self.heard = Clock(), ProviderInMemory(), Heard()
        self.store = MemoryStore(now=self.clock.now)
        self.keys = LocalKeyRing([("test", hashlib.sha256(b"key").digest())], random=self.clock.random)
        self.ports = Ports(
            transport=self.provider,
            store=self.store,
            keys=self.keys,
            signer=NoSigner(),
            clock=self.clock,
            events=self.heard,
        )
        registrations = [
            registration("github", "GitHub", base=base),
            registration("poster", "Poster & <Sons>", base=base, response_mode="form_post"),
        ]
        self.settings = Settings(
            registrations={one.name: one for one in registrations},
            base_url=base,
            application="Reports",
            **settings,
        )
        self.before: Callable[[AnyEffect], None] | None = None
        self.invocations: list[object] = []

    def answer(self, effect: AnyEffect) -> object:
        if self.before is not None:
            self.before(effect)
        return self.ports.answer(effect)

    def run(self, op: Op[T]) -> T:
        return drive(op, self.answer)

    def invocation(self, context: object) -> AbstractContextManager[None]:
        from contextlib import nullcontext

        self.invocations.append(context)
        return nullcontext()

    def browser(self, owner: str | None = "alice") -> Browser:
        return Browser(self, owner)


class Browser:
    """Sends requests and keeps cookies."""

    def __init__(self, world: World, owner: str | None) -> None:
        self.world, self.owner = world, owner
        self.jar: dict[str, str] = {}

    def send(
        self,
        method: str,
        target: str,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        form: dict[str, str] | None = None,
        body: bytes = b"",
    ) -> Response:
        if form is not None:
            body = write_form(form.items()).encode()
            headers = (("Content-Type", FORM), *headers)
        if self.jar:
            headers = (*headers, ("Cookie", "; ".join(f"{name}={text}" for name, text in self.jar.items())))
        request = Request(method, target, Headers(headers), body)
        response = self.world.run(respond(self.world.settings, request, self.owner))
        for cookie in response.headers.all("set-cookie"):
            name, _, text = cookie.partition(";")[0].partition("=")
            if "Max-Age=0" in cookie:
                self.jar.pop(name, None)
            else:
                self.jar[name] = text
        return response

    def get(self, target: str) -> Response:
        return self.send("GET", target)

    def start(self, name: str = "github", **form: str) -> dict[str, str]:
        """Go to the provider from a page of our origin; what the provider is asked."""
        response = self.send("POST", f"/oauth/connect/{name}", headers=SAME_ORIGIN, form=form)
        assert response.status == 303, text_of(response)
        return query_of(location(response))

    def connect(self, name: str = "github", **form: str) -> Response:
        """The whole way; the answer to the callback."""
        asked = self.start(name, **form)
        return self.get(
            f"/oauth/callback/{name}?" + write_form((("code", f"code-{CANARY}"), ("state", asked["state"])))
        )

    def form_on(self, target: str, *, action: str) -> dict[str, str]:
        """The hidden fields of the page's first form with that action."""
        return next(form for where, form in forms_of(self.get(target)) if where.endswith(action))


def forms_of(response: Response) -> Iterator[tuple[str, dict[str, str]]]:
    import html

    for action, inside in re.findall(
        r'<form method="post" action="([^"]*)">(.*?)</form>', text_of(response), re.DOTALL
    ):
        fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', inside)
        yield html.unescape(action), {name: html.unescape(text) for name, text in fields}


def text_of(response: Response) -> str:
    return response.body.decode()


def without_our_script(response: Response) -> str:
    """The page without the one script that it may have, which must be a file of ours that the policy names by hash."""
    page, policy = text_of(response), response.headers.get("content-security-policy") or ""
    sources = policy.partition("script-src ")[2].partition(";")[0].split()
    found = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    if found is None:
        assert sources == []
        return page
    script = found.group(1)
    assert script in {file.read_text().rstrip("\n") for file in TEMPLATES.glob("*.js")}
    assert sources == [f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"]
    return page.replace(found.group(0), "")


def location(response: Response) -> str:
    found = response.headers.get("location")
    assert found is not None
    return found


def query_of(url: str) -> dict[str, str]:
    return {name: texts[0] for name, texts in parse_qs(urlsplit(url).query).items()}


def form_of(request: Request) -> dict[str, str]:
    return dict(read_form(request.body.decode()))
