"""One signed OAuth 1.0a request by valetkey's pure function."""

import os
import time

from valetkey.http import Request
from valetkey.oauth1.credentials import ClientCredentials, TokenCredentials
from valetkey.oauth1.sign import sign_request
from valetkey.secret import Secret

request = sign_request(
    Request("GET", "https://api.example.com/1/x?a=1&b=two%20words"),
    ClientCredentials("ck", Secret("cs")),
    token=TokenCredentials("tk", Secret("ts")),
    signature_method="HMAC-SHA1",
    placement="header",
    realm=None,
    timestamp=int(time.time()),
    nonce=os.urandom(12).hex(),
)
assert (request.headers.get("authorization") or "").startswith("OAuth ")
