"""The sample application: a page, a way to sign in, a report made from two APIs, and valetkey's pages under /oauth.

`handler` is what would be deployed: an AWS Lambda handler for an HTTP API. Like every function it keeps nothing
between two requests; who is signed in stands in a cookie with a signature.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode
from hashlib import sha256
from html import escape

from valetkey.connections.cookies import read_cookies
from valetkey.errors import ReauthorizationRequired, ValetkeyError
from valetkey.gateways.aws import lambda_handler
from valetkey.http import Headers, read_form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeAlias

    from valetkey.http import Request
    from valetkey.vault import Vault

    Event: TypeAlias = Mapping[str, Any]
    Handler: TypeAlias = Callable[[Event, object], dict[str, Any]]

MOUNTED_AT = "/oauth"
SESSION = "notes-session"
PEOPLE = ("alice", "bob")
APIS = {"sandbox-oauth1": "/oauth1/me", "sandbox-oauth2": "/oauth2/me"}
LAYOUT = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Notes</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>:root{{color-scheme:light dark}}
body{{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}}
button{{font:inherit;padding:.4rem 1rem}}pre{{background:#8882;padding:1rem;overflow:auto}}</style>
</head><body><main><h1>Notes</h1>{content}</main></body></html>
"""


def make_handler(vault: Vault, *, provider_url: str, session_key: bytes) -> Handler:
    """The Lambda handler of the application."""

    def signed_in(request: Request) -> str | None:
        for name, text in read_cookies(request.headers):
            person, _, signature = text.partition(".")
            if name == SESSION and hmac.compare_digest(signature.encode(), _signature(session_key, person)):
                return person
        return None

    valetkey_pages = lambda_handler(vault, resource_owner=signed_in)

    def handler(event: Event, context: object) -> dict[str, Any]:
        path, method = event["rawPath"], event["requestContext"]["http"]["method"]
        if path == MOUNTED_AT or path.startswith(f"{MOUNTED_AT}/"):
            return valetkey_pages(event, context)
        from valetkey.gateways.aws import read_event

        owner = signed_in(read_event(event))
        if (method, path) == ("POST", "/sign-in"):
            return _sign_in(_form(event).get("person", ""), session_key)
        if (method, path) == ("GET", "/report") and owner is not None:
            with vault.invocation(context):
                return _page(_report(vault, owner, provider_url))
        if (method, path) == ("GET", "/"):
            return _page(_home(owner))
        return _page("<p>There is nothing here.</p>", status=404)

    return handler


def _signature(key: bytes, person: str) -> bytes:
    return hmac.new(key, person.encode(), sha256).hexdigest().encode()


def _form(event: Event) -> dict[str, str]:
    body = event.get("body") or ""
    text = b64decode(body).decode("ascii", "replace") if event.get("isBase64Encoded") else body
    return dict(read_form(text))


def _sign_in(person: str, key: bytes) -> dict[str, Any]:
    if person not in PEOPLE:
        return _page("<p>There is no such person.</p>", status=400)
    cookie = f"{SESSION}={person}.{_signature(key, person).decode()}; Path=/; HttpOnly; SameSite=Lax"
    return {"statusCode": 303, "headers": {"Location": "/"}, "cookies": [cookie], "body": ""}


def _home(owner: str | None) -> str:
    buttons = " ".join(f'<button name="person" value="{name}">Sign in as {name}</button>' for name in PEOPLE)
    form = f'<form method="post" action="/sign-in"><p>{buttons}</p></form>'
    if owner is None:
        return f"<p>Who are you?</p>{form}"
    links = "".join(f'<li><a href="{MOUNTED_AT}/connect/{name}">Connect {name}</a></li>' for name in APIS)
    return (
        f"<p>You are {escape(owner)}.</p><ul>{links}"
        f'<li><a href="{MOUNTED_AT}/connections">Your connections</a></li>'
        f'<li><a href="/report">A report made from both APIs</a></li></ul>{form}'
    )


def _report(vault: Vault, owner: str, provider_url: str) -> str:
    parts = []
    for registration, path in APIS.items():
        try:
            answer = vault.session(registration, owner).get(provider_url + path).raise_for_status()
            text = json.dumps(answer.json(), indent=2)
        except ReauthorizationRequired as needed:
            parts.append(f'<h2>{registration}</h2><p><a href="{escape(needed.connect_url)}">Connect it</a> first.</p>')
            continue
        except ValetkeyError as error:
            text = f"{type(error).__name__}: {error}"
        parts.append(f"<h2>{registration}</h2><pre>{escape(text)}</pre>")
    return "".join(parts) + '<p><a href="/">Back</a></p>'


def _page(content: str, *, status: int = 200) -> dict[str, Any]:
    headers = Headers((("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store")))
    return {"statusCode": status, "headers": dict(headers.pairs), "body": LAYOUT.format(content=content)}
