"""A visitor without a browser: signs in, consents, and comes back with the callback's URL. For tests.

It does what a browser does (cookies, forms, redirects), so that the pages are tested on the way.
"""

from __future__ import annotations

from valetkey.http import FORM, Headers, Request, Response, read_url, write_form
from valetkey.sandbox.clients import DEMO_ACCOUNTS, OUT_OF_BAND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Respond: TypeAlias = Callable[[Request], Response]

MAX_STEPS = 12
PASSWORDS = {account.name: account.password for account in DEMO_ACCOUNTS}


class VisitFailed(AssertionError):
    """The pages did not lead to a callback; the message has the last page's status and heading."""


class Form:
    """A form of a page: where it goes, and its fields with what stands in them."""

    def __init__(self, action: str) -> None:
        self.action = action
        self.fields: dict[str, str] = {}
        self.choices: set[str] = set()


def approve(
    respond: Respond | str,
    location: str,
    *,
    account: str = "alice",
    password: str | None = None,
    decision: str = "allow",
) -> str:
    """The URL that the resource owner comes back with, after signing in and allowing (or `deny`-ing) access.

    respond: `Sandbox.respond`, anything else that answers absolute requests, or a base URL to visit over HTTP.
    Out of band the answer is `oob?oauth_verifier=...`. Raises VisitFailed.
    """
    visitor = Visitor(over_http if isinstance(respond, str) else respond)
    wanted = PASSWORDS.get(account, "") if password is None else password
    target = visitor.walk(location, {"account": account, "password": wanted, "decision": decision})
    if visitor.posting:
        message = "the provider posts its answer: use approve_posting"
        raise VisitFailed(message)
    return target


def approve_posting(
    respond: Respond | str,
    location: str,
    *,
    account: str = "alice",
    decision: str = "allow",
) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Where the resource owner's browser posts to, and what, at the end of `approve` with response_mode form_post."""
    visitor = Visitor(over_http if isinstance(respond, str) else respond)
    answers = {"account": account, "password": PASSWORDS.get(account, ""), "decision": decision}
    target = visitor.walk(location, answers)
    if not visitor.posting:
        message = "the provider redirects: use approve"
        raise VisitFailed(message)
    return target, visitor.posting


def approve_device(
    respond: Respond | str,
    verification_uri: str,
    user_code: str,
    *,
    account: str = "alice",
    password: str | None = None,
    decision: str = "allow",
) -> str:
    """The last page's heading, after typing the code in and allowing (or `deny`-ing) access. Raises VisitFailed."""
    visitor = Visitor(over_http if isinstance(respond, str) else respond)
    wanted = PASSWORDS.get(account, "") if password is None else password
    answers = {"account": account, "password": wanted, "decision": decision, "user_code": user_code}
    return visitor.walk(verification_uri, answers, ends="You can ")


class Visitor:
    """A cookie jar, and the patience to follow forms."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self.cookies: dict[str, str] = {}
        self.posting: tuple[tuple[str, str], ...] = ()

    def walk(self, location: str, answers: dict[str, str], *, ends: str = "") -> str:
        """Follow redirects and fill in forms until another origin is reached; that URL.

        Where a form leads there, its fields stand in `posting`: what a browser would post.
        ends: a text of the page that is the end of the way; its heading is then the answer.
        """
        origin = _origin(location)
        response = self.request("GET", location)
        for _ in range(MAX_STEPS):
            target = response.headers.get("Location")
            if target is not None:
                location = origin + target if target.startswith("/") else target
                if _origin(location) != origin:
                    return location
                response = self.request("GET", location)
                continue
            page = response.body.decode("utf-8", "replace")
            if verifier := page.partition('id="verifier">')[2].partition("<")[0]:
                return f"{OUT_OF_BAND}?oauth_verifier={verifier}"
            if ends and ends in page:
                return page.partition("<h1>")[2].partition("</h1>")[0]
            form = self._form(response, page)
            if not form.action.startswith("/"):
                self.posting = tuple(form.fields.items())
                return form.action
            sent = {**form.fields, **{name: text for name, text in answers.items() if name in form.choices}}
            response = self.request("POST", origin + form.action, tuple(sent.items()))
        message = f"no callback after {MAX_STEPS} steps"
        raise VisitFailed(message)

    def _form(self, response: Response, page: str) -> Form:
        forms = read_forms(page)
        if response.status != 200 or not forms:
            heading = page.partition("<h1>")[2].partition("</h1>")[0]
            message = f"status {response.status}, {heading!r}: {page.partition('<p>')[2].partition('</p>')[0]}"
            raise VisitFailed(message)
        return forms[0]

    def request(self, method: str, url: str, form: tuple[tuple[str, str], ...] | None = None) -> Response:
        """One request with the cookies of this visitor; the answer's cookies are kept."""
        headers = []
        if self.cookies:
            headers.append(("Cookie", "; ".join(f"{name}={text}" for name, text in self.cookies.items())))
        if form is not None:
            headers += [("Content-Type", FORM), ("Origin", _origin(url))]
        body = b"" if form is None else write_form(form).encode()
        response = self._respond(Request(method, url, Headers(tuple(headers)), body))
        for header in response.headers.all("Set-Cookie"):
            name, _, text = header.partition(";")[0].partition("=")
            self.cookies[name] = text
            if "Max-Age=0" in header:
                del self.cookies[name]
        return response


def _origin(url: str) -> str:
    scheme, separator, _ = url.partition("://")
    return read_url(url.partition("#")[0]).origin if separator and scheme in ("http", "https") else url


def read_forms(page: str) -> list[Form]:
    """The forms of a page, in order."""
    from html.parser import HTMLParser

    forms: list[Form] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found = {name: text or "" for name, text in attrs}
            if tag == "form":
                forms.append(Form(found.get("action", "")))
            elif tag in ("input", "button") and forms and found.get("name"):
                _take(forms[-1], tag, found)

    Reader().feed(page)
    return forms


def _take(form: Form, tag: str, found: dict[str, str]) -> None:
    if found.get("type") == "hidden":
        form.fields[found["name"]] = found.get("value", "")
    elif tag == "input" or found.get("type") == "submit":
        form.choices.add(found["name"])


def over_http(request: Request) -> Response:
    """Send a request to a loopback server, without following redirects."""
    from http.client import HTTPConnection

    url = read_url(request.url)
    connection = HTTPConnection(url.host, url.port, timeout=10)
    try:
        target = f"{url.path}?{url.query}" if url.query else url.path
        connection.request(request.method, target, request.body or None, dict(request.headers.pairs))
        answer = connection.getresponse()
        pairs = tuple((name, text) for name, text in answer.getheaders())
        return Response(answer.status, Headers(pairs), answer.read())
    finally:
        connection.close()
