"""One exchange as an entry of HAR 1.2, redacted: the request, the answer, and nothing of either that is not known.

The one rule: an entry is made twice. What the first pass found to be a secret is then one in every part of the second,
also in those that stand before it; and if any secret is still in the text of it, all of it is left out.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from valetkey.errors import describe_error
from valetkey.http import FORM, percent_encode
from valetkey.oauth2.strict_json import BOM, read_json_object
from valetkey.trace.words import HEADERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from valetkey.http import Headers, Request, Response
    from valetkey.trace.redact import Redactor

    Made = dict[str, Any]

MAX_BODY = 65_536
MAX_HEADERS = 64
VERSION = "HTTP/1.1"
UNKNOWN = "x-unknown"
REASONS = {200: "OK", 303: "See Other", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}
WITHHELD = "withheld: a secret stands where none is expected"


def sent(redactor: Redactor, request: Request, answer: Response | Exception, *, open_path: bool) -> Made:
    """The entry of a request that was sent. open_path: see `Redactor.target`."""
    return _twice(
        redactor,
        lambda: {
            "request": _request(redactor, request, redactor.target(request.url, open_path=open_path)),
            "response": _failed(answer) if isinstance(answer, Exception) else _response(redactor, answer),
        },
    )


def arrived(redactor: Redactor, request: Request, response: Response | None, *, origin: str) -> Made:
    """The entry of a browser's request. origin: of our pages. response: None where the application answers itself."""
    return _twice(
        redactor,
        lambda: {
            "request": _request(redactor, request, origin + redactor.location(request.url)),
            "response": _nothing() if response is None else _response(redactor, response, page=True),
        },
    )


def led_away(redactor: Redactor, location: str) -> Made:
    """The entry of a browser that the application sends to the provider; its answer comes back as a callback."""
    url = redactor.target(location, open_path=True)
    return _twice(redactor, lambda: {"request": {**_empty(), **_addressed(url), **_sizes(0)}, "response": _nothing()})


def _empty() -> Made:
    return {"method": "GET", "httpVersion": VERSION, "cookies": [], "headers": []}


def _twice(redactor: Redactor, make: Callable[[], Made]) -> Made:
    _ = make()
    made = make()
    text = "\n".join(_texts(made))
    spellings = (redactor.secrets, map(percent_encode, _encodable(redactor.secrets)))
    if any(secret in text for secrets in spellings for secret in secrets):
        return {
            "request": {**_empty(), "url": "about:blank", "queryString": [], "comment": WITHHELD, **_sizes(0)},
            "response": {**_nothing(), "comment": WITHHELD},
        }
    return made


def _texts(found: Any, name: str = "") -> Iterator[str]:
    """Every text of an entry that is not a word of HAR's own."""
    if isinstance(found, dict):
        for key, item in found.items():
            yield from _texts(item, key)
    elif isinstance(found, list):
        for item in found:
            yield from _texts(item)
    elif isinstance(found, str) and name not in ("httpVersion", "statusText", "comment") and found != UNKNOWN:
        yield found


def _encodable(texts: Iterable[str]) -> list[str]:
    return [text for text in texts if text.isascii()]


def _request(redactor: Redactor, request: Request, url: str) -> Made:
    made: Made = {
        "method": request.method if request.method.isalpha() and len(request.method) < 10 else "GET",
        "httpVersion": VERSION,
        "cookies": _cookies(redactor, request.headers),
        "headers": _headers(redactor, request.headers),
        **_addressed(url),
        **_sizes(len(request.body)),
    }
    if request.body:
        made["postData"] = _posted(redactor, request)
    return made


def _addressed(url: str) -> Made:
    query = url.partition("?")[2]
    pairs = [part.partition("=") for part in query.split("&") if part]
    return {"url": url, "queryString": [{"name": name, "value": found} for name, _, found in pairs]}


def _posted(redactor: Redactor, request: Request) -> Made:
    media_type = redactor.media_type(request.headers.get("content-type") or "")
    text = request.body.decode("utf-8", "replace")
    pairs = redactor.read_pairs(text) if media_type == FORM else None
    if pairs is not None:
        return {"mimeType": media_type, "params": [{"name": name, "value": found} for name, found in pairs]}
    return {"mimeType": media_type, "text": _body(redactor, request.body, media_type)}


def _response(redactor: Redactor, response: Response, *, page: bool = False) -> Made:
    media_type = redactor.media_type(response.headers.get("content-type") or "")
    content: Made = {"size": len(response.body), "mimeType": media_type or UNKNOWN}
    if page:
        content["comment"] = "a page of valetkey's own, left out"
    elif response.body:
        content["text"] = _body(redactor, response.body, media_type)
    location = response.headers.get("location")
    return {
        "status": response.status,
        "statusText": REASONS.get(response.status, ""),
        "httpVersion": VERSION,
        "cookies": [
            {"name": name, "value": found}
            for text in response.headers.all("set-cookie")
            for name, _, found in [redactor.set_cookie(text).partition(";")[0].partition("=")]
        ],
        "headers": _headers(redactor, response.headers),
        "content": content,
        "redirectURL": redactor.location(location) if location else "",
        **_sizes(len(response.body)),
    }


def _body(redactor: Redactor, body: bytes, media_type: str) -> str:
    """The body with every secret as a fingerprint; what is neither JSON nor a form is one as a whole."""
    if len(body) > MAX_BODY:
        return f"({len(body)} octets, left out)"
    try:
        return json.dumps(redactor.json(read_json_object(body.removeprefix(BOM), limit=MAX_BODY)), indent=2)
    except (ValueError, RecursionError):
        pass
    text = body.decode("utf-8", "replace")
    if media_type in (FORM, "text/plain", "text/html", ""):
        pairs = redactor.read_pairs(text.strip()) if text.isprintable() and not text.lstrip().startswith("<") else None
        if pairs is not None:
            return "&".join(f"{name}={found}" for name, found in pairs)
    return f"({len(body)} octets that are neither JSON nor a form: {redactor.secret(text)})"


def _headers(redactor: Redactor, headers: Headers) -> list[Made]:
    made = []
    for name, text in headers.pairs[:MAX_HEADERS]:
        rule = HEADERS.get(name.lower())
        shown = redactor.secret(text) if rule is None else getattr(redactor, rule)(text)
        made.append({"name": redactor.fingerprint(name) if rule is None else name, "value": shown})
    return made


def _cookies(redactor: Redactor, headers: Headers) -> list[Made]:
    pairs = [pair for text in headers.all("cookie") for pair in redactor.cookies(text)]
    return [{"name": name, "value": found} for name, found in pairs]


def _nothing() -> Made:
    return {
        "status": 0,
        "statusText": "",
        "httpVersion": VERSION,
        "cookies": [],
        "headers": [],
        "content": {"size": 0, "mimeType": UNKNOWN},
        "redirectURL": "",
        **_sizes(-1),
    }


def _failed(error: Exception) -> Made:
    return {**_nothing(), "comment": f"no answer: {describe_error(error)}"}


def _sizes(octets: int) -> Made:
    return {"headersSize": -1, "bodySize": octets}
