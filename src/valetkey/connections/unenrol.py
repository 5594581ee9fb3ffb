"""What operators see of the registrations that were made at run time, and how they end one.

The one rule: a client is deleted at the server first (RFC 7592), as far as the server lets us; what is forgotten here
cannot refresh or revoke any more, and its connections must be made anew.
"""

from __future__ import annotations

from valetkey.connections.enrolled import find_enrolled, key_of, reach_of
from valetkey.connections.enrolled_rows import (
    REGISTRATION,
    ROUNDS,
    configured_key,
    load_enrolled,
    open_enrolled,
    save_enrolled,
)
from valetkey.connections.grant import exchange_deadline
from valetkey.connections.records import list_page, swap_settled
from valetkey.effects import CONFIGURED, PUBLIC
from valetkey.errors import ConfigurationError, StoreError, TransportError
from valetkey.http import read_url, shown_address
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from valetkey.connections.enrolled_rows import Enrolled, EnrolledClient
    from valetkey.connections.settings import Settings
    from valetkey.effects import Key, Op, Reach

    AtServer: TypeAlias = Literal["deleted", "unsupported", "failed"]

WORST_FIRST: tuple[AtServer, ...] = ("failed", "unsupported", "deleted")


@value
class EnrolledPage:
    """A page of rows; cursor is empty on the last one. unreadable: rows that cannot be opened here."""

    rows: tuple[Enrolled, ...]
    cursor: str = ""
    unreadable: int = 0


def enrolled_page(settings: Settings, *, cursor: str = "") -> Op[EnrolledPage]:
    """What was registered at run time, for operators. Raises StoreError where the store is down."""
    page = yield from list_page(None, cursor)
    found, unreadable = [], 0
    for row in page.rows:
        if not row.key.name.startswith(REGISTRATION):
            continue
        try:
            found.append((yield from open_enrolled(settings, row)))
        except StoreError:
            unreadable += 1
    return EnrolledPage(tuple(found), page.cursor, unreadable)


def forget_enrolled(settings: Settings, name: str) -> Op[AtServer]:
    """Delete the client of that registration, at the server where it can be (RFC 7592 section 2.3), and here.

    name: of the registration, or the resource's URL. Of one of the configuration, the clients at all of the issuers
    that it has had, and the worst that became of one is answered. Connections that it made stay, and can only be
    forgotten then. Raises ConfigurationError where there is none, StoreError.
    """
    key, named = yield from _row_of(settings, name)
    at_server: dict[tuple[str, str], AtServer] = {}
    for _ in range(ROUNDS):
        row = yield from load_enrolled(settings, key)
        client = None if row is None else next((one for one in row.clients if row.name_of(one) == named), None)
        if row is None or client is None:
            break
        one = client.issuer, client.client_id
        if one not in at_server:  # once: a second answer to it would only be that the client is gone
            at_server[one] = yield from _delete(settings, row, client)
        _ = yield from _drop_client(settings, row, client)
    else:
        message = "the registration could not be deleted because others kept writing it: try again"
        raise StoreError(message)
    told: list[AtServer] = [word for word in WORST_FIRST if word in at_server.values()]
    return told[0] if told else "unsupported"


def _row_of(settings: Settings, name: str) -> Op[tuple[Key, str]]:
    """The row, and what the registration in it is called. Raises ConfigurationError where there is none."""
    found = yield from find_enrolled(settings, name)
    if found is not None and found.by_url:
        return key_of(found), found.name
    own = name if found is None else found.name  # also of one that the configuration has no more
    key = configured_key(own)
    if (yield from load_enrolled(settings, key)) is not None:
        return key, own
    message = (
        f"{shown_address(name)!r} was not registered at run time: valetkey registrations list shows those that were"
    )
    raise ConfigurationError(message)


def _delete(settings: Settings, row: Enrolled, client: EnrolledClient) -> Op[AtServer]:
    """What the server made of it."""
    if client.registration_token is None:
        return "unsupported"
    from valetkey.oauth2.registration import delete_client

    uri, token = client.configuration_uri, client.registration_token
    reach = management_reach(settings, row.resource if row.by_url else "", client)
    try:
        not_after = yield from exchange_deadline()
        gone = yield from delete_client(uri, token, reach=reach, not_after=not_after)
    except TransportError:
        return "failed"
    return "deleted" if gone else "failed"


def management_reach(settings: Settings, resource: str, client: EnrolledClient) -> Reach:
    """How far the URL may lie that a server gave out to manage its client at. resource: the one that led to it."""
    if resource:
        return reach_of(settings, resource)
    # The operator named the issuer, and nobody else's URL reaches as far.
    same = read_url(client.configuration_uri).origin == read_url(client.issuer).origin
    return CONFIGURED if same else PUBLIC


def _drop_client(settings: Settings, row: Enrolled, client: EnrolledClient) -> Op[bool]:
    left = row.without_client(client)
    if not left.clients:
        return (yield from swap_settled(row.key, row.version, None))
    if (row.issuer, row.seat) == (client.issuer, client.seat):
        left = replace(left, issuer="", seat="")
    return (yield from save_enrolled(settings, left)) is not None
