"""Registrations that were made at run time, as the store keeps them: one row for each resource.

    row of a resource ── who is registering, until when
                      └─ sealed: the resource, its present issuer, and one client for each issuer it has had

The one rule: a client is used with the issuer and seat (`seat`) that it was made for and with no other: the name of a
registration is made of them and the resource, so that a resource which changes its server becomes another registration.
Not here: registering (`enrolment`).
"""

from __future__ import annotations

from valetkey.connections.codec import MAX_CONTENT_OCTETS, number
from valetkey.connections.records import swap_settled
from valetkey.connections.registrations import ENROLLED
from valetkey.connections.seal import key_id_of, registration_place
from valetkey.digest import sha256_hex
from valetkey.effects import CONFIGURED, PUBLIC, Key, Load, Now, Open, Random, Row, Seal
from valetkey.errors import StoreError
from valetkey.http import is_loopback, read_url, shown_address
from valetkey.secret import Secret
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from valetkey.connections.settings import Settings
    from valetkey.effects import Op, Reach
    from valetkey.oauth2.server import AuthMethod
    from valetkey.providers.registration import Enrolment, Registration

SCHEMA = 1
REGISTRATION = "registration/"
DIGITS = 24
UNUSED_SECONDS = 86_400  # what nobody finished to connect leaves nothing behind
MAX_CLIENTS = 4
ROUNDS = 12
EXPIRING_SECONDS = 60
_HEX = frozenset("0123456789abcdef")


@value
class EnrolledClient:
    """A client at one issuer.

    registered_at: Unix seconds. secret_expires_at: the same; 0: never. refused: the server takes it no more.
    configuration_uri, registration_token: to delete it there (RFC 7592).
    bound: tokens are bound to a key (RFC 9449). allowed: the scope that it was registered for; None: nobody said.
    seat: see `seat`.
    """

    issuer: str
    enrolment: Enrolment
    client_id: str
    client_secret: Secret | None
    method: AuthMethod
    scope: tuple[str, ...]
    registered_at: int
    secret_expires_at: int = 0
    configuration_uri: str = ""
    registration_token: Secret | None = None
    refused: bool = False
    bound: bool = False
    allowed: tuple[str, ...] | None = None
    seat: str = ""

    def is_stale(self, now: float) -> bool:
        """Whether it is of no use any more."""
        expires_at = self.secret_expires_at
        return self.refused or bool(expires_at and now >= expires_at - EXPIRING_SECONDS)


@value
class Enrolled:
    """The row of one resource.

    version: None before it is written. resource: as it spells itself.
    issuer, seat: the present ones; empty at first.
    attempt, claimed_until: who is registering a client, and until when (Unix seconds).
    expires_at: 0 once somebody has connected.
    """

    key: Key
    version: bytes | None
    resource: str
    issuer: str = ""
    seat: str = ""
    clients: tuple[EnrolledClient, ...] = ()
    attempt: str = ""
    claimed_until: int = 0
    expires_at: int = 0

    def client_at(self, issuer: str, seat: str) -> EnrolledClient | None:
        """The client at that issuer and seat."""
        return next((client for client in self.clients if (client.issuer, client.seat) == (issuer, seat)), None)

    def with_client(self, client: EnrolledClient) -> Enrolled:
        """The row with this client, its issuer and seat being the present ones; of too many, the oldest is dropped."""
        others = self.without_client(client).clients[-MAX_CLIENTS + 1 :]
        return replace(self, issuer=client.issuer, seat=client.seat, clients=(*others, client))

    def without_client(self, client: EnrolledClient) -> Enrolled:
        """The row without the client of that issuer and seat."""
        at = client.issuer, client.seat
        return replace(self, clients=tuple(other for other in self.clients if (other.issuer, other.seat) != at))


def enrolled_key(resource: str) -> Key:
    """Where the row of a resource stands. resource: in canonical form."""
    return _row(sha256_hex(resource)[:DIGITS])


def _row_of(name: str) -> Key:
    return _row(name[len(ENROLLED) : len(ENROLLED) + DIGITS])


def _row(digits: str) -> Key:
    return Key(sha256_hex(f"registration {digits}"), REGISTRATION + digits)


