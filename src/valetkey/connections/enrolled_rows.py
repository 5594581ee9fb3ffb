"""The rows of registrations that were made at run time: one for each resource, with all the clients it has had.

    row of a resource ── who is registering, until when
                      └─ sealed: the resource, its present issuer, and one client for each issuer it has had

A registration of the configuration whose client is made at run time has such a row, too: it is the row's resource.

The one rule: a client is used with the issuer and seat (`seat`) that it was made for and with no other: the name of a
registration is made of them and the resource, so that a resource which changes its server becomes another registration.
Not here: what a row and a client come to (`enrolled`), registering (`enrolment`).
"""

from __future__ import annotations

from valetkey.connections.codec import MAX_CONTENT_OCTETS, number
from valetkey.connections.records import swap_settled
from valetkey.connections.registrations import ENROLLED
from valetkey.connections.seal import key_id_of, registration_place
from valetkey.digest import sha256_hex
from valetkey.effects import Key, Load, Open, Random, Row, Seal
from valetkey.errors import StoreError
from valetkey.secret import Secret
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.oauth2.server import AuthMethod
    from valetkey.providers.registration import Enrolment

SCHEMA = 2
OF_RESOURCES = 1
"""The schema of a resource's row, which older versions read; they must not take a configured registration for one."""
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
    seat: see `seat`. redirect_uri, grant_types: what it was registered for; key: the thumbprint of the private key that
      it proves itself by (RFC 7638). These are said of configured registrations alone.
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
    redirect_uri: str = ""
    grant_types: tuple[str, ...] = ()
    key: str = ""

    def is_stale(self, now: float) -> bool:
        """Whether it is of no use any more."""
        expires_at = self.secret_expires_at
        return self.refused or bool(expires_at and now >= expires_at - EXPIRING_SECONDS)


@value
class Enrolled:
    """The row of one resource.

    version: None before it is written. resource: as it spells itself; or the name of a configured registration.
    issuer, seat: the present ones; empty at first.
    attempt, claimed_until: who is registering a client, and until when (Unix seconds).
    expires_at: 0 once somebody has connected, and for a configured registration from the beginning.
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

    @property
    def by_url(self) -> bool:
        """Whether it is of a resource that somebody named by its URL."""
        return "://" in self.resource

    def name_of(self, client: EnrolledClient) -> str:
        """What the registration with that client is called."""
        return enrolled_name(self.key, client.issuer, client.seat) if self.by_url else self.resource

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


def configured_key(name: str) -> Key:
    """Where the row of a configured registration stands."""
    return _row(sha256_hex(f"configured {name}")[:DIGITS])


def enrolled_key(resource: str) -> Key:
    """Where the row of a resource stands. resource: in canonical form."""
    return _row(sha256_hex(resource)[:DIGITS])


def row_of(name: str) -> Key:
    """Where the row stands that a registration of that name came from."""
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
        "v": OF_RESOURCES if row.by_url else SCHEMA,
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
        *((client.redirect_uri, list(client.grant_types), client.key) if client.grant_types else ()),
    ]


def _read_client(members: list[Any]) -> EnrolledClient:
    issuer, enrolment, client_id, secret, method, scope, at, expires_at, uri, token, *more = members
    refused, bound, allowed, seat, *asked = more
    redirect_uri, grant_types, key = asked or ("", (), "")
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
        redirect_uri,
        tuple(grant_types),
        key,
    )
