"""One HTTP/1.1 exchange on one connection, under a deadline and limits.

The one rule: before every call to the socket its timeout becomes what is left of the deadline, so a server that drips
an octet at a time gains nothing. Not here: which address, keeping connections, errors for people (`stdlib`).
"""

from __future__ import annotations

import io

from valetkey.errors import TransportError
from valetkey.http import TOKEN, Headers, Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable
    from http.client import HTTPResponse
    from typing import Any

    from _typeshed import WriteableBuffer

    from valetkey.http import Pairs, Request, Url

MAX_BODY = 1 << 20  # after decompression
MAX_HEAD = 1 << 16
MAX_FRAMING = 1 << 19  # chunk sizes, their extensions and trailers
MAX_INTERIM = 8
SEND_PIECE = 1 << 16
REFUSED_HEADERS = ("connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-authorization")


class Deadline:
    """The end of an exchange on two clocks: the wall, which a frozen function jumps over, and the monotonic one."""

    def __init__(self, not_after: float, *, wall: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._not_after = not_after
        self._end = monotonic() + (not_after - wall())

    def left(self) -> float:
        """Seconds until the earlier of both, at least a little. Raises TimeoutError when there are none."""
        left = min(self._not_after - self._wall(), self._end - self._monotonic())
        if left <= 0:
            message = "the deadline has passed"
            raise TimeoutError(message)
        return left


class Refused(Exception):
    """The exchange breaks a limit or a rule of HTTP; the text says which."""


class Wire(io.RawIOBase):
    """A connected socket, under the deadline of the exchange that it is in.

    sent: whether the network may have had an octet of this exchange's request; received: octets of its response.
    unread: what the function of that name says of the connection, asked before anything was sent.
    """

    def __init__(self, connected: socket.socket) -> None:
        super().__init__()
        self._socket = connected
        self._paused = False
        self.deadline: Deadline | None = None
        self.sent = self.timed_out = False
        self.unread = unread(connected)
        self.received = 0
        self.limit = MAX_HEAD
        self.idle_since = 0.0
        self.reader = _SharedReader(self, 1 << 14)

    def begin(self, deadline: Deadline) -> None:
        """Start an exchange."""
        self.deadline, self.sent, self.received, self.limit = deadline, False, 0, MAX_HEAD

    def makefile(self, _: str) -> io.BufferedReader:
        """What `http.client` reads from: one buffer for the life of the connection."""
        return self.reader

    def readable(self) -> bool:
        """Yes."""
        return True

    def _grant(self) -> None:
        assert self.deadline is not None
        self._socket.settimeout(self.deadline.left())

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer with what comes next; 0 at the end."""
        if self._paused:
            return 0
        assert self.deadline is not None
        try:
            self._socket.settimeout(self.deadline.left())
            count = self._socket.recv_into(buffer)
        except TimeoutError:
            count = self._already_here(buffer)
        self.received += count
        if self.received > self.limit:
            message = "answered with more than is taken in"
            raise Refused(message)
        return count

    def _already_here(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer with what had come in before the deadline passed. Raises TimeoutError where nothing had.

        Who was frozen over the deadline may find the only copy of new tokens there; whoever is late waits for nothing.
        """
        self._socket.settimeout(0.0)
        try:
            return self._socket.recv_into(buffer)
        except OSError as error:
            if isinstance(error, BlockingIOError) or type(error).__name__ == "SSLWantReadError":
                message = "the deadline has passed"
                raise TimeoutError(message) from None
            raise

    def send(self, octets: bytes) -> None:
        """Send all of it."""
        view = memoryview(octets)
        while view:
            self._grant()  # raises before `sent` is set: a deadline that passed here reached nobody
            self.sent = True
            view = view[self._socket.send(view[:SEND_PIECE]) :]

    def is_quiet(self) -> bool:
        """Whether nothing has come in that nobody asked for, the end of the connection included."""
        import select

        self._paused = True
        left_over = self.reader.peek(1)
        self._paused = False
        pending = getattr(self._socket, "pending", int)()  # only a TLS socket holds octets back
        if left_over or pending:
            return False
        if not hasattr(select, "poll"):  # Windows, where select has no limit on descriptors
            return not select.select([self._socket], [], [], 0)[0]
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)  # hang-ups and errors are always reported
        return not poll.poll(0)

    def last_word(self, error: Exception) -> Exception:
        """What the server said before the connection broke while we sent; else the error itself."""
        return last_word(self._socket, error)

    def is_unread(self) -> bool:
        """Whether a server that refuses our certificate now has read nothing of the request."""
        return self.unread and self.idle_since == 0.0 and self.received == 0

    def close(self) -> None:
        """Close the socket."""
        if not self.closed:
            self._socket.close()
            super().close()


