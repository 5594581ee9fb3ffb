"""Canaries: every secret of every scenario is looked for in everything that a trace has written."""

from __future__ import annotations

import json
import logging
from base64 import b64encode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.properties.test_no_secret_leaks import (
    Watched,
    connect_in_every_way,
    end_in_every_way,
    link_in_every_way,
    use_in_every_way,
)
from tests.trace.recording import watch

from valetkey.http import FORM, Headers, Request, Response, base64url, write_form
from valetkey.trace import entries
from valetkey.trace.known import Known
from valetkey.trace.redact import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = b"k" * 32
CANARY = "canary-7f3a9c-secret"


def spellings(secret: str) -> set[str]:
    octets = secret.encode("utf-8", "surrogatepass")
    return {
        secret,
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        b64encode(octets).decode().rstrip("="),
        urlsafe_b64encode(octets).decode().rstrip("="),
        octets.hex(),
    }


def test_no_secret_of_any_flow_is_in_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    watched = Watched(caplog)
    sink = watch(watched.world)

    connect_in_every_way(watched)
    use_in_every_way(watched)
    link_in_every_way(watched)
    use_in_every_way(watched)
    end_in_every_way(watched)

    assert len(sink.records) > 300
    assert all(sink.records)
    text = sink.text
    assert {kind for secret, kind in watched.canaries.items() for spelt in spellings(secret) if spelt in text} == set()
    assert "withheld" not in text


def redactor() -> Redactor:
    known = Known()
    known.add_url("https://provider.example/token")
    known.add_url("https://app.example/oauth/callback/x")
    known.scopes.add("read")
    return Redactor(KEY, known)


def exchanged(request: Request, response: Response) -> str:
    made = entries.sent(redactor(), request, response, open_path=True)
    return json.dumps(made, ensure_ascii=False)


def request(**changes: Any) -> Request:
    given: dict[str, Any] = {"method": "POST", "url": "https://provider.example/token", **changes}
    return Request(**given)


def form(*pairs: tuple[str, str]) -> dict[str, Any]:
    return {"headers": Headers((("Content-Type", FORM),)), "body": write_form(pairs).encode()}


def as_json(found: object) -> dict[str, Any]:
    return {"headers": Headers((("Content-Type", "application/json"),)), "body": json.dumps(found).encode()}


def token(claims: dict[str, Any], header: dict[str, Any] | None = None) -> str:
    parts = (json.dumps(header or {"alg": "RS256"}), json.dumps(claims), "signature-of-it")
    return ".".join(base64url(part.encode()) for part in parts)


