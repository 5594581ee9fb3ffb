"""What to do with a connection's access token now: a pure decision, so that every case can be read and tested.

not due                          USE
due, cooling down                USE while it lives, else COOL
due, somebody holds the lease    USE while it lives, else WAIT
due                              CLAIM
in doubt                         by the provider's rotation: CLAIM at once, or only when the token has ended
out of a backup, not verified    USE while it lives; then CLAIM where the provider can be asked, else COOL for a while
"""

from __future__ import annotations

from valetkey.connections.lifetimes import is_unverified, window_ends_at
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from valetkey.connections.connection import Connection
    from valetkey.providers.provider import Rotation

    Step: TypeAlias = Literal["use", "claim", "wait", "cool", "expired", "rejected_again"]

REJECTION_SECONDS = 30  # one refresh in that time for tokens that the provider refuses


@value
class Plan:
    """The step, whether the token may be used meanwhile, and until when there is reason to wait (Unix seconds)."""

    step: Step
    usable: bool
    until: float = 0.0


def plan(
    connection: Connection,
    *,
    rotation: Rotation,
    can_refresh: bool,
    rejected: bool,
    now: float,
    can_ask: bool = False,
) -> Plan:
    """The next step for a caller who needs an access token.

    rejected: the provider refused exactly the token that is stored. can_refresh: there is a refresh token.
    can_ask: the provider says whether a refresh token lives (RFC 7662).
    """
    expires_at = connection.access_expires_at
    alive = not expires_at or now < expires_at
    usable = alive and not rejected
    if not _due(connection, rotation, usable=usable, now=now):
        return Plan("use", usable)
    if not can_refresh:
        return Plan("use" if usable else "expired", usable)
    if rejected and alive and 0 <= now - connection.refreshed_at < REJECTION_SECONDS:
        return Plan("rejected_again", usable)
    held = is_unverified(connection, rotation) and not can_ask
    rests_until = max(connection.cool_until, connection.verify_first if held else 0)
    if now < rests_until:
        return Plan("use" if usable else "cool", usable, rests_until)
    if connection.attempt and now < connection.lease_until:
        return Plan("use" if usable else "wait", usable, connection.lease_until)
    return Plan("claim", usable)


def _due(connection: Connection, rotation: Rotation, *, usable: bool, now: float) -> bool:
    if not usable:
        return True
    if is_unverified(connection, rotation):
        return False  # the access token that lives costs nothing; the refresh token may
    if connection.doubts:
        # Inside its window the old refresh token can still bring a new pair: at once. A dead one only costs the access
        # token that still works: not before that has ended, unless a refresh has ended it already.
        return now < window_ends_at(connection, rotation) or rotation.old_access_dies
    return bool(connection.refresh_due_at) and now >= connection.refresh_due_at
