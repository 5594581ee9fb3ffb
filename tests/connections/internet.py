"""A small internet for a world: MCP servers and authorization servers under names of their own, all of them hostile if told.

    internet = Internet(world)           every request of the world goes through it; `internet.reaches` says how far
    notes = internet.server()            an authorization server, which registers clients and issues tokens
    internet.resource(URL, notes)        an MCP server that trusts it

What a server says can be changed in its `said` (metadata), `registered` (answers to registrations) and so on.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from valetkey.errors import TransportError
from valetkey.http import Headers, Response, read_form, read_url, with_query
from valetkey.oauth2.pkce import code_challenge
from valetkey.testing.world import World, callback_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from valetkey.connections.authorize import Redirect
    from valetkey.effects import Send
    from valetkey.http import Request

URL = "https://mcp.notes.example/mcp"
ISSUER = "https://as.notes.example"
PRM = "/.well-known/oauth-protected-resource"
LIFETIME = 3600


class Server:
    """An authorization server. It consents to everything, rotates refresh tokens and wants PKCE and `resource`."""

    def __init__(self, internet: Internet, issuer: str) -> None:
        self.internet, self.issuer, origin = internet, issuer, read_url(issuer).origin
        self.said: dict[str, Any] = {
            "issuer": issuer,
            "authorization_endpoint": f"{origin}/authorize",
            "token_endpoint": f"{origin}/token",
            "revocation_endpoint": f"{origin}/revoke",
            "registration_endpoint": f"{origin}/register",
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic", "none"],
            "authorization_response_iss_parameter_supported": True,
        }
        self.registered: dict[str, Any] = {}
        self.registration_status = 201
        self.clients: dict[str, dict[str, Any]] = {}
        self.asked: list[dict[str, Any]] = []
        self.device: dict[str, str] = {}
        self.tokens_asked: list[dict[str, str]] = []
        self.codes: dict[str, dict[str, str]] = {}
        self.refresh: dict[str, dict[str, str]] = {}
        self.access: set[str] = set()
        self.deleted: list[str] = []
        self.scope_granted: str | None = None
        self.made = 0
        for path, answer in (
            ("/register", self._register),
            ("/token", self._token),
            ("/revoke", self._revoke),
            ("/device", self._device),
        ):
            internet.pages[f"{origin}{path}"] = answer
        parts = read_url(issuer)
        inserted = f"{parts.origin}/.well-known/oauth-authorization-server{parts.path.rstrip('/')}"
        internet.pages[inserted] = lambda _: said(self.said)

    def _register(self, request: Request) -> Response:
        wanted = json.loads(request.body)
        self.asked.append({**wanted, "authorization": request.headers.get("authorization")})
        if self.registration_status >= 400:
            return said(self.registered, self.registration_status)
        self.made += 1
        client_id = f"client-{self.made}"
        answer = {
            **wanted,
            "client_id": client_id,
            "client_secret": f"secret-{self.made}-of-{self.issuer}",
            "client_secret_expires_at": 0,
            **self.registered,
        }
        answer = {name: found for name, found in answer.items() if found is not None}
        if "client_id" in answer:
            self.clients[answer["client_id"]] = answer
        return said(answer, self.registration_status)

    def authorize(self, location: str) -> str:
        """Where the browser is sent back to."""
        asked = dict(read_form(location.partition("?")[2]))
        assert asked["code_challenge_method"] == "S256"
        if not asked["client_id"].startswith("https://"):
            assert self.clients[asked["client_id"]]["redirect_uris"] == [asked["redirect_uri"]]
        self.made += 1
        code = f"code-{self.made}"
        self.codes[code] = asked
        iss = (("iss", self.issuer),) if self.said.get("authorization_response_iss_parameter_supported") else ()
        return with_query(asked["redirect_uri"], (("code", code), ("state", asked["state"]), *iss))

    def _token(self, request: Request) -> Response:
        asked = dict(read_form(request.body.decode()))
        self.tokens_asked.append(asked)
        client = self.clients.get(asked["client_id"], {})
        public = asked["client_id"].startswith("https://") or client.get("token_endpoint_auth_method") == "none"
        signed = client.get("token_endpoint_auth_method") == "private_key_jwt" and "client_assertion" in asked
        if not (public or signed) and client.get("client_secret") != asked.get("client_secret", "?"):
            return said({"error": "invalid_client"}, 401)
        if asked["grant_type"] == "refresh_token":
            grant = self.refresh.pop(asked["refresh_token"], None)
        elif asked["grant_type"] == "urn:ietf:params:oauth:grant-type:device_code":
            grant = self.device
        elif (
            asked["grant_type"] in ("client_credentials", "password")
            or "assertion" in asked
            or asked["grant_type"] == "urn:ietf:params:oauth:grant-type:token-exchange"
        ):
            grant = asked
        else:
            grant = self.codes.pop(asked["code"], None)
            if grant is not None and code_challenge(asked["code_verifier"]) != grant["code_challenge"]:
                grant = None
        if grant is None or any(grant.get(name) != asked.get(name) for name in ("client_id", "resource")):
            return said({"error": "invalid_grant"}, 400)
        self.made += 1
        access, refresh = (f"{kind}-{self.made}-of-{read_url(self.issuer).host}" for kind in ("access", "refresh"))
        self.access.add(access)
        self.refresh[refresh] = grant
        scope = grant.get("scope", "") if self.scope_granted is None else self.scope_granted
        answer = {"access_token": access, "token_type": "Bearer", "expires_in": LIFETIME, "scope": scope}
        if "token-exchange" in asked["grant_type"]:
            return said({**answer, "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"})
        return said(answer if asked["grant_type"] == "client_credentials" else {**answer, "refresh_token": refresh})

    def _device(self, request: Request) -> Response:
        asked = dict(read_form(request.body.decode()))
        if asked["client_id"] not in self.clients:
            return said({"error": "invalid_client"}, 401)
        self.device = asked
        return said(
            {"device_code": "device-1", "user_code": "AB", "verification_uri": f"{self.issuer}/d", "expires_in": 600}
        )

    def _revoke(self, request: Request) -> Response:
        asked = dict(read_form(request.body.decode()))
        _ = self.refresh.pop(asked["token"], None)
        self.access.clear()
        return Response(200, Headers(), b"")


class Internet:
    """Pages by their URL without a query; everything else cannot be reached. It is a vault's transport, too."""

    blocking = False

    def __init__(self, world: World) -> None:
        self.world = world
        self.pages: dict[str, Callable[[Request], Response]] = {}
        self.sent: list[Request] = []
        self.reaches: set[tuple[str, str]] = set()
        self.documents: dict[str, dict[str, Any]] = {}
        from valetkey.effects import Send as SendEffect

        world.ports._performers[SendEffect] = self.send

    def send(self, effect: Send) -> Response:
        url = effect.request.url.partition("?")[0]
        self.sent.append(effect.request)
        self.reaches.add((read_url(url).host, effect.reach))
        if self.world.clock.now() > effect.not_after:
            message = "the deadline has passed"
            raise TransportError(message, maybe_received=False)
        page = self.pages.get(url)
        if page is not None:
            return page(effect.request)
        if any(read_url(known).host == read_url(url).host for known in self.pages):
            return Response(404, Headers(), b"")
        message = "no such host on this internet"
        raise TransportError(message, maybe_received=False)

    def server(self, issuer: str = ISSUER) -> Server:
        """An authorization server."""
        return Server(self, issuer)

    def resource(self, url: str = URL, *trusted: Server, challenge: bool = True, **more: Any) -> dict[str, Any]:
        """An MCP server; what it says of itself may be changed in the answer."""
        parts = read_url(url)
        where = f"{parts.origin}{PRM}{parts.path if parts.path != '/' else ''}"
        document = {
            "resource": url,
            "authorization_servers": [server.issuer for server in trusted],
            "scopes_supported": ["notes:read"],
            **more,
        }
        self.documents[url] = document
        self.pages[where] = lambda _: said(document)

        def answer(request: Request) -> Response:
            token = (request.headers.get("authorization") or "").removeprefix("Bearer ")
            if any(token in server.access for server in trusted):
                return said({"jsonrpc": "2.0", "id": 1, "result": {"token": token}})
            text = f'Bearer resource_metadata="{where}"' if challenge else "Bearer"
            return Response(401, Headers((("WWW-Authenticate", text),)), b"")

        self.pages[url] = answer
        return document

    def asked(self, url: str) -> int:
        """How many requests there were to that URL."""
        return sum(request.url == url for request in self.sent)


def said(members: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(status, Headers((("Content-Type", "application/json"),)), json.dumps(members).encode())


def back(world: World, server: Server, going: Redirect) -> Request:
    """The callback of the browser that was sent there."""
    del world
    return callback_request(server.authorize(going.location), going.set_cookies)
