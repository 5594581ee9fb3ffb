"""`HttpxTransport`: a vault sends through the application's own client, of httpx or of httpx2.

    Vault(settings, store=..., keys=..., transport=HttpxTransport(httpx.Client(verify=context)))
    AsyncVault(settings, store=..., keys=..., transport=HttpxTransport(httpx2.AsyncClient()))

TLS settings, mounts and a proxy for https are the client's. Its auth, headers, cookies and redirects are not used.
httpcore's trace tells when a request leaves, so `maybe_received` is exact; with a transport that has no trace (a mock)
it is True unless the error says that nothing was connected.

A Client is given a new connection for every request, because only then can its deadline be enforced octet by octet.
An AsyncClient keeps them, and opens a new one where that is asked for, unless it speaks HTTP/2.

A client's TLS context cannot be changed, so a registration's client certificate needs a client of its own. Pass the
function that makes it: `HttpxTransport(client, certified=lambda tls: httpx.Client(verify=tls))`.

httpx itself logs each URL with its query at level INFO. Where a provider takes OAuth 1.0a parameters in the query, or a
token in the path, set the logger `httpx` to WARNING.
"""

from __future__ import annotations

from valetkey.drivers.transports.borrowed import (
    DIRECT,
    Answer,
    Outside,
    by_address,
    by_address_async,
    errand,
    failure,
    share,
)
from valetkey.drivers.transports.certificates import CANNOT_PRESENT, CertifiedContexts
from valetkey.drivers.transports.cutoff import Cutoff
from valetkey.drivers.transports.stdlib import usual_context
from valetkey.drivers.transports.wire import Refused, unread
from valetkey.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable
    from typing import Any

    from valetkey.drivers.transports.borrowed import Errand
    from valetkey.effects import ClientCertificate, Send
    from valetkey.errors import TransportError
    from valetkey.http import Response

MAX_DISCARDED = 64  # kept connections that are closed for want of a new one
UNSENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol", "InvalidURL")


class Reused(Exception):
    """The client took a kept connection where a new one is asked for. Raised in the trace, it closes that one."""


class HttpxTransport:
    """Sends requests with a `Client` or, for an AsyncVault, an `AsyncClient`; it stays the application's to close.

    An AsyncClient belongs to the event loop that it was first used on.
    """

    def __init__(
        self, client: Any, *, certified: Callable[[ssl.SSLContext], Any] | None = None, outside: Outside | None = None
    ) -> None:
        """certified: a client of the same kind for a TLS context that presents a certificate; `close` closes those."""
        self._client = client
        self._certified = certified
        self.presents_certificates = certified is not None
        self._contexts = CertifiedContexts(usual_context)
        self._clients: dict[ClientCertificate, Any] = {}
        self._outside = outside or Outside()
        self.awaited = hasattr(client, "aclose")
        self.blocking = not self.awaited
        self._request_class = type(client.build_request("GET", "https://localhost/"))

    def _client_for(self, certificate: ClientCertificate | None) -> Any:
        """The client that presents the certificate, or the application's own. Raises ConfigurationError."""
        if certificate is None:
            return self._client
        if self._certified is None:
            raise ConfigurationError(CANNOT_PRESENT)
        found = self._clients.get(certificate)
        if found is None:
            found = self._clients.setdefault(certificate, self._certified(self._contexts.of(certificate)))
        return found

    def close(self) -> None:
        """Close the clients that were made for certificates; of an AsyncVault's, `aclose` does."""
        while self._clients:
            self._clients.popitem()[1].close()

    async def aclose(self) -> None:
        """The same, awaited."""
        while self._clients:
            await self._clients.popitem()[1].aclose()

    def send(self, effect: Send) -> Response | Awaitable[Response]:
        """One exchange, within the effect's reach and deadline. Raises TransportError."""
        given = errand(effect, self._outside)
        _ = self._client_for(effect.certificate)
        if self.awaited:
            return by_address_async(given, self._outside, self._exchange_async)
        return by_address(given, self._outside, self._exchange)

    def _request(self, given: Errand, address: str, seconds: float, trace: object) -> Any:
        """A request that has nothing of the client's defaults."""
        left = given.deadline.left()
        extensions: dict[str, object] = {
            "timeout": {"connect": seconds, "pool": seconds, "read": left, "write": left},
            "trace": trace,
            "target": given.target.encode(),  # as it was signed
        }
        if address:
            extensions["sni_hostname"] = given.url.host
        request = given.effect.request
        url = given.at(address) if address else request.url
        fields = list(given.fields)
        return self._request_class(request.method, url, headers=fields, content=request.body, extensions=extensions)

    def _exchange(self, given: Errand, address: str, left: int) -> Response:
        for _ in range(MAX_DISCARDED):
            cutoff = Cutoff(given.deadline)
            steps = Steps(given, address, cutoff=cutoff)
            try:
                request = self._request(given, address, share(given, left), steps.note)
                with cutoff:
                    client = self._client_for(given.effect.certificate)
                    response = client.send(request, auth=None, follow_redirects=False, stream=True)
                    try:
                        answer = _head(given, response)
                        for piece in response.iter_raw():
                            answer.add(piece)
                        return answer.finish()
                    finally:
                        response.close()
            except Reused:
                continue
            except Exception as error:  # noqa: BLE001 - no error of the client's leaves: it holds the request
                broken = steps.failure(error)
            raise broken  # not in `except`, which would make the client's error its context
        raise steps.failure(Refused(NOT_NEW))

    async def _exchange_async(self, given: Errand, address: str, left: int) -> Response:
        import asyncio

        for _ in range(MAX_DISCARDED):
            steps = Steps(given, address, cutoff=None)
            try:
                request = self._request(given, address, share(given, left), steps.note_async)
                async with asyncio.timeout(given.deadline.left()):
                    client = self._client_for(given.effect.certificate)
                    response = await client.send(request, auth=None, follow_redirects=False, stream=True)
                    try:
                        answer = _head(given, response)
                        async for piece in response.aiter_raw():
                            answer.add(piece)
                        return answer.finish()
                    finally:
                        await response.aclose()
            except Reused:
                continue
            except Exception as error:  # noqa: BLE001 - as above
                broken = steps.failure(error)
            await steps.close()
            raise broken
        raise steps.failure(Refused(NOT_NEW))


