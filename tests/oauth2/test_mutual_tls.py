"""Mutual TLS at the authorization server (RFC 8705): what is presented where, and what stands in the request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.certificates import issued
from tests.oauth2.peer import CLIENT, PUBLIC_CLIENT, SERVER, Peer, answer, form_of

from valetkey.effects import CONFIGURED, MakeKey, PublicKey, Random, Send, Sign
from valetkey.errors import ConfigurationError, MalformedResponse
from valetkey.http import Headers, Response
from valetkey.keys.jwk import make_key, public_jwk
from valetkey.keys.signer import LocalSigner
from valetkey.oauth2.authorization_request import request_authorization
from valetkey.oauth2.device import request_device_codes
from valetkey.oauth2.dpop import Nonces, ProofKey
from valetkey.oauth2.introspection import introspect_token
from valetkey.oauth2.metadata import authorization_server, read_metadata, write_metadata
from valetkey.oauth2.revocation import revoke_token
from valetkey.oauth2.token import exchange_code, refresh_grant
from valetkey.pem import read_certificate
from valetkey.secret import Secret
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.effects import AnyEffect, WireOp
    from valetkey.oauth2.server import AuthorizationServer

CERTIFICATE = read_certificate(issued())
CERTIFIED = replace(PUBLIC_CLIENT, certificate=CERTIFICATE)
TOKENS = answer('{"access_token":"at","token_type":"Bearer","expires_in":3600}')
CODES = '{"device_code":"d","user_code":"u","verification_uri":"https://as.example/d","expires_in":60}'
NAMES = ("token", "revocation", "introspection", "pushed_authorization_request", "device_authorization")
WHOLE = replace(
    SERVER,
    token_endpoint_auth_method="tls_client_auth",
    pushed_authorization_request_endpoint="https://as.example/par",
    device_authorization_endpoint="https://as.example/device",
)
ALIASES = tuple((f"{name}_endpoint", f"https://mtls.as.example/{name}") for name in NAMES)


class SigningPeer(Peer):
    def answer(self, effect: AnyEffect) -> object:
        if isinstance(effect, Random):
            return bytes(effect.octets)
        if isinstance(effect, Sign):
            return LocalSigner().sign(effect.key, effect.algorithm, effect.message)
        if isinstance(effect, PublicKey):
            return public_jwk(effect.key)
        assert not isinstance(effect, MakeKey)
        return super().answer(effect)


def at_every_endpoint(server: AuthorizationServer, client: Any) -> list[Send]:
    """One request to each endpoint that authenticates clients."""
    peer = SigningPeer(
        TOKENS,
        TOKENS,
        Response(200, Headers(), b""),
        answer('{"active":true}'),
        answer('{"request_uri":"urn:x","expires_in":60}', status=201),
        answer(CODES),
    )
    token, verifier = Secret("t"), Secret("v")
    programs: list[WireOp[Any]] = [
        exchange_code(server, client, code=token, code_verifier=verifier, not_after=9e9),
        refresh_grant(server, client, refresh_token=token, not_after=9e9),
        revoke_token(server, client, token=token, token_type_hint=None, not_after=9e9),
        introspect_token(server, client, token=token, token_type_hint=None, not_after=9e9),
        request_authorization(server, client, parameters=(("client_id", "client"),), not_after=9e9),
        request_device_codes(server, client, not_after=9e9),
    ]
    for program in programs:
        peer.run(program)
    return peer.sent


@pytest.mark.parametrize("method", ["tls_client_auth", "self_signed_tls_client_auth"])
def test_the_certificate_and_the_client_id_are_sent_to_every_endpoint(method: Any) -> None:
    """Section 2: client_id is in every request, or the server knows not whose certificate to expect."""
    sent = at_every_endpoint(replace(WHOLE, token_endpoint_auth_method=method), CERTIFIED)

    assert [one.certificate for one in sent] == [CERTIFICATE] * 6
    assert [form_of(one.request)["client_id"] for one in sent] == ["client"] * 6
    assert all(one.request.headers.get("Authorization") is None for one in sent)
    assert all("client_secret" not in form_of(one.request) for one in sent)


def test_a_secret_is_not_sent_beside_the_certificate() -> None:
    sent = at_every_endpoint(WHOLE, replace(CLIENT, certificate=CERTIFICATE))

    assert all(b"s3cret-canary" not in one.request.body for one in sent)
    assert all(one.request.headers.get("Authorization") is None for one in sent)


def test_a_client_with_a_certificate_uses_the_aliases() -> None:
    """Section 5."""
    sent = at_every_endpoint(replace(WHOLE, mtls_endpoint_aliases=ALIASES), CERTIFIED)

    assert [one.request.url.rpartition("/")[2] for one in sent] == [NAMES[0], *NAMES]
    assert all(one.request.url.startswith("https://mtls.as.example/") for one in sent)


def test_other_clients_do_not() -> None:
    server = replace(WHOLE, token_endpoint_auth_method="client_secret_post", mtls_endpoint_aliases=ALIASES)
    sent = at_every_endpoint(server, CLIENT)

    assert all(one.request.url.startswith("https://as.example/") for one in sent)
    assert [one.certificate for one in sent] == [None] * 6


def test_an_alias_is_for_its_own_endpoint_only() -> None:
    server = replace(WHOLE, mtls_endpoint_aliases=ALIASES[:1])
    sent = at_every_endpoint(server, CERTIFIED)

    assert [one.request.url.startswith("https://mtls.as.example/") for one in sent] == [True, True, *[False] * 4]
    assert all(one.certificate is CERTIFICATE for one in sent)


def test_tokens_are_bound_whatever_proves_the_client() -> None:
    """Section 3, and section 4 for public clients."""
    bound = replace(WHOLE, tls_client_certificate_bound_access_tokens=True)
    key = replace(CERTIFIED, private_key=make_key())

    for method, client in (
        ("client_secret_post", replace(CLIENT, certificate=CERTIFICATE)),
        ("none", CERTIFIED),
        ("private_key_jwt", key),
    ):
        server = replace(bound, token_endpoint_auth_method=method, token_endpoint_auth_signing_alg="ES256")
        sent = at_every_endpoint(server, client)
        assert [one.certificate for one in sent] == [CERTIFICATE] * 6, method
        assert ("client_assertion" in form_of(sent[0].request)) is (method == "private_key_jwt")


def test_a_certificate_goes_together_with_proofs_of_a_key() -> None:
    """FAPI 2.0 allows mutual TLS for the client and DPoP for its tokens; the proof is for where it is sent."""
    proof = ProofKey(make_key(), Nonces())
    wants = answer('{"error":"use_dpop_nonce"}', status=400, DPoP_Nonce="n")
    peer = SigningPeer(wants, answer('{"access_token":"at","token_type":"DPoP"}'))
    server = replace(WHOLE, mtls_endpoint_aliases=ALIASES, dpop_bound_access_tokens=True)

    peer.run(refresh_grant(server, CERTIFIED, refresh_token=Secret("t"), proof_key=proof, not_after=9e9))

    assert [one.certificate for one in peer.sent] == [CERTIFICATE] * 2
    assert all("https://mtls.as.example/token" in claims_of(one) for one in peer.sent)


def claims_of(sent: Send) -> str:
    from valetkey.http import base64url_decode

    return base64url_decode((sent.request.headers.get("DPoP") or "").split(".")[1]).decode().replace("\\/", "/")


@pytest.mark.parametrize("habit", ["token_endpoint_auth_method", "tls_client_certificate_bound_access_tokens"])
def test_a_client_without_a_certificate_sends_nothing(habit: str) -> None:
    plain = replace(WHOLE, token_endpoint_auth_method="client_secret_post")
    server = WHOLE if habit == "token_endpoint_auth_method" else replace(plain, **{habit: True})
    named = "tls_client_auth" if server is WHOLE else habit
    peer = Peer()

    with pytest.raises(ConfigurationError, match=f"^{named} needs the client's certificate"):
        peer.run(refresh_grant(server, CLIENT, refresh_token=Secret("t"), not_after=9e9))

    assert peer.sent == []


# Metadata and entries


def metadata(**members: object) -> Response:
    plain = {
        "issuer": "https://as.example",
        "authorization_endpoint": "https://as.example/authorize",
        "token_endpoint": "https://as.example/token",
    }
    return answer(json.dumps({**plain, **members}))


def test_metadata_tells_of_aliases_and_of_what_the_server_can_do() -> None:
    found = read_metadata(
        metadata(
            mtls_endpoint_aliases={"token_endpoint": "https://mtls.as.example/token", "jwks_uri": 1, "new": {}},
            tls_client_certificate_bound_access_tokens=True,
            token_endpoint_auth_methods_supported=["self_signed_tls_client_auth"],
        ),
        issuer="https://as.example",
    )
    server = authorization_server(found)

    assert server.mtls_endpoint_aliases == (("token_endpoint", "https://mtls.as.example/token"),)
    assert server.token_endpoint_auth_method == "self_signed_tls_client_auth"
    assert not server.tls_client_certificate_bound_access_tokens  # it can: whether it does is the registration's word
    assert read_metadata(answer(write_metadata(found)), issuer="https://as.example") == found


def test_metadata_without_aliases_is_written_without() -> None:
    found = read_metadata(metadata(), issuer="https://as.example")

    assert b"mtls_endpoint_aliases" not in write_metadata(found)
    assert found.mtls_endpoint_aliases == ()


@pytest.mark.parametrize(
    "aliases",
    [[], "https://mtls.as.example/", {"token_endpoint": 1}, {"token_endpoint": "http://mtls.as.example/token"}],
)
def test_aliases_that_cannot_be_used_spoil_the_metadata(aliases: object) -> None:
    with pytest.raises(MalformedResponse, match=r"mtls_endpoint_aliases|token_endpoint"):
        read_metadata(metadata(mtls_endpoint_aliases=aliases), issuer="https://as.example")


def test_aliases_on_loopback_without_tls_are_not_used() -> None:
    aliases = {"token_endpoint": "http://127.0.0.1:1/token"}
    found = read_metadata(metadata(mtls_endpoint_aliases=aliases), issuer="https://as.example", reach=CONFIGURED)

    assert found.mtls_endpoint_aliases == ()


@pytest.mark.parametrize(
    ("name", "alias", "expected"),
    [
        ("authorization_endpoint", "https://mtls.as.example/", "is not one of"),
        ("token_endpoint", "http://127.0.0.1/token", "must start with https"),
        ("token_endpoint", "mtls", "token_endpoint: "),
    ],
)
def test_aliases_of_an_entry_are_checked(name: str, alias: str, expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        replace(WHOLE, mtls_endpoint_aliases=((name, alias),))


def test_every_alias_of_an_entry_is_checked() -> None:
    wrong = (("jwks_uri", "https://x/"), ("token_endpoint", "mtls"), ("revocation_endpoint", "http://127.0.0.1/r"))

    with pytest.raises(ConfigurationError) as caught:
        replace(WHOLE, mtls_endpoint_aliases=wrong)
    assert all(f"mtls_endpoint_aliases: {name}" in str(caught.value) for name, _ in wrong)
