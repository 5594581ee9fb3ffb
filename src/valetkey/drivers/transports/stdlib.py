"""The transport that runs by default: `http.client` and `ssl`, imported when the first request is sent.

    resolve, check every address -> connect -> TLS -> deadline checked -> first octet -> ... -> response
    `--------------- maybe_received = False ------------------------'  `---- maybe_received = True ----'

The one rule: one exchange for one request; a second one is sent only where a kept connection turned out to be dead
before it answered anything and the method may be repeated (RFC 9110 section 9.2.2, RFC 9112 section 9.3.1).
No redirect is followed, no proxy is used, no cookie is kept. Resolving a name is the system's business and the one
step that the deadline cannot cut short; nothing is sent when it returns too late.
"""

from __future__ import annotations

import time
from _thread import allocate_lock

from valetkey.drivers.transports.kept import KeptConnections
from valetkey.drivers.transports.reach import NotReachable, addresses, check_url, system_resolver
from valetkey.drivers.transports.wire import Deadline, Refused, Wire, exchange, failed, request_head
from valetkey.http import DEFAULT_PORTS, read_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from ssl import SSLContext
    from typing import Self

    from valetkey.drivers.transports.certificates import CertifiedContexts, MakeContext
    from valetkey.drivers.transports.kept import Origin
    from valetkey.drivers.transports.reach import Resolver
    from valetkey.effects import ClientCertificate, Reach, Send
    from valetkey.errors import TransportError
    from valetkey.http import Response, Url

    Dial = Callable[[str, int, float], socket.socket]

IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE")  # RFC 9110 section 9.2.2

_tls: SSLContext | None = None
_tls_lock = allocate_lock()


def tls_context() -> SSLContext:
    """The process's TLS context, made at first need: 25 ms go into reading the certificate authorities."""
    global _tls  # noqa: PLW0603 - one for the process is the point
    with _tls_lock:
        if _tls is None:
            _tls = usual_context()
        return _tls


def usual_context() -> SSLContext:
    """A fresh context that trusts this machine's certificate authorities."""
    import ssl

    made = ssl.create_default_context()
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    return made


def system_dial(address: str, port: int, timeout: float) -> socket.socket:
    """A connected socket. Raises OSError."""
    import socket

    connected = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        connected.settimeout(timeout)
        connected.connect((address, port))
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        connected.close()
        raise
    return connected


