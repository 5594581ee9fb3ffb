"""What the transports over an application's own HTTP client share: what is checked before and after the client works.

The one rule: the client opens connections and speaks HTTP; where a request may go, how long it may take, how much is
taken in and what `maybe_received` says is decided here, with the parts of the default transport.

For reach PUBLIC the name is resolved here, every address is checked, and the client is asked for that address with the
name in Host and in TLS. So it needs a direct connection: a client with a proxy is refused, as it is for plain http.
Not here: how each client is made to do that (`urllib3`, `httpx`, `aiohttp`).
"""

from __future__ import annotations

import time

from valetkey.drivers.transports.certificates import NEEDS_HTTPS, refusal, refusal_text
from valetkey.drivers.transports.reach import NotReachable, addresses, check_url, system_resolver
from valetkey.drivers.transports.wire import (
    MAX_BODY,
    Deadline,
    Refused,
    check_framing,
    decoded,
    failed,
    request_fields,
    unfolded,
)
from valetkey.effects import PUBLIC
from valetkey.errors import TransportError
from valetkey.http import DEFAULT_PORTS, Headers, Response, read_url
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from valetkey.drivers.transports.reach import Resolver
    from valetkey.effects import Send
    from valetkey.http import Pairs, Url

MAX_CAUSES = 8
SYSTEM = ("builtins", "socket", "ssl")
DIRECT = "is asked without a proxy: use a client without one, or valetkey's default transport"


@value
class Outside:
    """Time and names, as the system gives them; tests pass others."""

    resolver: Resolver = system_resolver
    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic


@value
class Errand:
    """A request that may be sent.

    fields: all of its header fields. target: path and query, as they are sent. direct: whether a proxy is ruled out.
    """

    effect: Send
    url: Url
    port: int
    target: str
    fields: Pairs
    deadline: Deadline
    direct: bool

    @property
    def public(self) -> bool:
        """Whether only a checked address may be connected to."""
        return self.effect.reach == PUBLIC

    def at(self, address: str) -> str:
        """The URL with an address in the place of its name."""
        host = f"[{address}]" if ":" in address else address
        return f"{self.url.scheme}://{host}:{self.port}{self.target}"


def errand(effect: Send, outside: Outside) -> Errand:
    """What is to be sent, checked as far as that goes without resolving. Raises TransportError."""
    request = effect.request
    try:
        url = read_url(request.url)
    except ValueError as error:
        raise failed("the request", f"was not sent: {error}", maybe_received=False) from None
    try:
        check_url(url, effect.reach)
        if effect.certificate is not None and url.scheme != "https":
            raise Refused(NEEDS_HTTPS)  # noqa: TRY301 - as the others of this block
        fields = request_fields(request, url, kept=effect.kept and effect.reach != PUBLIC)
    except (NotReachable, Refused) as error:
        raise failed(url.origin, str(error), maybe_received=False) from None
    deadline = Deadline(effect.not_after, wall=outside.wall, monotonic=outside.monotonic)
    try:
        deadline.left()
    except TimeoutError as error:
        raise failure(url, error, sent=False) from None
    target = url.path + ("?" + url.query if url.query else "")
    direct = effect.reach == PUBLIC or url.scheme == "http"
    return Errand(effect, url, url.port or DEFAULT_PORTS[url.scheme], target, fields, deadline, direct)


def checked_addresses(given: Errand, outside: Outside) -> Sequence[str]:
    """The addresses of a PUBLIC name, each of them checked. Raises TransportError."""
    try:
        return addresses(given.url, given.effect.reach, resolver=outside.resolver, port=given.port)
    except NotReachable as error:
        raise failed(given.url.origin, str(error), maybe_received=False) from None
    except (OSError, UnicodeError) as error:
        raise failure(given.url, error, sent=False) from None


def no_proxy(given: Errand, *, proxied: bool) -> None:
    """Refuse a proxy where it would choose the address, or see a request in the clear. Raises Refused."""
    if proxied and given.direct:
        raise Refused(DIRECT)


