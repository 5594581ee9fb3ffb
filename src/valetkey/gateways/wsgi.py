"""WSGI (PEP 3333): gunicorn, uWSGI, mod_wsgi, Flask, Django, Google Cloud Functions, Vercel.

The one rule: the target is SCRIPT_NAME + PATH_INFO, encoded again. RAW_URI and REQUEST_URI are not read: they are what
the client typed, before a server in front rewrote it, and may be a whole URL. Vercel leaves PATH_INFO encoded; names in
our paths hold nothing that would need decoding, so both come out right or as a 404.
"""

from __future__ import annotations

from valetkey.errors import RequestRefused
from valetkey.gateways.serve import finish, serve
from valetkey.gateways.targets import encode_path, encode_query
from valetkey.http import Headers, Request
from valetkey.web.forms import MAX_BODY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeAlias

    from valetkey.gateways.serve import ResourceOwner, Runs
    from valetkey.http import Response

    Environ: TypeAlias = dict[str, Any]
    StartResponse: TypeAlias = Callable[..., object]

PHRASES = {
    200: "OK",
    303: "See Other",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    410: "Gone",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}


def wsgi_app(vault: Runs, *, resource_owner: ResourceOwner) -> Callable[[Environ, StartResponse], Iterable[bytes]]:
    """A WSGI application with the pages; mount it at the path of the base URL.

    resource_owner: (Request) -> str | None, or a coroutine function; `request.platform` is the environ.
    """

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        response = finish(serve(vault, lambda: read_environ(environ), resource_owner=resource_owner))
        return write_response(response, environ, start_response)

    return app


def read_environ(environ: Environ) -> Request:
    """The request of an environ; its body is read. Raises ValueError, RequestRefused (413)."""
    path = encode_path((environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1"))
    query = encode_query(environ.get("QUERY_STRING", ""))
    fields = [("content-type", environ.get("CONTENT_TYPE")), ("content-length", environ.get("CONTENT_LENGTH"))]
    fields += [
        (name[5:].replace("_", "-").lower(), text)
        for name, text in environ.items()
        if name.startswith("HTTP_") and name not in ("HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH")
    ]
    headers = Headers(tuple((name, text) for name, text in fields if text))
    return Request(
        environ["REQUEST_METHOD"], f"{path}?{query}" if query else path, headers, _read_body(environ), environ
    )


def write_response(response: Response, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Start the response and give its body; to HEAD, none."""
    body = b"" if environ["REQUEST_METHOD"] == "HEAD" else response.body
    headers = [*response.headers.pairs, ("Content-Length", str(len(body)))]
    start_response(f"{response.status} {PHRASES.get(response.status, 'Status')}", headers)
    return [body]


def _read_body(environ: Environ) -> bytes:
    length = environ.get("CONTENT_LENGTH") or ""
    stream = environ["wsgi.input"]
    if not length:
        # A chunked body has no length; a server that says so ends the stream itself.
        body: bytes = stream.read(MAX_BODY + 1) if environ.get("wsgi.input_terminated") else b""
        return body
    if not (length.isascii() and length.isdigit()) or len(length) > 12:
        message = "Content-Length is not a number"
        raise ValueError(message)
    wanted = int(length)
    if wanted > MAX_BODY:
        raise RequestRefused("body_too_large", f"a body has at most {MAX_BODY} octets", status=413)
    parts, missing = [], wanted
    while missing:
        part = stream.read(missing)
        if not part:
            message = "the body ended before its Content-Length"
            raise ValueError(message)
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
