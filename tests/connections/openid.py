"""A world whose provider speaks OpenID Connect: the sandbox, with id_tokens, keys, userinfo and metadata put on top."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.connections.steps import world_of
from tests.oauth2.tokens import rsa_jwk, signed

from valetkey.connections.authorize import begin_authorization, finish_authorization
from valetkey.errors import TransportError
from valetkey.http import Headers, Response, read_form
from valetkey.oauth2.kept import KeptKeys, KeptMetadata
from valetkey.oauth2.token_exchange import ID_TOKEN
from valetkey.sandbox import approve
from valetkey.testing.world import PROVIDER_URL, World, callback_request
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.connections.authorize import Finished
    from valetkey.effects import Send

JWKS, USERINFO = f"{PROVIDER_URL}/keys", f"{PROVIDER_URL}/userinfo"


class OpenidNetwork:
    """What stands between the world and its sandbox. `claims` and `header` change the next id_tokens."""

    blocking = False

    def __init__(self, world: World) -> None:
        self.world, self.behind = world, world.network
        self.claims: dict[str, Any] = {}
        self.header: dict[str, Any] = {"kid": "a"}
        self.keys: list[Any] = [rsa_jwk(kid="a")]
        self.without = self.jwks_down = self.metadata_down = False
        self.userinfo: bytes = b'{"sub":"alice","name":"Alice"}'
        self.userinfo_statuses = [200]
        self.userinfo_type = "application/json"
        self.userinfo_headers: dict[str, str] = {}
        self.metadata: dict[str, Any] = {}
        self.sent: list[str] = []
        self.nonce = ""

    def send(self, effect: Send) -> Response:
        url = effect.request.url
        self.sent.append(url.removeprefix(PROVIDER_URL))
        if url == JWKS:
            if self.jwks_down:
                message = "no answer"
                raise TransportError(message, maybe_received=True)
            return answer({"keys": self.keys})
        if url == USERINFO:
            status = self.userinfo_statuses.pop(0) if len(self.userinfo_statuses) > 1 else self.userinfo_statuses[0]
            headers = Headers((("Content-Type", self.userinfo_type), *self.userinfo_headers.items()))
            return Response(status, headers, self.userinfo)
        if "/.well-known/" in url:
            return self._describe(url)
        response = self.behind.send(effect)
        if url.endswith("/oauth2/token") and response.status == 200:
            members = json.loads(response.body)
            if members.get("issued_token_type") == ID_TOKEN:
                members["access_token"] = self._id_token(members)
            else:
                members["id_token"] = self._id_token(members)
            if self.without:
                _ = members.pop("id_token", None)
            return replace(response, body=json.dumps(members).encode())
        return response

    def _describe(self, url: str) -> Response:
        if self.metadata_down:
            return Response(503, Headers(), b"")
        if not url.endswith("/openid-configuration"):
            return Response(404, Headers(), b"")
        base = f"{PROVIDER_URL}/oauth2"
        usual = {
            "issuer": PROVIDER_URL,
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "revocation_endpoint": f"{base}/revoke",
            "jwks_uri": JWKS,
            "userinfo_endpoint": USERINFO,
            "code_challenge_methods_supported": ["S256"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "authorization_response_iss_parameter_supported": True,
        }
        return answer({name: found for name, found in {**usual, **self.metadata}.items() if found is not None})

    def _id_token(self, members: dict[str, Any]) -> str:
        del members
        now = int(self.world.clock.now())
        usual = {
            "iss": self.world.sandbox.issuer,
            "aud": "client-two",
            "sub": "alice",
            "iat": now,
            "exp": now + 300,
            "nonce": self.nonce or None,
        }
        claims = {name: found for name, found in {**usual, **self.claims}.items() if found is not None}
        return signed(claims, **self.header)


def answer(members: Any) -> Response:
    return Response(200, Headers((("Content-Type", "application/json"),)), json.dumps(members).encode())


def openid_world(
    *, discovery: str = "", client: dict[str, Any] | None = None, **server: Any
) -> tuple[World, OpenidNetwork]:
    """A world whose `two` asks for openid. discovery: it knows its issuer alone."""
    world = world_of(**{"scopes": ("openid", "read", "write", "offline_access"), **(client or {})})
    network = OpenidNetwork(world)
    two = world.settings.registrations["two"]
    found: Any = two.provider.server
    described = {"issuer": world.sandbox.issuer, "jwks_uri": JWKS, "userinfo_endpoint": USERINFO, **server}
    if discovery:
        described = {"issuer": PROVIDER_URL, "authorization_endpoint": "", "token_endpoint": "", "discovery": discovery}
        described |= {"revocation_endpoint": None, **server}
    provider = replace(two.provider, server=replace(found, **described))
    two = replace(two, provider=provider, scope=("openid", "read"), kept_keys=KeptKeys(), kept_metadata=KeptMetadata())
    world.settings = replace(world.settings, registrations={**world.settings.registrations, "two": two})
    use(world, network)
    return world, network


def use(world: World, network: OpenidNetwork) -> None:
    """Send the world's requests through it."""
    from valetkey.effects import Send as SendEffect

    world.ports._performers[SendEffect] = network.send


def begin(world: World, network: OpenidNetwork) -> Any:
    begun = world.run(begin_authorization(world.settings, "two", resource_owner="alice", cookies=()))
    network.nonce = dict(read_form(begun.location.partition("?")[2])).get("nonce", "")
    return callback_request(approve(world.sandbox.respond, begun.location), begun.set_cookies)


def connect(world: World, network: OpenidNetwork) -> Finished:
    request = begin(world, network)
    return world.run(finish_authorization(world.settings, request, resource_owner="alice"))