class Answer:
    """A response as it comes in, within the limits."""

    def __init__(self, given: Errand, status: int, pairs: Iterable[tuple[str, str]], *, http2: bool = False) -> None:
        """Take the head. Raises Refused."""
        self._status, self._pairs = status, unfolded(pairs)
        self._body = bytearray()
        if status < 200:
            message = "answered with an interim response only"
            raise Refused(message)
        check_framing(self._pairs)
        names = {name.lower() for name, _ in self._pairs}
        # RFC 9112 section 9.8: what ends with the connection may have been cut; not every client can tell
        empty = status in (204, 304) or given.effect.request.method == "HEAD"
        framed = empty or http2 or given.url.scheme == "http" or names & {"content-length", "transfer-encoding"}
        if not framed:
            message = "answered without saying where its body ends: valetkey's default transport can tell"
            raise Refused(message)
        length = next((text for name, text in self._pairs if name.lower() == "content-length"), "0")
        if int(length) > MAX_BODY and not empty:
            message = "announced more than is taken in"
            raise Refused(message)

    def add(self, piece: bytes) -> None:
        """Take a piece of the body, still in its content coding. Raises Refused."""
        self._body += piece
        if len(self._body) > MAX_BODY:
            message = "answered with more than is taken in"
            raise Refused(message)

    def finish(self) -> Response:
        """The whole response. Raises Refused, ValueError."""
        pairs, body = decoded(self._pairs, bytes(self._body))
        return Response(self._status, Headers(pairs), body)


def failure(url: Url, error: BaseException, *, sent: bool, unread: bool = False) -> TransportError:
    """The error for people; nothing of the client's own message, which may hold the URL.

    unread: whether a server that refuses our certificate has read nothing, see `certificates.unread`.
    """
    if isinstance(error, TransportError):
        return error
    if said := next(filter(None, map(refusal, _causes(error))), ""):
        return failed(url.origin, refusal_text(said), maybe_received=sent and not unread)
    if isinstance(error, Refused | NotReachable):
        reason = str(error)
    elif isinstance(error, TimeoutError):
        reason = "did not answer before the deadline" if sent else "was not reached before the deadline"
    else:
        reason = f"broke off the exchange ({_reason(error)})" if sent else f"was not reached ({_reason(error)})"
    return failed(url.origin, reason, maybe_received=sent)


def _reason(error: BaseException) -> str:
    """What went wrong, in words of the system's or the name of the error."""
    for cause in _causes(error):
        told = getattr(cause, "verify_message", None) or getattr(cause, "strerror", None)
        if isinstance(told, str) and told and type(cause).__module__ in SYSTEM:  # a client's own may quote the URL
            return told
    return type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and those that led to it."""
    cause: BaseException | None = error
    for _ in range(MAX_CAUSES):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__ or cause.__context__


def share(given: Errand, addresses_left: int) -> float:
    """Seconds for the next address; a silent one leaves time for the others. Raises TimeoutError."""
    return given.deadline.left() / addresses_left


def by_address(given: Errand, outside: Outside, exchange: Callable[[Errand, str, int], Response]) -> Response:
    """The exchange: with the name, or for PUBLIC with each checked address until one is reached."""
    if not given.public:
        return exchange(given, "", 1)
    found = checked_addresses(given, outside)
    for index, address in enumerate(found[:-1]):
        try:
            return exchange(given, address, len(found) - index)
        except TransportError as error:
            if error.maybe_received:
                raise
    return exchange(given, found[-1], 1)


async def by_address_async(
    given: Errand, outside: Outside, exchange: Callable[[Errand, str, int], Awaitable[Response]]
) -> Response:
    """The same, awaited; a worker thread resolves."""
    if not given.public:
        return await exchange(given, "", 1)
    import asyncio

    try:
        async with asyncio.timeout(given.deadline.left()):
            found = await asyncio.get_running_loop().run_in_executor(None, checked_addresses, given, outside)
    except TimeoutError as error:
        raise failure(given.url, error, sent=False) from None
    for index, address in enumerate(found[:-1]):
        try:
            return await exchange(given, address, len(found) - index)
        except TransportError as error:
            if error.maybe_received:
                raise
    return await exchange(given, found[-1], 1)
