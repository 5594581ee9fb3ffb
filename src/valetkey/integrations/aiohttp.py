"""`VaultAuth` for aiohttp: a client middleware (aiohttp 3.12), with a `Vault` or an `AsyncVault`.

    async with aiohttp.ClientSession(middlewares=(VaultAuth(vault, "github", "alice"),)) as session: ...
    await session.get("https://api.github.com/user", middlewares=(VaultAuth(vault, "github", "alice"),))

aiohttp asks the middlewares anew for every hop of a redirect and for its own repetitions, with a request that has none
of our credentials; so each is authorized for itself. Which requests are hops of one call is told by the timer that
they share. A body is given back as it was before aiohttp could send it on.
A `Vault` holds up the event loop while it refreshes.
"""

from __future__ import annotations

from contextvars import ContextVar

from yarl import URL

from valetkey.http import Headers, Request
from valetkey.integrations.credentials import Authorizer, Authorizing, added_headers, awaited, same_origin
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from aiohttp import ClientRequest, ClientResponse

    from valetkey.connections.attempt import Attempt
    from valetkey.integrations.credentials import AsyncSigningVault, SigningVault

    Handler: TypeAlias = Callable[[ClientRequest], Awaitable[ClientResponse]]


@value
class _Call:
    """One call of the user's: its timer, where it began, whether it went elsewhere."""

    timer: object
    url: str
    away: bool = False


_call: ContextVar[_Call | None] = ContextVar("valetkey_aiohttp_call", default=None)


class VaultAuth(Authorizing):
    """Authorizes requests with a vault's connection. Raises in the call what `vault.sign` raises."""

    def __init__(
        self, vault: SigningVault | AsyncSigningVault, registration: str, resource_owner: str, account: str = ""
    ) -> None:
        self._authorizer = Authorizer(vault, registration, resource_owner, account)

    async def __call__(self, request: ClientRequest, handler: Handler) -> ClientResponse:
        """The response that stands."""
        call = _this_call(request)
        _call.set(call)
        if call.away:
            return await handler(request)
        plain = await _read(request)
        attempt: Attempt | None = await awaited(self._authorizer.attempt(plain))
        while attempt is not None:  # the vault ends it
            response = await _sent(request, plain, attempt.signed, handler)
            attempt = await self._following(attempt, response)
            if attempt is not None:
                await response.read()
                response.release()
        return response

    async def _following(self, attempt: Attempt, response: ClientResponse) -> Attempt | None:
        if not attempt.asks_about(response.status):
            return None
        try:
            body = await response.read() if attempt.reads_body(response.status) else b""
            reply = self._authorizer.next_attempt(attempt, response.status, response.headers.items(), body)
            following: Attempt | None = await awaited(reply)
        except BaseException:
            response.close()
            raise
        return following


def _this_call(request: ClientRequest) -> _Call:
    """The call that the request is a hop of; another origin than the first one's is away, and stays so."""
    timer, url, earlier = getattr(request, "_timer", None), str(request.url), _call.get()
    if earlier is None or timer is None or earlier.timer is not timer:
        return _Call(timer, url)
    return _Call(timer, earlier.url, earlier.away or not same_origin(earlier.url, url))


async def _read(request: ClientRequest) -> Request:
    """The request that will be sent, its body made octets, whatever it was given as."""
    body = request.body
    octets = body if isinstance(body, bytes) else await body.as_bytes()
    if octets:
        await _set_body(request, octets)
    pairs = tuple((name, text) for name, text in request.headers.items())
    return Request(request.method, str(request.url), Headers(pairs), octets)


async def _set_body(request: ClientRequest, octets: bytes) -> None:
    """Send these octets, their length told."""
    from aiohttp.payload import BytesPayload

    request.headers.popall("Transfer-Encoding", None)
    request.chunked = None
    content_type = request.headers.get("Content-Type", "application/octet-stream")
    await request.update_body(BytesPayload(octets, content_type=content_type))


async def _sent(request: ClientRequest, plain: Request, signed: Request, handler: Handler) -> ClientResponse:
    """The response to the signed request; the request is then as it was, because redirects take its body along."""
    url, headers = request.url, request.headers.copy()
    for name, text in added_headers(plain, signed):
        request.headers[name] = text
    if signed.url != plain.url:
        request.url = URL(signed.url, encoded=True)
    if signed.body != plain.body:
        await _set_body(request, signed.body)
    try:
        return await handler(request)
    finally:
        request.url = url
        if signed.body != plain.body:
            await _set_body(request, plain.body)
        request.headers.clear()
        request.headers.extend(headers)
