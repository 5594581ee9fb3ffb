"""Providers of the catalog in memory: they give out tokens, and refuse in the shapes that the real ones do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.providers.test_the_catalog import registered

from valetkey.http import FORM, Headers, Response, write_form
from valetkey.providers.catalog import load_provider
from valetkey.testing.world import BASE_URL, World, callback_request
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.effects import Send
    from valetkey.errors import Explanation
    from valetkey.http import Request
    from valetkey.vault import Vault

CANARY = "canary-7f3a"
JSON = "application/json"
HTML = "text/html;charset=utf-8"


def answer(status: int, body: Any, content_type: str = JSON) -> Response:
    """One answer; what is no text is written as JSON."""
    text = body if isinstance(body, str) else json.dumps(body)
    return Response(status, Headers((("Content-Type", content_type),)), text.encode())


def plain(one: Explanation) -> Response:
    """RFC 6749 section 5.2, with somebody else's text behind it."""
    code = "invalid_request" if one.in_text else one.code
    said = f"{one.code} for {CANARY}" if one.in_text else CANARY
    return answer(400, {"error": code, "error_description": said})


def of_github(one: Explanation) -> Response:
    return answer(200, {"error": one.code, "error_description": CANARY, "error_uri": "https://docs.github.com/"})


def of_okta(one: Explanation) -> Response:
    return answer(401, {"error": one.code, "error_description": f"No client credentials found. {CANARY}"})


def of_x_oauth1(one: Explanation) -> Response:
    return answer(403, {"errors": [{"code": 415, "message": f"{one.code}. {CANARY}"}]})


def of_mediawiki(one: Explanation) -> Response:
    text = f"https://www.mediawiki.org/wiki/Help:OAuth/Errors#{one.code}"
    return answer(200, f"Error: Sorry, something went wrong. Unknown OAuth key {CANARY}, [{text} {one.code}]", HTML)


def of_etrade(one: Explanation) -> Response:
    head = "<!doctype html><html><head><style>h1 {font-family:Tahoma,Arial;color:white;}</style></head><body>"
    return answer(401, f"{head}<h1>HTTP Status 401</h1><p><b>Message</b> {one.code},{CANARY}</p></body></html>", HTML)


def of_oauth1(one: Explanation) -> Response:
    return answer(401, f"oauth_problem={one.code}&oauth_problem_advice={CANARY}", FORM)


def of_microsoft(one: Explanation) -> Response:
    code = "invalid_grant" if one.in_text else one.code
    number = one.code.removeprefix("AADSTS") if one.in_text else "70000"
    trace = "Trace ID: 0000aaaa-11bb-cccc-dd22-eeeeee333333\r\nTimestamp: 2016-01-09 02:02:12Z"
    said = f"{one.code}: Something about {CANARY}.\r\n{trace}"
    return answer(
        400, {"error": code, "error_description": said, "error_codes": [int(number)], "suberror": "bad_token"}
    )


def of_slack(one: Explanation) -> Response:
    return answer(200, {"ok": False, "error": one.code, "response_metadata": {"messages": [CANARY]}})


def of_atlassian(one: Explanation) -> Response:
    return answer(403, {"error": one.code, "error_description": f"Unknown or invalid refresh token. {CANARY}"})


def of_hubspot(one: Explanation) -> Response:
    return answer(400, {"status": "BAD_REFRESH_TOKEN", "message": f"{one.code} {CANARY}", "correlationId": CANARY})


def of_zoom(one: Explanation) -> Response:
    return answer(401, {"reason": f"{one.code}. {CANARY}", "error": "invalid_client"})


