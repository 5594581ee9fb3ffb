"""The sandbox as a bank would run it: signed clients, requests that are pushed, tokens that are bound to a key.

Its client is written here by hand, from the RFCs, so that it can do everything wrong.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.oauth2.tokens import ec_jwk, rsa_key, signed
from tests.sandbox.steps import BASE_URL, REDIRECT_URI, VERIFIER, Bench, callback, fields

from valetkey.digest import sha256
from valetkey.http import base64url, read_form, with_query
from valetkey.oauth2.client_authentication import ASSERTION_TYPE
from valetkey.oauth2.pkce import code_challenge
from valetkey.sandbox import SandboxClient, approve

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from valetkey.http import Response

OTHER_KEY = 7


def public_pem(key: RSAPrivateKey | None = None) -> str:
    public = (key or rsa_key()).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def bank_client(client_id: str = "app", *, key: RSAPrivateKey | None = None, **changes: Any) -> SandboxClient:
    usual: dict[str, Any] = {
        "redirect_uris": (REDIRECT_URI,),
        "scopes": ("openid", "read", "write"),
        "authentication": "private_key_jwt",
        "public_key": public_pem(key),
        "require_pushed_authorization_requests": True,
        "dpop_bound_access_tokens": True,
        "id_token_signed_response_alg": "PS256",
    }
    return SandboxClient(client_id, **usual | changes)


class Bank(Bench):
    """The bank, its clients `app` and `other`, and requests of `app` in which anything can be changed."""

    def __init__(self, **client: Any) -> None:
        super().__init__(bank_client(**client), bank_client("other", key=rsa_key(2048, OTHER_KEY)), dpop_nonces=False)
        self.tokens_made = 0

    def unused(self) -> str:
        self.tokens_made += 1
        return f"id-{self.tokens_made}"

    def assertion(self, *, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """A client assertion (RFC 7523); None takes a claim out."""
        now = int(self.clock())
        client_id = changes.pop("client_id", "app")
        usual = {"iss": client_id, "sub": client_id, "aud": BASE_URL, "jti": self.unused(), "iat": now, "exp": now + 60}
        claims = {name: claim for name, claim in (usual | changes).items() if claim is not None}
        return signed(claims, **{"alg": "PS256", **(header or {})})

    def authenticated(self, **changes: Any) -> dict[str, str]:
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self.assertion(**changes)}

    def request(self, **changes: Any) -> dict[str, str]:
        """An authorization request; None takes a parameter out."""
        usual: dict[str, Any] = {
            "response_type": "code",
            "client_id": "app",
            "redirect_uri": REDIRECT_URI,
            "scope": "openid read",
            "state": "the-state",
            "nonce": "the-nonce",
            "code_challenge": code_challenge(VERIFIER),
            "code_challenge_method": "S256",
        }
        return {name: text for name, text in (usual | changes).items() if text is not None}

    def request_object(self, *, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """A signed request (RFC 9101); None takes a claim out."""
        now = int(self.clock())
        usual = {"iss": "app", "aud": BASE_URL, "nbf": now, "iat": now, "exp": now + 50, **self.request()}
        claims = {name: claim for name, claim in (usual | changes).items() if claim is not None}
        return signed(claims, **{"alg": "PS256", "typ": "oauth-authz-req+jwt", **(header or {})})

    def push(self, _request: dict[str, str] | None = None, /, *, by: dict[str, str] | None = None) -> Response:
        asked = self.request() if _request is None else _request
        return self.post("/oauth2/par", **{**asked, **(by or self.authenticated())})

    def pushed(self, **changes: Any) -> str:
        """Where the browser goes with a request that was pushed."""
        answer = self.push(self.request(**changes))
        assert answer.status == 201, answer.body
        return self.at(json.loads(answer.body)["request_uri"])

    def at(self, request_uri: str, client_id: str = "app", **more: str) -> str:
        pairs = [("client_id", client_id), ("request_uri", request_uri), *more.items()]
        return with_query(f"{BASE_URL}/oauth2/authorize", pairs)

    def answered(self, location: str, **answers: str) -> dict[str, str]:
        return callback(approve(self.sandbox.respond, location, **answers))

    def proof(self, path: str, method: str = "POST", /, *, header: Any = None, **changes: Any) -> tuple[str, str]:
        """A DPoP header (RFC 9449 section 4.2); None takes a claim out."""
        usual = {"jti": self.unused(), "htm": method, "htu": BASE_URL + path, "iat": int(self.clock())}
        claims = {name: claim for name, claim in (usual | changes).items() if claim is not None}
        text = signed(claims, **{"alg": "ES256", "typ": "dpop+jwt", "jwk": ec_jwk(), **(header or {})})
        return "DPoP", text

    def redeem_code(self, code: str, *headers: Any, by: dict[str, str] | None = None, **changes: Any) -> Response:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT_URI,
            "code_verifier": VERIFIER,
            **(by or self.authenticated()),
        }
        form = {name: text for name, text in (form | changes).items() if text is not None}
        return self.post("/oauth2/token", *(headers or (self.proof("/oauth2/token"),)), **form)

    def grant(self, **changes: Any) -> dict[str, Any]:
        """Tokens for alice, the whole way."""
        return fields(self.redeem_code(self.answered(self.pushed(**changes))["code"]))

    def ask_me(self, access_token: str, *proof: Any, scheme: str = "DPoP") -> Response:
        ath = base64url(sha256(access_token.encode()).digest())
        proofs = proof or (self.proof("/oauth2/me", "GET", ath=ath),)
        return self.get("/oauth2/me", ("Authorization", f"{scheme} {access_token}"), *proofs)


def error_of(location: str | None) -> str:
    """The error that a redirect brings."""
    return dict(read_form((location or "").partition("?")[2])).get("error", "")
