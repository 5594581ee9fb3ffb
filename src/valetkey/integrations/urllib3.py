"""`VaultPool` for urllib3: a pool manager whose requests are authorized.

    VaultPool(urllib3.PoolManager(), vault, "github", "alice").request("GET", "https://api.github.com/user")

urllib3 has no place for an auth, and repeats a request as it was. So redirects and retries are made here, by the rules
of the same `Retry`: every attempt is authorized anew, and what has left the origin once stays without credentials.
"""

from __future__ import annotations

from urllib.parse import urljoin

import urllib3
from urllib3.util import Retry, parse_url

from valetkey.http import Headers, Request
from valetkey.integrations.credentials import Authorizer, at_once, same_origin
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from urllib3.connectionpool import HTTPConnectionPool

    from valetkey.connections.attempt import Attempt
    from valetkey.integrations.credentials import SigningVault

_OF_THE_BODY = ("content-length", "content-type", "content-encoding", "content-language", "content-location")


@value
class _Hop:
    """A request as the caller means it, without credentials. ours: whether it may have any."""

    method: str
    url: str
    headers: Headers
    body: bytes
    ours: bool = True


class VaultPool(urllib3.PoolManager):
    """A PoolManager over another one, which keeps the connections and stays the application's to close.

    Raises in the call what `vault.sign` raises. Bodies are read into memory, because a signature may cover them.
    """

    def __init__(
        self, pool: urllib3.PoolManager, vault: SigningVault, registration: str, resource_owner: str, account: str = ""
    ) -> None:
        super().__init__()
        self._pool, self.headers = pool, pool.headers
        self._authorizer = Authorizer(vault, registration, resource_owner, account)

    @classmethod
    def as_client(
        cls, pool: urllib3.PoolManager, vault: SigningVault, registration: str, *, scope: tuple[str, ...] | None = None
    ) -> Self:
        """The same for the client alone, for no resource owner; see `Vault.sign_as_client`."""
        made = cls(pool, vault, registration, "")
        made._authorizer = Authorizer(vault, registration, scope=scope, alone=True)
        return made

    def urlopen(  # type: ignore[override] # as PoolManager's
        self,
        method: str,
        url: str,
        redirect: bool = True,  # noqa: FBT001, FBT002 - urllib3's
        **given: Any,
    ) -> urllib3.BaseHTTPResponse:
        """The response to an authorized request."""
        retries = given.pop("retries", None)
        if retries is None:
            retries = self._pool.connection_pool_kw.get("retries")
        retries = retries if isinstance(retries, Retry) else Retry.from_int(retries, redirect=redirect)
        given.pop("chunked", None)
        headers = given.pop("headers", None)
        pairs = _pairs(self.headers if headers is None else headers)
        hop: _Hop | None = _Hop(method.upper(), _plain(url), Headers(pairs), _octets(given.pop("body", None)))
        while hop is not None:  # Retry counts, and ends it
            at = hop
            try:
                response = self._answer(at, given)
            except urllib3.exceptions.HTTPError as error:
                retries = retries.increment(at.method, at.url, error=error, _pool=self)  # type: ignore[arg-type] # for the message
                retries.sleep()
                continue
            hop, retries = self._after(at, response, retries, redirect=redirect)
        return response

    def _answer(self, hop: _Hop, given: dict[str, Any]) -> urllib3.BaseHTTPResponse:
        """The response that stands to one request."""
        if not hop.ours:
            return self._send(_request(hop), given)
        attempt: Attempt | None = at_once(self._authorizer.attempt(_request(hop)))
        while attempt is not None:  # the vault ends it
            response = self._send(attempt.signed, given)
            attempt = self._following(attempt, response)
            if attempt is not None:
                response.drain_conn()
        return response

    def _following(self, attempt: Attempt, response: urllib3.BaseHTTPResponse) -> Attempt | None:
        if not attempt.asks_about(response.status):
            return None
        try:
            body = response.data if attempt.reads_body(response.status) else b""
            reply = self._authorizer.next_attempt(attempt, response.status, response.headers.items(), body)
            following: Attempt | None = at_once(reply)
        except BaseException:
            response.close()
            response.release_conn()  # its place in the pool is free, as after an answer that was read
            raise
        return following

    def _after(
        self, hop: _Hop, response: urllib3.BaseHTTPResponse, retries: Retry, *, redirect: bool
    ) -> tuple[_Hop | None, Retry]:
        """What is sent next, None where the response is the answer. Raises MaxRetryError."""
        location = response.get_redirect_location() if redirect else None
        waits = bool(response.headers.get("Retry-After"))
        if not location and not retries.is_retry(hop.method, response.status, waits):
            return None, retries
        try:
            retries = retries.increment(hop.method, hop.url, response=response, _pool=self)  # type: ignore[arg-type] # the same
        except urllib3.exceptions.MaxRetryError:
            if retries.raise_on_redirect if location else retries.raise_on_status:
                response.drain_conn()
                raise
            return None, retries
        response.drain_conn()
        if location:
            return _next(hop, response.status, location, retries), retries
        retries.sleep(response)
        return hop, retries

    def _send(self, request: Request, given: dict[str, Any]) -> urllib3.BaseHTTPResponse:
        headers = urllib3.HTTPHeaderDict()
        for name, text in request.headers.pairs:
            if name.lower() not in ("content-length", "transfer-encoding"):
                headers.add(name, text)
        return self._pool.urlopen(
            request.method,
            request.url,
            redirect=False,
            retries=False,
            headers=headers,
            body=request.body or None,
            **given,
        )

    def connection_from_host(self, *given: Any, **named: Any) -> HTTPConnectionPool:
        """The connections of the pool that this one is over."""
        return self._pool.connection_from_host(*given, **named)

    def clear(self) -> None:
        """Leave the connections to the pool that this one is over."""


def _request(hop: _Hop) -> Request:
    return Request(hop.method, hop.url, hop.headers, hop.body)


def _plain(url: str) -> str:
    """The URL as urllib3 will send it."""
    return str(parse_url(url)._replace(fragment=None).url)


def _next(hop: _Hop, status: int, location: str, retries: Retry) -> _Hop:
    """Where a redirect leads, by urllib3's rules: only 303 changes the method (RFC 9110 section 15.4.4)."""
    url = _plain(urljoin(hop.url, location))
    ours = hop.ours and same_origin(hop.url, url)
    method, body, dropped = hop.method, hop.body, set[str]()
    if status == 303:
        method, body, dropped = "GET", b"", {*_OF_THE_BODY}
    if not same_origin(hop.url, url):
        dropped |= {name.lower() for name in retries.remove_headers_on_redirect}
    pairs = tuple(pair for pair in hop.headers.pairs if pair[0].lower() not in dropped)
    return _Hop(method, url, Headers(pairs), body, ours)


def _pairs(headers: Any) -> tuple[tuple[str, str], ...]:
    def text(part: str | bytes) -> str:
        return part if isinstance(part, str) else part.decode("latin-1")

    return tuple((text(name), text(value)) for name, value in headers.items())


def _octets(body: Any) -> bytes:
    """The octets of a body, whatever it was given as."""
    if body is None or isinstance(body, bytes):
        return body or b""
    if isinstance(body, str):
        return body.encode()
    if hasattr(body, "read"):
        return _octets(body.read())
    return b"".join(map(_octets, body)) if not isinstance(body, bytearray | memoryview) else bytes(body)
