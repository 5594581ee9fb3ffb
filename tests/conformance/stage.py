"""Where a module is played: a vault of either colour, and the sandbox as the provider that its profile asks for."""

from __future__ import annotations

import asyncio
import inspect
from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.certificates import issued
from tests.conformance.bank import public_pem
from tests.oauth2.tokens import rsa_key

from valetkey.connections.settings import McpSettings
from valetkey.effects import PrivateKey
from valetkey.errors import ProviderError, ReauthorizationRequired, RequestRefused, ValetkeyError
from valetkey.pem import read_certificate
from valetkey.providers.discovered import discovered_provider
from valetkey.providers.registration import register
from valetkey.sandbox import SandboxClient, approve, approve_posting
from valetkey.sandbox.clients import GRANT_TYPES, IMPLICIT
from valetkey.secret import Secret
from valetkey.testing.world import BASE_URL, PROVIDER_URL, World, callback_request, posted_request
from valetkey.value import replace
from valetkey.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from tests.conformance.modules import Case

    from valetkey.async_vault import AsyncVault
    from valetkey.connections.authorize import Redirect
    from valetkey.effects import ClientCertificate, Send
    from valetkey.http import Request

SCOPES = ("openid", "profile", "email", "phone", "address", "read")
REDIRECT_URI = f"{BASE_URL}/callback/op"
SECRET = Secret("secret-of-the-client")
MTLS_URL = "https://mtls.sandbox.example"
ENDPOINTS = {"refresh": ("token", {"grant_type": "refresh_token"})}


class Terminator:
    """What ends TLS before the provider: one name of it is for clients with a certificate alone."""

    blocking = False
    presents_certificates = True

    def __init__(self, behind: Any) -> None:
        self._behind = behind
        self.certified: list[str] = []

    def send(self, effect: Send) -> Any:
        url = effect.request.url
        if url.startswith(MTLS_URL):
            assert effect.certificate == certificate()
            self.certified.append(url.removeprefix(MTLS_URL))
            inside = replace(effect.request, url=PROVIDER_URL + url.removeprefix(MTLS_URL))
            effect = replace(effect, request=inside)
        return self._behind.send(effect)


class Stage:
    """One vault that knows the provider's issuer and nothing else of it, and one resource owner."""

    def __init__(self, colour: type[Vault | AsyncVault], case: Case) -> None:
        self.world = World(client=provider_client(case))
        self.sandbox = self.world.sandbox
        self.sandbox.dpop_nonces = case.profile != "openid"
        self.world.settings = replace(
            self.world.settings,
            registrations={"op": registration(case)},
            mcp=McpSettings(accept_loopback=True, client_documents=False),
        )
        self.sandbox.mtls_base_url = MTLS_URL if case.certificate else ""
        self.terminator = Terminator(self.world.network)
        self.vault = colour(
            self.world.settings,
            store=self.world.store,
            keys=self.world.keys,
            transport=self.terminator,
            clock=self.world.clock,
            events=self.world.events,
        )
        for endpoint, fault in case.faults:
            name, only = ENDPOINTS.get(endpoint, (endpoint, None))
            times = 2 if name == "token" and self.sandbox.dpop_nonces else 1  # the first is refused for want of a nonce
            self.sandbox.faults.add(endpoint=name, fault=fault, only=only, times=times)

    def did(self, answer: Any) -> Any:
        """What a verb answers, in either colour."""
        if not inspect.iscoroutine(answer):
            return answer
        coroutine: Coroutine[Any, Any, Any] = answer
        return asyncio.run(coroutine)

    def begin(self, **more: Any) -> Redirect:
        found: Redirect = self.did(self.vault.begin_authorization("op", "alice", **more))
        return found

    def coming_back(self, redirect: Redirect, *, decision: str = "allow") -> Request:
        """The browser, after the provider's pages."""
        if "form_post" in redirect.location:
            target, fields = approve_posting(self.sandbox.respond, redirect.location, decision=decision)
            return posted_request(target, fields, redirect.set_cookies)
        return callback_request(
            approve(self.sandbox.respond, redirect.location, decision=decision), redirect.set_cookies
        )

    def finish(self, request: Request) -> Any:
        return self.did(self.vault.finish_authorization(request, resource_owner="alice"))

    def connect(self) -> Any:
        return self.finish(self.coming_back(self.begin())).connection

    def userinfo(self) -> Any:
        return self.did(self.vault.userinfo("op", "alice"))

    def resource(self, registration: str = "op") -> Any:
        """What the API says of whose account it is."""
        if isinstance(self.vault, Vault):
            return self.vault.session(registration, "alice").get(f"{PROVIDER_URL}/oauth2/me").json()
        session = self.vault.session(registration, "alice")

        async def get() -> Any:
            return (await session.get(f"{PROVIDER_URL}/oauth2/me")).json()

        return asyncio.run(get())

    def refresh(self) -> Any:
        """A caller who comes after the access token has ended."""
        self.world.clock.time += self.world.client.access_token_seconds + 1
        return self.did(self.vault.access_token("op", "alice"))

    def connections(self) -> tuple[Any, ...]:
        return tuple(self.did(self.vault.connections("alice")).connections)

    def asked(self, endpoint: str, **fields: str) -> int:
        """How often the provider was asked there."""
        return self.sandbox.seen.count(endpoint, **fields)


