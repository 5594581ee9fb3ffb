"""One signed OAuth 1.0a request by a plain script of the standard library: the floor that people write by hand."""

import base64
import hashlib
import hmac
import secrets
import time
from urllib.parse import parse_qsl, quote, urlsplit


def encode(text: str) -> str:
    return quote(text, safe="-._~")


def sign(method: str, url: str, client: tuple[str, str], token: tuple[str, str]) -> str:
    oauth = {
        "oauth_consumer_key": client[0],
        "oauth_nonce": secrets.token_hex(12),
        "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": str(int(time.time())),
        "oauth_token": token[0],
        "oauth_version": "1.0",
    }
    parts = urlsplit(url)
    pairs = [*parse_qsl(parts.query, keep_blank_values=True), *oauth.items()]
    normalized = "&".join(f"{name}={text}" for name, text in sorted((encode(n), encode(t)) for n, t in pairs))
    base = "&".join((method, encode(f"{parts.scheme}://{parts.netloc}{parts.path}"), encode(normalized)))
    key = f"{encode(client[1])}&{encode(token[1])}".encode()
    oauth["oauth_signature"] = base64.b64encode(hmac.new(key, base.encode(), hashlib.sha1).digest()).decode()
    return "OAuth " + ", ".join(f'{name}="{encode(text)}"' for name, text in oauth.items())


assert sign("GET", "https://api.example.com/1/x?a=1&b=two%20words", ("ck", "cs"), ("tk", "ts")).startswith("OAuth ")
