"""`AiohttpTransport`: an AsyncVault sends through the application's own `aiohttp.ClientSession`.

    AsyncVault(settings, store=..., keys=..., transport=AiohttpTransport(session))

The connector, its TLS settings and a proxy for https are the session's. Its middlewares, auth, default headers, cookies
and redirects are not used, and its own retry on a dead connection is stopped. `maybe_received` is exact.
Needs aiohttp 3.12, whose middlewares see a request before it is connected.

A registration's client certificate is in a TLS context of its own, whose connections are no other's. A connector that
has a context already cannot share it: pass the function that makes it, `AiohttpTransport(session, tls=make_context)`.
"""

from __future__ import annotations

from valetkey.drivers.transports.borrowed import (
    Answer,
    Outside,
    by_address_async,
    errand,
    failure,
    no_proxy,
    share,
)
from valetkey.drivers.transports.certificates import CANNOT_PRESENT, CertifiedContexts
from valetkey.drivers.transports.stdlib import usual_context
from valetkey.drivers.transports.wire import Refused, unread
from valetkey.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from valetkey.drivers.transports.borrowed import Errand
    from valetkey.drivers.transports.certificates import MakeContext
    from valetkey.effects import Send
    from valetkey.http import Response

PIECE = 1 << 16
LARGE = 1 << 20  # from here aiohttp warns of octets that are given in one piece
AUTOMATIC = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class AiohttpTransport:
    """Sends requests with a `ClientSession`, which belongs to one event loop and stays the application's to close."""

    blocking = False
    awaited = True

    def __init__(self, session: Any, *, tls: MakeContext | None = None, outside: Outside | None = None) -> None:
        """tls: a fresh TLS context every time it is called, to put a client certificate into."""
        self._session = session
        self._outside = outside or Outside()
        usual = getattr(session.connector, "_ssl", None) is True  # aiohttp tells it to nobody
        self.presents_certificates = tls is not None or usual
        self._certified = CertifiedContexts(tls or usual_context)

    async def send(self, effect: Send) -> Response:
        """One exchange, within the effect's reach and deadline. Raises TransportError."""
        given = errand(effect, self._outside)
        return await by_address_async(given, self._outside, self._exchange)

    async def _exchange(self, given: Errand, address: str, left: int) -> Response:
        import asyncio

        sending = Sending(given)
        try:
            async with asyncio.timeout(given.deadline.left()):
                response = await self._ask(given, address, share(given, left), sending)
                done = False
                try:
                    pairs = [(name.decode("latin-1"), text.decode("latin-1")) for name, text in response.raw_headers]
                    answer = Answer(given, response.status, pairs)
                    async for piece in response.content.iter_chunked(PIECE):
                        answer.add(piece)
                    done = True
                    return answer.finish()
                finally:
                    if not done:
                        response.close()
        except ConfigurationError:
            raise
        except Exception as error:  # noqa: BLE001 - no error of the client's leaves: it holds the request
            sending.abort()
            broken = failure(given.url, error, sent=sending.sent, unread=sending.unread)
        raise broken  # not in `except`, which would make the client's error its context

    async def _ask(self, given: Errand, address: str, seconds: float, sending: Sending) -> Any:
        import aiohttp
        from yarl import URL

        request = given.effect.request
        body: Any = request.body
        if len(body) > LARGE:
            from io import BytesIO

            body = BytesIO(body)
        # With a server_hostname a connection is pooled under a key of its own: none that was kept without one is used,
        # and these are closed. So this is a new connection.
        new = given.public or not given.effect.kept
        presented: dict[str, Any] = {}
        if given.effect.certificate is not None:
            if not self.presents_certificates:
                raise ConfigurationError(CANNOT_PRESENT)
            presented["ssl"] = self._certified.of(given.effect.certificate)  # part of the key of its pool
        return await self._session.request(
            request.method,
            URL(given.at(address) if address else request.url, encoded=True),
            data=body or None,
            allow_redirects=False,
            raise_for_status=False,
            auto_decompress=False,
            skip_auto_headers=AUTOMATIC,
            server_hostname=given.url.host if new else None,
            timeout=aiohttp.ClientTimeout(total=None, connect=seconds),
            middlewares=(sending,),
            **presented,
        )


class Sending:
    """The one middleware of a request: makes its header fields, and knows when its first octet leaves."""

    def __init__(self, given: Errand) -> None:
        self._given = given
        self._begun = self.sent = self.unread = False
        self._transport: Any = None

    def abort(self) -> None:
        """Send no more: what waits in the buffers would go out after the deadline."""
        if self._transport is not None:
            self._transport.abort()

    async def __call__(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Send it, once."""
        given = self._given
        if self._begun:  # aiohttp repeats an idempotent request whose connection broke
            message = "broke off the exchange"
            raise Refused(message)
        self._begun = True
        no_proxy(given, proxied=request.proxy is not None)
        request.headers.clear()
        request.headers.extend(given.fields)
        send = request.send

        async def noted(connection: Any) -> Any:
            given.deadline.left()
            if (given.public or not given.effect.kept) and connection.protocol is not None:
                connection.protocol.force_close()
            self._transport = connection.transport
            if given.effect.certificate is not None and not given.effect.kept:
                self.unread = unread(connection.transport.get_extra_info("ssl_object"))
            self.sent = True
            return await send(connection)

        request.send = noted
        return await handler(request)