def enrolled_name(key: Key, issuer: str, seat: str) -> str:
    """What the registration of that row at that issuer and seat is called: 53 characters that a path may hold."""
    at = sha256_hex(f"{issuer} {seat}" if seat else issuer)
    return f"{ENROLLED}{key.name.removeprefix(REGISTRATION)}-{at[:DIGITS]}"


def is_enrolled_name(name: str) -> bool:
    """Whether the name is of that form."""
    resource, hyphen, issuer = name.removeprefix(ENROLLED).partition("-")
    digits = len(resource) == len(issuer) == DIGITS and _HEX.issuperset(resource + issuer)
    return name.startswith(ENROLLED) and bool(hyphen) and digits


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
        key = _row_of(name)
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
    )


def load_enrolled(settings: Settings, key: Key) -> Op[Enrolled | None]:
    """The row, opened. Raises StoreError, KeyUnavailable, SealBroken; it is kept as it is."""
    row = yield from Load(key)
    return None if row is None else (yield from open_enrolled(settings, row))


def open_enrolled(settings: Settings, row: Row) -> Op[Enrolled]:
    """What stands in the row."""
    place = registration_place(settings.environment, row.key.name)
    # What was opened stands in no local of a program that may fail: error reports show them.
    found = _read_content(row, (yield from Open(place, row.sealed)))
    if found is None:
        message = "a stored registration was written by a newer valetkey: upgrade this deployment"
        raise StoreError(message)
    return found


def _read_content(row: Row, octets: bytes) -> Enrolled | None:
    """The row, or None where it has a newer form."""
    import json

    content = json.loads(octets)
    if content["v"] > SCHEMA:
        return None
    return Enrolled(
        row.key,
        row.version,
        content["resource"],
        content["issuer"],
        content["seat"],
        tuple(_read_client(members) for members in content["clients"]),
        str(row.clear.get("attempt", "")),
        number(row.clear, "claimed_until"),
        row.expires_at,
    )


def save_enrolled(settings: Settings, row: Enrolled) -> Op[Enrolled | None]:
    """The row as it was written over its version, or None where another was faster. Raises StoreError.

    Of clients that do not fit into one row together, the oldest are dropped.
    """
    while len(_write_content(row)) > MAX_CONTENT_OCTETS and len(row.clients) > 1:
        row = replace(row, clients=row.clients[1:])
    sealed = yield from Seal(registration_place(settings.environment, row.key.name), _write_content(row))
    version = yield from Random(16)
    clear: dict[str, str | int] = {
        "state": "registration",
        "attempt": row.attempt,
        "claimed_until": row.claimed_until,
        "key_id": key_id_of(sealed),
    }
    new = Row(row.key, version, clear, sealed, row.expires_at)
    won = yield from swap_settled(row.key, row.version, new)
    return replace(row, version=version) if won else None


def _write_content(row: Enrolled) -> bytes:
    import json

    content = {
        "v": SCHEMA,
        "resource": row.resource,
        "issuer": row.issuer,
        "seat": row.seat,
        "clients": [_write_client(client) for client in row.clients],
    }
    return json.dumps(content, separators=(",", ":")).encode()


def _write_client(client: EnrolledClient) -> list[object]:
    return [
        client.issuer,
        client.enrolment,
        client.client_id,
        client.client_secret.reveal() if client.client_secret else "",
        client.method,
        list(client.scope),
        client.registered_at,
        client.secret_expires_at,
        client.configuration_uri,
        client.registration_token.reveal() if client.registration_token else "",
        int(client.refused),
        int(client.bound),
        None if client.allowed is None else list(client.allowed),
        client.seat,
    ]


def _read_client(members: list[Any]) -> EnrolledClient:
    issuer, enrolment, client_id, secret, method, scope, at, expires_at, uri, token, *more = members
    refused, bound, allowed, seat = more
    return EnrolledClient(
        issuer,
        enrolment,
        client_id,
        Secret(secret) if secret else None,
        method,
        tuple(scope),
        at,
        expires_at,
        uri,
        Secret(token) if token else None,
        bool(refused),
        bool(bound),
        None if allowed is None else tuple(allowed),
        seat,
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
    return _row_of(registration.name)
