"""Claims: a flow is used once, whoever comes back with it and however often.

The one rule: the claim is written before the code is sent, the connection before the claim is done. A claim that is not
done is settled by reading the connection: it carries the flow that brought it.
"""

from __future__ import annotations

from valetkey.connections.records import swap_settled
from valetkey.digest import sha256_hex
from valetkey.effects import Key, Load, Now, Random, Row
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from valetkey.effects import Clear, Op

    ClaimState: TypeAlias = Literal["claimed", "waiting", "polled", "done", "failed"]

CLAIM_SECONDS = 900  # as long as the cookie that led to it, and half as long again
CLAIMED: ClaimState = "claimed"
WAITING: ClaimState = "waiting"  # for the application to name the resource owner
POLLED: ClaimState = "polled"  # for the resource owner to type a code at another device (`device`)
DONE: ClaimState = "done"
FAILED: ClaimState = "failed"


@value
class Claim:
    """A claim as it was written: its row's key and version."""

    key: Key
    version: bytes
    clear: Clear
    sealed: bytes = b""

    @property
    def state(self) -> str:
        """One of `claimed`, `waiting`, `polled`, `done` and `failed`."""
        return str(self.clear.get("state", ""))


def claim_key(flow: str) -> Key:
    """Where a flow's claim stands: under the SHA-256 of its id, which a listing therefore does not tell."""
    return Key(sha256_hex(f"flow/{flow}"), "claim")


def load_claim(flow: str) -> Op[Claim | None]:
    """The flow's claim, or None where nobody came back with it yet."""
    row = yield from Load(claim_key(flow))
    return None if row is None else Claim(row.key, row.version, row.clear, row.sealed)


def take_claim(
    flow: str,
    *,
    context: str,
    state: ClaimState = CLAIMED,
    sealed: bytes = b"",
    fields: Clear | None = None,
    lifetime: int = CLAIM_SECONDS,
) -> Op[Claim | None]:
    """The claim, if this caller is the first to come back with the flow, else None.

    lifetime: seconds, no shorter than that of what led here, or it could be used once more.
    """
    now = yield from Now()
    clear: Clear = {"state": state, "registration": context, "claimed_at": int(now), **(fields or {})}
    version = yield from Random(16)
    row = Row(claim_key(flow), version, clear, sealed, int(now) + lifetime)
    won = yield from swap_settled(row.key, None, row)
    return Claim(row.key, version, clear, sealed) if won else None


def move_claim(claim: Claim, state: ClaimState) -> Op[bool]:
    """Whether the claim is now in that state; what was sealed in it is gone."""
    now = yield from Now()
    version = yield from Random(16)
    row = Row(claim.key, version, {**claim.clear, "state": state}, b"", int(now) + CLAIM_SECONDS)
    return (yield from swap_settled(claim.key, claim.version, row))


def release_claim(claim: Claim) -> Op[None]:
    """Give the claim back: nothing was sent in its name."""
    _ = yield from swap_settled(claim.key, claim.version, None)
