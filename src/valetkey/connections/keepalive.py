"""Connections that nobody uses are refreshed before their grant lapses; those that need a person are listed.

    a connection's refresh token     what a sweep does
    not about to lapse               nothing
    about to lapse for want of use   refreshes it, as any caller would: claim, send, commit
    about to end for good            lists it: `grant_ends_soon`
    already dead                     lists it, with the reason

When a token is about to lapse is drawn for each connection between a half and three quarters of its idle life, so that
connections made together are not refreshed together. The one rule: a sweep refreshes only by the ordinary way
(`refresh`), so that it can die or run twice at any point.
Not here: how long refresh tokens live (the catalog says), and deciding for a person.
"""

from __future__ import annotations

from valetkey.connections.codec import APPLICATION, CONNECTION
from valetkey.connections.connection import NEEDS_REAUTHORIZATION, REVOKING
from valetkey.connections.grant import EXCHANGE_SECONDS, RESERVE_SECONDS
from valetkey.connections.records import describe_record, list_page, open_record, read_record, swap_settled
from valetkey.connections.refresh import current_tokens
from valetkey.connections.registrations import find_registration
from valetkey.digest import sha256_hex
from valetkey.effects import Key, Load, Now, Random, Remaining, Row, Sleep
from valetkey.errors import ConfigurationError, ReauthorizationRequired, StoreError, ValetkeyError
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from valetkey.connections.connection import Connection
    from valetkey.connections.records import Record
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op, Page
    from valetkey.providers.provider import Provider
    from valetkey.providers.registration import Registration

    Outcome: TypeAlias = Literal["fine", "refreshed", "failed"]

ASSUMED_IDLE_SECONDS = 14 * 86_400
"""How long an unused refresh token is trusted to live where the catalog does not say."""
ENDS_SOON_SECONDS = 7 * 86_400
MAX_LISTED = 100
MAX_PAGES = 100_000
PAUSE_SECONDS = 0.2
"""At most so long between two refreshes, so that a provider does not get them in one burst."""
STEP_SECONDS = EXCHANGE_SECONDS + RESERVE_SECONDS
PROGRESS = Key(sha256_hex("keepalive"), "keepalive/progress")


@value
class Waiting:
    """A connection that needs a person. reason: `invalid_grant`, `grant_ends_soon`, ...; at: Unix seconds, 0 is now."""

    registration: str
    resource_owner: str
    account: str
    reason: str
    at: int = 0


@value
class Keepalive:
    """What a sweep has done.

    seen: connections looked at; refreshed; failed: tried, and to be tried again by the next sweep; skipped: of
      registrations that are not configured, or rows that cannot be read.
    waiting: those that need a person, at most 100 of them; more: how many others there are.
    cursor: where the next sweep goes on; empty where every connection has been looked at.
    """

    seen: int = 0
    refreshed: int = 0
    failed: int = 0
    skipped: int = 0
    waiting: tuple[Waiting, ...] = ()
    more: int = 0
    cursor: str = ""


def keepalive(settings: Settings, *, cursor: str | None = None) -> Op[Keepalive]:
    """Refresh what is about to lapse, as far as the invocation's time goes. Raises StoreError, ConfigurationError.

    cursor: where to begin; None goes on where the last sweep stopped, as the store remembers it.
    """
    whole = yield from Remaining(whole=True)
    if whole < STEP_SECONDS:
        message = (
            f"a sweep takes up to {STEP_SECONDS} s for one connection and the function's timeout is {whole:.1f} s: "
        )
        raise ConfigurationError(message + "give it minutes")
    row = yield from Load(PROGRESS)
    remembered = cursor is None
    if cursor is None:
        cursor = "" if row is None else str(row.clear.get("cursor", ""))
    report = yield from _sweep(settings, Keepalive(cursor=cursor), remembered=remembered)
    if row is not None or report.cursor:
        clear: dict[str, str | int] = {"state": "progress", "cursor": report.cursor, "at": int((yield from Now()))}
        new = Row(PROGRESS, (yield from Random(16)), clear)
        _ = yield from swap_settled(PROGRESS, None if row is None else row.version, new)  # lost: another is further
    return report


def _sweep(settings: Settings, report: Keepalive, *, remembered: bool) -> Op[Keepalive]:
    """The report after as many pages as there is time for."""
    for _ in range(MAX_PAGES):
        at, _, mark = report.cursor.partition("~")
        page = yield from _page_at(at, remembered=remembered)
        marks = [_mark(row.key) for row in page.rows]
        begun = marks.index(mark) + 1 if mark in marks else 0  # gone meanwhile: the page is looked at again
        for row in page.rows[begun:]:
            if not row.key.name.startswith(CONNECTION):
                continue
            if (yield from Remaining()) < STEP_SECONDS:
                return report
            report = yield from _visit(settings, row, report)
            report = replace(report, cursor=f"{at}~{_mark(row.key)}")
        report = replace(report, cursor=page.cursor)
        if not page.cursor:
            break
    return report


