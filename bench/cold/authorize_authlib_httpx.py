"""One authorization URL with PKCE by Authlib on httpx."""

import secrets

from authlib.integrations.httpx_client import OAuth2Client

session = OAuth2Client("id", redirect_uri="https://app.example/cb", scope="read write", code_challenge_method="S256")
url, _ = session.create_authorization_url("https://as.example/authorize", code_verifier=secrets.token_urlsafe(36))
assert "code_challenge" in url
