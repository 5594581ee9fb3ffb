"""Whether the client of a registration that was made at run time is still the one that its server takes.

The one rule: the client is read from the store before it is used, and is never replaced here: a new one is made when
somebody connects (`enrolment`).
"""

from __future__ import annotations

from valetkey.connections.enrolled_rows import load_enrolled, save_enrolled
from valetkey.effects import Now
from valetkey.errors import ReauthorizationRequired, StoreError
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from valetkey.connections.enrolled_rows import Enrolled, EnrolledClient
    from valetkey.connections.settings import Settings
    from valetkey.effects import Key, Op
    from valetkey.providers.registration import Registration

AGAIN_SECONDS = 600
"""A client that is refused sooner after it was registered is not registered anew: the server would refuse the next."""
CLIENT_ENDED = "client_ended"
SIGNING = ("private_key_jwt", "client_secret_jwt")


def renewed(settings: Settings, registration: Registration) -> Op[Registration]:
    """The registration as the store has it now, before its client is used: another process may have enrolled anew.

    Raises ReauthorizationRequired `not_registered` where a configured registration has no client at its issuer.
    """
    row = yield from load_enrolled(settings, _key_of(registration))
    client = None if row is None else _client_of(row, registration)
    if registration.by_url:
        if row is None or client is None:
            return replace(registration, stale=True)
        from valetkey.connections.enrolled import as_registration

        return as_registration(settings, row, client, now=(yield from Now()))
    from valetkey.connections.enrol_configured import not_registered, with_client

    if client is None:
        raise not_registered(settings, registration)
    return with_client(registration, client, now=(yield from Now()))


def refuse_elsewhere(settings: Settings, registration: Registration) -> Op[NoReturn]:
    """Refuse what another issuer gave out: the configuration names this one now, and may be what is wrong.

    Raises ReauthorizationRequired `client_ended`, or `not_registered` where this issuer has no client yet; StoreError.
    The connection is left as it is.
    """
    if registration.awaits_client:
        _ = yield from renewed(settings, registration)
    page = settings.connect_page(registration.name)
    raise ReauthorizationRequired(registration.name, CLIENT_ENDED, connect_url=page)


def client_refused(settings: Settings, registration: Registration) -> Op[None]:
    """The server answered `invalid_client` to a client that it had registered itself: the next one enrols anew.

    Best effort, and not for a client that was registered a moment ago, nor for one that signs: there the key or the
    clock of this machine may be what is wrong, and to give the client up would end every connection of it.
    """
    try:
        row = yield from load_enrolled(settings, _key_of(registration))
        client = None if row is None else _client_of(row, registration)
        if row is None or client is None or client.client_id != getattr(registration.client, "client_id", ""):
            return
        if client.method in SIGNING or (yield from Now()) < client.registered_at + AGAIN_SECONDS:
            return
        marked = replace(row.with_client(replace(client, refused=True)), issuer=row.issuer, seat=row.seat)
        _ = yield from save_enrolled(settings, marked)
    except StoreError:
        return


def _key_of(registration: Registration) -> Key:
    from valetkey.connections.enrolled_rows import configured_key, row_of

    return row_of(registration.name) if registration.by_url else configured_key(registration.name)


def _client_of(row: Enrolled, registration: Registration) -> EnrolledClient | None:
    return row.client_at(getattr(registration.provider.server, "issuer", ""), registration.seat)
