"""Vault and AsyncVault with oidc-provider, with keys: signed assertions and requests, pushed requests, bound tokens."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from tests.interop.peers import Browser, NodeOidcProvider, run, soon
from tests.interop.vault.parties import BASE_URL, OWNER, Party

from valetkey.effects import CONFIGURED, PrivateKey
from valetkey.errors import ConfigurationError, ProviderError, ReauthorizationRequired
from valetkey.http import Headers, Request, base64url_decode, read_form
from valetkey.keys.jwk import make_key
from valetkey.oauth2.metadata import authorization_server, fetch_metadata
from valetkey.providers.provider import Provider, Rotation
from valetkey.providers.registration import register
from valetkey.sandbox.visitor import over_http
from valetkey.secret import Secret
from valetkey.value import replace

if TYPE_CHECKING:
    from pathlib import Path

    from valetkey.async_vault import AsyncVault
    from valetkey.providers.registration import Registration
    from valetkey.vault import Vault

pytestmark = pytest.mark.node
REDIRECT_URI = f"{BASE_URL}/callback/peer"
AN_HOUR_AND_MORE = 4000


@cache
def rsa_key() -> PrivateKey:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    made = rsa.generate_private_key(65537, 2048)
    return PrivateKey(Secret(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()))


def provider_of(peer: NodeOidcProvider, **habits: Any) -> Provider:
    metadata = run(fetch_metadata(peer.issuer, not_after=soon(), reach=CONFIGURED))
    return Provider(
        name="peer",
        title="Peer",
        protocol="oauth2",
        server=replace(authorization_server(metadata, reach=CONFIGURED), **habits),
        api_hosts=("127.0.0.1",),
        rotation=Rotation("strict", reuse_kills_family=True),
        source="https://github.com/panva/node-oidc-provider",
        verified_on="2026-11-22",
        loopback_allowed=True,
    )


def registered(
    peer: NodeOidcProvider, *, key: PrivateKey | None = None, client: dict[str, Any] | None = None, **habits: Any
) -> Registration:
    """A client that was registered on the spot; the rest as `register` makes it of an entry with these habits."""
    made = peer.register(REDIRECT_URI, private_key=key, **(client or {}))
    wishes = {name: habits.pop(name) for name in ("signature_method", "dpop_bound_access_tokens") if name in habits}
    return register(
        "peer",
        provider_of(peer, **habits),
        client_id=made.client_id,
        client_secret=made.client_secret,
        private_key=key,
        redirect_uri=REDIRECT_URI,
        scope=("openid", "api"),
        **wishes,
    )


def claims_of(jwt: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = jwt.split(".")
    return json.loads(base64url_decode(header)), json.loads(base64url_decode(claims))


def posted(party: Party, path: str) -> list[dict[str, str]]:
    found = [one for one in party.transport.requests if one.method == "POST" and one.url.endswith(path)]
    return [dict(read_form(one.body.decode())) for one in found]


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256"])
def test_a_client_that_signs_with_its_key_connects_refreshes_and_revokes(
    node_oidc_provider: NodeOidcProvider, colour: type[Vault | AsyncVault], tmp_path: Path, algorithm: str
) -> None:
    key = make_key() if algorithm == "ES256" else rsa_key()
    client = {"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": algorithm}
    registration = registered(node_oidc_provider, key=key, client=client, signature_method=algorithm)

    with Party(colour, f"sqlite://{tmp_path}/c.db", registration) as party:
        party.connect()
        party.later.ahead = AN_HOUR_AND_MORE
        assert party.get(f"{node_oidc_provider.base_url}/me").json() == {"sub": "alice"}
        assert party.done(party.vault.revoke("peer", OWNER)).at_provider == "revoked"

        sent = [fields["client_assertion"] for fields in (*posted(party, "/token"), *posted(party, "/revocation"))]
        header, claims = claims_of(sent[0])
        assert (header["alg"], header["typ"]) == (algorithm, "client-authentication+jwt")
        assert claims["aud"] == node_oidc_provider.issuer
        assert claims["iss"] == claims["sub"] == registration.client.client_id  # type: ignore[union-attr]
        assert claims["exp"] - claims["iat"] == 60
        assert len({claims_of(one)[1]["jti"] for one in sent}) == len(sent) == 3


def test_a_client_that_signs_with_its_secret_connects(
    node_oidc_provider: NodeOidcProvider, colour: type[Vault | AsyncVault], tmp_path: Path
) -> None:
    client = {"token_endpoint_auth_method": "client_secret_jwt", "token_endpoint_auth_signing_alg": "HS256"}
    registration = registered(node_oidc_provider, client=client, token_endpoint_auth_method="client_secret_jwt")

    with Party(colour, f"sqlite://{tmp_path}/c.db", registration) as party:
        party.connect()

        assert party.get(f"{node_oidc_provider.base_url}/me").json() == {"sub": "alice"}
        assert "client_secret" not in posted(party, "/token")[0]


def test_another_key_than_the_registered_one_is_the_clients_problem(
    node_oidc_provider: NodeOidcProvider, colour: type[Vault | AsyncVault], tmp_path: Path
) -> None:
    client = {"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256"}
    right = registered(node_oidc_provider, key=make_key(), client=client, signature_method="ES256")
    wrong = replace(right, client=replace(right.client, private_key=make_key()))

    with Party(colour, f"sqlite://{tmp_path}/c.db", wrong) as party, pytest.raises(ProviderError) as caught:
        party.connect()

    assert caught.value.error == "invalid_client"


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "private_key_jwt"])
def test_a_request_that_must_be_pushed_is_pushed(
    node_oidc_provider: NodeOidcProvider, colour: type[Vault | AsyncVault], tmp_path: Path, method: str
) -> None:
    key = rsa_key() if method == "private_key_jwt" else None
    client = {"token_endpoint_auth_method": method, "require_pushed_authorization_requests": True}
    endpoint = f"{node_oidc_provider.base_url}/request"
    registration = registered(
        node_oidc_provider,
        key=key,
        client=client,
        token_endpoint_auth_method=method,
        pushed_authorization_request_endpoint=endpoint,
    )

    with Party(colour, f"sqlite://{tmp_path}/c.db", registration) as party:
        location = party.begin()
        party.finish(party.callback(Browser().visit(location)))

        assert set(dict(read_form(location.partition("?")[2]))) == {"client_id", "request_uri"}
        assert posted(party, "/request")[0]["code_challenge_method"] == "S256"
        assert party.get(f"{node_oidc_provider.base_url}/me").json() == {"sub": "alice"}


@pytest.mark.parametrize("pushed", [False, True], ids=["by value", "pushed"])
def test_a_request_that_must_be_signed_is_signed(
    node_oidc_provider: NodeOidcProvider, colour: type[Vault | AsyncVault], tmp_path: Path, pushed: bool
) -> None:
    client = {"request_object_signing_alg": "PS256", "require_signed_request_object": True}
    registration = registered(
        node_oidc_provider,
        key=rsa_key(),
        client=client,
        request_object_signing_alg="PS256",
        pushed_authorization_request_endpoint=f"{node_oidc_provider.base_url}/request" if pushed else None,
    )

    with Party(colour, f"sqlite://{tmp_path}/c.db", registration) as party:
        location = party.begin()
        party.finish(party.callback(Browser().visit(location)))

        carried = posted(party, "/request")[0] if pushed else dict(read_form(location.partition("?")[2]))
        header, claims = claims_of(carried["request"])
        assert (header["typ"], header["alg"]) == ("oauth-authz-req+jwt", "PS256")
        assert claims["aud"] == node_oidc_provider.issuer
        assert "state" not in carried
        assert party.get(f"{node_oidc_provider.base_url}/me").json() == {"sub": "alice"}


@pytest.fixture
def bound(node_oidc_provider: NodeOidcProvider) -> Registration:
    return registered(node_oidc_provider, client={"dpop_bound_access_tokens": True}, dpop_bound_access_tokens=True)


def test_bound_tokens_are_used_with_proofs_and_the_nonces_that_the_server_wants(
    node_oidc_provider: NodeOidcProvider, colour: type[Vault | AsyncVault], store_url: str, bound: Registration
) -> None:
    with Party(colour, store_url, bound) as party:
        party.connect()
        assert party.get(f"{node_oidc_provider.base_url}/me").json() == {"sub": "alice"}
        with pytest.raises(ConfigurationError, match="bound to a key"):
            party.done(party.vault.access_token("peer", OWNER))

        proofs = [
            claims_of(one.headers.get("DPoP") or "") for one in party.transport.requests if one.headers.get("DPoP")
        ]
        assert [header["typ"] for header, _ in proofs] == ["dpop+jwt"] * len(proofs)
        assert "nonce" not in proofs[0][1]
        assert all("nonce" in claims for _, claims in proofs[1:])
        assert len({json.dumps(header["jwk"]) for header, _ in proofs}) == 1
        assert all("d" not in header["jwk"] for header, _ in proofs)


def test_a_refresh_of_bound_tokens_proves_the_same_key_in_another_vault(
    node_oidc_provider: NodeOidcProvider, colour: type[Vault | AsyncVault], store_url: str, bound: Registration
) -> None:
    with Party(colour, store_url, bound) as party:
        party.connect()
        party.vault = party.again()
        dead = Request("GET", f"{node_oidc_provider.base_url}/me")
        signed = party.done(party.vault.sign(dead, registration="peer", resource_owner=OWNER))
        scheme, token = (signed.headers.get("Authorization") or "").split(" ")

        party.later.ahead = AN_HOUR_AND_MORE
        again = party.done(party.vault.sign(dead, registration="peer", resource_owner=OWNER))

        assert scheme == "DPoP"
        assert (again.headers.get("Authorization") or "") not in ("", f"DPoP {token}")
        assert party.transport.sent("refresh_token") >= 1
        assert party.get(f"{node_oidc_provider.base_url}/me").json() == {"sub": "alice"}


def test_a_bound_token_is_of_no_use_to_who_has_not_the_key(
    node_oidc_provider: NodeOidcProvider, colour: type[Vault | AsyncVault], tmp_path: Path, bound: Registration
) -> None:
    me = f"{node_oidc_provider.base_url}/me"
    with Party(colour, f"sqlite://{tmp_path}/c.db", bound) as party:
        party.connect()
        signed = party.done(party.vault.sign(Request("GET", me), registration="peer", resource_owner=OWNER))
        token = (signed.headers.get("Authorization") or "").partition(" ")[2]

        assert over_http(Request("GET", me, Headers((("Authorization", f"Bearer {token}"),)))).status == 401


def test_two_connections_never_have_one_key(
    node_oidc_provider: NodeOidcProvider, colour: type[Vault | AsyncVault], tmp_path: Path, bound: Registration
) -> None:
    me = Request("GET", f"{node_oidc_provider.base_url}/me")
    keys = set()
    with Party(colour, f"sqlite://{tmp_path}/c.db", bound) as party:
        for _ in range(2):
            party.connect()
            proof = (
                party.done(party.vault.sign(me, registration="peer", resource_owner=OWNER)).headers.get("DPoP") or ""
            )
            keys.add(claims_of(proof)[0]["jwk"]["x"])

    assert len(keys) == 2


def test_the_clients_own_token_is_bound_too(
    node_oidc_provider: NodeOidcProvider, colour: type[Vault | AsyncVault], tmp_path: Path
) -> None:
    client = {"dpop_bound_access_tokens": True, "grant_types": ["client_credentials"], "response_types": []}
    registration = registered(node_oidc_provider, client=client, dpop_bound_access_tokens=True)
    me = Request("GET", f"{node_oidc_provider.base_url}/me")

    with Party(colour, f"sqlite://{tmp_path}/c.db", registration) as party:
        signed = party.done(party.vault.sign_as_client(me, registration="peer", scope=("api",)))
        with pytest.raises(ConfigurationError, match="bound to a key"):
            party.done(party.vault.client_token("peer", scope=("api",)))

        assert (signed.headers.get("Authorization") or "").startswith("DPoP ")
        assert claims_of(signed.headers.get("DPoP") or "")[1]["ath"]
        assert party.transport.sent("client_credentials") == 2  # the second one with the nonce


def test_tokens_for_a_resource_name_it_as_their_audience(
    node_oidc_provider: NodeOidcProvider, colour: type[Vault | AsyncVault], tmp_path: Path
) -> None:
    registration = registered(node_oidc_provider, resources=("https://api.example/",))

    with Party(colour, f"sqlite://{tmp_path}/c.db", registration) as party:
        location = party.begin()
        party.finish(party.callback(Browser().visit(location)))
        assert party.done(party.vault.introspect("peer", OWNER)).audience == ("https://api.example/",)
        party.later.ahead = AN_HOUR_AND_MORE
        party.done(party.vault.access_token("peer", OWNER))

        assert dict(read_form(location.partition("?")[2]))["resource"] == "https://api.example/"
        assert [fields["resource"] for fields in posted(party, "/token")] == ["https://api.example/"] * 2


def test_a_resource_that_was_revoked_asks_the_resource_owner_again(
    colour: type[Vault | AsyncVault], tmp_path: Path, bound: Registration
) -> None:
    with Party(colour, f"sqlite://{tmp_path}/c.db", bound) as party:
        party.connect()
        party.done(party.vault.revoke("peer", OWNER))

        with pytest.raises(ReauthorizationRequired):
            party.done(party.vault.sign(Request("GET", "http://127.0.0.1/"), registration="peer", resource_owner=OWNER))
