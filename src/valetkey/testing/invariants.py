"""What must hold after every step of a simulated run: small named functions, each about one sentence.

    I1  the generation grows with every new set of tokens, and never falls
    I2  a refresh token is sent only under a lease that lives, written down beforehand, by one holder at a time
    I3  what an attempt brings never lands where the row is no longer that attempt's
    I4  no step removes the last copy of a credential, or the note that there may be one
    I5  (`outcomes`) at a provider that forgives, a caller inside the window ends with a working token
    I6  (`outcomes`) a strict provider ends a connection only where an answer was lost or came too late
    I7  a token is never outside its seal

The one rule: they look at rows, requests and ends from outside; none of them asks the programs what they think.
Each answers the sentence that was broken, or None.
"""

from __future__ import annotations

from valetkey.connections.connection import REFRESHING, REVOKING
from valetkey.connections.refresh import MAX_DOUBTS
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from valetkey.connections.connection import Connection, Credentials
    from valetkey.effects import Key
    from valetkey.testing.ledger import Ledger, Worker

    OnWrite: TypeAlias = Callable[["Ledger", "Change"], "str | None"]
    OnStep: TypeAlias = Callable[["Ledger", "Worker"], "str | None"]

REFRESHERS = ("token", "forced", "keepalive")
CANARIES = ("sandbox-access", "sandbox-refresh", "sandbox-code")  # how every token of the sandbox begins


@value
class Change:
    """One write that happened to a connection's row: by whom, and the row before and after it, opened."""

    worker: Worker
    before: Connection | None
    after: Connection | None
    held: Credentials | None
    holds: Credentials | None


def _same_grant(change: Change) -> bool:
    """Whether the row stands on both sides of the write and still holds the same authorization."""
    one, two = change.before, change.after
    return (
        one is not None
        and two is not None
        and (one.incarnation, one.authorized_by) == (two.incarnation, two.authorized_by)
    )


# --- I1


def the_generation_grows(ledger: Ledger, change: Change) -> str | None:
    """By one with new tokens, and not at all without."""
    one, two = change.before, change.after
    if one is None or two is None or one.incarnation != two.incarnation:
        return None
    assert change.held is not None
    assert change.holds is not None
    renewed = change.held.current != change.holds.current or one.authorized_by != two.authorized_by
    if two.generation == one.generation + renewed or ledger.put_back(change):
        return None
    return f"I1: the generation went from {one.generation} to {two.generation}"


# --- I2


def a_request_needs_a_live_lease(ledger: Ledger, worker: Worker) -> str | None:
    """At its deadline check the sender holds a lease that it took, and that the row has shown."""
    if worker.attempt not in ledger.claims:
        return "I2: a refresh token was sent without a lease"
    if ledger.local_time(worker) >= ledger.claims[worker.attempt].lease_until:
        return "I2: a refresh token was sent after its lease"
    return None


def a_request_is_written_down_before(ledger: Ledger, worker: Worker) -> str | None:
    """The attempt stood among the row's doubts before the provider could know of it."""
    claim = ledger.claims.get(worker.attempt)
    if claim is not None and worker.attempt not in claim.written:
        return "I2: a refresh token was sent that no doubt was written down for"
    return None


def a_request_has_a_reason(ledger: Ledger, worker: Worker) -> str | None:
    """The token is due, in doubt, or was refused to exactly this caller; a sweep has its own reasons."""
    claim = ledger.claims.get(worker.attempt)
    if claim is None or worker.kind == "keepalive" or claim.due or worker.rejected == claim.access_token:
        return None
    return "I2: a token was refreshed that nobody needed to be refreshed"


def one_holder_sends_at_a_time(ledger: Ledger, worker: Worker) -> str | None:
    """No two attempts for the same tokens may send at the same moment, whatever their clocks say within the bound."""
    ours = ledger.claims.get(worker.attempt)
    if ours is None or ledger.skewed or ours.overtaken:
        return None
    now = ledger.world.clock.time
    for attempt, claim in ledger.claims.items():
        other = claim.worker
        if attempt == worker.attempt or claim.tokens != ours.tokens or other.attempt != attempt or claim.overtaken:
            continue
        if other.may_send and now < claim.not_after - other.skew:
            return "I2: two holders could send the same refresh token at the same moment"
    return None


# --- I3


def a_live_lease_is_not_taken(ledger: Ledger, change: Change) -> str | None:
    """Only the holder, a person or a finished refresh ends a lease before its time."""
    one, two = change.before, change.after
    if one is None or two is None or not _same_grant(change) or two.generation != one.generation:
        return None
    if not two.attempt or two.attempt == one.attempt or not one.attempt:
        return None
    now = ledger.local_time(change.worker)
    return "I3: a lease was taken from a holder that still had it" if now < one.lease_until else None


def only_the_holder_writes(ledger: Ledger, change: Change) -> str | None:
    """What a refresh brings lands on a row that its own attempt holds: new tokens, an end, a release."""
    one, two = change.before, change.after
    if change.worker.kind not in REFRESHERS or two is None:
        return None
    if one is None:
        return "I3: a refresh made a connection that was not there"
    if not _same_grant(change) or one.state == REVOKING:
        return "I3: a refresh wrote over a connection that a person had changed"
    claims = two.attempt and two.attempt != one.attempt and two.state == REFRESHING
    ours = one.attempt in change.worker.attempts  # one that it has given up may land late
    if claims or ours or ledger.came_from_rescue(change) or ledger.put_back(change):
        return None
    return "I3: a write landed by an attempt that was no longer the row's"


# --- I4


