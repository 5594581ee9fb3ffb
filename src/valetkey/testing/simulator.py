"""The simulator: any callers in one world, stepped effect by effect, with everything that can go wrong, and watched.

    caller   load ... claim (Swap) ... Send: deadline check | the provider acts | the answer arrives ... commit (Swap)
             at each of these it can die, freeze (before it, or with its answer in hand) and thaw

The provider is the sandbox, the programs are those of production; only the order, the time and the faults are made up.
After each step that others can see, and at each write, request and end, the invariants are asked (`invariants`).
The one rule: whoever drives a simulation makes all of its choices, so that the same choices give the same run.
Not here: which choices are made (`storm` draws them, `explore` makes them all).
"""

from __future__ import annotations

from valetkey.connections.codec import read_clear
from valetkey.connections.rescue_line import read_rescue_line
from valetkey.drivers.drive import drive
from valetkey.effects import UNKNOWN, Emit, Load, Now, Open, Random, Remaining, Seal, Send, Sleep, Swap
from valetkey.errors import KeyUnavailable, StoreError, TransportError
from valetkey.http import read_form
from valetkey.sandbox.state import fingerprint
from valetkey.testing import invariants
from valetkey.testing.interleave import UNSEEN
from valetkey.testing.ledger import ON_END, ON_SEND, Ledger
from valetkey.testing.telling import told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from valetkey.effects import AnyEffect, Row, WireOp
    from valetkey.http import Response
    from valetkey.testing.ledger import Worker
    from valetkey.testing.processes import KeyServiceOfTheWorld

ANSWERED = 2  # the phase of a request whose answer is on its way


