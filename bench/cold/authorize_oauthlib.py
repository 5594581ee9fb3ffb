"""One authorization URL with PKCE by oauthlib."""

from oauthlib.oauth2 import WebApplicationClient

client = WebApplicationClient("id")
verifier = client.create_code_verifier(43)
url = client.prepare_request_uri(
    "https://as.example/authorize",
    redirect_uri="https://app.example/cb",
    scope=["read", "write"],
    state=client.state_generator(),
    code_challenge=client.create_code_challenge(verifier, "S256"),
    code_challenge_method="S256",
)
assert "code_challenge" in url
