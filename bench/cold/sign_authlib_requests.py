"""One signed OAuth 1.0a request by Authlib on requests."""

import requests
from authlib.integrations.requests_client import OAuth1Auth

request = requests.Request(
    "GET",
    "https://api.example.com/1/x?a=1&b=two%20words",
    auth=OAuth1Auth("ck", "cs", token="tk", token_secret="ts"),
).prepare()
assert "Authorization" in request.headers
