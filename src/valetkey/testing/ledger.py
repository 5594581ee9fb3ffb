"""What an observer of a simulation writes down: claims, answers, rescue records, misfortunes; and what was broken.

The one rule: it learns from rows, requests and answers, never from a program's own variables.
Not here: the sentences that must hold (`invariants`), and who does what next (`simulator`).
"""

from __future__ import annotations

from valetkey.connections.codec import CONNECTION, connection_key, read_clear, read_credentials
from valetkey.connections.connection import NEEDS_REAUTHORIZATION, REVOKING
from valetkey.connections.seal import connection_place, rescue_place
from valetkey.effects import Key, Open
from valetkey.sandbox.state import fingerprint
from valetkey.testing import invariants, outcomes, surroundings
from valetkey.testing.interleave import Caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from valetkey.connections.connection import Connection, Credentials
    from valetkey.effects import Op, Row, Swap
    from valetkey.http import Response
    from valetkey.providers.provider import Rotation
    from valetkey.secret import Secret
    from valetkey.testing.surroundings import Process
    from valetkey.testing.world import World

FORGIVING = ("none", "stable", "window", "until_new_used")
ON_WRITE = (*invariants.ON_WRITE, *outcomes.ON_WRITE)
ON_SEND = (*invariants.ON_SEND, *surroundings.ON_SEND)
ON_END = (*invariants.ON_END, *outcomes.ON_END, *surroundings.ON_END)
LONGEST = 30.0  # seconds that an invocation has, unless somebody says otherwise


class Violation(BaseException):
    """An invariant did not hold. No Exception, so that no program gets to handle it."""


class Worker(Caller):
    """A caller with what an observer knows of it.

    kind: what it does. skew: seconds by which its clock is ahead. attempt: the last one that it asked the row for.
    received: the last refresh token that the provider gave to it. revoked: tokens that it had revoked.
    """

    def __init__(self, program: Op[Any], kind: str, *, at: float, skew: float = 0.0, allowed: float = LONGEST) -> None:
        self.kind, self.skew = kind, skew
        self.attempt = self.received = self.told = ""
        self.rejected: Secret | None = None
        self.revoked: set[str] = set()
        self.attempts: set[str] = set()
        self.may_send = self.hindered = self.dead = self.asked = False
        self.process: Process | None = None
        self.loads = self.began = self.seen_at = (
            0  # how often it has seen the row; the steps at which it began and saw it
        )
        self.load_failed = self.key_refused = self.gave_up = False
        self.received_access: set[str] = set()
        self.took: set[str] = set()  # access tokens of connections that it has ended
        self.refused_at = 0
        self.seen: tuple[Connection, float] | None = None
        self.phase = 0  # of a request: to be checked, to be delivered, to be answered
        self.answer: tuple[Response | None, Exception | None] = (None, None)
        super().__init__(program)
        self.wakes_at = at
        self.ends_at = at + allowed
        self.last_now = at


class Claim:
    """An attempt as the row showed it when it was claimed."""

    def __init__(self, worker: Worker, connection: Connection, credentials: Credentials, gone: int) -> None:
        self.worker, self.gone = worker, gone
        self.tokens, self.access_token = credentials.current.refresh_token, credentials.current.access_token
        self.due = worker.last_now >= connection.refresh_due_at or len(connection.doubts) > 1
        self.lease_until = connection.lease_until
        self.generation, self.incarnation = connection.generation, connection.incarnation
        self.authorized_by = connection.authorized_by
        self.written = {doubt.attempt for doubt in connection.doubts}
        self.not_after: float = max((doubt.deadline - 1 for doubt in connection.doubts), default=0)
        self.committed = self.overtaken = False
        self.refreshed_at, self.verify_first = connection.refreshed_at, connection.verify_first
        self.claimed_at = worker.last_now - worker.skew


