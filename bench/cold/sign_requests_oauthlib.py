"""One signed OAuth 1.0a request by requests-oauthlib."""

import requests
from requests_oauthlib import OAuth1

request = requests.Request(
    "GET", "https://api.example.com/1/x?a=1&b=two%20words", auth=OAuth1("ck", "cs", "tk", "ts")
).prepare()
assert "Authorization" in request.headers
