"""What is wrong with this deployment, and what to do about it.

    vault.doctor(request)      inside a function, where the request shows what the platform makes of a URL
    valetkey doctor            on a terminal, with the deployment's environment

It looks at what both sides must agree on and nobody tells: addresses, clocks, keys, scopes. The one rule: it changes
nothing, asks each provider at most twice unless it is named to be probed, and a check that cannot be made is a finding
and never an error.
Not here: a single refused signature (`oauth1.doctor`); the providers' side of it (`doctor_providers`).
"""

from __future__ import annotations

from valetkey.effects import CheckStore, Open, Place, Random, Seal
from valetkey.errors import (
    ConfigurationError,
    KeyUnavailable,
    RequestRefused,
    StoreError,
    ValetkeyError,
)
from valetkey.http import read_url
from valetkey.secret import Secret
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.http import Request
    from valetkey.providers.registration import Registration

    Level: TypeAlias = Literal["problem", "warning", "note"]

ROOMY_COOKIE = 600
PROBE_OCTETS = 16
WRITABLE = "let VALETKEY_TRACE name a folder that this user may write to, or write VALETKEY_TRACE=log"


@value
class Finding:
    """One thing that was seen. level: `problem` stops somebody, `warning` will, `note` is to be known.

    about: what it concerns: `base_url`, `cookies`, `keys`, `store`, `mcp`, `trace`, or a registration's name.
    """

    level: Level
    about: str
    check: str
    what: str
    advice: str = ""


@value
class Diagnosis:
    """Everything that was found, problems first."""

    findings: tuple[Finding, ...]

    @property
    def problems(self) -> tuple[Finding, ...]:
        """Those that stop somebody."""
        return tuple(finding for finding in self.findings if finding.level == "problem")


def diagnose(
    settings: Settings,
    *,
    request: Request | None = None,
    store: str = "",
    local: bool = False,
    traces_lost: str = "",
    tenants: tuple[str, ...] = (),
    probe: tuple[str, ...] = (),
) -> Op[Diagnosis]:
    """The state of the deployment. Raises nothing but what cancels the caller.

    request: one that the platform delivered, to compare the base URL with; None asks the base URL itself.
    store, local: how the store calls itself, and whether it is lost with the machine. traces_lost: why traces are.
    tenants: contexts such as `zendesk:acme` whose hosts are to be asked. probe: registrations or such contexts whose
    provider is to be asked for the beginning of a flow, which it keeps for a while.
    """
    from valetkey.connections.doctor_providers import look_at_registration
    from valetkey.connections.doctor_tenants import look_at_tenants, unknown_contexts

    found: list[Finding] = []
    found += yield from _base_url(settings, request)
    found += yield from _keys(settings)
    found += yield from _store(settings, store, local=local)
    found += _servers(settings)
    if traces_lost:
        found.append(Finding("warning", "trace", "written", f"traces are lost: {traces_lost}", WRITABLE))
    asked: dict[str, tuple[Finding, ...]] = {}
    for name in sorted(settings.registrations):
        registration = settings.registrations[name]
        found += yield from look_at_cookie(settings, registration)
        found += yield from look_at_registration(settings, registration, asked)
    for one in settings.tenants.values():
        named = tuple(name.partition(":")[2] for name in tenants if name.partition(":")[0] == one.name)
        found += yield from look_at_tenants(settings, one, named, asked)
    found += unknown_contexts(settings, tenants)
    for name in dict.fromkeys(probe):
        from valetkey.connections.doctor_redirect import look_at_redirect

        found += yield from look_at_redirect(settings, name)
    order = {"problem": 0, "warning": 1, "note": 2}
    return Diagnosis(tuple(sorted(found, key=lambda finding: order[finding.level])))


def _base_url(settings: Settings, request: Request | None) -> Op[list[Finding]]:
    from valetkey.connections.doctor_gateway import look_at_gateway, without_secure

    found = []
    if not settings.secure:
        advice = "use it on this machine only; deploy under https"
        found.append(Finding("warning", "base_url", "scheme", without_secure(settings), advice))
    if request is None:
        return found + (yield from look_at_gateway(settings))
    return found + _seen(settings, request)