def _page_at(at: str, *, remembered: bool) -> Op[Page]:
    """The page there; the first one where the store remembers a place that no listing has given out."""
    try:
        return (yield from list_page(None, at))
    except ConfigurationError:
        if not remembered:
            raise
    return (yield from list_page(None, ""))


def _visit(settings: Settings, row: Row, report: Keepalive) -> Op[Keepalive]:
    """The report with one connection more."""
    report = replace(report, seen=report.seen + 1)
    try:
        record = read_record(row, resource_owner="")
        registration = yield from find_registration(settings, record.connection.registration)
        if registration is None:
            return replace(report, skipped=report.skipped + 1)
        outcome, waiting = yield from _keep_alive(settings, registration, record)
    except StoreError:  # its key is not here, or it is not ours to read: the others are not held up
        return replace(report, skipped=report.skipped + 1)
    if waiting is not None:
        full = len(report.waiting) >= MAX_LISTED
        report = replace(
            report, more=report.more + full, waiting=report.waiting if full else (*report.waiting, waiting)
        )
    if outcome == "refreshed":
        return replace(report, refreshed=report.refreshed + 1)
    return replace(report, failed=report.failed + 1) if outcome == "failed" else report


def _keep_alive(settings: Settings, registration: Registration, record: Record) -> Op[tuple[Outcome, Waiting | None]]:
    """What was done for the connection, and what a person must do."""
    connection, provider = record.connection, registration.provider
    now = yield from Now()
    ends_at = _ends_at(connection, provider)
    soon = bool(ends_at) and now >= ends_at - ENDS_SOON_SECONDS
    dead = connection.state in (NEEDS_REAUTHORIZATION, REVOKING)
    due = provider.protocol == "oauth2" and now >= lapses_at(record.key, connection, provider)
    if not (soon or dead or due or connection.doubts):
        return "fine", None
    owner = (yield from describe_record(settings, record)).resource_owner
    if owner == APPLICATION:  # it needs nobody: the next caller renews it
        return "fine", None
    record = replace(record, connection=replace(connection, resource_owner=owner))
    if connection.state == REVOKING:
        return "fine", _waiting(record, "revocation_unfinished")
    if dead and not connection.doubts:
        return "fine", _waiting(record, connection.last_error or connection.state)
    outcome: Outcome = "fine"
    if due or connection.doubts:
        outcome, waiting = yield from _refresh(settings, registration, record)
        if waiting is not None:
            return outcome, waiting
    return outcome, _waiting(record, "grant_ends_soon", at=ends_at) if soon else None


def _refresh(settings: Settings, registration: Registration, record: Record) -> Op[tuple[Outcome, Waiting | None]]:
    """Refresh by the ordinary way, as if the provider had refused the access token, unless a doubt says when."""
    credentials = yield from open_record(settings, record)
    connection = record.connection
    if credentials.current.refresh_token is None:
        ended = 0 < connection.access_expires_at <= (yield from Now())
        return "fine", _waiting(record, "expired_without_refresh_token") if ended else None
    yield from Sleep(PAUSE_SECONDS * (yield from Random(1))[0] / 256)
    try:
        tokens = yield from current_tokens(
            settings,
            registration,
            resource_owner=connection.resource_owner,
            account=connection.account,
            rejected=None if connection.doubts else credentials.current.access_token,
        )
    except ReauthorizationRequired as error:
        return "fine", _waiting(record, error.reason)
    except ValetkeyError:
        return "failed", None
    return ("fine" if tokens == credentials.current else "refreshed"), None


def lapses_at(key: Key, connection: Connection, provider: Provider) -> float:
    """When a sweep refreshes an unused connection: a half to three quarters of its idle life after the last refresh."""
    idle = provider.refresh_token_idle_seconds or ASSUMED_IDLE_SECONDS
    drawn = int(sha256_hex(f"{key.partition}/{key.name}/{connection.generation}")[:4], 16) / 0x10000
    return connection.refreshed_at + idle * (0.5 + drawn / 4)


def _ends_at(connection: Connection, provider: Provider) -> int:
    """When the grant ends whatever is done, 0 where nobody knows."""
    since = connection.authorized_at or connection.created_at
    return since + provider.refresh_token_seconds if provider.refresh_token_seconds and since else 0


def _waiting(record: Record, reason: str, *, at: int = 0) -> Waiting:
    connection = record.connection
    return Waiting(connection.registration, connection.resource_owner, connection.account, reason, at)


def _mark(key: Key) -> str:
    return sha256_hex(f"{key.partition}/{key.name}")[:16]
