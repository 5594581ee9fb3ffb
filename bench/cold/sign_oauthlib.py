"""One signed OAuth 1.0a request by oauthlib."""

from oauthlib.oauth1 import Client

client = Client("ck", client_secret="cs", resource_owner_key="tk", resource_owner_secret="ts")
_, headers, _ = client.sign("https://api.example.com/1/x?a=1&b=two%20words", http_method="GET")
assert headers["Authorization"].startswith("OAuth ")
