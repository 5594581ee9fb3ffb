"""`Urllib3Transport`: a vault sends through the application's own `urllib3.PoolManager`.

    Vault(settings, store=..., keys=..., transport=Urllib3Transport(urllib3.PoolManager(ca_certs="corporate.pem")))

Connections, TLS settings and a proxy for https are the pool's. Its retries and redirects are not used: a request is
sent once. `maybe_received` is exact. An AsyncVault calls it in worker threads.

A registration's client certificate is in a TLS context of its own, whose connections are no other's. A pool that has a
context already cannot share it: pass the function that makes it, `Urllib3Transport(pool, tls=make_context)`.
"""

from __future__ import annotations

from valetkey.drivers.transports.borrowed import (
    Answer,
    Outside,
    by_address,
    errand,
    failure,
    no_proxy,
    share,
)
from valetkey.drivers.transports.certificates import CANNOT_PRESENT, CertifiedContexts
from valetkey.drivers.transports.cutoff import Cutoff
from valetkey.drivers.transports.stdlib import usual_context
from valetkey.drivers.transports.wire import last_word, unread
from valetkey.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from typing import Any

    from valetkey.drivers.transports.borrowed import Errand
    from valetkey.drivers.transports.certificates import MakeContext
    from valetkey.effects import ClientCertificate, Send
    from valetkey.http import Response

PIECE = 1 << 16


class Urllib3Transport:
    """Sends requests with a `urllib3.PoolManager` (or ProxyManager), which stays the application's to close."""

    blocking = True

    def __init__(self, pool: Any, *, tls: MakeContext | None = None, outside: Outside | None = None) -> None:
        """tls: a fresh TLS context every time it is called, to put a client certificate into."""
        self._pool = pool
        self._outside = outside or Outside()
        given = getattr(pool, "connection_pool_kw", {})
        self.presents_certificates = tls is not None or given.get("ssl_context") is None
        own = any(given.get(name) for name in ("ca_certs", "ca_cert_dir", "ca_cert_data"))
        self._certified = CertifiedContexts(tls or (bare_context if own else usual_context))

    def send(self, effect: Send) -> Response:
        """One exchange, within the effect's reach and deadline. Raises TransportError."""
        given = errand(effect, self._outside)
        return by_address(given, self._outside, self._exchange)

    def _exchange(self, given: Errand, address: str, left: int) -> Response:
        """One request on one connection; to the address, where one is given, in the name of the URL's host."""
        sent: list[bool] = []
        cutoff = Cutoff(given.deadline)
        try:
            pool = self._connections(given, address)
            seconds = share(given, left)
            # urlopen does not say when the request has left, nor give the socket out before the head has come
            connection = pool._get_conn(timeout=seconds)  # noqa: SLF001
            done = False
            try:
                new = _connect(given, pool, connection, seconds)
                with cutoff:
                    response = _ask(given, connection, cutoff, sent, new=new)
                done = given.effect.kept and not given.public
                return response
            finally:
                if not done:
                    connection.close()
                pool._put_conn(connection)  # noqa: SLF001
        except ConfigurationError:
            raise
        except Exception as error:  # noqa: BLE001 - no error of the client's leaves: it may hold the URL
            broken = failure(given.url, error, sent=bool(sent), unread=sent == [True])
        raise broken  # not in `except`, which would make the client's error its context

    def _connections(self, given: Errand, address: str) -> Any:
        """urllib3's pool of the connections to where the request goes. Raises Refused, ConfigurationError."""
        no_proxy(given, proxied=getattr(self._pool, "proxy", None) is not None)
        named = in_its_name(given) if address else {}
        if given.effect.certificate is not None:
            named |= self._certificate(given.effect.certificate)
        return self._pool.connection_from_host(
            address or given.url.host, given.port, given.url.scheme, pool_kwargs=named
        )

    def _certificate(self, certificate: ClientCertificate) -> dict[str, Any]:
        """What makes a pool of this certificate's own, in place of the one that the pool manager may present."""
        if not self.presents_certificates:
            raise ConfigurationError(CANNOT_PRESENT)
        own = {"ssl_context": self._certified.of(certificate)}
        return {**own, "cert_file": None, "key_file": None, "key_password": None}


def in_its_name(given: Errand) -> dict[str, Any]:
    """What makes TLS ask for the URL's host, and believe no other, at an address that was checked for it."""
    return {"server_hostname": given.url.host, "assert_hostname": None}


def bare_context() -> ssl.SSLContext:
    """A context that trusts nobody yet: urllib3 adds the authorities that the pool manager names."""
    import ssl

    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _connect(given: Errand, pool: Any, connection: Any, seconds: float) -> bool:
    """Make sure of a connection, a new one unless a kept one will do; whether it is a new one."""
    from urllib3.util.proxy import connection_requires_http_tunnel

    if not given.effect.kept or given.public:
        connection.close()
    connection.timeout = seconds
    if not connection.is_closed:
        return False
    if connection_requires_http_tunnel(pool.proxy, pool.proxy_config, given.url.scheme):
        pool._prepare_proxy(connection)  # noqa: SLF001 - CONNECT, then TLS
    elif pool.proxy is None:
        connection.connect()
    else:
        no_proxy(given, proxied=True)
        message = "a proxy that reads https is not given credentials"
        raise ValueError(message)
    return True


def _ask(given: Errand, connection: Any, cutoff: Cutoff, sent: list[bool], *, new: bool) -> Response:
    """Send and read. `sent` is filled before the first octet leaves: with what `certificates.unread` says."""
    from urllib3 import HTTPHeaderDict

    request = given.effect.request
    headers = HTTPHeaderDict()
    for name, text in given.fields:
        headers.add(name, text)
    cutoff.watch(connection.sock)
    connection.timeout = given.deadline.left()
    sent.append(new and unread(connection.sock))
    try:
        connection.request(
            request.method,
            given.target,
            body=request.body or None,
            headers=headers,
            preload_content=False,
            decode_content=False,
        )
    except OSError as error:
        raise last_word(connection.sock, error) from None
    response = connection.getresponse()
    try:
        answer = Answer(given, response.status, response.headers.items())
        for piece in response.stream(PIECE, decode_content=False):
            answer.add(piece)
        return answer.finish()
    finally:
        response.close()
