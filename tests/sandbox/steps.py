"""The steps that the tests of the sandbox take, so that each test shows only what it changes."""

from __future__ import annotations

import hashlib
import itertools
import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from valetkey.http import FORM, Headers, Request, Response, percent_encode, read_form, with_query, write_form
from valetkey.oauth1.credentials import ClientCredentials, TemporaryCredentials, TokenCredentials
from valetkey.oauth1.sign import sign_request
from valetkey.oauth2.pkce import code_challenge
from valetkey.sandbox import Sandbox, SandboxClient, approve
from valetkey.secret import Secret

if TYPE_CHECKING:
    from valetkey.oauth1.credentials import SignatureMethod

BASE_URL = "http://127.0.0.1:8400"
REDIRECT_URI = "https://app.example/oauth/callback/sandbox"
OTHER_URI = "https://other.example/callback"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636 appendix B
PUBLIC = SandboxClient("public", redirect_uris=(REDIRECT_URI,), authentication="none")
APP = SandboxClient(
    "app", Secret("app-secret"), redirect_uris=(REDIRECT_URI,), callbacks=(REDIRECT_URI, "oob"), name="The App"
)
OTHER = SandboxClient("other", Secret("other-secret"), redirect_uris=(OTHER_URI,), callbacks=(OTHER_URI,))
API = SandboxClient("api", Secret("api-secret"), resource_server=True)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def chance(seed: str = "") -> Any:
    """Octets that differ at every call and are the same in every run."""
    numbers = itertools.count()

    def random(octets: int) -> bytes:
        return hashlib.shake_256(f"{seed}{next(numbers)}".encode()).digest(octets)

    return random


class Bench:
    """A sandbox, its clock, and the requests that clients make."""

    def __init__(self, *clients: SandboxClient, **options: Any) -> None:
        self.clock = Clock()
        self.sandbox = Sandbox(
            now=self.clock,
            random=chance(),
            base_url=options.pop("base_url", BASE_URL),
            clients=clients or (APP, OTHER, PUBLIC, API),
            sleep=self.clock.sleep,
            **options,
        )
        self.nonces = itertools.count()

    # OAuth 2.0

    def location(self, **changes: str | None) -> str:
        """An authorization request; None takes a parameter out."""
        parameters: dict[str, str | None] = {
            "response_type": "code",
            "client_id": "app",
            "redirect_uri": REDIRECT_URI,
            "scope": "read",
            "state": "s t&te",
            "code_challenge": code_challenge(VERIFIER),
            "code_challenge_method": "S256",
        }
        pairs = [(name, text) for name, text in (parameters | changes).items() if text is not None]
        return with_query(f"{self.sandbox.base_url}/oauth2/authorize", pairs)

    def get(self, location: str, *headers: tuple[str, str]) -> Response:
        return self.sandbox.respond(Request("GET", location, Headers(headers)))

    def code(self, **changes: str | None) -> str:
        """A fresh authorization code, through the pages."""
        return callback(approve(self.sandbox.respond, self.location(**changes)))["code"]

    def post(self, path: str, /, *headers: tuple[str, str], **form: str | None) -> Response:
        pairs = [(name, text) for name, text in form.items() if text is not None]
        return self.post_pairs(path, pairs, *headers)

    def post_pairs(self, path: str, pairs: list[tuple[str, str]], *headers: tuple[str, str]) -> Response:
        body = write_form(pairs).encode()
        return self.sandbox.respond(Request("POST", path, Headers((("Content-Type", FORM), *headers)), body))

    def redeem(self, code: str, /, *headers: tuple[str, str], **changes: str | None) -> Response:
        form: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT_URI,
            "code_verifier": VERIFIER,
            "client_id": "app",
            "client_secret": "app-secret",
        }
        return self.post("/oauth2/token", *headers, **(form | changes))

    def tokens(self, **changes: str | None) -> dict[str, Any]:
        """Tokens for alice."""
        return fields(self.redeem(self.code(**changes)))

    def refresh(self, refresh_token: str, /, **changes: str | None) -> Response:
        form: dict[str, str | None] = {
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
            "client_id": "app",
            "client_secret": "app-secret",
        }
        return self.post("/oauth2/token", **(form | changes))

    def me(self, access_token: str) -> Response:
        return self.get("/oauth2/me", ("Authorization", f"Bearer {access_token}"))

    def works(self, access_token: str) -> bool:
        return self.me(access_token).status == 200

    # OAuth 1.0a

    def signed(
        self,
        method: str,
        path: str,
        *,
        token: TokenCredentials | TemporaryCredentials | None = None,
        client: ClientCredentials | None = None,
        signature_method: SignatureMethod = "HMAC-SHA256",
        timestamp: int | None = None,
        nonce: str | None = None,
        extra: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
    ) -> Request:
        return sign_request(
            Request(
                method, self.sandbox.base_url + path, Headers((("Content-Type", FORM),) if body else ()), body=body
            ),
            client or ClientCredentials("app", Secret("app-secret")),
            token=token,
            timestamp=int(self.clock()) if timestamp is None else timestamp,
            nonce=f"nonce{next(self.nonces):08}" if nonce is None else nonce,
            signature_method=signature_method,
            extra_parameters=extra,
        )

    def temporary(self, callback: str = REDIRECT_URI, **options: Any) -> TemporaryCredentials:
        extra = (("oauth_callback", callback),)
        answer = self.sandbox.respond(self.signed("POST", "/oauth1/initiate", extra=extra, **options))
        found = form_fields(answer)
        assert found["oauth_callback_confirmed"] == "true"
        return TemporaryCredentials(found["oauth_token"], Secret(found["oauth_token_secret"]))

    def page_for(self, temporary: TemporaryCredentials) -> str:
        return f"{self.sandbox.base_url}/oauth1/authorize?oauth_token={percent_encode(temporary.identifier)}"

    def verifier(self, temporary: TemporaryCredentials, *, account: str = "alice") -> str:
        came_back = approve(self.sandbox.respond, self.page_for(temporary), account=account)
        return callback(came_back)["oauth_verifier"]

    def exchange(self, temporary: TemporaryCredentials, verifier: str | None, **options: Any) -> Response:
        extra = () if verifier is None else (("oauth_verifier", verifier),)
        return self.sandbox.respond(self.signed("POST", "/oauth1/token", token=temporary, extra=extra, **options))

    def token_credentials(self) -> TokenCredentials:
        temporary = self.temporary()
        found = form_fields(self.exchange(temporary, self.verifier(temporary)))
        return TokenCredentials(found["oauth_token"], Secret(found["oauth_token_secret"]))


def basic(client_id: str, secret: str) -> tuple[str, str]:
    text = f"{percent_encode(client_id)}:{percent_encode(secret)}"
    return "Authorization", "Basic " + b64encode(text.encode()).decode()


def callback(url: str) -> dict[str, str]:
    """The parameters of a callback, each once."""
    pairs = read_form(url.partition("?")[2])
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def fields(response: Response) -> dict[str, Any]:
    """The JSON of a good answer."""
    assert response.status == 200, response.body
    found: dict[str, Any] = json.loads(response.body)
    return found


def form_fields(response: Response) -> dict[str, str]:
    """The form of a good answer."""
    assert response.status == 200, response.body
    return dict(read_form(response.body.decode()))


def refusal(response: Response) -> tuple[int, str]:
    """Status and error of a refusal, in JSON or as `oauth_problem`."""
    if response.headers.get("Content-Type") == "application/json":
        return response.status, json.loads(response.body)["error"]
    return response.status, dict(read_form(response.body.decode())).get("oauth_problem", "")
