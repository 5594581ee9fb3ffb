"""What the programs know of the deployment."""

from __future__ import annotations

from valetkey.errors import ConfigurationError, RequestRefused
from valetkey.http import read_url, shown_address
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from valetkey.connections.cache import TokenCache
    from valetkey.connections.webhook import Webhook
    from valetkey.http import Pairs
    from valetkey.providers.registration import Registration
    from valetkey.providers.tenants import Tenants
    from valetkey.secret import Secret


@value
class McpSettings:
    """What the operator says of servers that are connected by their URL.

    page: whether there is a page where a resource owner may enter any URL.
    accept_loopback: the loud opt-in for servers on this machine, over plain http: for development.
    client_documents: whether our own documents may stand for a registration; off where nobody outside can read them.
    initial_access_tokens: by issuer, what it wants to see before it registers a client (RFC 7591 section 3).
    """

    page: bool = False
    accept_loopback: bool = False
    client_documents: bool = True
    initial_access_tokens: tuple[tuple[str, Secret], ...] = ()


NO_MCP = McpSettings()
NO_TENANTS: Mapping[str, Tenants] = {}


@value
class Settings:
    """The deployment as the programs see it.

    registrations: by name.
    base_url: where our pages are, without a trailing slash; a callback is `{base_url}/callback/{registration}`.
    environment: bound into every seal, so that a row of staging never opens in production.
    return_to: the path to go to after a callback that named none; empty means our connections page.
    return_hosts: other hosts that return_to may name, https only.
    application: the name that pages show to people; may be empty.
    completion_url: the application's page that finishes what a connect link began (`links`); empty where unused.
    cache: access tokens of this process, at most 30 s old.
    store_unfit: the store, and why it may not be refreshed from; empty where it may.
    webhook: where events are sent; None where nowhere.
    mcp: see its class.
    tenants: registrations at providers whose tenants have hosts of their own, by name; see `registrations`.
    """

    registrations: Mapping[str, Registration]
    base_url: str
    environment: str = "default"
    return_to: str = ""
    return_hosts: tuple[str, ...] = ()
    application: str = ""
    completion_url: str = ""
    cache: TokenCache | None = None
    store_unfit: str = ""
    webhook: Webhook | None = None
    mcp: McpSettings = NO_MCP
    tenants: Mapping[str, Tenants] = NO_TENANTS

    @property
    def origin(self) -> str:
        """Scheme, host and port of our pages."""
        return read_url(self.base_url).origin

    @property
    def path(self) -> str:
        """The path that our pages live under, without a trailing slash; empty at the root."""
        return read_url(self.base_url).path.rstrip("/")

    @property
    def secure(self) -> bool:
        """Whether cookies carry `__Host-` and `Secure`: always, but for http on localhost."""
        return self.base_url.startswith("https://")

    def registration(self, name: str) -> Registration:
        """The configured registration; programs ask `registrations`, which looks further. Raises ConfigurationError."""
        found = self.registrations.get(name)
        if found is None and name in self.tenants:
            message = f"registration {name!r} has tenants: say whose, such as {name}:acme"
            raise ConfigurationError(message)
        if found is None:
            known = ", ".join(sorted((*self.registrations, *(f"{one}:TENANT" for one in self.tenants)))) or "none"
            message = f"registration {shown_address(name)!r} is not configured (configured: {known})"
            raise ConfigurationError(message)
        return found

    def connect_page(self, name: str) -> str:
        """Where a resource owner starts to connect."""
        return f"{self.base_url}/connect/{name}" if self.base_url else ""


def read_return_to(settings: Settings, return_to: str | None) -> str:
    """The URL to send the browser back to: a path of ours, or an https URL of an allowed host. Raises RequestRefused.

    Compared after no normalisation at all: what a browser might read in two ways is refused (RFC 9700 section 4.11).
    """
    if not return_to:
        return settings.return_to
    refused = RequestRefused("return_to_refused", "return_to must be a path of this application, such as /reports")
    plain = return_to.isascii() and return_to.isprintable() and len(return_to) <= MAX_RETURN_TO
    if not plain or set(return_to) & UNSAFE or "%0" in return_to or "%5c" in return_to.lower():
        raise refused
    if return_to.startswith("/"):
        path = return_to.partition("?")[0]
        if return_to.startswith("//") or "//" in path or "%2f%2f" in path.lower() or ":" in path:
            raise refused
        return return_to
    try:
        url = read_url(return_to)
    except ValueError:
        raise refused from None
    if url.scheme != "https" or url.host not in settings.return_hosts or url.port not in (None, 443):
        raise refused
    return return_to


MAX_RETURN_TO = 200
UNSAFE = frozenset(" \"'<>\\^`{|}#@")


def single_valued(pairs: Pairs) -> dict[str, str]:
    """The pairs as a mapping; a name that is there twice raises RequestRefused (RFC 6749 section 3.1)."""
    found: dict[str, str] = {}
    for name, text in pairs:
        if name in found:
            raise RequestRefused("duplicate_parameter", "a parameter is there twice: start again")
        found[name] = text
    return found
