"""requests-oauthlib and Authlib as OAuth 1.0a clients of the sandbox: all three legs, every signature method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from authlib.integrations.requests_client import OAuth1Session as AuthlibSession
from requests_oauthlib import OAuth1Session
from requests_oauthlib.oauth1_session import TokenRequestDenied

from valetkey.http import read_form
from valetkey.sandbox import approve

if TYPE_CHECKING:
    from valetkey.sandbox.server import Server

# Without escapes: both libraries decode oauth_* values twice before they sign (seen with oauthlib 4.0.1 in the query and
# the body, with Authlib 1.9.9 everywhere), so that a callback with %20 in it gets a signature that nobody else makes.
REDIRECT_URI = "https://app.example/callback?state=a-b~c_1"
SECRET = "s3cret+/= é"
HMAC = ["HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512", "PLAINTEXT"]
RSA = ["RSA-SHA1", "RSA-SHA256", "RSA-SHA512"]
PLACES = ["AUTH_HEADER", "QUERY", "BODY"]


def oauthlib_session(method: str, rsa_key: str, **options: Any) -> OAuth1Session:
    if method.startswith("RSA"):
        return OAuth1Session("rsa", signature_method=method, rsa_key=rsa_key, **options)
    return OAuth1Session("app", client_secret=SECRET, signature_method=method, **options)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("method", HMAC + RSA)
def test_requests_oauthlib_completes_the_three_legs(
    server: Server, rsa_pems: tuple[str, str], method: str, place: str
) -> None:
    base = server.base_url
    with oauthlib_session(method, rsa_pems[0], callback_uri=REDIRECT_URI, signature_type=place) as session:
        temporary = session.fetch_request_token(f"{base}/oauth1/initiate")
        came_back = approve(base, session.authorization_url(f"{base}/oauth1/authorize"))
        session.parse_authorization_response(came_back)
        token = session.fetch_access_token(f"{base}/oauth1/token")

    assert temporary["oauth_callback_confirmed"] == "true"
    with oauthlib_session(
        method,
        rsa_pems[0],
        resource_owner_key=token["oauth_token"],
        resource_owner_secret=token["oauth_token_secret"],
        signature_type="AUTH_HEADER" if place == "BODY" else place,
    ) as session:
        me = session.get(f"{base}/oauth1/me", params=[("q", "é x"), ("q", "1")])
        echo = session.post(f"{base}/oauth1/echo", data=[("note", "café & tea"), ("note", "")])
        revoked = session.post(f"{base}/oauth1/revoke")
        after = session.get(f"{base}/oauth1/me")

    assert me.json()["account"] == "alice"
    assert echo.json()["form"] == [["note", "café & tea"], ["note", ""]]
    assert revoked.status_code == 200
    assert after.status_code == 401
    assert after.headers["WWW-Authenticate"].startswith("OAuth ")


def test_requests_oauthlib_hears_no_when_the_resource_owner_says_no(server: Server) -> None:
    base = server.base_url
    with OAuth1Session("app", client_secret=SECRET, callback_uri=REDIRECT_URI) as session:
        session.fetch_request_token(f"{base}/oauth1/initiate")
        came_back = approve(base, session.authorization_url(f"{base}/oauth1/authorize"), decision="deny")

        assert dict(read_form(came_back.partition("?")[2]))["error"] == "access_denied"
        with pytest.raises(TokenRequestDenied):
            session.fetch_access_token(f"{base}/oauth1/token", verifier="guess")


def test_requests_oauthlib_with_a_wrong_secret_is_refused(server: Server) -> None:
    with (
        OAuth1Session("app", client_secret="wrong", callback_uri=REDIRECT_URI) as session,
        pytest.raises(TokenRequestDenied, match="401"),
    ):
        session.fetch_request_token(f"{server.base_url}/oauth1/initiate")


@pytest.mark.parametrize("place", ["HEADER", "QUERY", "BODY"])
@pytest.mark.parametrize("method", ["HMAC-SHA1", "PLAINTEXT", "RSA-SHA1"])
def test_authlib_completes_the_three_legs(server: Server, rsa_pems: tuple[str, str], method: str, place: str) -> None:
    base = server.base_url
    options: dict[str, Any] = {"client_id": "app", "client_secret": SECRET}
    if method == "RSA-SHA1":
        options = {"client_id": "rsa", "rsa_key": rsa_pems[0]}
    with AuthlibSession(**options, redirect_uri=REDIRECT_URI, signature_method=method, signature_type=place) as session:
        session.fetch_request_token(f"{base}/oauth1/initiate")
        came_back = approve(base, session.create_authorization_url(f"{base}/oauth1/authorize"), account="bob")
        session.parse_authorization_response(came_back)
        token = session.fetch_access_token(f"{base}/oauth1/token")

    with AuthlibSession(
        **options,
        token=token["oauth_token"],
        token_secret=token["oauth_token_secret"],
        signature_method=method,
    ) as session:
        me = session.get(f"{base}/oauth1/me?q=%C3%A9%20x")
        echo = session.post(f"{base}/oauth1/echo", data={"note": "café & tea"})
        revoked = session.post(f"{base}/oauth1/revoke")
        after = session.get(f"{base}/oauth1/me")

    assert me.json()["account"] == "bob"
    assert echo.json()["form"] == [["note", "café & tea"]]
    assert (revoked.status_code, after.status_code) == (200, 401)
