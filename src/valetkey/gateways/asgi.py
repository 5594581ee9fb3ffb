"""ASGI 3: uvicorn, hypercorn, FastAPI and Starlette mounts, Mangum, Azure, Vercel.

The one rule: a blocking vault works in a worker thread, an AsyncVault on the loop; the loop never waits for either.
The target is `raw_path` where the server gives it, else `path` encoded again. `root_path` is part of both with current
servers and frameworks; where one left it out, it is added if that is what the base URL wants.
"""

from __future__ import annotations

from valetkey.errors import RequestRefused
from valetkey.gateways.serve import finish_async, in_thread, serve
from valetkey.gateways.targets import encode_path, encode_query
from valetkey.http import Headers, Request
from valetkey.web.forms import MAX_BODY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import Any, TypeAlias

    from valetkey.gateways.serve import ResourceOwner, Runs
    from valetkey.http import Response

    Scope: TypeAlias = MutableMapping[str, Any]
    Message: TypeAlias = MutableMapping[str, Any]
    Receive: TypeAlias = Callable[[], Awaitable[Message]]
    Reply: TypeAlias = Callable[[Message], Awaitable[None]]

MAX_MESSAGES = 10_000


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


def asgi_app(vault: Runs, *, resource_owner: ResourceOwner) -> Callable[[Scope, Receive, Reply], Awaitable[None]]:
    """An ASGI application with the pages; mount it at the path of the base URL, such as `app.mount("/oauth", ...)`.

    resource_owner: (Request) -> str | None, or a coroutine function; `request.platform` is the scope.
    """

    async def app(scope: Scope, receive: Receive, send: Reply) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            await _answer(vault, resource_owner, scope, receive, send)

    return app


async def _answer(vault: Runs, resource_owner: ResourceOwner, scope: Scope, receive: Receive, send: Reply) -> None:
    try:
        body = await read_body(receive)
    except ClientGone:
        return
    path = vault.settings.path
    steps = serve(vault, lambda: read_scope(scope, body, base_path=path), resource_owner=resource_owner)
    response = await finish_async(steps, advance=in_thread)
    for message in write_messages(response, head=scope["method"] == "HEAD"):
        await send(message)


def read_scope(scope: Scope, body: bytes, *, base_path: str = "") -> Request:
    """The request of an HTTP scope. Raises ValueError, RequestRefused (413)."""
    if len(body) > MAX_BODY:
        raise RequestRefused("body_too_large", f"a body has at most {MAX_BODY} octets", status=413)
    raw = scope.get("raw_path")
    path = encode_query(raw.decode("ascii").partition("?")[0]) if raw else encode_path(scope["path"].encode())
    root = encode_path(str(scope.get("root_path") or "").rstrip("/").encode())
    if root and not path.startswith(base_path + "/") and (root + path).startswith(base_path + "/"):
        path = root + path
    query = encode_query(scope.get("query_string", b"").decode("latin-1"))
    headers = Headers(tuple((name.decode("latin-1"), text.decode("latin-1")) for name, text in scope["headers"]))
    return Request(scope["method"], f"{path}?{query}" if query else path, _one_cookie(headers), body, scope)


def write_messages(response: Response, *, head: bool = False) -> list[Message]:
    """The messages of a response; to HEAD, without a body."""
    body = b"" if head else response.body
    headers = [(name.lower().encode("latin-1"), text.encode("latin-1")) for name, text in response.headers.pairs]
    if not head:
        headers.append((b"content-length", str(len(body)).encode()))
    return [
        {"type": "http.response.start", "status": response.status, "headers": headers},
        {"type": "http.response.body", "body": body},
    ]


async def read_body(receive: Receive) -> bytes:
    """The body, read no further than the limit and one octet. Raises ClientGone."""
    parts: list[bytes] = []
    size = 0
    for _ in range(MAX_MESSAGES):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY or not message.get("more_body", False):
            break
    return b"".join(parts)[: MAX_BODY + 1]


def _one_cookie(headers: Headers) -> Headers:
    # 9113 s8.2.3: HTTP/2 may split Cookie into several fields, which mean one joined by "; ".
    cookies = headers.all("cookie")
    return headers if len(cookies) < 2 else headers.with_set("cookie", "; ".join(cookies))


async def _live(receive: Receive, send: Reply) -> None:
    for _ in range(2):
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return