SHAPES = {
    "slack": of_slack,
    "atlassian": of_atlassian,
    "hubspot": of_hubspot,
    "zoom": of_zoom,
    "microsoft": of_microsoft,
    "github": of_github,
    "okta": of_okta,
    "x-oauth1": of_x_oauth1,
    "mediawiki": of_mediawiki,
    "etrade": of_etrade,
    "sandbox-oauth1": of_oauth1,
}
"""How a provider says it, where that is not as RFC 6749 has it."""
BY_BROWSER = {"access_denied", "application_suspended", "admin_policy_enforced"}
"""What comes back with the browser, not from the token endpoint."""
USUAL: dict[str, Any] = {"access_token": "a-1", "token_type": "Bearer", "expires_in": 600, "refresh_token": "r-1"}
ANSWERS: dict[str, dict[str, Any]] = {
    "slack": {**USUAL, "ok": True, "token_type": "bot", "scope": "commands,incoming-webhook", "team": {"id": "T1"}},
    "salesforce": {
        "access_token": "a-1",
        "refresh_token": "r-1",
        "token_type": "Bearer",
        "instance_url": "https://acme.my.salesforce.com",
    },
    "quickbooks": {**USUAL, "token_type": "bearer", "x_refresh_token_expires_in": 8_726_400},
    "hubspot": {**USUAL, "token_type": "bearer"},
    "linkedin": {"access_token": "a-1", "expires_in": 5_184_000, "scope": "openid"},
}
"""What a provider says to a code, where that is not the usual."""


class Peer:
    """A provider's endpoints: metadata, tokens, and the refusal that a test wants."""

    blocking = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.refusal: Response | None = None
        self.sent: list[Request] = []

    def send(self, effect: Send) -> Response:
        """One exchange."""
        request = effect.request
        self.sent.append(request)
        url = urlsplit(request.url)
        if url.path.startswith("/.well-known/"):
            origin = f"{url.scheme}://{url.netloc}"
            endpoints = {f"{name}_endpoint": f"{origin}/{name}" for name in ("authorization", "token", "revocation")}
            return answer(200, {"issuer": origin, **endpoints})
        if self.refusal is not None:
            return self.refusal
        if load_provider(self.name).protocol == "oauth1":
            fields = (("oauth_token", "t"), ("oauth_token_secret", "s"), ("oauth_callback_confirmed", "true"))
            return answer(200, write_form(fields), FORM)
        return answer(200, ANSWERS.get(self.name, USUAL))


class Customer:
    """A vault with one registration at a provider of the catalog, and somebody's browser."""

    def __init__(self, name: str) -> None:
        self.world = World()
        self.peer = Peer(name)
        registration = registered(name)
        self.world.settings = replace(self.world.settings, registrations={name: registration})
        self.world.network = self.peer  # type: ignore[assignment]
        self.name = name
        self.vault: Vault = self.world.vault()
        self.server = registration.provider.server

    def connect(self, **brought: str) -> None:
        """Begin, and come back with a code or whatever the provider's page brought."""
        scope = ("a-scope",) if hasattr(self.server, "response_type") else None
        begun = self.vault.begin_authorization(self.name, "alice", cookies=(), scope=scope)
        asked = {name: texts[0] for name, texts in parse_qs(urlsplit(begun.location).query).items()}
        if "state" in asked:
            fields = {"state": asked["state"], **(brought or {"code": "the-code"})}
            if getattr(self.server, "iss_required", False):
                fields["iss"] = str(getattr(self.server, "issuer", ""))
        else:
            signed = self.peer.sent[0].headers.get("Authorization") or ""
            callback = unquote(signed.partition('oauth_callback="')[2].partition('"')[0])
            kept = {name: texts[0] for name, texts in parse_qs(urlsplit(callback).query).items()}
            fields = {"oauth_token": "t", "oauth_verifier": "v", **kept, **brought}
        location = f"{BASE_URL}/callback/{self.name}?{write_form(tuple(fields.items()))}"
        _ = self.vault.finish_authorization(callback_request(location, begun.set_cookies), resource_owner="alice")


def refused(name: str, one: Explanation) -> Customer:
    """The customer of a provider that is about to say this."""
    customer = Customer(name)
    customer.peer.refusal = SHAPES.get(name, plain)(one)
    return customer
