"""One authorization URL with PKCE by requests-oauthlib."""

from requests_oauthlib import OAuth2Session

session = OAuth2Session("id", redirect_uri="https://app.example/cb", scope=["read", "write"], pkce="S256")
url, _ = session.authorization_url("https://as.example/authorize")
assert "code_challenge" in url