HOSTILE: dict[str, Callable[[], tuple[Request, Response]]] = {
    "an unknown header": lambda: (request(headers=Headers((("X-Api-Key", CANARY),))), Response(200)),
    "a header whose name is the secret": lambda: (request(headers=Headers(((CANARY, "x"),))), Response(200)),
    "an echo in a date": lambda: (request(), Response(200, Headers((("Date", CANARY),)))),
    "an echo in a media type": lambda: (
        request(),
        Response(200, Headers((("Content-Type", f"application/{CANARY}; charset={CANARY}"),)), b"{}"),
    ),
    "an echo in Cache-Control": lambda: (request(), Response(200, Headers((("Cache-Control", CANARY),)))),
    "a redirect with the secret as its host": lambda: (
        request(),
        Response(302, Headers((("Location", f"https://{CANARY}.example/"),))),
    ),
    "a redirect with the secret in its path": lambda: (
        request(**form(("code", CANARY))),
        Response(302, Headers((("Location", f"https://provider.example/{CANARY}"),))),
    ),
    "a redirect into the application": lambda: (
        request(),
        Response(303, Headers((("Location", f"/reports/{CANARY}?x={CANARY}"),))),
    ),
    "a cookie that is set": lambda: (
        request(),
        Response(200, Headers((("Set-Cookie", f"{CANARY}={CANARY}; Path=/{CANARY}; Domain={CANARY}.example"),))),
    ),
    "cookies": lambda: (request(headers=Headers((("Cookie", f"session={CANARY}; {CANARY}=1"),))), Response(200)),
    "a query without a name": lambda: (
        request(url=f"https://provider.example/token?{CANARY}"),
        Response(200),
    ),
    "a broken query": lambda: (request(url=f"https://provider.example/token?code={CANARY}%"), Response(200)),
    "a name in a form": lambda: (request(**form((CANARY, "1"))), Response(200)),
    "a form that is none": lambda: (
        request(headers=Headers((("Content-Type", FORM),)), body=CANARY.encode()),
        Response(200),
    ),
    "a form in a media type that is none": lambda: (request(body=f"code={CANARY}".encode()), Response(200)),
    "a password": lambda: (request(**form(("username", CANARY), ("password", CANARY))), Response(200)),
    "a member's name": lambda: (request(), Response(200, **as_json({CANARY: True}))),
    "deep in a list": lambda: (request(), Response(200, **as_json({"data": [[{"errors": [CANARY]}]]}))),
    "deeper than anybody looks": lambda: (
        request(),
        Response(200, **as_json({"data": {"data": {"data": {"data": {"data": {"data": {"data": CANARY}}}}}}})),
    ),
    "an error that echoes": lambda: (
        request(**form(("code", CANARY))),
        Response(400, **as_json({"error": CANARY, "error_description": f"bad code {CANARY}", "error_uri": CANARY})),
    ),
    "a number's place": lambda: (request(), Response(200, **as_json({"expires_in": CANARY, "interval": [CANARY]}))),
    "a scope": lambda: (request(), Response(200, **as_json({"scope": f"read {CANARY} read,{CANARY}"}))),
    "a word's place": lambda: (request(), Response(200, **as_json({"token_type": CANARY}))),
    "an issuer": lambda: (request(), Response(200, **as_json({"issuer": f"https://provider.example/{CANARY}@x"}))),
    "HTML": lambda: (request(), Response(200, Headers((("Content-Type", "text/html"),)), f"<p>{CANARY}".encode())),
    "HTML that looks like a form": lambda: (
        request(),
        Response(200, Headers((("Content-Type", "text/html"),)), f"<a href='?code={CANARY}'>".encode()),
    ),
    "octets that are no text": lambda: (request(), Response(200, Headers(), b"\xff\xfe" + CANARY.encode())),
    "JSON in UTF-16": lambda: (request(), Response(200, Headers(), json.dumps({"a": CANARY}).encode("utf-16"))),
    "JSON with a member twice": lambda: (
        request(),
        Response(200, Headers(), f'{{"error":"{CANARY}","error":"{CANARY}"}}'.encode()),
    ),
    "JSON cut short": lambda: (request(), Response(200, Headers(), f'{{"access_token":"{CANARY}'.encode())),
    "JSON that is a text": lambda: (request(), Response(200, Headers(), json.dumps(CANARY).encode())),
    "a JSON list": lambda: (request(), Response(200, Headers(), json.dumps([CANARY]).encode())),
    "an escaped JSON text": lambda: (
        request(),
        Response(
            200, Headers(), ('{"error_description":"' + "".join(f"\\u{ord(c):04x}" for c in CANARY) + '"}').encode()
        ),
    ),
    "a challenge": lambda: (
        request(),
        Response(
            401,
            Headers((("WWW-Authenticate", f'Bearer realm="{CANARY}", error="{CANARY}", {CANARY}="1", {CANARY}'),)),
        ),
    ),
    "a challenge of an unknown scheme": lambda: (
        request(),
        Response(401, Headers((("WWW-Authenticate", f"{CANARY} a=b"),))),
    ),
    "Basic credentials": lambda: (
        request(headers=Headers((("Authorization", "Basic " + b64encode(f"id:{CANARY}".encode()).decode()),))),
        Response(200),
    ),
    "Basic credentials that are none": lambda: (
        request(headers=Headers((("Authorization", f"Basic {CANARY}"),))),
        Response(200),
    ),
    "a bearer token": lambda: (request(headers=Headers((("Authorization", f"Bearer {CANARY}"),))), Response(200)),
    "an unknown scheme": lambda: (request(headers=Headers((("Authorization", f"{CANARY} {CANARY}"),))), Response(200)),
    "an OAuth header that is broken": lambda: (
        request(headers=Headers((("Authorization", f'OAuth oauth_token="{CANARY}, oauth_nonce={CANARY}, {CANARY}'),))),
        Response(200),
    ),
    "a JWT's claims": lambda: (
        request(**form(("client_assertion", token({"sub": CANARY, CANARY: 1, "aud": [CANARY], "exp": CANARY})))),
        Response(200, **as_json({"id_token": token({"email": CANARY}, {"alg": CANARY, "kid": CANARY, CANARY: "x"})})),
    ),
    "a method": lambda: (request(method="CANARY"), Response(200, Headers(), CANARY.encode())),
    "the API's path": lambda: (request(url=f"https://provider.example/users/{CANARY}!"), Response(200)),
}