def only_a_person_deletes(_: Ledger, change: Change) -> str | None:
    """A row goes by `forget`, or by a revocation that the provider has answered for exactly these tokens."""
    if change.after is not None or change.worker.kind == "forget":
        return None
    if change.worker.kind != "revoke" or change.held is None:
        return "I4: a connection was deleted that nobody wanted deleted"
    token = change.held.current.refresh_token or change.held.current.access_token
    if token.reveal() in change.worker.revoked:
        return None
    return "I4: a connection was deleted whose grant was not revoked"


def a_doubt_stays_written_down(ledger: Ledger, change: Change) -> str | None:
    """It goes with a new generation, or because the provider has certainly not acted on it."""
    one, two = change.before, change.after
    if one is None or two is None or not _same_grant(change) or two.generation != one.generation:
        return None
    kept = {doubt.attempt for doubt in two.doubts}
    for position, doubt in enumerate(one.doubts):
        if doubt.attempt in kept or (position and len(two.doubts) == MAX_DOUBTS):
            continue
        if doubt.attempt in ledger.processed:
            return "I4: the note of a request that the provider has acted upon was struck out"
    return None


def a_rescue_record_goes_after_its_tokens_stand(ledger: Ledger, worker: Worker, key: Key) -> str | None:
    """Deleted only where its tokens are in the row, or nobody can want them any more."""
    rescued = ledger.rescues.get(key)
    at, holds = ledger.connection, ledger.credentials
    if rescued is None or at is None or holds is None or worker.kind in ("forget", "revoke"):
        return None
    generation, incarnation, credentials = rescued
    if incarnation != at.incarnation or at.generation > generation or holds.current == credentials.current:
        return None
    return "I4: a rescue record was deleted before its tokens stood in the row"


def what_was_received_is_kept(ledger: Ledger, worker: Worker) -> str | None:
    """Who got new tokens ends only when they are written down, or are nobody's any more."""
    at, claim = ledger.connection, ledger.claims.get(worker.attempt)
    if not worker.received or claim is None or at is None or at.state == REVOKING:
        return None
    same = (at.incarnation, at.authorized_by) == (claim.incarnation, claim.authorized_by)
    if not same or at.generation > claim.generation or at.refreshed_at > claim.refreshed_at or worker.key_refused:
        return None  # somebody's newer tokens stand there, or the key was taken away meanwhile
    if worker.received in ledger.written_down() or worker.received in worker.revoked:
        return None
    if worker.seen_at < ledger.set_back_at and (ledger.taken_back(worker.received) or ledger.was_gone(claim)):
        return None  # it was written down, or nobody's; since then a backup came, and nobody had a reason to look again
    return "I4: a caller ended and the tokens that it had received are nowhere"


def nobody_revokes_a_grant_that_is_wanted(ledger: Ledger, worker: Worker) -> str | None:
    """A refresh asks for a revocation only where the connection was taken away meanwhile."""
    at, claim = ledger.connection, ledger.claims.get(worker.attempt)
    if worker.kind not in REFRESHERS or at is None or at.state == REVOKING or claim is None:
        return None
    if at.incarnation != claim.incarnation or ledger.was_gone(claim):
        return None  # it was forgotten in between; the tokens belong to nobody
    return "I4: a refresh revoked the grant of a connection that stands"


def late_tokens_of_a_disconnected_grant_are_revoked(ledger: Ledger, worker: Worker) -> str | None:
    """Fresh tokens that nobody may have any more are ended at the provider."""
    claim = ledger.claims.get(worker.attempt)
    if not worker.received or claim is None or ledger.connection is not None or ledger.troubled:
        return None
    if worker.received in worker.revoked or ledger.spent(worker.received) or claim.committed:
        return None
    return "I4: tokens of a disconnected grant were left alive with nobody to hold them"


# --- I7


def written_rows_hide_tokens(ledger: Ledger, change: Change) -> str | None:
    """Neither the clear columns nor the sealed octets hold one."""
    row = ledger.row
    if row is None or change.after is None:
        return None
    told = f"{dict(row.clear)!r}{row.sealed!r}{row.key!r}"
    return "I7: a token stands in a row outside its seal" if any(each in told for each in CANARIES) else None


def errors_and_events_hide_tokens(_: Ledger, worker: Worker) -> str | None:
    """Nor does any error or event."""
    error = worker.error
    told = worker.told if error is None else f"{worker.told}{error!r}{error}{error.__cause__!r}"
    if any(each in told for each in CANARIES):
        return "I7: a token stands in an error or an event"
    return None


def only_our_errors_come_out(_: Ledger, worker: Worker) -> str | None:
    """A caller gets a token or one of the errors that say who must act; never a bug."""
    from valetkey.errors import ValetkeyError

    if worker.error is None or isinstance(worker.error, ValetkeyError):
        return None
    return f"I6: a caller got a {type(worker.error).__name__}, which is nobody's to handle"


ON_WRITE: tuple[OnWrite, ...] = (
    the_generation_grows,
    a_live_lease_is_not_taken,
    only_the_holder_writes,
    only_a_person_deletes,
    a_doubt_stays_written_down,
    written_rows_hide_tokens,
)
ON_SEND: tuple[OnStep, ...] = (
    a_request_needs_a_live_lease,
    a_request_is_written_down_before,
    a_request_has_a_reason,
    one_holder_sends_at_a_time,
)
ON_REVOKE: tuple[OnStep, ...] = (nobody_revokes_a_grant_that_is_wanted,)
ON_END: tuple[OnStep, ...] = (
    what_was_received_is_kept,
    late_tokens_of_a_disconnected_grant_are_revoked,
    errors_and_events_hide_tokens,
    only_our_errors_come_out,
)