class Ledger:
    """A world, its workers, and everything that is known of them from outside."""

    def __init__(self, world: World, *, mode: str, rotation: Rotation) -> None:
        self.world, self.mode, self.rotation = world, mode, rotation
        self.forgiving, self.began = mode in FORGIVING, world.clock.time
        self.skewed = self.troubled = False
        self.steps = self.gone = self.checks = self.set_back_at = 0
        self.log: Callable[[str], None] | None = None
        self.workers: list[Worker] = []
        self.claims: dict[str, Claim] = {}
        self.processed: set[str] = set()
        self.misfortunes: set[str] = set()
        self.rescues: dict[Key, tuple[int, str, Credentials]] = {}
        self.rescued_at: dict[str, int] = {}
        self.unsaved: list[tuple[str, Credentials]] = []
        self.delayed: list[tuple[Worker, Swap]] = []
        self.delay_writes = 0
        self.stale: dict[Key, Row | None] | None = None
        self.stale_reads = 0
        self.history: list[Row] = []  # every row that the connection had
        # and what was in it, by grant and generation: after a backup one generation may be made twice
        self.known: dict[tuple[str, int, str], tuple[Credentials, ...]] = {}
        self.key = connection_key("two", "alice")
        self.sealed: dict[bytes, tuple[object, ...]] = {}
        self.chance: bytes | None = None  # what the callers draw for their jitter; None lets them draw
        self._opened: dict[tuple[object, ...], bytes] = {}
        self.row: Row | None = None
        self.connection: Connection | None = None
        self.credentials: Credentials | None = None
        self._look(self.world.store.rows._rows.get((self.key.partition, self.key.name)))  # noqa: SLF001

    def _holds_an_answer(self, worker: Worker) -> bool:
        claim = self.claims.get(worker.attempt)
        return claim is not None and not claim.committed and worker.attempt in self.processed

    def _look(self, row: Row | None) -> None:
        self.row = row
        if row is None:
            self.connection = self.credentials = None
            return
        at = read_clear(row.clear, row.key)
        self.connection = at
        place = connection_place("default", self.key, at.incarnation, at.generation)
        self.credentials = read_credentials(self._open(Open(place, row.sealed)))
        self.history.append(row)

    def _changed(self, worker: Worker, row: Row | None) -> None:
        before, held = self.connection, self.credentials
        self._look(row)
        at = self.connection
        if at is None or at.state == REVOKING:
            self.gone += 1
        elif at.attempt and at.attempt not in self.claims:
            assert self.credentials is not None
            self.claims[at.attempt] = Claim(worker, at, self.credentials, self.gone)
        if held is not None and (at is None or at.state == REVOKING):
            worker.took.add(held.current.access_token.reveal())
        worker.gave_up = worker.gave_up or (at is not None and at.state == NEEDS_REAUTHORIZATION)
        change = invariants.Change(worker, before, at, held, self.credentials)
        if before is not None and at is not None and at.generation > before.generation:
            if before.attempt:
                self.claims[before.attempt].committed = before.attempt == worker.attempt
            if worker.attempt in self.claims and self.put_back(change):
                self.claims[worker.attempt].committed = True
        if at is not None and self.put_back(change):
            worker.seen = at, worker.last_now  # it knows what it has put there, and need not look
        for invariant in ON_WRITE:
            self._judge(invariant(self, change))
        if at is not None and self.credentials is not None:
            grant = (at.incarnation, at.generation, at.authorized_by)
            if self.credentials not in (before_it := self.known.get(grant, ())):
                self.known[grant] = (*before_it, self.credentials)

    def restore(self, row: Row) -> None:
        """Put a row of the past in the place of the one that is there, as an operator does with a backup."""
        if self.log is not None:
            self.log("a backup is put back")
        self.troubled = True
        self.misfortunes.add("set_back")
        self.set_back_at = self.steps + 1
        for claim in self.claims.values():
            claim.overtaken = True
        self.world.store.rows._rows[self.key.partition, self.key.name] = row  # noqa: SLF001
        self._look(row)

    def _rescued(self, row: Row) -> tuple[int, str, Credentials]:
        generation, incarnation = int(row.clear["generation"]), str(row.clear["incarnation"])
        name = row.key.name.removeprefix("rescue/").rpartition("/")[0]
        place = rescue_place("default", Key(row.key.partition, CONNECTION + name), incarnation, generation)
        return generation, incarnation, read_credentials(self._open(Open(place, row.sealed)))

    def _ask_about_rescue(self, worker: Worker, key: Key) -> None:
        self._judge(invariants.a_rescue_record_goes_after_its_tokens_stand(self, worker, key))
        _ = self.rescues.pop(key, None)

    def _ask(self, questions: tuple[invariants.OnStep, ...], worker: Worker) -> None:
        for invariant in questions:
            self._judge(invariant(self, worker))

    def _judge(self, sentence: str | None) -> None:
        self.checks += 1
        if sentence is not None:
            raise Violation(sentence)

    def _open(self, effect: Open) -> bytes:
        """Opening is a pure function, so that what was opened once need not be opened again."""
        at = (effect.place.purpose, effect.place.fields, effect.sealed)
        if at not in self._opened:
            self._opened[at] = self.world.keys.open(effect.place, effect.sealed)
        return self._opened[at]

    # --- what invariants ask for

    def local_time(self, worker: Worker) -> float:
        """What the worker's clock shows."""
        return self.world.clock.time + worker.skew

    def came_from_rescue(self, change: invariants.Change) -> bool:
        """Whether the tokens that were written stood in a rescue record."""
        wanted = None if change.holds is None else change.holds.current
        return any(credentials.current == wanted for _, _, credentials in self.rescues.values())

    def put_back(self, change: invariants.Change) -> bool:
        """Whether newer tokens of the same grant were written over a row that a backup had set back."""
        one, two, holds = change.before, change.after, change.holds
        if one is None or two is None or holds is None or "set_back" not in self.misfortunes:
            return False
        grown = (one.incarnation, one.authorized_by) == (two.incarnation, two.authorized_by)
        grown = grown and two.generation > one.generation
        were_there = self.known.get((two.incarnation, two.generation, two.authorized_by), ())
        received = holds.current.access_token.reveal() in change.worker.received_access
        return grown and (received or any(each.current == holds.current for each in were_there))

    def taken_back(self, refresh_token: str) -> bool:
        """Whether a backup was put over the row that this token had been written to."""
        if "set_back" not in self.misfortunes:
            return False
        were_there = [each.current.refresh_token for every in self.known.values() for each in every]
        return refresh_token in {each.reveal() for each in were_there if each is not None}

    def written_down(self) -> set[str]:
        """Every refresh token that survives all processes."""
        kept = [credentials for _, _, credentials in self.rescues.values()]
        kept += [credentials for _, credentials in self.unsaved]
        kept += [] if self.credentials is None else [self.credentials]
        tokens = [tokens for each in kept for tokens in (each.current, each.previous) if tokens is not None]
        return {each.refresh_token.reveal() for each in tokens if each.refresh_token is not None}

    def was_gone(self, claim: Claim) -> bool:
        """Whether the connection was taken away, or begun to be, since that claim."""
        return self.gone > claim.gone

    def used(self, token: str) -> bool:
        """Whether that refresh token was replaced, and may work for a while only."""
        known = self.world.sandbox.state.refresh_tokens.get(fingerprint(token))
        return known is not None and known.used_at is not None and self.mode not in ("none", "stable")

    def spent(self, token: str) -> bool:
        """Whether the provider no longer takes that refresh token, or would take it for a theft."""
        state = self.world.sandbox.state
        known = state.refresh_tokens.get(fingerprint(token))
        if known is None or state.families[known.family].revoked:
            return True
        if known.used_at is None or self.mode in ("none", "stable"):
            return False
        if known.successor_used or self.mode.startswith("strict"):
            return True
        return self.mode == "window" and self.world.clock.time >= known.used_at + self.world.client.window_seconds

    def unlucky(self) -> bool:
        """Whether an answer was lost, or its holder is dead or past its lease."""
        now = self.world.clock.time
        return bool(self.misfortunes) or any(
            not self.claims[attempt].committed and (self.claims[attempt].worker.dead or now >= claim_end)
            for attempt in self.processed
            for claim_end in (self.claims[attempt].lease_until - 1,)
        )

    def rescued_before(self, worker: Worker, at: Connection) -> bool:
        """Whether a record that replaces the row's tokens lay there when the worker heard that they are dead."""
        wanted = {doubt.attempt for doubt in at.doubts} - {worker.attempt}
        return any(
            key.name.rpartition("/")[2] in wanted
            and (generation, incarnation) == (at.generation, at.incarnation)
            and self.rescued_at[key.name.rpartition("/")[2]] < worker.refused_at
            for key, (generation, incarnation, _) in self.rescues.items()
        )