@pytest.mark.parametrize("place", HOSTILE)
def test_a_secret_is_found_in_no_place_where_somebody_may_put_it(place: str) -> None:
    asked, answered = HOSTILE[place]()

    text = exchanged(asked, answered)

    assert not [spelt for spelt in spellings(CANARY) if spelt in text]


def test_the_canary_would_be_found() -> None:
    """The test of the test: what is known to be harmless is shown, so something is."""
    text = exchanged(request(**form(("grant_type", "authorization_code"))), Response(200))

    assert "authorization_code" in text


def test_a_secret_in_the_path_of_an_endpoint_is_one_because_it_stands_elsewhere_too() -> None:
    asked = request(
        url=f"https://provider.example/1/tokens/{CANARY}", headers=Headers((("Authorization", f"Bearer {CANARY}"),))
    )

    assert CANARY not in exchanged(asked, Response(200))


TEXTS = st.text(st.characters(min_codepoint=1, codec="utf-8"), min_size=8, max_size=40).filter(
    lambda text: not text.isspace() and len(set(text)) > 4
)


@given(secret=TEXTS, name=st.sampled_from(("code", "x-vendor", "error_description", "scope", "aud", "keys", "iss")))
def test_no_text_gets_through_under_any_name(secret: str, name: str) -> None:
    pairs = ((name, f"§{secret}"),)
    marked = f"§{secret}"

    text = exchanged(request(**form(*pairs)), Response(200, **as_json({name: marked, "data": [{name: marked}]})))

    assert marked not in text
    assert marked not in json.loads(text)["response"]["content"]["text"]


@given(body=st.binary(min_size=1, max_size=200), kind=st.sampled_from(("application/json", FORM, "text/html", "")))
def test_any_body_whatever_makes_an_entry(body: bytes, kind: str) -> None:
    headers = Headers((("Content-Type", kind),)) if kind else Headers()

    made = json.loads(exchanged(request(headers=headers, body=body), Response(200, headers, body)))

    assert made["response"]["bodySize"] == len(body)


@pytest.mark.parametrize("word", ["method", "unknown", "headers", "HTTP/1.1"])
def test_a_secret_that_is_a_word_of_har_withholds_nothing(word: str) -> None:
    made = json.loads(exchanged(request(**form(("code", word))), Response(200)))

    assert made["request"]["url"] == "https://provider.example/token"
    assert made["request"]["postData"]["params"][0]["value"].startswith("fp-")


def test_an_identifier_that_is_a_url_of_a_known_host_is_shown_and_another_is_not() -> None:
    ours, theirs = "https://app.example/oauth/client.json", "https://elsewhere.example/client.json"

    assert redactor().field("client_id", ours) == ours
    assert redactor().field("client_id", theirs).startswith("fp-")


def test_a_url_of_an_unknown_host_is_not_shown_and_withholds_nothing_when_it_is_asked() -> None:
    met = redactor()
    asked = request(url="https://resource.example/mcp")
    metadata = Response(200, **as_json({"resource": "https://resource.example/mcp"}))

    made = entries.sent(met, asked, metadata, open_path=True)

    assert made["request"]["url"] == "https://resource.example/mcp"
    assert "resource.example" not in made["response"]["content"]["text"]
