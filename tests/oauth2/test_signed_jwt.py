from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.oauth2.crypto_peer import SigningPeer, is_signed_by, read_jwt
from tests.oauth2.peer import CLIENT, NOW, SERVER, answer, form_of
from tests.oauth2.vectors import load

from valetkey.digest import hmac_sha256
from valetkey.effects import PrivateKey
from valetkey.errors import ConfigurationError
from valetkey.http import base64url, base64url_decode
from valetkey.keys.jwk import make_key, public_jwk
from valetkey.keys.signer import LocalSigner
from valetkey.oauth2.client_authentication import ASSERTION_TYPE, client_authentication
from valetkey.oauth2.signed_jwt import authenticate_jwt, thumbprint
from valetkey.oauth2.token import refresh_grant
from valetkey.secret import Secret
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.oauth2.client import Client
    from valetkey.oauth2.server import AuthMethod, AuthorizationServer

TOKENS = '{"access_token": "a", "token_type": "Bearer"}'


@pytest.mark.parametrize("vector", load("jwk_thumbprint")["thumbprints"], ids=lambda vector: vector["where"])
def test_thumbprints_are_those_of_the_standards(vector: dict[str, Any]) -> None:
    assert thumbprint(tuple(vector["members"].items())) == vector["thumbprint"]


@pytest.mark.parametrize("vector", load("jws_made")["made"], ids=lambda vector: vector["where"])
def test_signatures_are_those_of_the_standards(vector: dict[str, Any]) -> None:
    signed, _, signature = vector["token"].rpartition(".")

    if vector["algorithm"] == "HS256":
        made = hmac_sha256(base64url_decode(vector["key"]["k"]), signed.encode())
    else:
        made = LocalSigner().sign_here(_private_key(vector["key"]), "RS256", signed.encode())

    assert base64url(made) == signature


def _private_key(jwk: dict[str, str]) -> PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateNumbers, RSAPublicNumbers
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    n, e, d, p, q, dp, dq, qi = (
        int.from_bytes(base64url_decode(jwk[name]), "big") for name in ("n", "e", "d", "p", "q", "dp", "dq", "qi")
    )
    key = RSAPrivateNumbers(p, q, d, dp, dq, qi, RSAPublicNumbers(e, n)).private_key()
    return PrivateKey(Secret(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()))


def test_a_secret_authenticates_over_header_and_claims() -> None:
    jwt = authenticate_jwt(Secret("s"), header={"typ": "x"}, claims={"a": 1})
    signed, _, mac = jwt.rpartition(".")

    assert read_jwt(jwt) == ({"alg": "HS256", "typ": "x"}, {"a": 1})
    assert base64url_decode(mac) == hmac_sha256(b"s", signed.encode())


def refreshed(server: AuthorizationServer, client: Client) -> dict[str, str]:
    """The form of a refresh request."""
    peer = SigningPeer(answer(TOKENS))
    peer.run(refresh_grant(server, client, refresh_token=Secret("r"), not_after=NOW + 9))
    assert peer.request.headers.get("Authorization") is None
    return form_of(peer.request)


def signing(method: AuthMethod, **habits: object) -> AuthorizationServer:
    return replace(SERVER, token_endpoint_auth_method=method, **habits)


def test_an_assertion_is_addressed_to_the_issuer_alone_and_lives_for_a_minute() -> None:
    key = make_key()
    server = signing("private_key_jwt", token_endpoint_auth_signing_alg="ES256")

    form = refreshed(server, replace(CLIENT, client_secret=None, private_key=key))

    header, claims = read_jwt(form["client_assertion"])
    jwk = public_jwk(key)
    assert form["client_assertion_type"] == ASSERTION_TYPE
    assert header == {"alg": "ES256", "typ": "client-authentication+jwt", "kid": thumbprint(jwk)}
    assert claims.pop("jti")
    assert claims == {
        "iss": "client",
        "sub": "client",
        "aud": "https://as.example",
        "iat": int(NOW),
        "exp": int(NOW) + 60,
    }
    assert is_signed_by(form["client_assertion"], dict(jwk))
    assert "client_secret" not in form


