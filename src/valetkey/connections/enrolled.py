"""Registrations that were made at run time, as every program uses them: found by name or URL.

The one rule: what is said of a server that somebody named reaches no further than that server: its own host, its own
issuer, its own reach. Not here: how they are kept (`enrolled_rows`), registering (`enrolment`).
"""

from __future__ import annotations

from valetkey.connections.enrolled_rows import (
    ROUNDS,
    enrolled_key,
    enrolled_name,
    is_enrolled_name,
    load_enrolled,
    row_of,
    save_enrolled,
)
from valetkey.effects import CONFIGURED, PUBLIC, Key, Now
from valetkey.errors import StoreError
from valetkey.http import is_loopback, read_url, shown_address
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.enrolled_rows import Enrolled, EnrolledClient
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op, Reach
    from valetkey.providers.registration import Registration


def find_enrolled(settings: Settings, name: str) -> Op[Registration | None]:
    """The registration of a name of ours, or of a resource's URL, its present issuer's; None. Raises StoreError."""
    url = "://" in name
    if url:
        from valetkey.oauth2.protected_resource import read_resource

        try:
            resource = read_resource(name, reach=reach_of(settings, name))
        except ValueError:
            return None
        key = enrolled_key(resource)
        for registration in settings.registrations.values():
            if is_configured_for(registration, resource):
                return registration
    elif is_enrolled_name(name):
        key = row_of(name)
    else:
        return None
    row = yield from load_enrolled(settings, key)
    if row is None:
        return None
    clients = (client for client in row.clients if enrolled_name(key, client.issuer, client.seat) == name)
    client = row.client_at(row.issuer, row.seat) if url else next(clients, None)
    return None if client is None else as_registration(settings, row, client, now=(yield from Now()))


def is_configured_for(registration: Registration, resource: str) -> bool:
    """Whether the operator registered this client for exactly that resource. resource: in canonical form."""
    from valetkey.oauth2.protected_resource import is_same_resource

    resources: tuple[str, ...] = getattr(registration.provider.server, "resources", ())
    return len(resources) == 1 and is_same_resource(resources[0], resource, reach=CONFIGURED)


def reach_of(settings: Settings, resource: str) -> Reach:
    """How far everything that a resource's URL leads to may lie: public, but for what a developer runs on loopback."""
    if not settings.mcp.accept_loopback:
        return PUBLIC
    try:
        return CONFIGURED if is_loopback(read_url(resource).host) else PUBLIC
    except ValueError:
        return PUBLIC


def as_registration(settings: Settings, row: Enrolled, client: EnrolledClient, *, now: float) -> Registration:
    """The registration behind a row and one of its clients."""
    from valetkey.oauth2.client import Client
    from valetkey.oauth2.dpop import Nonces
    from valetkey.oauth2.kept import KeptKeys, KeptMetadata
    from valetkey.oauth2.server import AuthorizationServer
    from valetkey.providers.provider import Provider, Rotation
    from valetkey.providers.registration import Registration

    reach, url = reach_of(settings, row.resource), read_url(row.resource)
    name = enrolled_name(row.key, client.issuer, client.seat)
    server = AuthorizationServer(
        client.issuer,
        "",
        "",
        discovery="oauth2",
        resources=(row.resource,),
        token_endpoint_auth_method=client.method,
        dpop_bound_access_tokens=client.bound,
        reach=reach,
    )
    provider = Provider(
        name="mcp",
        title=shown_address(row.resource).partition("://")[2].rstrip("/"),
        protocol="oauth2",
        server=server,
        api_hosts=(url.host,),
        rotation=Rotation("unknown"),
        source=row.resource,
        verified_on="",
        loopback_allowed=reach == CONFIGURED,
        api_url=row.resource,
        api_reach=reach,
    )
    redirect_uri = f"{settings.base_url}/callback/{name}"
    return Registration(
        name,
        provider,
        Client(client.client_id, client.client_secret, redirect_uri),
        client.scope,
        redirect_uri,
        nonces=Nonces(),
        kept_keys=KeptKeys(),
        kept_metadata=KeptMetadata(),
        enrolment=client.enrolment,
        seat=client.seat,
        stale=client.is_stale(now),
        registered_at=client.registered_at if client.enrolment == "dynamic" else 0,
    )


def keep_enrolled(settings: Settings, registration: Registration) -> Op[None]:
    """Somebody is about to connect: from now on the row stays. Raises StoreError."""
    key = key_of(registration)
    for _ in range(ROUNDS):
        row = yield from load_enrolled(settings, key)
        if row is None:
            break
        if row.expires_at == 0:
            return
        if (yield from save_enrolled(settings, replace(row, expires_at=0))) is not None:
            return
    message = "the registration has lapsed, or others kept writing it: start again"
    raise StoreError(message)


def key_of(registration: Registration) -> Key:
    """The row that a registration came from."""
    return row_of(registration.name)
