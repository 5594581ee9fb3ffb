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
from valetkey.integrations.credentials import added_headers, bearer_token, same_origin
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any, TypeAlias

    from aiohttp import ClientRequest, ClientResponse

    from valetkey.integrations.credentials import AsyncSigningVault, SigningVault
    from valetkey.secret import Secret

    Handler: TypeAlias = Callable[[ClientRequest], Awaitable[ClientResponse]]


@value
class _Call:
    """One call of the user's: its timer, where it began, whether it went elsewhere, whether a 401 was repeated."""

    timer: object
    url: str
    away: bool = False
    repeated: bool = False


_call: ContextVar[_Call | None] = ContextVar("valetkey_aiohttp_call", default=None)


class VaultAuth:
    """Authorizes requests with a vault's connection. Raises in the call what `vault.sign` raises."""

    def __init__(
        self, vault: SigningVault | AsyncSigningVault, registration: str, resource_owner: str, account: str = ""
    ) -> None:
        self._vault = vault
        self._registration, self._resource_owner, self._account = registration, resource_owner, account

    async def __call__(self, request: ClientRequest, handler: Handler) -> ClientResponse:
        """The response, of the second request where the first one's token was refused."""
        call = _this_call(request)
        _call.set(call)
        if call.away:
            return await handler(request)
        plain = await _read(request)
        signed = await self._signed(plain, None)
        response = await _sent(request, plain, signed, handler)
        token = bearer_token(signed)
        if response.status != 401 or token is None or call.repeated:
            return response
        _call.set(_Call(call.timer, call.url, repeated=True))
        again = await self._signed(plain, token)
        if bearer_token(again) == token:
            return response
        await response.read()
        response.release()
        return await _sent(request, plain, again, handler)

    async def _signed(self, plain: Request, rejected: Secret | None) -> Request:
        reply: Any = self._vault.sign(
            plain,
            registration=self._registration,
            resource_owner=self._resource_owner,
            account=self._account,
            rejected=rejected,
        )
        signed: Request = await reply if hasattr(reply, "__await__") else reply
        return signed


def _this_call(request: ClientRequest) -> _Call:
    """The call that the request is a hop of; another origin than the first one's is away, and stays so."""
    timer, url, earlier = getattr(request, "_timer", None), str(request.url), _call.get()
    if earlier is None or timer is None or earlier.timer is not timer:
        return _Call(timer, url)
    return _Call(timer, earlier.url, earlier.away or not same_origin(earlier.url, url), earlier.repeated)


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
