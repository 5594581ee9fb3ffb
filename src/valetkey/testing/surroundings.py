"""What a simulation asks of what stands around a refresh: a process's cache, key services, backups that come back.

    C   a cache hands out nothing that its process has ended, and nothing that it has not loaded lately
    K   keys that are out of reach ask nobody to connect again (that they lose nothing is I4)
    B   no replaced refresh token out of a backup is presented while somebody may hold its successor; whoever remembers
        newer tokens puts them back

See `invariants`, which these belong to.
"""

from __future__ import annotations

from valetkey.connections.cache import FRESH_SECONDS
from valetkey.connections.connection import USABLE, was_set_back
from valetkey.errors import ReauthorizationRequired
from valetkey.sandbox.state import fingerprint
from valetkey.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.settings import Settings
    from valetkey.keys.envelope import EnvelopeKeyRing
    from valetkey.testing.invariants import OnStep
    from valetkey.testing.ledger import Ledger, Worker

TOLERANCE_SECONDS = 1.5  # two clocks of one bound, and what is rounded


class Process:
    """What the callers of one process share, and what an observer knows of it.

    skew: seconds by which its clock is ahead. loaded: when each access token was last loaded, and until when it lives.
    ended: those that were forgotten or revoked here, and at which step that was over.
    """

    def __init__(self, settings: Settings, keys: EnvelopeKeyRing | None, *, skew: float) -> None:
        self.settings, self.keys, self.skew = settings, keys, skew
        self.loaded: dict[str, tuple[float, int]] = {}
        self.ended: dict[str, int] = {}


def a_cache_is_not_older_than_its_limit(ledger: Ledger, worker: Worker) -> str | None:
    """A token that was not loaded for this caller was loaded in the last 30 s, or lives while the store is away."""
    process, token = worker.process, worker.result
    if process is None or worker.loads or not isinstance(token, Secret) or ledger.skewed:
        return None
    loaded_at, expires_at = process.loaded.get(token.reveal(), (float("-inf"), 0))
    now = worker.last_now  # it may stand still with a token in its hands
    if worker.load_failed:
        return None if now < expires_at + TOLERANCE_SECONDS else "C: an outage brought a dead token back"
    if now - loaded_at <= FRESH_SECONDS + TOLERANCE_SECONDS:
        return None
    return "C: a cache handed out a token that was loaded too long ago"


def a_cache_forgets_what_its_process_ended(_: Ledger, worker: Worker) -> str | None:
    """Whoever begins after a forget or a revocation is over here is given its token only by a row that holds it."""
    process, token = worker.process, worker.result
    if process is None or worker.loads or not isinstance(token, Secret):
        return None
    over = process.ended.get(token.reveal())
    if over is None or over >= worker.began:
        return None
    return "C: a cache handed out a token that was ended in its own process"


def nobody_connects_again_for_an_outage(ledger: Ledger, worker: Worker) -> str | None:
    """A caller is sent to its resource owner only by a row that says so, or that it has ended itself."""
    error, seen = worker.error, worker.seen
    if not isinstance(error, ReauthorizationRequired) or seen is None or worker.gave_up:
        return None
    if seen[0].state not in USABLE or error.reason == "disconnected" or ledger.stale is not None:
        return None
    return "K: a caller was sent to connect again by a connection that can be used"


def an_old_token_is_not_presented_blindly(ledger: Ledger, worker: Worker) -> str | None:
    """Out of a backup, and before the wait is over: only a refresh token that the provider still takes."""
    claim = ledger.claims.get(worker.attempt)
    if claim is None or not claim.verify_first or claim.tokens is None or ledger.rotation.kind in ("none", "stable"):
        return None
    if ledger.local_time(worker) >= claim.verify_first or not ledger.spent(claim.tokens.reveal()):
        return None
    known = ledger.world.sandbox.state.refresh_tokens.get(fingerprint(claim.tokens.reveal()))
    if known is None or known.used_at is None or known.used_at >= claim.claimed_at:
        return None  # the grant was ended, or somebody who had it in hand before was faster
    return "B: a refresh token that was replaced was presented, out of a backup and unasked"


def what_a_process_remembers_comes_back(ledger: Ledger, worker: Worker) -> str | None:
    """Who has loaded a row that a backup set back, and remembers newer tokens, leaves them in it."""
    process, at = worker.process, ledger.connection
    if process is None or process.settings.cache is None or at is None or worker.hindered or worker.seen is None:
        return None
    known = process.settings.cache.known(ledger.key)
    if known is None or worker.kind not in ("token", "forced") or ledger.stale is not None:
        return None
    if worker.seen_at < ledger.set_back_at:
        return None  # it has seen the row as it was before
    remembered = known.record.connection
    if not (was_set_back(at, remembered) and was_set_back(worker.seen[0], remembered)):
        return None
    return "B: a process remembered newer tokens than a backup and did not put them back"


ON_SEND: tuple[OnStep, ...] = (an_old_token_is_not_presented_blindly,)
ON_END: tuple[OnStep, ...] = (
    a_cache_is_not_older_than_its_limit,
    a_cache_forgets_what_its_process_ended,
    nobody_connects_again_for_an_outage,
    what_a_process_remembers_comes_back,
)