def _seen(settings: Settings, request: Request) -> list[Finding]:
    """Where the request that arrived differs from the base URL that browsers are sent to."""
    base = read_url(settings.base_url)
    wanted = base.host if base.port is None else f"{base.host}:{base.port}"
    found = []
    host = (request.headers.get("x-forwarded-host") or request.headers.get("host") or "").strip().lower()
    usual = {wanted, f"{base.host}:443"} if base.scheme == "https" and base.port in (None, 443) else {wanted}
    if host and host not in usual:
        what = f"this request came for {plain(host)}, and VALETKEY_BASE_URL names {wanted}: cookies stay behind"
        advice = "set VALETKEY_BASE_URL to the host in the browser's address bar, and register the new redirect URIs"
        found.append(Finding("problem", "base_url", "host", what, advice))
    scheme = (request.headers.get("x-forwarded-proto") or "").partition(",")[0].strip().lower()
    if scheme and scheme != base.scheme:
        what = f"this request came by {plain(scheme)}, and VALETKEY_BASE_URL says {base.scheme}"
        found.append(
            Finding("problem", "base_url", "scheme", what, "correct VALETKEY_BASE_URL, or end http at the edge")
        )
    path = request.url.partition("?")[0]
    if settings.path and path != settings.path and not path.startswith(f"{settings.path}/"):
        what = f"this request's path does not begin with {settings.path}, which VALETKEY_BASE_URL ends with"
        advice = "a stage or mount path was removed or added on the way: mount the gateway under the base URL's path"
        found.append(Finding("problem", "base_url", "path", what, advice))
    return found


def _servers(settings: Settings) -> list[Finding]:
    """What the operator opened to servers that others name by their URL."""
    found = []
    if settings.mcp.accept_loopback:
        what = "mcp_accept_loopback lets people connect whatever listens on this machine, over plain http"
        found.append(Finding("warning", "mcp", "accept_loopback", what, "set it for development only"))
    if settings.mcp.page:
        what = "mcp_page lets everybody who is signed in have any public https server asked and registered at"
        found.append(Finding("note", "mcp", "page", what, "limit the rate of POST /mcp at the gateway"))
    return found


def plain(text: str) -> str:
    """What came from outside, short and printable."""
    return "".join(letter if letter.isprintable() and letter.isascii() else "?" for letter in text[:80])


def _keys(settings: Settings) -> Op[list[Finding]]:
    """Whether the key ring seals and opens now: a key service may allow one and not the other."""
    advice = "give this deployment the right to encrypt and decrypt with the key, and see VALETKEY_KEY"
    place, octets = Place("probe", (settings.environment,)), (yield from Random(PROBE_OCTETS))
    try:
        sealed = yield from Seal(place, octets)
        if (yield from Open(place, sealed)) != octets:
            return [Finding("problem", "keys", "seal", "the key ring opens something else than it sealed", advice)]
    except KeyUnavailable as missing:
        return [Finding("problem", "keys", "seal", str(missing), advice)]
    except (StoreError, ConfigurationError) as failed:
        return [Finding("problem", "keys", "seal", f"nothing can be sealed now: {failed}", advice)]
    return []


def _store(settings: Settings, description: str, *, local: bool) -> Op[list[Finding]]:
    found = []
    if settings.store_unfit:
        what = f"connections cannot be refreshed from {settings.store_unfit}"
        found.append(Finding("problem", "store", "consistency", what, "use a store that is strongly consistent"))
    if local:
        what = f"{description or 'the store'} is lost with this machine, and no other machine sees it"
        found.append(
            Finding(
                "warning",
                "store",
                "ephemeral",
                what,
                "for functions use one that they share: dynamodb, firestore, aztables, postgresql or redis",
            )
        )
    try:
        missing = yield from CheckStore()
    except (StoreError, ConfigurationError) as failed:
        advice = "check the address and credentials of VALETKEY_STORE; `valetkey store create` makes what is missing"
        return [*found, Finding("problem", "store", "reach", f"the store cannot be asked: {failed}", advice)]
    return found + [Finding("problem", "store", "check", sentence) for sentence in missing]


def look_at_cookie(settings: Settings, registration: Registration) -> Op[list[Finding]]:
    """Whether a flow fits into its cookie, made as long as this registration makes it."""
    from valetkey.connections.pending import MAX_WHOLE, Pending, seal_pending

    server = registration.provider.server
    longest = Pending(
        context=registration.name,
        flow="0" * 32,
        half="0" * 32,
        owner="0" * 64,
        issued_at=1_800_000_000,
        redirect_uri=registration.redirect_uri,
        return_to=settings.return_to,
        issuer=getattr(server, "issuer", None) or "",
        verifier=Secret("0" * 43),
        nonce="0" * 22 if getattr(server, "jwks_uri", None) or getattr(server, "discovery", "") else "",
        temporary="0" * 32 if registration.provider.protocol == "oauth1" else "",
        secret=Secret("0" * 48) if registration.provider.protocol == "oauth1" else None,
    )
    try:
        size = len((yield from seal_pending(settings, longest)))
    except RequestRefused as refused:
        advice = "shorten VALETKEY_RETURN_TO"
        return [Finding("problem", registration.name, "cookie_size", str(refused), advice)]
    except ValetkeyError:
        return []  # the key ring's finding says it
    if size <= ROOMY_COOKIE:
        return []
    what = (
        f"its flow's cookie has {size} characters before return_to, scope and account are added; over {MAX_WHOLE}, "
        "fewer than eight tabs can be under way at once"
    )
    advice = "keep return_to and VALETKEY_RETURN_TO short"
    return [Finding("warning", registration.name, "cookie_size", what, advice)]