class _SharedReader(io.BufferedReader):
    """Outlives the responses that are read from it: `http.client` closes its file at the end of each."""

    def close(self) -> None:
        """Do nothing: the wire is closed by its owner."""


def unread(tls: Any) -> bool:
    """Whether a refusal that comes before any answer on a new connection says that no request was read.

    In TLS 1.3 the client sends before it knows what the server thinks of its certificate, but the server reads nothing
    until its handshake is over (RFC 8446 section 2), unless the certificate is asked for later (section 4.6.2), which
    our contexts do not offer. TLS 1.2 may ask again, after it has read the request.
    """
    version = getattr(tls, "version", None)
    context = getattr(tls, "context", None)
    return version is not None and version() == "TLSv1.3" and getattr(context, "post_handshake_auth", True) is False


def last_word(connected: Any, error: Exception) -> Exception:
    """The TLS alert that a server sent before it hung up on us, who were still sending; else the error itself."""
    from valetkey.drivers.transports.certificates import refusal

    if not hasattr(connected, "pending") or isinstance(error, TimeoutError) or refusal(error):
        return error
    try:
        connected.settimeout(0.0)
        _ = connected.recv(1)
    except (OSError, ValueError) as alert:
        return alert if refusal(alert) else error
    return error


def request_fields(request: Request, url: Url, *, kept: bool) -> Pairs:
    """The header fields as they are sent: the caller's, and those that belong to the transport. Raises Refused."""
    if not request.method or not TOKEN.issuperset(request.method):
        message = "was not asked: the method holds a character that HTTP does not allow"
        raise Refused(message)
    host = url.origin.partition("://")[2]
    pairs: list[tuple[str, str]] = [("Host", host)]
    names = {"host", "content-length"}
    for name, text in request.headers.pairs:
        lower = name.lower()
        if lower in REFUSED_HEADERS or (lower == "host" and text.lower() != host):
            message = f"was not asked: the header {lower} belongs to the transport"
            raise Refused(message)
        if lower not in ("host", "content-length"):
            names.add(lower)
            pairs.append((name, text))
    defaults = (("Accept-Encoding", "identity"), ("User-Agent", "valetkey"))
    pairs += [pair for pair in defaults if pair[0].lower() not in names]
    if request.body or request.method in ("POST", "PUT", "PATCH"):
        pairs.append(("Content-Length", str(len(request.body))))
    if not kept:
        pairs.append(("Connection", "close"))
    return tuple(pairs)


