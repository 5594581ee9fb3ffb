"""A resource server that believes nothing: it verifies OAuth 1.0a signatures and bearer tokens and notes what it saw."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_httpserver import HTTPServer
from werkzeug import Request as Incoming
from werkzeug import Response as Outgoing

from valetkey.errors import ConfigurationError, RequestRefused
from valetkey.http import Headers, Request, read_url
from valetkey.oauth1.credentials import ClientCredentials, TokenCredentials
from valetkey.oauth1.sign import sign_request
from valetkey.oauth1.verify import Keys, check_signature, read_signed_request
from valetkey.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from valetkey.oauth1.credentials import Placement

CLIENT = ClientCredentials("client", Secret("client-secret"))
TOKEN = TokenCredentials("token", Secret("token-secret"))


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

    def sign(
        self,
        request: Request,
        *,
        registration: str,
        resource_owner: str,
        account: str = "",
        rejected: Secret | None = None,
    ) -> Request:
        self.calls.append((registration, resource_owner, account, rejected))
        if request.headers.get("authorization") is not None or read_url(request.url).origin != self.origin:
            message = "not the provider's host, or an Authorization header of the caller's own"
            raise ConfigurationError(message)
        if self.protocol == "oauth2":
            if rejected is not None and rejected == Secret(self.tokens[0]) and len(self.tokens) > 1:
                self.tokens.pop(0)
            headers = request.headers.with_set("Authorization", f"Bearer {self.tokens[0]}")
            return Request(request.method, request.url, headers, request.body)
        self.nonce += 1
        placement: Placement = self.placement
        if placement == "body" and request.headers.get("content-type") != "application/x-www-form-urlencoded":
            placement = "header"
        return sign_request(
            request,
            CLIENT,
            token=TOKEN,
            timestamp=1_700_000_000,
            nonce=f"nonce{self.nonce}",
            placement=placement,
        )


class AsyncFakeVault:
    """The same, awaited."""

    def __init__(self, vault: FakeVault) -> None:
        self.vault = vault

    async def sign(
        self,
        request: Request,
        *,
        registration: str,
        resource_owner: str,
        account: str = "",
        rejected: Secret | None = None,
    ) -> Request:
        return self.vault.sign(
            request, registration=registration, resource_owner=resource_owner, account=account, rejected=rejected
        )