def test_the_audience_stays_the_issuer_where_the_token_endpoint_is_somebody_elses() -> None:
    """CVE-2025-27371: metadata can name another server's token endpoint."""
    server = signing("private_key_jwt", token_endpoint_auth_signing_alg="ES256", token_endpoint="https://b.example/t")

    form = refreshed(server, replace(CLIENT, client_secret=None, private_key=make_key()))

    assert read_jwt(form["client_assertion"])[1]["aud"] == "https://as.example"


def test_a_configured_key_id_is_what_the_key_is_called() -> None:
    key = replace(make_key(), key_id="our-key")
    server = signing("private_key_jwt", token_endpoint_auth_signing_alg="ES256")

    form = refreshed(server, replace(CLIENT, client_secret=None, private_key=key))

    assert read_jwt(form["client_assertion"])[0]["kid"] == "our-key"


def test_a_key_that_stays_in_a_key_service_signs_and_needs_its_id() -> None:
    asked = []

    def sign(algorithm: str, message: bytes) -> bytes:
        asked.append((algorithm, message))
        return b"signature"

    server = signing("private_key_jwt")
    client = replace(CLIENT, client_secret=None, private_key=PrivateKey(key_id="k", signer=sign))
    nameless = replace(client, private_key=PrivateKey(signer=sign))

    form = refreshed(server, client)

    assert form["client_assertion"].endswith(base64url(b"signature"))
    assert asked[0][0] == "RS256"
    with pytest.raises(ConfigurationError, match="key id"):
        refreshed(server, nameless)


def test_the_secret_itself_is_not_sent_where_it_authenticates_an_assertion() -> None:
    form = refreshed(signing("client_secret_jwt"), CLIENT)

    signed, _, mac = form["client_assertion"].rpartition(".")
    assert base64url_decode(mac) == hmac_sha256(b"s3cret-canary", signed.encode())
    assert "canary" not in str(form)


def test_an_assertion_is_never_made_twice_with_one_identifier() -> None:
    peer = SigningPeer(answer(TOKENS), answer(TOKENS))
    server = signing("client_secret_jwt")
    seen = set()

    for _ in range(2):
        peer.run(refresh_grant(server, CLIENT, refresh_token=Secret("r"), not_after=NOW + 9))
        seen.add(read_jwt(form_of(peer.request)["client_assertion"])[1]["jti"])

    assert len(seen) == 2


@pytest.mark.parametrize(
    ("server", "client", "expected"),
    [
        (signing("private_key_jwt"), CLIENT, "needs the client's private key"),
        (signing("client_secret_jwt"), replace(CLIENT, client_secret=None), "needs the client's secret"),
        (signing("private_key_jwt"), replace(CLIENT, private_key=make_key()), "needs an RSA key"),
        (
            signing("private_key_jwt"),
            replace(CLIENT, private_key=PrivateKey(Secret("-----BEGIN PRIVATE KEY-----\ncanary\n"))),
            "not in PEM form",
        ),
    ],
)
def test_what_is_missing_for_an_assertion_is_said_before_anything_is_sent(
    server: AuthorizationServer, client: Client, expected: str
) -> None:
    peer = SigningPeer()

    with pytest.raises(ConfigurationError, match=expected) as caught:
        peer.run(refresh_grant(server, client, refresh_token=Secret("r"), not_after=NOW + 9))

    assert peer.sent == []
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("method", ["private_key_jwt", "client_secret_jwt"])
def test_an_assertion_needs_an_issuer(method: AuthMethod) -> None:
    with pytest.raises(ConfigurationError, match="needs the issuer"):
        replace(SERVER, issuer=None, token_endpoint_auth_method=method)


def test_what_is_signed_is_not_made_without_a_signer() -> None:
    with pytest.raises(ConfigurationError, match="signed for each request"):
        client_authentication(signing("private_key_jwt"), CLIENT)
