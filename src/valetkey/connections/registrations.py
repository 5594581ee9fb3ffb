"""Which registration a name means.

    the configuration  ->  its tenants: `zendesk:acme`
                       ->  the store: registrations that were made at run time (`enrolled`), by their name or URL

The one rule: the configuration comes first and costs nothing; only a name that it does not have is looked for further,
and a place that is asked for it recognises its own names before it reads anything.
Not here: what a registration needs from its issuer's metadata (`discovery.described`).
"""

from __future__ import annotations

from valetkey.effects import Now
from valetkey.errors import CallbackError, ConfigurationError, ReauthorizationRequired, RequestRefused, StoreError
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.http import Request
    from valetkey.providers.registration import Registration

ENROLLED = "mcp-"
"""What the names of registrations begin with that were made at run time."""
URL = "://"


def find_registration(settings: Settings, name: str) -> Op[Registration | None]:
    """The registration of that name, or None where nobody knows it. Raises StoreError.

    Every other place that may know a name is asked from here, in the order of the drawing above.
    """
    found = settings.registrations.get(name)
    if found is None and settings.tenants:
        found = _of_tenant(settings, name)
    if found is None and (name.startswith(ENROLLED) or URL in name):
        from valetkey.connections.enrolled import find_enrolled

        found = yield from find_enrolled(settings, name)
    return found


def _of_tenant(settings: Settings, name: str) -> Registration | None:
    registration, _, tenant = name.partition(":")
    tenants = settings.tenants.get(registration)
    return None if tenants is None else tenants.of(tenant)


def registered(settings: Settings, name: str, *, owner: str = "") -> Op[Registration]:
    """The registration of that name, or of the URL of a resource that was connected at run time.

    owner: the resource owner for whom, who alone may see in the page what URL the `connect_url` is for.
    Raises ConfigurationError, for the caller's program named it; ReauthorizationRequired for a URL that nobody has
    connected yet; StoreError.
    """
    found = yield from find_registration(settings, name)
    if found is None and URL in name:
        from valetkey.connections.server_page import server_page

        raise ReauthorizationRequired(
            name, "not_connected", connect_url=(yield from server_page(settings, name, owner=owner))
        )
    return settings.registration(name) if found is None else found


def registered_lately(settings: Settings, name: str, *, owner: str = "") -> Op[Registration]:
    """The same for requests to the API: one from the store is used for a minute, since its client is not needed."""
    found = settings.registrations.get(name)
    if found is not None or settings.cache is None:
        return (yield from registered(settings, name, owner=owner)) if found is None else found
    now = yield from Now()
    found = settings.cache.registration(name, now=now)
    if found is None:
        found = yield from registered(settings, name, owner=owner)
        settings.cache.keep_registration(name, found, now=now)
    return found


def registered_name(settings: Settings, name: str, *, owner: str = "") -> Op[str]:
    """What connections call a registration that the caller's program named, by its name or URL."""
    return (yield from registered(settings, name, owner=owner)).name if URL in name else name


def refuse_by_url(registration: Registration) -> None:
    """Refuse every grant but authorization codes to a registration that a resource's URL led to.

    Its client was registered for these alone, and only their answers say whose they are (`iss`, RFC 9207, see `seat`).
    Raises ConfigurationError.
    """
    if registration.by_url:
        message = (
            f"{registration.name} was registered at run time, for authorization codes alone: use begin_authorization, "
            "or configure a client for this resource"
        )
        raise ConfigurationError(message)


def refuse_oauth1(registration: Registration, what: str) -> None:
    """Refuse a verb that only OAuth 2.0 has. what: which OAuth 1.0a lacks. Raises ConfigurationError."""
    if registration.provider.protocol != "oauth2":
        message = f"{registration.name} speaks OAuth 1.0a, which has no {what}: use begin_authorization"
        raise ConfigurationError(message)


def requested(settings: Settings, name: str) -> Op[Registration]:
    """The same for a name that came from a browser: RequestRefused with status 404, the name unsaid."""
    found = yield from find_registration(settings, name)
    if found is None:
        message = "no registration of that name is configured: `valetkey doctor` shows those that are"
        raise RequestRefused("unknown_registration", message, status=404)
    return found


def knowing(settings: Settings, names: Iterable[str]) -> Op[Settings]:
    """The settings with those of the named registrations that are found elsewhere, for pages that show many.

    One that cannot be read is left out: the others are not held up.
    """
    more: dict[str, Registration] = {}
    for name in names:
        if name not in settings.registrations and name not in more:
            try:
                found = yield from find_registration(settings, name)
            except StoreError:
                continue
            if found is not None:
                more[name] = found
    return replace(settings, registrations={**settings.registrations, **more}) if more else settings


def returned(settings: Settings, name: str, request: Request) -> Op[Registration]:
    """The registration that a callback of that name is for (RFC 9700 section 4.4.2).

    Each has its own, but where the provider takes one redirect URI for all of its tenants: there the context is the
    one that the flow's cookie names in the clear. It is believed in nothing: the cookie opens for the context that it
    was sealed for, and for no other. Raises RequestRefused, CallbackError.
    """
    tenants = settings.tenants.get(name.partition(":")[0])
    if tenants is None or not tenants.shared_redirect_uri:
        return (yield from requested(settings, name))
    if name != tenants.name:
        raise RequestRefused("unknown_registration", "this callback is not the one of the tenants", status=404)
    return (yield from requested(settings, _context_of_flow(settings, tenants.name, request)))


def _context_of_flow(settings: Settings, name: str, request: Request) -> str:
    from valetkey.connections.cookies import read_cookies
    from valetkey.connections.pending import flow_contexts, read_state
    from valetkey.connections.settings import single_valued
    from valetkey.http import read_form

    try:
        state = single_valued(read_form(request.url.partition("?")[2])).get("state")
    except ValueError:
        raise CallbackError("malformed_callback", "the callback cannot be read: start again") from None
    if not state:
        raise CallbackError("state_missing", "the callback has no state, so it belongs to no flow: start again")
    contexts = flow_contexts(settings, read_cookies(request.headers), flow=read_state(state)[0])
    found = next((context for context in contexts if context.partition(":")[0] == name), None)
    if found is None and contexts:
        raise CallbackError("context_mismatch", "the answer came to another registration's callback: start again")
    if found is None:
        message = "this browser did not start the authorization, or removed its cookie: start again here"
        raise CallbackError("wrong_browser", message)
    return found
