"""`RequestsTransport`: a vault sends through the application's own `requests.Session`.

    Vault(settings, store=..., keys=..., transport=RequestsTransport(session))

requests cannot be told which address to connect to, when to give up, or how much to take in. But what sends for a
session is urllib3, by way of the adapter that is mounted for the URL: so the adapter is asked for its connections, and
those are used as `urllib3.py` uses them. What counts of the session: its adapters, `verify`, `cert`, its proxies, and
those and the bundle of the environment where it has `trust_env`. What does not: auth, headers, cookies, hooks, retries,
redirects.

The one rule: an adapter that sends in its own way (a cache, a recorder) is refused by its name, because it can be
neither followed nor left out silently; so is a session that does not verify certificates.
"""

from __future__ import annotations

from valetkey.drivers.transports.borrowed import Outside, no_proxy
from valetkey.drivers.transports.certificates import CANNOT_PRESENT, CertifiedContexts
from valetkey.drivers.transports.urllib3 import Urllib3Transport, bare_context, in_its_name
from valetkey.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from valetkey.drivers.transports.borrowed import Errand
    from valetkey.drivers.transports.certificates import MakeContext

LOOKED_AT = "https://localhost/"  # whose adapter is looked at when the transport is made; each URL's own when it sends
OWN_WAYS = ("send", "get_connection", "get_connection_with_tls_context", "request_url")
UNVERIFIED = (
    "the session does not verify certificates (verify=False): anybody on the way could read tokens. Give it the "
    "authorities of your network, session.verify = 'path/to/bundle.pem'"
)
TOO_OLD = "this version of requests does not tell how it connects: install requests 2.32.2 or newer"


class RequestsTransport(Urllib3Transport):
    """Sends requests with a `requests.Session`, which stays the application's to close."""

    def __init__(self, session: Any, *, tls: MakeContext | None = None, outside: Outside | None = None) -> None:
        """tls: a fresh TLS context every time it is called, to put a client certificate into.

        Raises ConfigurationError for a session that it cannot send with.
        """
        self._session, self._tls = session, tls
        self._outside = outside or Outside()
        self._certified = CertifiedContexts(tls or bare_context)
        adapter = self._adapter(LOOKED_AT)
        if session.verify is False:
            raise ConfigurationError(UNVERIFIED)
        self.presents_certificates = tls is not None or not _has_context(adapter)

    def _adapter(self, url: str) -> Any:
        """The adapter that is mounted for the URL. Raises ConfigurationError."""
        from requests.adapters import HTTPAdapter

        adapter: Any = self._session.get_adapter(url)
        kind = type(adapter)
        if not hasattr(HTTPAdapter, "build_connection_pool_key_attributes"):
            raise ConfigurationError(TOO_OLD)
        if not isinstance(adapter, HTTPAdapter) or any(
            getattr(kind, name, None) is not getattr(HTTPAdapter, name) for name in OWN_WAYS
        ):
            message = (
                f"the session's adapter {kind.__name__} sends in its own way, where neither the address nor the "
                "deadline can be vouched for: mount a requests.adapters.HTTPAdapter for the vault's hosts, or use "
                "valetkey's default transport"
            )
            raise ConfigurationError(message)
        return adapter

    def _connections(self, given: Errand, address: str) -> Any:
        """urllib3's pool of the adapter, with the session's TLS settings. Raises Refused, ConfigurationError."""
        from requests.models import PreparedRequest
        from requests.utils import prepend_scheme_if_needed, select_proxy

        url = given.at(given.url.host)
        adapter = self._adapter(url)
        session = self._session
        found = session.merge_environment_settings(url, {}, None, None, None)
        verify, cert = found["verify"], found["cert"]
        if not verify:
            raise ConfigurationError(UNVERIFIED)
        proxy = select_proxy(url, found["proxies"])
        no_proxy(given, proxied=bool(proxy))
        asked = PreparedRequest()
        asked.url = given.at(address) if address else url
        presented = given.effect.certificate
        where, named = adapter.build_connection_pool_key_attributes(asked, verify, None if presented else cert)
        if address:
            named |= in_its_name(given)
        if presented is not None:
            if self._tls is None and (_has_context(adapter) or named.get("ssl_context") is not None):
                raise ConfigurationError(CANNOT_PRESENT)
            named |= {"ssl_context": self._certified.of(presented), "cert_file": None, "key_file": None}
            if self._tls is not None:  # it knows whom to trust
                named |= {"ca_certs": None, "ca_cert_dir": None}
        manager = adapter.poolmanager
        if proxy:
            manager = adapter.proxy_manager_for(prepend_scheme_if_needed(proxy, "http"))  # type: ignore[no-untyped-call]
        pool = manager.connection_from_host(**where, pool_kwargs=named)
        if presented is None or self._tls is None:
            adapter.cert_verify(pool, asked.url, verify, None if presented else cert)
        return pool


def _has_context(adapter: Any) -> bool:
    """Whether the adapter was made with a TLS context of the application's own."""
    return adapter.poolmanager.connection_pool_kw.get("ssl_context") is not None