class StdlibTransport:
    """Sends requests with blocking sockets; safe to share between threads and across a fork.

    tls: another TLS context, for a private certificate authority; where registrations present client certificates, a
      function that makes a fresh one each time it is called. The other parameters are what the system gives.
    """

    blocking = True

    def __init__(
        self,
        *,
        tls: SSLContext | MakeContext | None = None,
        resolver: Resolver = system_resolver,
        dial: Dial = system_dial,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make_tls: MakeContext | None = tls if callable(tls) else None
        self._own_tls: SSLContext | None = tls() if callable(tls) else tls
        self.presents_certificates = tls is None or callable(tls)
        self._certified: CertifiedContexts | None = None
        self._resolver, self._dial = resolver, dial
        self._wall, self._monotonic = wall, monotonic
        self._kept = KeptConnections(wall)

    def send(self, effect: Send) -> Response:
        """One exchange, within the effect's reach and deadline. Raises TransportError."""
        try:
            url = read_url(effect.request.url)
        except ValueError as error:
            raise failed("the request", f"was not sent: {error}", maybe_received=False) from None
        where = url.origin
        try:
            check_url(url, effect.reach)
            if effect.certificate is not None:
                self._check_certified(url)
            request_head(effect.request, url, kept=effect.kept)
        except (NotReachable, Refused) as error:
            raise failed(where, str(error), maybe_received=False) from None
        deadline = Deadline(effect.not_after, wall=self._wall, monotonic=self._monotonic)
        origin = (url.scheme, url.host, url.port or DEFAULT_PORTS[url.scheme], effect.reach, effect.certificate)
        wire = self._kept.take(origin) if effect.kept else None
        if wire is not None:
            response = self._on_kept(effect, url, wire, origin=origin, deadline=deadline)
            if response is not None:
                return response
        tls = None if url.scheme != "https" else self._tls_context(effect.certificate)
        wire = self._connect(url, effect.reach, deadline, tls)
        return self._on(wire, effect, url, origin=origin, deadline=deadline)

    def _check_certified(self, url: Url) -> None:
        """Refuse what would present nothing. Raises ConfigurationError, Refused."""
        from valetkey.drivers.transports.certificates import CANNOT_PRESENT, NEEDS_HTTPS

        if url.scheme != "https":
            raise Refused(NEEDS_HTTPS)
        if not self.presents_certificates:
            from valetkey.errors import ConfigurationError

            raise ConfigurationError(CANNOT_PRESENT)

    def _tls_context(self, certificate: ClientCertificate | None) -> SSLContext:
        """The context of this certificate alone, or the one without any. Raises ConfigurationError."""
        if certificate is None:
            return self._own_tls or tls_context()
        if self._certified is None:
            from valetkey.drivers.transports.certificates import CertifiedContexts

            self._certified = CertifiedContexts(self._make_tls or usual_context)
        return self._certified.of(certificate)

    def _on_kept(self, effect: Send, url: Url, wire: Wire, *, origin: Origin, deadline: Deadline) -> Response | None:
        """The response over a kept connection; None where it was dead and the request may be sent again."""
        from valetkey.errors import TransportError

        try:
            return self._on(wire, effect, url, origin=origin, deadline=deadline)
        except TransportError as error:
            dead = wire.received == 0 and not wire.timed_out
            if dead and (not error.maybe_received or effect.request.method in IDEMPOTENT):
                return None
            raise

    def _on(self, wire: Wire, effect: Send, url: Url, *, origin: Origin, deadline: Deadline) -> Response:
        """One exchange on this connection, which is then kept or closed."""
        from http.client import HTTPException

        from valetkey.errors import TransportError

        outcome: Response | TransportError
        reusable = False
        try:
            wire.begin(deadline)
            outcome, reusable = exchange(wire, effect.request, url, kept=effect.kept)
        except Refused as error:
            outcome = failed(url.origin, str(error), maybe_received=wire.sent)
        except TimeoutError:
            wire.timed_out = True
            asked = "did not answer before the deadline" if wire.sent else "was not asked: the deadline has passed"
            outcome = failed(url.origin, asked, maybe_received=wire.sent)
        except (OSError, HTTPException, ValueError) as error:
            outcome = self._broken(wire, url, error)
        finally:
            if not (reusable and effect.kept and self._kept.give(origin, wire)):
                wire.close()
        if isinstance(outcome, TransportError):
            raise outcome  # not in `except`: IncompleteRead has what was read of the body in it
        return outcome

    def _broken(self, wire: Wire, url: Url, error: Exception) -> TransportError:
        """The error of an exchange that was begun; one that the server's TLS refused was not read."""
        from valetkey.drivers.transports.certificates import refusal, refusal_text

        error = wire.last_word(error)
        if said := refusal(error):
            return failed(url.origin, refusal_text(said), maybe_received=wire.sent and not wire.is_unread())
        return failed(url.origin, f"broke off the exchange ({_reason(error)})", maybe_received=wire.sent)

    def _connect(self, url: Url, reach: Reach, deadline: Deadline, tls: SSLContext | None) -> Wire:
        """A new connection to the first checked address that takes it, with TLS where the URL says so."""
        port = url.port or DEFAULT_PORTS[url.scheme]
        try:
            deadline.left()
            found = addresses(url, reach, resolver=self._resolver, port=port)
            connected = self._first(found, port, deadline)
        except NotReachable as error:
            raise failed(url.origin, str(error), maybe_received=False) from None
        except (OSError, UnicodeError) as error:
            raise self._unreached(url, error) from None
        try:
            if tls is not None:
                connected.settimeout(deadline.left())
                # RFC 9112 section 9.8: an end without the TLS alert is a broken answer, not a complete one
                connected = tls.wrap_socket(connected, server_hostname=url.host, suppress_ragged_eofs=False)
            deadline.left()
        except (OSError, ValueError) as error:
            connected.close()
            raise self._unreached(url, error) from None
        return Wire(connected)

    def _first(self, found: Sequence[str], port: int, deadline: Deadline) -> socket.socket:
        failure = OSError("no address")
        for index, address in enumerate(found):
            share = deadline.left() / (len(found) - index)  # a silent address leaves time for the others
            try:
                return self._dial(address, port, share)
            except OSError as error:
                failure = error
        raise failure

    def _unreached(self, url: Url, error: Exception) -> TransportError:
        from valetkey.drivers.transports.certificates import refusal, refusal_text

        if said := refusal(error):
            return failed(url.origin, refusal_text(said), maybe_received=False)
        return failed(url.origin, f"was not reached ({_reason(error)})", maybe_received=False)

    def close(self) -> None:
        """Close the connections that are kept; the transport can still be used."""
        self._kept.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _reason(error: Exception) -> str:
    """What went wrong, in words of the system's; never the other side's octets."""
    told = getattr(error, "verify_message", None) or getattr(error, "reason", None) or getattr(error, "strerror", None)
    return told if isinstance(told, str) and told else type(error).__name__
