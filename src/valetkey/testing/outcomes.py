"""What a simulation asks of how connections end (I5, I6): see `invariants`, which these belong to."""

from __future__ import annotations

from valetkey.connections.connection import NEEDS_REAUTHORIZATION, USABLE
from valetkey.connections.lifetimes import SKEW_SECONDS, window_ends_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.testing.invariants import Change, OnStep, OnWrite
    from valetkey.testing.ledger import Ledger, Worker

NEEDED_SECONDS = 4  # below it a caller may have had no time to refresh


# --- I5


def a_cool_down_ends_inside_the_window(ledger: Ledger, change: Change) -> str | None:
    """While a doubt can still be resolved nobody is told to stay away until it cannot."""
    at = change.after
    if at is None or not at.doubts or at.cool_until == 0 or at.state not in USABLE:
        return None
    if change.before is not None and change.before.cool_until == at.cool_until:
        return None
    ends, now = window_ends_at(at, ledger.rotation), ledger.local_time(change.worker)
    if now + 1 < ends < at.cool_until:
        return "I5: a cool-down outlasts the window in which a doubt can be resolved"
    return None


def a_caller_inside_the_window_acts(ledger: Ledger, worker: Worker) -> str | None:
    """Who finds a doubt that can be resolved, and nobody at it, refreshes."""
    seen = worker.seen
    if worker.kind != "token" or seen is None or worker.attempt or worker.hindered:
        return None
    at, now = seen
    if worker.ends_at - ledger.world.clock.time < NEEDED_SECONDS:
        return None
    if at.verify_first:
        return None  # out of a backup: it waits for those who know more
    idle = at.state in USABLE and not (at.attempt and now < at.lease_until) and now >= at.cool_until
    inside = bool(at.doubts) and now < window_ends_at(at, ledger.rotation) - SKEW_SECONDS
    if idle and inside and ledger.forgiving:
        return "I5: a caller inside the window left a doubt unresolved"
    return None


def a_provider_that_forgives_ends_no_connection(ledger: Ledger, change: Change) -> str | None:
    """Unless the window was missed by everybody, or a request came so late that it counted as theft."""
    at = change.after
    if not ledger.forgiving or at is None or at.state != NEEDS_REAUTHORIZATION or change.before is None:
        return None
    if change.before.state == NEEDS_REAUTHORIZATION or ledger.misfortunes & {"sent_late", "window_missed", "set_back"}:
        return None
    return "I5: a connection ended at a provider that forgives"


# --- I6


def a_strict_provider_ends_only_what_was_unlucky(ledger: Ledger, change: Change) -> str | None:
    """An answer was lost, its holder died or came too late, or the store failed between answer and commit."""
    at = change.after
    if ledger.forgiving or at is None or at.state != NEEDS_REAUTHORIZATION or change.before is None:
        return None
    if change.before.state == NEEDS_REAUTHORIZATION or ledger.unlucky():
        return None
    return "I6: a connection ended although no answer was lost and nobody was late"


def what_is_rescued_is_not_given_up(ledger: Ledger, change: Change) -> str | None:
    """No connection is ended while a rescue record with newer tokens lies beside it for the one who ends it."""
    at, before = change.after, change.before
    if at is None or before is None or at.state != NEEDS_REAUTHORIZATION or before.state == at.state:
        return None
    if ledger.rescued_before(change.worker, at):
        return "I6: a connection was ended although a rescue record held its newer tokens"
    return None


ON_WRITE: tuple[OnWrite, ...] = (
    a_cool_down_ends_inside_the_window,
    a_provider_that_forgives_ends_no_connection,
    a_strict_provider_ends_only_what_was_unlucky,
    what_is_rescued_is_not_given_up,
)
ON_END: tuple[OnStep, ...] = (a_caller_inside_the_window_acts,)