NOT_NEW = "was not asked: the client opens no new connection; use one without HTTP/2, or valetkey's default transport"


def _head(given: Errand, response: Any) -> Answer:
    pairs = [(name.decode("latin-1"), text.decode("latin-1")) for name, text in response.headers.raw]
    return Answer(given, response.status_code, pairs, http2=response.http_version == "HTTP/2")


class Steps:
    """What httpcore's trace told of one request."""

    def __init__(self, given: Errand, address: str, *, cutoff: Cutoff | None) -> None:
        self._given, self._cutoff = given, cutoff
        self._place = (address or given.url.host, given.port)
        self._stream: Any = None
        self._traced = self.sent = self._unread = False

    async def close(self) -> None:
        """Close the connection: httpcore leaves one open whose TLS handshake is cancelled."""
        if self._stream is not None:
            await self._stream.aclose()

    async def note_async(self, event: str, told: Any) -> None:
        """Take note of a step; the trace of an AsyncClient."""
        self.note(event, told)

    def note(self, event: str, told: Any) -> None:
        """Take note of a step; what is raised here stops the request before it is sent."""
        self._traced = True
        given = self._given
        if event == "connection.connect_tcp.started":
            if given.direct and (str(told["host"]).strip("[]"), told["port"]) != self._place:
                raise Refused(DIRECT)
        elif event.endswith((".connect_tcp.complete", ".connect_unix_socket.complete", ".start_tls.complete")):
            self._stream = told["return_value"]
        elif event.endswith(".send_request_headers.started") and told["request"].method != b"CONNECT":
            self._check_connection(event)
            given.deadline.left()
            if self._cutoff is not None:
                self._cutoff.watch(self._stream.get_extra_info("socket"))
            if given.effect.certificate is not None and self._stream is not None:
                self._unread = unread(self._stream.get_extra_info("ssl_object"))
            self.sent = True

    def _check_connection(self, event: str) -> None:
        """Refuse a kept connection where a new one is asked for. HTTP/2 has only the one, so an AsyncClient may."""
        must_be_new = self._cutoff is not None or self._given.public
        if self._stream is None and (must_be_new or (not self._given.effect.kept and not event.startswith("http2"))):
            raise Reused

    def failure(self, error: Exception) -> TransportError:
        """The error for people."""
        names = {kind.__name__ for kind in type(error).__mro__}
        never = isinstance(error, Refused) and not self.sent
        sent = self.sent if self._traced else not (never or names.intersection(UNSENT))
        if any(name.endswith("Timeout") for name in names):
            error = TimeoutError()
        return failure(self._given.url, error, sent=sent, unread=self._unread)
