"""requests-oauthlib and Authlib as OAuth 2.0 clients of the sandbox: code with PKCE, refresh, revocation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from oauthlib.oauth2.rfc6749.errors import AccessDeniedError, InvalidGrantError, InvalidScopeError
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

from valetkey.sandbox import approve

if TYPE_CHECKING:
    from valetkey.sandbox.server import Server

REDIRECT_URI = "https://app.example/callback"
SECRET = "s3cret+/= é"


def connected(server: Server, client_id: str, **exchange: Any) -> OAuth2Session:
    """A requests-oauthlib session with tokens for alice."""
    base = server.base_url
    session = OAuth2Session(client_id, redirect_uri=REDIRECT_URI, scope=["read", "write"], pkce="S256")
    location, state = session.authorization_url(f"{base}/oauth2/authorize")
    came_back = approve(base, location)
    assert f"state={state}" in came_back
    session.fetch_token(f"{base}/oauth2/token", authorization_response=came_back, **exchange)
    return session


@pytest.mark.parametrize(
    ("client_id", "exchange", "refresh", "rotates"),
    [
        (
            "app",
            {"client_secret": SECRET, "include_client_id": True},
            {"client_id": "app", "client_secret": SECRET},
            True,
        ),
        (
            "post",
            {"client_secret": SECRET, "include_client_id": True},
            {"client_id": "post", "client_secret": SECRET},
            False,
        ),
        ("public", {"include_client_id": True}, {"client_id": "public"}, True),
    ],
)
def test_requests_oauthlib_connects_refreshes_and_revokes(
    server: Server, client_id: str, exchange: dict[str, Any], refresh: dict[str, str], rotates: bool
) -> None:
    base = server.base_url
    with connected(server, client_id, **exchange) as session:
        first = dict(session.token)
        assert session.get(f"{base}/oauth2/me").json()["account"] == "alice"
        assert session.post(f"{base}/oauth2/echo", data={"a": "é"}).json()["form"] == [["a", "é"]]

        second = session.refresh_token(f"{base}/oauth2/token", **refresh)
        assert second["access_token"] != first["access_token"]
        assert (second["refresh_token"] != first["refresh_token"]) is rotates
        assert session.get(f"{base}/oauth2/me").status_code == 200

        form = {"token": second["refresh_token"], **refresh}
        assert session.request("POST", f"{base}/oauth2/revoke", data=form, withhold_token=True).status_code == 200
        assert session.get(f"{base}/oauth2/me").status_code == 401
        with pytest.raises(InvalidGrantError):
            session.refresh_token(f"{base}/oauth2/token", **refresh)


def test_requests_oauthlib_authenticates_with_basic_credentials(server: Server) -> None:
    # It does not form-encode them (RFC 6749 section 2.3.1), so the encoded secret is handed to it.
    auth = HTTPBasicAuth("app", "s3cret%2B%2F%3D%20%C3%A9")

    with connected(server, "app", auth=auth) as session:
        assert session.get(f"{server.base_url}/oauth2/me").status_code == 200


def test_requests_oauthlib_hears_no_when_the_resource_owner_says_no(server: Server) -> None:
    base = server.base_url
    with OAuth2Session("app", redirect_uri=REDIRECT_URI, scope=["read"], pkce="S256") as session:
        location, _ = session.authorization_url(f"{base}/oauth2/authorize")
        came_back = approve(base, location, decision="deny")

        with pytest.raises(AccessDeniedError):
            session.fetch_token(f"{base}/oauth2/token", authorization_response=came_back, client_secret=SECRET)


def test_requests_oauthlib_reads_the_error_of_a_scope_that_is_too_wide(server: Server) -> None:
    base = server.base_url
    with OAuth2Session("app", redirect_uri=REDIRECT_URI, scope=["admin"], pkce="S256") as session:
        location, _ = session.authorization_url(f"{base}/oauth2/authorize")

        with pytest.raises(InvalidScopeError):
            session.fetch_token(f"{base}/oauth2/token", authorization_response=approve(base, location))


def test_requests_oauthlib_without_pkce_is_refused(server: Server) -> None:
    base = server.base_url
    with OAuth2Session("app", redirect_uri=REDIRECT_URI, scope=["read"]) as session:
        location, _ = session.authorization_url(f"{base}/oauth2/authorize")

        assert "error=invalid_request" in approve(base, location)


@pytest.mark.parametrize(
    ("client_id", "method"),
    [("app", "client_secret_post"), ("post", "client_secret_post"), ("public", "none")],
)
def test_authlib_connects_refreshes_introspects_and_revokes(server: Server, client_id: str, method: str) -> None:
    base = server.base_url
    with AuthlibSession(
        client_id,
        None if method == "none" else SECRET,
        scope="read",
        redirect_uri=REDIRECT_URI,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        code_challenge_method="S256",
    ) as session:
        verifier = "v" * 64
        location, state = session.create_authorization_url(f"{base}/oauth2/authorize", code_verifier=verifier)
        came_back = approve(base, location, account="bob")
        first = session.fetch_token(
            f"{base}/oauth2/token", authorization_response=came_back, state=state, code_verifier=verifier
        )
        assert session.get(f"{base}/oauth2/me").json()["account"] == "bob"
        if method != "none":
            described = session.introspect_token(f"{base}/oauth2/introspect", token=first["access_token"])
            assert described.json()["active"] is True

        second = session.refresh_token(f"{base}/oauth2/token", refresh_token=first["refresh_token"])
        assert second["access_token"] != first["access_token"]
        newest = second.get("refresh_token", first["refresh_token"])
        assert session.revoke_token(f"{base}/oauth2/revoke", token=newest).status_code == 200
        assert session.get(f"{base}/oauth2/me").status_code == 401


def test_authlib_with_a_wrong_verifier_gets_invalid_grant(server: Server) -> None:
    base = server.base_url
    with AuthlibSession(
        "public",
        scope="read",
        redirect_uri=REDIRECT_URI,
        token_endpoint_auth_method="none",
        code_challenge_method="S256",
    ) as session:
        location, _ = session.create_authorization_url(f"{base}/oauth2/authorize", code_verifier="v" * 64)
        came_back = approve(base, location)

        with pytest.raises(OAuthError, match="invalid_grant"):
            session.fetch_token(f"{base}/oauth2/token", authorization_response=came_back, code_verifier="w" * 64)
