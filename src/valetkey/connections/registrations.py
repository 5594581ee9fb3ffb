"""Which registration a name means.

    the configuration  ->  the store: registrations that were made at run time

The one rule: the configuration comes first and costs nothing; only a name that it does not have is looked for further,
and a place that is asked for it recognises its own names before it reads anything.
Not here: what a registration needs from its issuer's metadata (`discovery.described`).
"""

from __future__ import annotations

from valetkey.errors import RequestRefused, StoreError
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.providers.registration import Registration


def find_registration(settings: Settings, name: str) -> Op[Registration | None]:
    """The registration of that name, or None where nobody knows it. Raises StoreError.

    Every other place that may know a name is asked from here, in the order of the drawing above.
    """
    yield from ()
    return settings.registrations.get(name)


def registered(settings: Settings, name: str) -> Op[Registration]:
    """The registration of that name. Raises ConfigurationError, for the caller's program named it; StoreError."""
    found = yield from find_registration(settings, name)
    return settings.registration(name) if found is None else found


def requested(settings: Settings, name: str) -> Op[Registration]:
    """The same for a name that came from a browser: RequestRefused with status 404, the name unsaid."""
    found = yield from find_registration(settings, name)
    if found is None:
        raise RequestRefused("unknown_registration", "no registration of that name is configured", status=404)
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
