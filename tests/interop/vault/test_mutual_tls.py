"""Vault and AsyncVault with oidc-provider over TLS: certificates that prove clients, and bind tokens (RFC 8705)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.certificates import issued, self_signed, trusting
from tests.interop.peers import NodeOidcProvider, run, soon
from tests.interop.vault.parties import BASE_URL, OWNER, Party
from tests.interop.vault.test_oauth2_proofs import claims_of

from valetkey.drivers.transports.stdlib import StdlibTransport
from valetkey.effects import CONFIGURED, Send
from valetkey.errors import ConfigurationError, ProviderError
from valetkey.http import Headers, Request, read_form
from valetkey.keys.jwk import make_key
from valetkey.oauth2.introspection import introspect_token
from valetkey.oauth2.metadata import authorization_server, fetch_metadata
from valetkey.oauth2.server import AuthorizationServer
from valetkey.pem import certificate_thumbprint, read_certificate
from valetkey.providers.discovered import discovered_provider
from valetkey.providers.provider import Provider, Rotation
from valetkey.providers.registration import register
from valetkey.secret import Secret
from valetkey.value import replace

if TYPE_CHECKING:
    from pathlib import Path

    from valetkey.async_vault import AsyncVault
    from valetkey.effects import ClientCertificate, PrivateKey
    from valetkey.http import Response
    from valetkey.oauth2.client import Client
    from valetkey.providers.registration import Registration
    from valetkey.vault import Vault

pytestmark = pytest.mark.node
REDIRECT_URI = f"{BASE_URL}/callback/peer"
AN_HOUR_AND_MORE = 4000
BOUND: dict[str, Any] = {"tls_client_certificate_bound_access_tokens": True}
VOUCHED: dict[str, Any] = {"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "CN=client-1"}


def provider_of(peer: NodeOidcProvider, **habits: Any) -> Provider:
    metadata = run(fetch_metadata(peer.issuer, not_after=soon(), reach=CONFIGURED))
    return Provider(
        name="peer",
        title="Peer",
        protocol="oauth2",
        server=replace(authorization_server(metadata, reach=CONFIGURED), **habits),
        api_hosts=("localhost",),
        rotation=Rotation("strict", reuse_kills_family=True),
        source="https://github.com/panva/node-oidc-provider",
        verified_on="2026-11-27",
        loopback_allowed=True,
    )


def registered(
    peer: NodeOidcProvider,
    client: dict[str, Any],
    certificate: ClientCertificate,
    *,
    key: PrivateKey | None = None,
    habits: dict[str, Any] | None = None,
    **wishes: Any,
) -> Registration:
    """A client that was registered on the spot, with this certificate."""
    made = peer.register(REDIRECT_URI, private_key=key, **client)
    public = client["token_endpoint_auth_method"] == "none"
    return register(
        "peer",
        provider_of(peer, **(habits or {})),
        client_id=made.client_id,
        client_secret=made.client_secret,
        private_key=key,
        client_certificate=certificate,
        redirect_uri=REDIRECT_URI,
        scope=("openid", "api"),
        public_client=public,
        token_endpoint_auth_method="" if public else client["token_endpoint_auth_method"],
        **wishes,
    )


def jwks_of(certificate: ClientCertificate) -> dict[str, Any]:
    """What a client with a self-signed certificate registers (section 2.2.2)."""
    from base64 import b64encode

    from valetkey.keys.jwk import public_jwk

    parsed = x509.load_pem_x509_certificate(certificate.pem.reveal().encode())
    assert certificate.key is not None
    x5c = b64encode(parsed.public_bytes(Encoding.DER)).decode()
    return {"keys": [{**dict(public_jwk(certificate.key)), "x5c": [x5c]}]}


def parts_of(registration: Registration) -> tuple[AuthorizationServer, Client]:
    from valetkey.connections.by_oauth2 import parts

    return parts(registration)


def bound_to(party: Party) -> dict[str, str]:
    """What the provider says that the access token is bound to."""
    found = party.done(party.vault.introspect("peer", OWNER))
    assert found.active
    return dict(found.confirmation)


def token_of(party: Party) -> Secret:
    """The stored access token, as a thief of the store and its key would have it."""
    from valetkey.connections.records import load_record, open_record

    def program() -> Any:
        record = yield from load_record("peer", resource_owner=OWNER)
        assert record is not None
        return (yield from open_record(party.settings, record)).current.access_token

    found: Secret = party.done(party.vault.run(program()))
    return found


def stolen(url: str, token: Secret, certificate: ClientCertificate | None) -> Response:
    """What the API answers to somebody who has the token, and perhaps a certificate."""
    request = Request("GET", url, Headers((("Authorization", f"Bearer {token.reveal()}"),)))
    with StdlibTransport(tls=trusting) as transport:
        return transport.send(Send(request, CONFIGURED, time.time() + 10, certificate=certificate))


@pytest.fixture(scope="module")
def certificate() -> ClientCertificate:
    return read_certificate(issued())


def test_an_authority_vouches_for_the_client_and_its_tokens_are_bound(
    tls_oidc_provider: NodeOidcProvider,
    colour: type[Vault | AsyncVault],
    store_url: str,
    certificate: ClientCertificate,
) -> None:
    peer, me = tls_oidc_provider, f"{tls_oidc_provider.mtls}/me"
    registration = registered(peer, {**VOUCHED, **BOUND}, certificate, **BOUND)

    with Party(colour, store_url, registration) as party:
        party.connect()
        first = token_of(party)
        assert party.get(me).json() == {"sub": "alice"}
        assert bound_to(party) == {"x5t#S256": certificate_thumbprint(certificate)}

        party.later.ahead = AN_HOUR_AND_MORE
        party.vault = party.again()
        assert party.get(me).json() == {"sub": "alice"}
        assert token_of(party) != first
        assert party.transport.sent("refresh_token") == 1
        assert party.done(party.vault.revoke("peer", OWNER)).at_provider == "revoked"

        for request, presented in zip(party.transport.requests, party.transport.presented, strict=True):
            assert presented == (certificate if request.url.startswith(peer.mtls) else None)
            # keys are nobody's secret; what else goes elsewhere goes to the store
            assert not request.url.startswith(peer.issuer) or request.url == f"{peer.issuer}/jwks"
        posted = [one for one in party.transport.requests if one.method == "POST" and one.url.startswith(peer.mtls)]
        sent = [dict(read_form(one.body.decode())) for one in posted]
        assert [fields["client_id"] for fields in sent] == [registration.client.client_id] * 4  # type: ignore[union-attr]


def test_a_self_signed_certificate_is_known_by_its_key(
    tls_oidc_provider: NodeOidcProvider, colour: type[Vault | AsyncVault], tmp_path: Path
) -> None:
    own = read_certificate(self_signed())
    client = {"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": jwks_of(own), **BOUND}
    registration = registered(tls_oidc_provider, client, own, **BOUND)

    with Party(colour, f"sqlite://{tmp_path}/c.db", registration) as party:
        party.connect()
        party.later.ahead = AN_HOUR_AND_MORE
        assert party.get(f"{tls_oidc_provider.mtls}/me").json() == {"sub": "alice"}
        assert bound_to(party) == {"x5t#S256": certificate_thumbprint(own)}
        assert party.done(party.vault.revoke("peer", OWNER)).at_provider == "revoked"


@pytest.mark.parametrize("stranger", ["other-name", "nobody-vouches", "self-signed"])
def test_a_wrong_certificate_connects_nobody(
    tls_oidc_provider: NodeOidcProvider,
    colour: type[Vault | AsyncVault],
    tmp_path: Path,
    stranger: str,
) -> None:
    made = {
        "other-name": lambda: issued("client-2"),
        "nobody-vouches": lambda: issued(by=trustme.CA()),
        "self-signed": self_signed,
    }[stranger]()
    registration = registered(tls_oidc_provider, {**VOUCHED, **BOUND}, made, **BOUND)

    with Party(colour, f"sqlite://{tmp_path}/c.db", registration) as party:
        with pytest.raises(ProviderError) as caught:
            party.connect()

        assert caught.value.error == "invalid_client"
        assert caught.value.status == 401


def test_a_stolen_token_is_of_no_use_without_the_certificate(
    tls_oidc_provider: NodeOidcProvider,
    colour: type[Vault | AsyncVault],
    tmp_path: Path,
    certificate: ClientCertificate,
) -> None:
    peer = tls_oidc_provider
    registration = registered(peer, {**VOUCHED, **BOUND}, certificate, **BOUND)

    with Party(colour, f"sqlite://{tmp_path}/c.db", registration) as party:
        party.connect()
        token = token_of(party)

        assert stolen(f"{peer.mtls}/me", token, certificate).status == 200
        assert stolen(f"{peer.mtls}/me", token, read_certificate(issued())).status == 401
        assert stolen(f"{peer.mtls}/me", token, None).status == 401
        assert stolen(f"{peer.issuer}/me", token, None).status == 401


def test_bound_tokens_are_not_handed_out(
    tls_oidc_provider: NodeOidcProvider,
    colour: type[Vault | AsyncVault],
    tmp_path: Path,
    certificate: ClientCertificate,
) -> None:
    registration = registered(tls_oidc_provider, {**VOUCHED, **BOUND}, certificate, **BOUND)
    me = Request("GET", f"{tls_oidc_provider.mtls}/me")

    with Party(colour, f"sqlite://{tmp_path}/c.db", registration) as party:
        party.connect()
        vault = party.vault
        for verb in (
            lambda: vault.access_token("peer", OWNER),
            lambda: vault.client_token("peer"),
            lambda: vault.sign(me, registration="peer", resource_owner=OWNER),
            lambda: vault.sign_as_client(me, registration="peer"),
        ):
            with pytest.raises(ConfigurationError, match=r"bound to the client's certificate.*use session\(\)"):
                party.done(verb())
        assert party.transport.sent("client_credentials") == 0


def test_the_clients_own_token_is_bound_too(
    tls_oidc_provider: NodeOidcProvider,
    colour: type[Vault | AsyncVault],
    tmp_path: Path,
    certificate: ClientCertificate,
) -> None:
    client = {**VOUCHED, **BOUND, "grant_types": ["client_credentials"], "response_types": [], "redirect_uris": []}
    registration = registered(tls_oidc_provider, client, certificate, **BOUND)

    with Party(colour, f"sqlite://{tmp_path}/c.db", registration) as party:
        session = party.vault.client_session("peer", scope=("api",))
        answer = party.done(session.get(f"{tls_oidc_provider.mtls}/.well-known/openid-configuration"))
        used = party.transport.requests[-1].headers.get("Authorization") or ""

        assert answer.status == 200
        assert party.transport.presented == [certificate] * 2
        assert party.transport.sent("client_credentials") == 1
        token = Secret(used.removeprefix("Bearer "))
        told = run(introspect_token(*parts_of(registration), token=token, not_after=soon()))
        assert dict(told.confirmation) == {"x5t#S256": certificate_thumbprint(certificate)}


@pytest.mark.parametrize("proof", ["private_key_jwt", "client_secret_basic", "none"])
def test_tokens_are_bound_to_the_certificate_whatever_proves_the_client(
    tls_oidc_provider: NodeOidcProvider,
    colour: type[Vault | AsyncVault],
    tmp_path: Path,
    certificate: ClientCertificate,
    proof: str,
) -> None:
    """FAPI 2.0: private_key_jwt with certificate-bound tokens; and public clients (section 4)."""
    key = make_key() if proof == "private_key_jwt" else None
    client: dict[str, Any] = {"token_endpoint_auth_method": proof, **BOUND}
    wishes: dict[str, Any] = {**BOUND}
    if key is not None:
        client["token_endpoint_auth_signing_alg"] = wishes["signature_method"] = "ES256"
    registration = registered(tls_oidc_provider, client, certificate, key=key, **wishes)

    with Party(colour, f"sqlite://{tmp_path}/c.db", registration) as party:
        party.connect()
        party.later.ahead = AN_HOUR_AND_MORE
        assert party.get(f"{tls_oidc_provider.mtls}/me").json() == {"sub": "alice"}
        assert party.transport.sent("refresh_token") == 1
        token = token_of(party)
        assert stolen(f"{tls_oidc_provider.mtls}/me", token, read_certificate(issued())).status == 401


def test_the_certificate_proves_the_client_and_a_key_of_the_connection_binds_its_tokens(
    tls_oidc_provider: NodeOidcProvider,
    colour: type[Vault | AsyncVault],
    tmp_path: Path,
    certificate: ClientCertificate,
) -> None:
    """FAPI 2.0: mutual TLS with DPoP. Such tokens go to the API without the certificate, so that sign() works."""
    client = {**VOUCHED, "dpop_bound_access_tokens": True}
    registration = registered(tls_oidc_provider, client, certificate, dpop_bound_access_tokens=True)

    with Party(colour, f"sqlite://{tmp_path}/c.db", registration) as party:
        party.connect()
        party.later.ahead = AN_HOUR_AND_MORE
        assert party.get(f"{tls_oidc_provider.issuer}/me").json() == {"sub": "alice"}

        by_url = {
            request.url.removeprefix(tls_oidc_provider.mtls): presented
            for request, presented in zip(party.transport.requests, party.transport.presented, strict=True)
        }
        assert by_url["/token"] == certificate
        assert by_url[f"{tls_oidc_provider.issuer}/me"] is None
        _, claims = next(claims_of(one.headers.get("DPoP") or "") for one in party.transport.requests if one.body)
        assert claims["htu"] == f"{tls_oidc_provider.mtls}/token"


def test_an_issuer_alone_tells_of_its_aliases(
    tls_oidc_provider: NodeOidcProvider,
    colour: type[Vault | AsyncVault],
    tmp_path: Path,
    certificate: ClientCertificate,
) -> None:
    """Metadata names another port than 443 there, which is not followed: https on its usual port only."""
    made = tls_oidc_provider.register(REDIRECT_URI, **VOUCHED)
    registration = register(
        "peer",
        discovered_provider("oidc", issuer=tls_oidc_provider.issuer, api_hosts=("localhost",)),
        client_id=made.client_id,
        client_certificate=certificate,
        redirect_uri=REDIRECT_URI,
    )

    with Party(colour, f"sqlite://{tmp_path}/c.db", registration) as party:
        begun = party.begin()

        assert begun.startswith(f"{tls_oidc_provider.issuer}/auth")
        server = registration.provider.server
        assert isinstance(server, AuthorizationServer)
        from valetkey.connections.discovery import with_metadata

        metadata = run(fetch_metadata(tls_oidc_provider.issuer, not_after=soon(), reach=CONFIGURED))
        described = with_metadata(server, metadata)
        assert described.token_endpoint_auth_method == "tls_client_auth"
        assert dict(described.mtls_endpoint_aliases)["token_endpoint"] == f"{tls_oidc_provider.mtls}/token"
        assert described.reach == "public"
        assert metadata.tls_client_certificate_bound_access_tokens


def test_one_refresh_for_all_callers(
    tls_oidc_provider: NodeOidcProvider,
    colour: type[Vault | AsyncVault],
    tmp_path: Path,
    certificate: ClientCertificate,
) -> None:
    registration = registered(tls_oidc_provider, {**VOUCHED, **BOUND}, certificate, **BOUND)
    me = f"{tls_oidc_provider.mtls}/me"

    with Party(colour, f"sqlite://{tmp_path}/c.db", registration) as party:
        party.connect()
        party.later.ahead = AN_HOUR_AND_MORE
        answers = party.at_once(lambda vault: vault.session("peer", OWNER).get(me), callers=6)

        assert [answer.json() for answer in answers] == [{"sub": "alice"}] * 6
        assert party.transport.sent("refresh_token") == 1
