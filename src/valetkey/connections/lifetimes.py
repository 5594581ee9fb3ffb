"""When an access token is refreshed, and how long a doubt can be resolved. Pure arithmetic on Unix seconds."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.connection import Connection
    from valetkey.providers.provider import Rotation

MAX_MARGIN = 60
MARGIN_SHARE = 0.2
SKEW_SECONDS = 1
COOL_DOWN = 5.0
MAX_COOL_DOWN = 3600.0


def refresh_due_at(now: float, expires_at: int, *, chance: bytes) -> int:
    """When the next caller refreshes: min(60 s, 20 % of the life) before the end, and up to a quarter of that earlier.

    chance: one random octet, so that connections made together do not fall due together. 0 where expiry is unknown.
    """
    if not expires_at:
        return 0
    margin = min(MAX_MARGIN, max(0.0, expires_at - now) * MARGIN_SHARE)
    # rounded up: a token of one second that is due at once would be refreshed for every request
    return int(expires_at - margin * (1 + chance[0] / 1024) + 0.999)


def window_ends_at(connection: Connection, rotation: Rotation) -> float:
    """Until when the refresh token that is in doubt is taken again: counted from the oldest doubt, skew subtracted."""
    oldest = min((doubt.claimed_at for doubt in connection.doubts), default=0)
    if rotation.kind == "window":
        return oldest + rotation.window_seconds - SKEW_SECONDS
    return float("inf") if rotation.kind in ("none", "stable", "until_new_used", "unknown") else 0.0


def is_unverified(connection: Connection, rotation: Rotation) -> bool:
    """Whether the row came out of a backup and presenting its refresh token might end what others still hold.

    Where tokens are not replaced, what a backup holds is what lives.
    """
    return connection.verify_first > 0 and rotation.kind not in ("none", "stable")


def cool_until(
    now: float, connection: Connection, rotation: Rotation, *, retry_after: float | None, chance: bytes
) -> int:
    """When to try again after a failure: what the provider said, at most an hour, or 5 to 10 s.

    It never outlasts the window in which a doubt can be resolved.
    """
    pause = COOL_DOWN * (1 + chance[0] / 256) if retry_after is None else min(max(retry_after, 1.0), MAX_COOL_DOWN)
    until = now + pause
    ends = window_ends_at(connection, rotation)
    if connection.doubts and now < ends < until:
        until = max(now + 1, ends - COOL_DOWN)
    return int(until + 0.999)
