"""One signed OAuth 1.0a request by Authlib on httpx."""

import httpx
from authlib.integrations.httpx_client import OAuth1Auth

auth = OAuth1Auth("ck", "cs", token="tk", token_secret="ts")
request = next(auth.auth_flow(httpx.Request("GET", "https://api.example.com/1/x?a=1&b=two%20words")))
assert "Authorization" in request.headers