def reason_of(error: ValetkeyError) -> str:
    """The word of an error that says why."""
    if isinstance(error, RequestRefused | ReauthorizationRequired):
        return error.reason
    assert isinstance(error, ProviderError), error
    return error.error


def provider_client(case: Case) -> SandboxClient:
    """The client as the provider registered it."""
    strict = case.profile != "openid"
    return SandboxClient(
        "client-two",
        None if strict else SECRET,
        redirect_uris=(REDIRECT_URI,),
        scopes=SCOPES,
        authentication="private_key_jwt" if strict else "client_secret_basic",
        public_key=public_pem() if strict else "",
        grant_types=(*GRANT_TYPES, IMPLICIT),
        require_pushed_authorization_requests=strict,
        require_signed_request_object=case.profile == "signed",
        dpop_bound_access_tokens=strict,
        rotation="none" if strict else "strict",  # FAPI 2.0 section 5.3.2.1 rule 10
        id_token_signed_response_alg=case.algorithm or ("PS256" if strict else "RS256"),  # type: ignore[arg-type]
        authorization_signed_response_alg="PS256" if strict else "RS256",
    )


def registration(case: Case, *, issuer: str = PROVIDER_URL) -> Any:
    """The registration as the application configured it."""
    strict, provider = case.profile != "openid", discovered_provider("oidc", issuer=issuer)
    server: Any = replace(provider.server, response_type=case.response_type)
    if case.profile == "signed":
        server = replace(server, request_object_signing_alg="PS256")
    provider = replace(provider, server=server)
    return register(
        "op",
        provider,
        client_id="client-two",
        client_secret=None if strict else SECRET,
        private_key=private_key() if strict else None,
        redirect_uri=REDIRECT_URI,
        scope=("openid", "read"),
        signature_method="PS256" if strict else "",
        token_endpoint_auth_method="private_key_jwt" if strict else "",
        dpop_bound_access_tokens=strict,
        accept_implicit_grant=case.response_type != "code",
        client_certificate=certificate() if case.certificate else None,
        tls_client_certificate_bound_access_tokens=case.certificate,
        response_mode=case.response_mode or ("jwt" if case.profile == "signed" else ""),
    )


@cache
def certificate() -> ClientCertificate:
    return read_certificate(issued())


@cache
def private_key() -> PrivateKey:
    octets = rsa_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return PrivateKey(Secret(octets.decode()))