def request_head(request: Request, url: Url, *, kept: bool) -> bytes:
    """The request line and the header fields (RFC 9112 sections 3 and 5). Raises Refused."""
    pairs = request_fields(request, url, kept=kept)
    target = url.path + ("?" + url.query if url.query else "")
    lines = [f"{request.method} {target} HTTP/1.1", *(f"{name}: {text}" for name, text in pairs), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def exchange(wire: Wire, request: Request, url: Url, *, kept: bool) -> tuple[Response, bool]:
    """The response, and whether the connection can carry another exchange.

    Raises OSError, http.client.HTTPException, Refused.
    """
    head = request_head(request, url, kept=kept)
    piece = head + request.body if len(request.body) < SEND_PIECE else head  # one packet where it fits
    wire.send(piece)
    if piece is head:
        wire.send(request.body)
    answer = _read_head(wire, request.method)
    pairs = _read_headers(answer)
    check_framing(pairs)
    if (answer.length or 0) > MAX_BODY:
        message = "announced more than is taken in"
        raise Refused(message)
    wire.limit = wire.received + MAX_BODY + MAX_FRAMING
    body = answer.read(MAX_BODY + 1)
    if len(body) > MAX_BODY:
        message = "answered with more than is taken in"
        raise Refused(message)
    if answer.length:  # http.client does not mind, RFC 9112 section 8 does
        message = "broke off in the middle of its answer"
        raise Refused(message)
    reusable = answer.isclosed() and not answer.will_close
    pairs, body = decoded(pairs, body)
    return Response(answer.status, Headers(pairs), body), reusable


def _read_head(wire: Wire, method: str) -> HTTPResponse:
    from http.client import HTTPResponse  # 29 ms, paid by who sends

    for _ in range(MAX_INTERIM):
        answer = HTTPResponse(wire, method=method)  # type: ignore[arg-type] # it only calls makefile
        answer.begin()
        if answer.status >= 200:
            return answer
    message = "answered with interim responses only"
    raise Refused(message)


def _read_headers(answer: HTTPResponse) -> Pairs:
    """The header fields, folded lines joined (RFC 9112 section 5.2)."""
    if answer.headers.defects or answer.headers.get_payload():
        message = "answered with header fields that are not HTTP"
        raise Refused(message)
    return unfolded(answer.headers.items())


def unfolded(pairs: Iterable[tuple[str, str]]) -> Pairs:
    """The header fields, each on one line (RFC 9112 section 5.2)."""
    return tuple((name, " ".join(map(str.strip, text.split("\r\n")))) for name, text in pairs)


def check_framing(pairs: Pairs) -> None:
    """Refuse what leaves it open where the body ends (RFC 9112 sections 6.1 and 6.3)."""
    lengths = [text for name, text in pairs if name.lower() == "content-length"]
    codings = [text.lower() for name, text in pairs if name.lower() == "transfer-encoding"]
    digits = "".join(lengths)
    clear = codings in ([], ["chunked"]) and not (codings and lengths)
    if not clear or len(set(lengths)) > 1 or (lengths and not (digits.isascii() and digits.isdigit())):
        message = "answered with a body whose end is not clear"
        raise Refused(message)


def decoded(pairs: Pairs, body: bytes) -> tuple[Pairs, bytes]:
    """The body without its content coding (RFC 9110 section 8.4.1); one that grows past the limit is refused."""
    codings = [text.strip().lower() for name, text in pairs if name.lower() == "content-encoding"]
    if not body or codings in ([], ["identity"]):
        return pairs, body
    if codings not in (["gzip"], ["x-gzip"], ["deflate"]):
        message = "answered in a content coding that was not asked for"
        raise Refused(message)
    import zlib

    try:
        # 32: gzip or zlib by its first octets. A bomb is cut off at the limit, before it takes up memory.
        inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)
        plain = inflater.decompress(body, MAX_BODY + 1)
    except zlib.error:
        plain, inflater = b"", None
    if inflater is None or (not inflater.eof and len(plain) <= MAX_BODY):
        message = "answered with a compressed body that is broken"
        raise Refused(message)
    if len(plain) > MAX_BODY or inflater.unconsumed_tail:
        message = "answered with more than is taken in, compressed"
        raise Refused(message)
    dropped = ("content-encoding", "content-length")
    return tuple(pair for pair in pairs if pair[0].lower() not in dropped), plain


def failed(where: str, reason: str, *, maybe_received: bool) -> TransportError:
    """The error, for people: the host and the reason; no path, no query, no body."""
    return TransportError(f"{where} {reason}", maybe_received=maybe_received)
