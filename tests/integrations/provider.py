"""A resource server that believes nothing: it verifies OAuth 1.0a signatures and bearer tokens and notes what it saw."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_httpserver import HTTPServer
from werkzeug import Request as Incoming
from werkzeug import Response as Outgoing

from valetkey.connections.attempt import Attempt
from valetkey.connections.connection import Tokens
from valetkey.errors import ConfigurationError, RequestRefused
from valetkey.http import Headers, Request, Response, read_url
from valetkey.oauth1.credentials import ClientCredentials, TokenCredentials
from valetkey.oauth1.sign import sign_request
from valetkey.oauth1.verify import Keys, check_signature, read_signed_request
from valetkey.secret import Secret
from valetkey.testing.world import register_at_sandbox
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from valetkey.oauth1.credentials import Placement

CLIENT = ClientCredentials("client", Secret("client-secret"))
TOKEN = TokenCredentials("token", Secret("token-secret"))
REGISTRATIONS = {
    "oauth1": register_at_sandbox("example", "sandbox-oauth1", "client", CLIENT.secret),
    "oauth2": register_at_sandbox("example", "sandbox-oauth2", "client", CLIENT.secret),
}


class Provider:
    """`/echo` answers what it verified, `/to/<status>/<path>` redirects there, `/away/<status>` to another server."""

    def __init__(self) -> None:
        self.server = HTTPServer(host="127.0.0.1", port=0)
        self.server.expect_request(re.compile(".*")).respond_with_handler(self._answer)
        self.away = ""
        self.good_tokens = {"good"}
        self.nonces: set[str] = set()
        self.seen: list[Request] = []
        self.routes: dict[str, Callable[[Request], Outgoing]] = {}

    def __enter__(self) -> Self:
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.clear()
        self.server.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    @property
    def statuses(self) -> list[str]:
        return [read_url(request.url).path for request in self.seen]

    def _answer(self, incoming: Incoming) -> Outgoing:
        url = self.url + incoming.environ["REQUEST_URI"]
        headers = Headers(tuple((name, text) for name, text in incoming.headers.items()))
        request = Request(incoming.method, url, headers, incoming.get_data())
        self.seen.append(request)
        path = read_url(url).path
        if path in self.routes:
            return self.routes[path](request)
        refusal = self.refusal(request)
        if refusal:
            return Outgoing(refusal, 401)
        if path.startswith("/to/"):
            _, _, status, target = path.split("/", 3)
            return Outgoing("", int(status), headers={"Location": f"/{target}"})
        if path.startswith("/away/"):
            return Outgoing("", int(path.split("/")[2]), headers={"Location": f"{self.away}/landing"})
        return Outgoing(request.body, 200, headers={"X-Method": request.method})

    def refusal(self, request: Request) -> str:
        """Why the request is refused; empty where it is good."""
        scheme, _, token = (request.headers.get("authorization") or "").partition(" ")
        if scheme == "Bearer":
            return "" if token in self.good_tokens else "token_rejected"
        try:
            signed = read_signed_request(request)
            check_signature(signed, Keys(CLIENT.secret, TOKEN.secret))
        except RequestRefused as refused:
            return refused.reason
        nonce = signed.nonce or ""
        if nonce in self.nonces:
            return "nonce_used"
        self.nonces.add(nonce)
        return ""


def has_credentials(request: Request) -> bool:
    """Whether anything of ours is in the request, wherever it might hide."""
    everything = f"{request.url} {request.headers.pairs!r} {request.body!r}"
    return any(mark in everything for mark in ("Bearer", "oauth_", "signature"))


class FakeVault:
    """Signs with the real signer, or sets a bearer token that it can refresh once; knows one origin."""

    def __init__(self, origin: str, *, protocol: str = "oauth1", placement: Placement = "header") -> None:
        self.origin, self.protocol, self.placement = origin, protocol, placement
        self.tokens = ["good"]
        self.nonce = 0
        self.calls: list[tuple[str, str, str, Secret | None]] = []

    def attempt(self, request: Request, *, registration: str, resource_owner: str, account: str = "") -> Attempt:
        self.calls.append((registration, resource_owner, account, None))
        return self._attempt(Attempt(REGISTRATIONS[self.protocol], request, request, None, resource_owner, account))

    def attempt_as_client(
        self, request: Request, *, registration: str, scope: tuple[str, ...] | None = None
    ) -> Attempt:
        raise NotImplementedError

    def next_attempt(self, attempt: Attempt, response: Response) -> Attempt | None:
        if response.status != 401 or attempt.tokens is None or attempt.changed:
            return None
        rejected = attempt.tokens.access_token
        self.calls.append((attempt.registration.name, "", "", rejected))
        if rejected != Secret(self.tokens[0]) or len(self.tokens) == 1:
            return None
        self.tokens.pop(0)
        return self._attempt(replace(attempt, changed=("token",)))

    def _attempt(self, attempt: Attempt) -> Attempt:
        request = attempt.request
        if request.headers.get("authorization") is not None or read_url(request.url).origin != self.origin:
            message = "not the provider's host, or an Authorization header of the caller's own"
            raise ConfigurationError(message)
        if self.protocol == "oauth2":
            headers = request.headers.with_set("Authorization", f"Bearer {self.tokens[0]}")
            signed = Request(request.method, request.url, headers, request.body)
            return replace(attempt, signed=signed, tokens=Tokens(Secret(self.tokens[0])))
        self.nonce += 1
        placement: Placement = self.placement
        if placement == "body" and request.headers.get("content-type") != "application/x-www-form-urlencoded":
            placement = "header"
        signed = sign_request(
            request,
            CLIENT,
            token=TOKEN,
            timestamp=1_700_000_000,
            nonce=f"nonce{self.nonce}",
            placement=placement,
        )
        return replace(attempt, signed=signed)


class AsyncFakeVault:
    """The same, awaited."""

    def __init__(self, vault: FakeVault) -> None:
        self.vault = vault

    async def attempt(self, request: Request, *, registration: str, resource_owner: str, account: str = "") -> Attempt:
        return self.vault.attempt(request, registration=registration, resource_owner=resource_owner, account=account)

    async def attempt_as_client(
        self, request: Request, *, registration: str, scope: tuple[str, ...] | None = None
    ) -> Attempt:
        raise NotImplementedError

    async def next_attempt(self, attempt: Attempt, response: Response) -> Attempt | None:
        return self.vault.next_attempt(attempt, response)
