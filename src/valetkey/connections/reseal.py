"""The sweep that seals every row anew under the first key of the ring, so that an older key can be retired.

    list a page -> for each row: open -> seal for the same place -> swap on the version that was read

Each row is one `Swap`, and a page answers the cursor of the next: a sweep that dies is taken up again at the cursor it
printed, or from the start, and loses nothing. It runs beside functions that refresh: a row under a live lease is left
to its holder, whose commit seals it by the first key anyway; a row that somebody else wrote meanwhile is read again.
Registrations that were made at run time are sealed anew alike.
The one rule: incarnation, generation and every clear column but `key_id` stay as they are. What does not open is
counted and kept, also where the first key's id stands on it.
Not here: claims and cookies, which lapse by themselves within an hour.
"""

from __future__ import annotations

from valetkey.connections.codec import CONNECTION, number, read_clear
from valetkey.connections.enrolled_rows import REGISTRATION
from valetkey.connections.records import VERSION_OCTETS, list_page, sealing_key, swap_settled
from valetkey.connections.seal import connection_place, key_id_of, registration_place, rescue_place
from valetkey.effects import Key, Load, Now, Open, Place, Random, Row, Seal
from valetkey.errors import KeyMismatch, KeyUnavailable, SealBroken, StoreError
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from valetkey.connections.settings import Settings
    from valetkey.effects import Op

    Outcome: TypeAlias = Literal["resealed", "already", "leased", "busy", "broken", "unreadable"]

RESCUE = "rescue/"
ROUNDS = 5


@value
class Resealed:
    """What became of a page of rows; cursor is empty on the last one.

    key_id: the key that rows are sealed with now.
    resealed, already: sealed anew, and sealed by that key before.
    leased, busy: left alone because somebody is refreshing them, or kept writing them: sweep again later.
    broken: altered. unreadable: written by a newer valetkey, or by something else.
    missing: how many rows each key holds, by its id, that is missing, refused, or not the one that sealed them.
    """

    key_id: str
    cursor: str = ""
    resealed: int = 0
    already: int = 0
    leased: int = 0
    busy: int = 0
    broken: int = 0
    unreadable: int = 0
    missing: tuple[tuple[str, int], ...] = ()

    @property
    def left(self) -> int:
        """How many rows are not sealed by the first key."""
        return self.leased + self.busy + self.broken + self.unreadable + sum(count for _, count in self.missing)


def reseal_page(settings: Settings, *, cursor: str = "") -> Op[Resealed]:
    """One page of the sweep. Raises StoreError where the store or the key service is out of reach: take it up again.

    cursor: as the page before answered; empty begins.
    """
    key_id = yield from sealing_key(settings)
    page = yield from list_page(None, cursor)
    counts: dict[str, int] = {}
    missing: dict[str, int] = {}
    for row in page.rows:
        if not row.key.name.startswith((CONNECTION, RESCUE, REGISTRATION)):
            continue
        try:
            outcome = yield from _reseal(settings, row, key_id)
        except KeyUnavailable as error:
            missing[error.key_id] = missing.get(error.key_id, 0) + 1
            continue
        if outcome is not None:
            counts[outcome] = counts.get(outcome, 0) + 1
    return Resealed(key_id, page.cursor, missing=tuple(sorted(missing.items())), **counts)


def together(one: Resealed, other: Resealed) -> Resealed:
    """Both counts; the key and the cursor of the other."""
    missing = dict(one.missing)
    for key_id, count in other.missing:
        missing[key_id] = missing.get(key_id, 0) + count
    names = ("resealed", "already", "leased", "busy", "broken", "unreadable")
    sums = {name: getattr(one, name) + getattr(other, name) for name in names}
    return replace(other, missing=tuple(sorted(missing.items())), **sums)


def _reseal(settings: Settings, row: Row, key_id: str) -> Op[Outcome | None]:
    """What became of one row; None where it is gone. Raises KeyUnavailable, StoreError."""
    found: Row | None = row
    for _ in range(ROUNDS):
        if found is None:
            return None
        try:
            place, leased = _place_of(settings.environment, found), _leased(found, now=(yield from Now()))
        except StoreError:
            return "unreadable"
        already = key_id_of(found.sealed) == key_id
        if leased and not already:
            return "leased"
        try:
            written = (yield from _opens(place, found)) if already else (yield from _seal_anew(place, found))
        except KeyMismatch:
            raise
        except SealBroken:
            return "broken"
        if written:
            return "already" if already else "resealed"
        found = yield from Load(row.key)
    return "busy"


def _place_of(environment: str, row: Row) -> Place:
    """Where its tokens belong. Raises StoreError where valetkey did not write the row."""
    if row.key.name.startswith(RESCUE):
        return _rescue_place(environment, row)
    if row.key.name.startswith(REGISTRATION):
        return registration_place(environment, row.key.name)
    connection = read_clear(row.clear, row.key)
    return connection_place(environment, row.key, connection.incarnation, connection.generation)


def _leased(row: Row, *, now: float) -> bool:
    """Whether somebody is at it, who will seal it by the first key anyway. Raises StoreError."""
    if row.key.name.startswith(RESCUE):
        return False
    if row.key.name.startswith(REGISTRATION):
        return bool(row.clear.get("attempt")) and number(row.clear, "claimed_until") > now
    connection = read_clear(row.clear, row.key)
    return bool(connection.attempt) and connection.lease_until > now


def _opens(place: Place, row: Row) -> Op[bool]:
    """True. Raises KeyUnavailable, SealBroken where the key of the right id is another, or the row was altered."""
    return len((yield from Open(place, row.sealed))) >= 0


def _seal_anew(place: Place, row: Row) -> Op[bool]:
    """Whether the row is sealed by the first key now; False where somebody else wrote it meanwhile."""
    sealed = yield from Seal(place, (yield from Open(place, row.sealed)))
    clear = {**row.clear, "key_id": key_id_of(sealed)} if "key_id" in row.clear else row.clear
    version = yield from Random(VERSION_OCTETS)
    return (yield from swap_settled(row.key, row.version, Row(row.key, version, clear, sealed, row.expires_at)))


def _rescue_place(environment: str, row: Row) -> Place:
    """Where a rescue record's tokens belong. Raises StoreError where valetkey did not write the row."""
    named, _, _ = row.key.name.removeprefix(RESCUE).rpartition("/")
    incarnation, generation = row.clear.get("incarnation"), row.clear.get("generation")
    if not named or not isinstance(incarnation, str) or not isinstance(generation, int):
        message = "a rescue record has columns that valetkey did not write; the row is kept as it is"
        raise StoreError(message)
    return rescue_place(environment, Key(row.key.partition, CONNECTION + named), incarnation, generation)
