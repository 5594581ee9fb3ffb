"""What operators see of the registrations that were made at run time, and how they end one.

The one rule: a client is deleted at the server first (RFC 7592), as far as the server lets us; what is forgotten here
cannot refresh or revoke any more, and its connections must be made anew.
"""

from __future__ import annotations

from valetkey.connections.enrolled import find_enrolled, key_of, reach_of
from valetkey.connections.enrolled_rows import (
    REGISTRATION,
    ROUNDS,
    enrolled_name,
    load_enrolled,
    open_enrolled,
    save_enrolled,
)
from valetkey.connections.grant import exchange_deadline
from valetkey.connections.records import list_page, swap_settled
from valetkey.errors import ConfigurationError, StoreError, TransportError
from valetkey.http import shown_address
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from valetkey.connections.enrolled_rows import Enrolled, EnrolledClient
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op

    AtServer: TypeAlias = Literal["deleted", "unsupported", "failed"]


@value
class EnrolledPage:
    """A page of rows; cursor is empty on the last one. unreadable: rows that cannot be opened here."""

    rows: tuple[Enrolled, ...]
    cursor: str = ""
    unreadable: int = 0


def enrolled_page(settings: Settings, *, cursor: str = "") -> Op[EnrolledPage]:
    """The resources that were connected at run time, for operators. Raises StoreError where the store is down."""
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

    name: of the registration, or the resource's URL. Connections that it made stay, and can only be forgotten then.
    Raises ConfigurationError where there is none, StoreError.
    """
    registration = yield from find_enrolled(settings, name)
    if registration is None or registration.enrolment == "configured":
        message = (
            f"{shown_address(name)!r} was not registered at run time: valetkey registrations list shows those that were"
        )
        raise ConfigurationError(message)
    key, at_server = key_of(registration), None
    for _ in range(ROUNDS):
        row = yield from load_enrolled(settings, key)
        client = None if row is None else _named(row, registration.name)
        if row is None or client is None:
            return at_server or "unsupported"
        if at_server is None:  # once: a second answer to it would only be that the client is gone
            at_server = yield from _delete(settings, row, client)
        if (yield from _drop_client(settings, row, client)):
            return at_server
    message = "the registration could not be deleted because others kept writing it: try again"
    raise StoreError(message)


def _named(row: Enrolled, name: str) -> EnrolledClient | None:
    named = (client for client in row.clients if enrolled_name(row.key, client.issuer, client.seat) == name)
    return next(named, None)


def _delete(settings: Settings, row: Enrolled, client: EnrolledClient) -> Op[AtServer]:
    """What the server made of it."""
    if client.registration_token is None:
        return "unsupported"
    from valetkey.oauth2.registration import delete_client

    uri, token = client.configuration_uri, client.registration_token
    try:
        not_after = yield from exchange_deadline()
        gone = yield from delete_client(uri, token, reach=reach_of(settings, row.resource), not_after=not_after)
    except TransportError:
        return "failed"
    return "deleted" if gone else "failed"


def _drop_client(settings: Settings, row: Enrolled, client: EnrolledClient) -> Op[bool]:
    left = row.without_client(client)
    if not left.clients:
        return (yield from swap_settled(row.key, row.version, None))
    if (row.issuer, row.seat) == (client.issuer, client.seat):
        left = replace(left, issuer="", seat="")
    return (yield from save_enrolled(settings, left)) is not None
