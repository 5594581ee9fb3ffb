"""One authorization URL with PKCE by valetkey's pure functions."""

import os

from valetkey.http import base64url
from valetkey.oauth2.authorization import authorization_url
from valetkey.oauth2.client import Client
from valetkey.oauth2.pkce import code_challenge, code_verifier
from valetkey.oauth2.server import AuthorizationServer

verifier = code_verifier(os.urandom(32))
url = authorization_url(
    AuthorizationServer("https://as.example", "https://as.example/authorize", "https://as.example/token"),
    Client("id", None, "https://app.example/cb"),
    state=base64url(os.urandom(24)),
    scope=("read", "write"),
    code_challenge=code_challenge(verifier),
)
assert "code_challenge" in url
