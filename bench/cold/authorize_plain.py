"""One authorization URL with PKCE by a plain script of the standard library."""

import base64
import hashlib
import secrets
from urllib.parse import urlencode

verifier = secrets.token_urlsafe(32)
challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
url = "https://as.example/authorize?" + urlencode(
    {
        "response_type": "code",
        "client_id": "id",
        "redirect_uri": "https://app.example/cb",
        "scope": "read write",
        "state": secrets.token_urlsafe(24),
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
)
assert "code_challenge" in url