class Simulation(Ledger):
    """Workers in a world, stepped one by one; each step goes into the ledger, and is judged."""

    slow_keys = 0.0
    key_service: KeyServiceOfTheWorld | None = None

    # --- what a driver does

    def add(self, worker: Worker) -> Worker:
        """Let it take part."""
        self.workers.append(worker)
        if worker.process is None or worker.wakes_at <= self.world.clock.time:  # a cache is looked into when it begins
            self._begin(worker)
        return worker

    def _begin(self, worker: Worker) -> None:
        worker.began = self.steps + 1
        self._skip_unseen(worker)
        if worker.effect is None:
            self._ended(worker)

    def living(self) -> list[Worker]:
        """Who has not ended or died."""
        return [worker for worker in self.workers if worker.effect is not None and not worker.dead]

    def crash(self, worker: Worker) -> None:
        """Let it die where it stands."""
        worker.dead = self.troubled = True
        if self.log is not None:
            self.log(f"caller {self.workers.index(worker)} dies")
        if self._holds_an_answer(worker):
            self.misfortunes.add("died")

    def freeze(self, worker: Worker, seconds: float) -> None:
        """Let it stand still where it is."""
        self.troubled = True
        if self.log is not None:
            self.log(f"caller {self.workers.index(worker)} stands still for {seconds} s")
        worker.wakes_at = max(worker.wakes_at, self.world.clock.time + seconds)

    def step(self, worker: Worker, *, in_hand: float = 0.0, at_once: bool = False) -> None:
        """Let it do the next thing that others can see.

        in_hand: freeze for so long with the answer to it. at_once: the provider acts and its answer arrives in one.
        """
        self.steps += 1
        effect = worker.effect
        if self.log is not None:
            self.log(told(self, worker, in_hand))
        if not worker.began:
            self._begin(worker)
            return
        if worker.frozen:
            worker.thaw()
            self._skip_unseen(worker)
        elif isinstance(effect, Sleep):
            worker.wakes_at = self.world.clock.time + effect.seconds
            worker.hold(None, None)
        elif isinstance(effect, Send):
            self._sending(worker, effect, at_once=at_once, in_hand=in_hand)
        else:
            self._go_on(worker, *worker.perform(lambda asked: self._answer(worker, asked)), in_hand)
        if worker.effect is None:
            self._ended(worker)

    def _ended(self, worker: Worker) -> None:
        if worker.process is not None and worker.kind in ("forget", "revoke") and worker.error is None:
            worker.process.ended |= dict.fromkeys(worker.took, self.steps)
        self._ask(ON_END, worker)

    def run_out(self, worker: Worker) -> None:
        """Let one worker run to its end, alone."""
        while worker.effect is not None:
            self.world.clock.time = max(self.world.clock.time, worker.wakes_at)
            self.step(worker)

    def apply_delayed(self) -> None:
        """Let the store do what it had said nothing certain about."""
        delayed, self.delayed = self.delayed, []
        for worker, swap in delayed:
            _ = self._write(worker, swap, self.world.store.rows.swap)

    def calm(self) -> None:
        """From here on nothing fails any more."""
        store = self.world.store
        store.outages = store.lost_answers = store.lost_writes = self.delay_writes = 0
        self.stale = None
        self.apply_delayed()
        self.world.sandbox.faults.clear()
        self.slow_keys = 0.0
        if self.key_service is not None:
            self.key_service.failure = None

    # --- effects

    def _answer(self, worker: Worker, effect: AnyEffect) -> object:  # noqa: PLR0911 - one for each kind of effect
        kind = type(effect)
        if kind is Now:
            worker.last_now = self.world.clock.time + worker.skew
            return worker.last_now
        if isinstance(effect, Remaining):
            return 900.0 if effect.whole else worker.ends_at - self.world.clock.time
        if isinstance(effect, Random) and effect.octets == 1 and self.chance is not None:
            return self.chance
        if isinstance(effect, Open):
            return self._with_keys(worker, effect)
        if isinstance(effect, Seal):
            sealed = self._with_keys(worker, effect)
            self.sealed[sealed] = (effect.place.purpose, effect.place.fields, effect.plaintext)
            return sealed
        if isinstance(effect, Emit):
            self._heard(worker, effect)
            return None
        if isinstance(effect, Load | Swap):
            try:
                return self._load(worker, effect) if isinstance(effect, Load) else self._swap(worker, effect)
            except StoreError:
                worker.load_failed = worker.load_failed or isinstance(effect, Load)
                self._store_failed(worker)
                raise
        return self.world.ports.answer(effect)

    def _with_keys(self, worker: Worker, effect: Open | Seal) -> bytes:
        """What the worker's process makes of it: its own keys may have to be unwrapped first."""
        keys = None if worker.process is None else worker.process.keys
        if keys is None:
            if isinstance(effect, Open):
                return self._open(effect)
            return self.world.keys.seal(effect.place, effect.plaintext)
        program: WireOp[bytes] = (
            keys.open(effect.place, effect.sealed)
            if isinstance(effect, Open)
            else keys.seal(effect.place, effect.plaintext)
        )
        try:
            return drive(program, lambda asked: self._answer(worker, asked))
        except StoreError as error:
            worker.hindered = self.troubled = True
            if self._holds_an_answer(worker):
                worker.key_refused = isinstance(error, KeyUnavailable)
                self.misfortunes.add("key_refused" if worker.key_refused else "key_failed")
            raise

    def _heard(self, worker: Worker, effect: Emit) -> None:
        fields = dict(effect.event.fields)
        worker.told = f"{fields!r}{effect.event.name}"
        self._ask((invariants.errors_and_events_hide_tokens,), worker)
        if effect.event.name == "unsaved":
            line = str(fields["record"])
            row = read_rescue_line(line, version=b"0" * 16)
            assert row is not None
            self.unsaved.append((line, self._rescued(row)[2]))

    def _load(self, worker: Worker, effect: Load) -> Row | None:
        row = self.world.store.load(effect.key)
        if self.stale is not None and effect.key in self.stale:
            self.stale_reads += 1
            row = self.stale[effect.key] if self.stale_reads % 2 else row
        if effect.key == self.key:
            worker.seen = None if row is None else (read_clear(row.clear, row.key), worker.last_now)
            worker.loads, worker.seen_at = worker.loads + 1, self.steps
            if worker.process is not None and self.credentials is not None and worker.seen is not None:
                token = self.credentials.current.access_token.reveal()
                _ = worker.process.ended.pop(token, None)  # a backup brought it back
                worker.process.loaded[token] = self.local_time(worker), worker.seen[0].access_expires_at
        return row

    def _swap(self, worker: Worker, effect: Swap) -> object:
        new = effect.new
        if effect.key == self.key and new is not None and new.clear["attempt"]:
            asked = str(new.clear["attempt"])
            if asked != worker.attempt and (self.connection is None or asked != self.connection.attempt):
                worker.attempt, worker.received, worker.refused_at, worker.may_send = asked, "", 0, True
                worker.attempts.add(asked)
        if self.delay_writes:
            self.delay_writes -= 1
            self.delayed.append((worker, effect))
            self._store_failed(worker)
            return UNKNOWN
        outcome = self._write(worker, effect, self.world.store.swap)
        if outcome == UNKNOWN:
            self._store_failed(worker)
        return outcome

    def _write(self, worker: Worker, effect: Swap, swap: Callable[..., object]) -> object:
        """One swap, and what the invariants say to what it changed."""
        rows = self.world.store.rows._rows  # noqa: SLF001
        place = (effect.key.partition, effect.key.name)
        before = rows.get(place)
        outcome = swap(effect.key, effect.expected, effect.new)
        after = rows.get(place)
        if before is after:
            return outcome
        if self.stale is not None:
            self.stale[effect.key] = before
        if effect.key == self.key:
            self._changed(worker, after)
        elif not effect.key.name.startswith("rescue/"):
            pass
        elif after is None:
            self._ask_about_rescue(worker, effect.key)
        else:
            self.rescues[effect.key] = self._rescued(after)
            _ = self.rescued_at.setdefault(effect.key.name.rpartition("/")[2], self.steps)
        return outcome

    def _go_on(self, worker: Worker, reply: object, failure: Exception | None, in_hand: float) -> None:
        """Let it have its answer: now, or after it has stood still with it for so long."""
        worker.hold(reply, failure)
        if in_hand:
            self.freeze(worker, in_hand)
        else:
            worker.thaw()
            self._skip_unseen(worker)

    def _sending(self, worker: Worker, effect: Send, *, at_once: bool, in_hand: float) -> None:
        """One phase of a request."""
        refresh = b"grant_type=refresh_token" in effect.request.body
        if worker.phase == 0:
            if self.local_time(worker) > effect.not_after:
                message = "the deadline has passed: nothing was sent"
                self._arrived(worker, None, TransportError(message, maybe_received=False), in_hand)
                return
            if refresh:
                self._ask(ON_SEND, worker)
                self.claims[worker.attempt].not_after = effect.not_after
                worker.may_send = True
            worker.phase = 1
            return
        if worker.phase == 1:
            worker.answer = self._deliver(worker, effect, refresh=refresh)
            worker.phase = ANSWERED
            if not at_once:
                return
        response, failure = worker.answer
        if failure is None and self.local_time(worker) > effect.not_after:
            message = "the answer came after the deadline"
            response, failure = None, TransportError(message, maybe_received=True)
        if refresh:
            self._received(worker, response)
        self._arrived(worker, response, failure, in_hand)

    def _arrived(self, worker: Worker, response: Response | None, failure: Exception | None, in_hand: float) -> None:
        worker.phase, worker.may_send = 0, False
        worker.hindered = worker.hindered or failure is not None
        self._go_on(worker, response, failure, in_hand)

    def _deliver(self, worker: Worker, effect: Send, *, refresh: bool) -> tuple[Response | None, Exception | None]:
        """The provider acts; what it did goes into the ledger."""
        state, now = self.world.sandbox.state, self.world.clock.time
        form = dict(read_form(effect.request.body.decode()))
        if "/revoke" in effect.request.url:
            self._ask(invariants.ON_REVOKE, worker)
        issued, faults = len(state.access_tokens), self.world.sandbox.faults.pending()
        if refresh:
            token = state.refresh_tokens.get(fingerprint(form["refresh_token"]))
            missed = self.mode == "window" and token is not None and token.used_at is not None
            if missed and token is not None and now >= (token.used_at or 0.0) + self.world.client.window_seconds - 1:
                self.misfortunes.add("window_missed")
            if now > self.claims[worker.attempt].lease_until - worker.skew:
                self.misfortunes.add("sent_late")
        try:
            response: Response | None = self.world.sandbox.respond(effect.request)
            failure: Exception | None = None
        except TransportError as error:
            response, failure = None, error
        if refresh and len(state.access_tokens) > issued:
            self.processed.add(worker.attempt)
        if faults and faults[0].fault == "double_delivery" and faults != self.world.sandbox.faults.pending():
            self.misfortunes.add("delivered_twice")
        if "/revoke" in effect.request.url and response is not None and response.status == 200:
            worker.revoked.add(form["token"])
        return response, failure

    def _received(self, worker: Worker, response: Response | None) -> None:
        """Whether the answer of a provider that acted has reached the one who asked."""
        import json

        worker.asked = True
        if response is not None and response.status == 200 and b"access_token" in response.body:
            answer = json.loads(response.body)
            worker.received = answer.get("refresh_token", "")
            worker.received_access.add(answer["access_token"])
        elif worker.attempt in self.processed:
            self.misfortunes.add("answer_lost")
        if not worker.received and not worker.refused_at:
            worker.refused_at = self.steps

    def _skip_unseen(self, worker: Worker) -> None:
        while isinstance(worker.effect, UNSEEN):
            if self.slow_keys and isinstance(worker.effect, Open | Seal):
                seconds, self.slow_keys = self.slow_keys, 0.0
                self.freeze(worker, seconds)
                return
            worker.step(lambda asked: self._answer(worker, asked))

    def _store_failed(self, worker: Worker) -> None:
        worker.hindered = self.troubled = True
        if self._holds_an_answer(worker):
            self.misfortunes.add("store_failed")
