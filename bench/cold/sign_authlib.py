"""One signed OAuth 1.0a request by Authlib's core."""

from authlib.oauth1 import ClientAuth

auth = ClientAuth("ck", "cs", token="tk", token_secret="ts")
_, headers, _ = auth.prepare("GET", "https://api.example.com/1/x?a=1&b=two%20words", {}, b"")
assert headers["Authorization"].startswith("OAuth ")
