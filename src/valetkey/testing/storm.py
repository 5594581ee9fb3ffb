"""Storms: runs that are drawn from a seed. Callers come and go, freeze and die; provider, store and clocks misbehave.

    storm("window", 17)      the same run each time; Violation says which invariant broke, and how to see it again

A storm draws how many callers there are (up to 50) and what each wants, where in the access token's life it begins, and
how much trouble there is: in a sixth of all storms none at all, so that what is promised of calm days is asked too.
The one rule: everything is drawn from the seed and the mode, nothing from the process that runs it.
"""

from __future__ import annotations

import random

from valetkey.connections.authorize import begin_authorization, finish_authorization
from valetkey.connections.connection import NEEDS_REAUTHORIZATION, REVOKING
from valetkey.connections.keepalive import keepalive
from valetkey.connections.manage import forget, revoke
from valetkey.connections.rescue_import import import_rescue
from valetkey.connections.reseal import reseal_page
from valetkey.connections.sign import access_token
from valetkey.errors import ReauthorizationRequired, RefreshInProgress, ValetkeyError
from valetkey.http import Headers, Request
from valetkey.keys.local import LocalKeyRing
from valetkey.providers.provider import Rotation
from valetkey.sandbox import approve
from valetkey.testing.ledger import FORGIVING, LONGEST, Violation, Worker
from valetkey.testing.processes import Surroundings
from valetkey.testing.simulator import Simulation
from valetkey.testing.world import World, callback_request, sandbox_client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.sandbox.clients import RotationMode
    from valetkey.testing.surroundings import Process

ROTATIONS: dict[RotationMode, Rotation] = {
    "none": Rotation("stable"),
    "stable": Rotation("stable"),
    "window": Rotation("window", window_seconds=60),
    "until_new_used": Rotation("until_new_used"),
    "strict": Rotation("strict"),
    "strict_family": Rotation("strict", reuse_kills_family=True),
}
"""What the catalog says of each mode of the sandbox."""
TOKEN_SECONDS = 300
MAX_STEPS = 40_000
CROWDS = ((2, 4, 0.66), (5, 9, 0.26), (10, 20, 0.07), (21, 50, 0.01))
KINDS = (("token", 0.66), ("forced", 0.16), ("revoke", 0.03), ("forget", 0.03), ("reconnect", 0.05))
REST = ("keepalive", "reseal")
AGES = (TOKEN_SECONDS + 1, TOKEN_SECONDS - 20, 100)  # expired, inside the margin, fresh
ARRIVALS = (0.0, 0.0, 0.0, 0.3, 1.0, 5.0, 12.0, 17.0, 40.0, 70.0, TOKEN_SECONDS + 2.0)
TROUBLE = 0.15  # of each step while there is some left
LATENCIES = (0.0, 0.02, 0.3, 1.2)
FREEZES = (5.0, 12.0, 20.0, 45.0, TOKEN_SECONDS + 60.0)
LATE = (14.0, 15.5, 16.0, 17.0, 18.0)
"""Freezes and arrivals around the end of a lease, where a late holder and its successors meet."""
TROUBLES = (
    "die",
    "freeze",
    "freeze",
    "in_hand",
    "in_hand",
    "slow",
    "slow",
    "store",
    "lost_answers",
    "lost_writes",
    "late_write",
    "provider",
)
FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("lose_request", {}),
    ("lose_response", {}),
    ("status", {"status": 503, "when": "before"}),
    ("status", {"status": 503, "when": "after", "retry_after": 900}),
    ("status", {"status": 500, "when": "after"}),
    ("status", {"status": 429, "retry_after": 3}),
    ("html", {}),
    ("double_delivery", {"answer": "first"}),
    ("double_delivery", {"answer": "second"}),
)

_worlds: dict[tuple[str, int], tuple[World, list[Request]]] = {}


def world_of(mode: RotationMode, age: int) -> tuple[World, list[Request]]:
    """A world with alice connected, whose access token is that old, and two callbacks that would connect her again.

    Made once, to be forked.
    """
    if (mode, age) not in _worlds:
        client = sandbox_client(mode, access_token_seconds=TOKEN_SECONDS, window_seconds=60)
        world = World(client=client, rotation=ROTATIONS[mode])
        _ = world.connect()
        world.clock.time += age
        _worlds[mode, age] = world, [_callback(world), _callback(world)]
    return _worlds[mode, age]


def _callback(world: World) -> Request:
    begun = world.run(begin_authorization(world.settings, "two", resource_owner="alice", cookies=()))
    return callback_request(approve(world.sandbox.respond, begun.location), begun.set_cookies)


def join(
    simulation: Simulation,
    kind: str,
    callbacks: list[Request],
    *,
    at: float,
    skew: float = 0.0,
    allowed: float = LONGEST,
    process: Process | None = None,
) -> None:
    """One more caller, who wants what its kind says."""
    settings = simulation.world.settings if process is None else process.settings
    program = _program(simulation.world, kind, simulation, callbacks, settings)
    worker = Worker(program, kind, at=at, skew=skew if process is None else process.skew, allowed=allowed)
    worker.process = process
    if kind == "forced" and simulation.credentials is not None:
        worker.rejected = simulation.credentials.current.access_token
    _ = simulation.add(worker)


def _program(world: World, kind: str, simulation: Simulation, callbacks: list[Request], at: Settings) -> Op[Any]:
    if kind == "reconnect":
        return finish_authorization(at, callbacks.pop(), resource_owner="alice")
    if kind == "reseal":
        if world.keys.key_ids == ("test",):  # the first sweep: there is a new key
            old = world.keys.key_ids[0]
            ring = [("new", world.clock.random(32)), (old, world.keys._keys[old])]  # noqa: SLF001
            world.keys = LocalKeyRing(ring, random=world.clock.random)
        return reseal_page(at)
    rejected = None if simulation.credentials is None else simulation.credentials.current.access_token
    plain: dict[str, Callable[[], Op[Any]]] = {
        "token": lambda: access_token(at, "two", resource_owner="alice"),
        "forced": lambda: access_token(at, "two", resource_owner="alice", rejected=rejected),
        "revoke": lambda: revoke(at, "two", resource_owner="alice"),
        "forget": lambda: forget(at, "two", resource_owner="alice"),
        "keepalive": lambda: keepalive(at, cursor=""),
    }
    return plain[kind]()


class Storm:
    """One drawn run."""

    def __init__(self, mode: RotationMode, seed: int, *, stale: bool = False) -> None:
        self.chance = random.Random(f"{mode} {seed}")  # noqa: S311 - a schedule is no secret
        self.name = f"seed={seed} mode={mode}" + (" stale=1" if stale else "")
        world, callbacks = world_of(mode, self.chance.choice(AGES))
        self.callbacks = list(callbacks)
        self.watch: Callable[[Simulation], None] | None = None
        self.simulation = Simulation(world.fork(), mode=mode, rotation=ROTATIONS[mode])
        self.trouble_left = self.chance.choice((0, 1, 1, 2, 3, 5))
        self.planned = self.trouble_left
        if stale:
            self.simulation.stale = {}
        self.around = Surroundings(self.simulation, f"{mode} {seed}", none=stale)
        self.late = self.chance.random() < 0.3
        low, high, _ = self.chance.choices(CROWDS, [share for _, _, share in CROWDS])[0]
        for _ in range(self.chance.randint(low, high)):
            self._arrive()

    def _arrive(self) -> None:
        """One more caller, with a clock of its own that is off by at most half of what is allowed for."""
        simulation, chance = self.simulation, self.chance
        names = [kind for kind, _ in KINDS]
        kind = chance.choices([*names, "rest"], [*(share for _, share in KINDS), 0.07])[0]
        kind = chance.choice(REST) if kind == "rest" else kind
        kind = "token" if kind == "reconnect" and not self.callbacks else kind
        skew = chance.choice((-0.5, 0.0, 0.0, 0.5))
        if self.planned >= 3 and chance.random() < 0.02:
            skew, simulation.skewed, simulation.troubled = chance.choice((-40.0, 40.0)), True, True
            simulation.misfortunes.add("clock_off")
        at = simulation.world.clock.time + chance.choice(LATE if self.late and chance.random() < 0.6 else ARRIVALS)
        allowed = chance.choice((30.0, 30.0, 900.0))
        process = self.around.process()
        join(simulation, kind, self.callbacks, at=at, skew=skew, allowed=allowed, process=process)

    def run(self) -> Simulation:
        """To the end, and the last question. Raises Violation."""
        simulation, chance = self.simulation, self.chance
        for _ in range(MAX_STEPS):
            living = simulation.living()
            if not living:
                break
            now = simulation.world.clock.time
            able = [worker for worker in living if worker.wakes_at <= now]
            if not able:
                simulation.world.clock.time = min(worker.wakes_at for worker in living)
                continue
            self.around.happen()
            chosen = able[int(chance.random() * len(able))]
            eager = self.late and chosen.phase > 0  # most harm is done between the request and the commit
            if self.trouble_left and chance.random() < (0.5 if eager else TROUBLE) and self._trouble(chosen):
                continue
            if simulation.delayed and chance.random() < 0.2:
                simulation.apply_delayed()
            self.around.aim(chosen)
            simulation.step(chosen)
            if self.watch is not None:
                self.watch(simulation)
            if chosen.phase and not chosen.dead:  # the provider takes its time, and so does the way there
                chosen.wakes_at = max(chosen.wakes_at, now + chance.choice(LATENCIES))
        else:
            message = "somebody is still running"
            raise Violation(message)
        ask_at_the_end(simulation, calm=not self.planned)
        return simulation

    def _trouble(self, worker: Worker) -> bool:
        """Something goes wrong now; True where it was the worker's turn that it took."""
        simulation, chance, store = self.simulation, self.chance, self.simulation.world.store
        self.trouble_left -= 1
        kind = chance.choice(TROUBLES)
        if kind == "die":
            simulation.crash(worker)
        elif kind == "freeze":
            simulation.freeze(worker, chance.choice(LATE if self.late else FREEZES))
        elif kind == "in_hand":
            simulation.step(worker, in_hand=chance.choice(LATE if self.late else FREEZES))
        elif kind == "slow":
            if worker.phase == 0:
                self.trouble_left += 1
                return False
            simulation.freeze(worker, chance.choice(LATE if self.late else (3.0, 9.0, 14.0, 30.0)))
        elif kind == "store":
            store.outages = chance.choice((1, 2, 4, 40))
        elif kind == "late_write":
            simulation.delay_writes = 1
        elif kind == "provider":
            fault, details = chance.choice(FAULTS)
            simulation.world.sandbox.faults.add(
                endpoint="token", fault=fault, only={"grant_type": "refresh_token"}, **details
            )
        else:
            setattr(store, kind, chance.choice((1, 2, 3)))
        return kind in ("die", "freeze", "in_hand", "slow")


def ask_at_the_end(simulation: Simulation, *, calm: bool) -> None:
    """Everything works again, and one more caller comes: it must get a working token where any copy is left."""
    simulation.calm()
    world = simulation.world
    requests = world.refresh_requests()
    world.clock.time += 17
    for line, _ in simulation.unsaved:
        simulation.run_out(simulation.add(Worker(import_rescue(world.settings, line), "import", at=world.clock.time)))
    at, holds = simulation.connection, simulation.credentials
    if at is None or holds is None or at.state == REVOKING:
        return
    if calm and not simulation.troubled and requests > at.generation:
        message = f"the promise: {requests} refresh requests on a calm day, for {at.generation - 1} new generations"
        raise Violation(message)
    alive = [token for token in simulation.written_down() if not simulation.spent(token)]
    candidates = {
        tokens.refresh_token.reveal()
        for generation, incarnation, credentials in [
            *simulation.rescues.values(),
            (at.generation, at.incarnation, holds),
        ]
        if (generation, incarnation) == (at.generation, at.incarnation)
        for tokens in (credentials.current,)
        if tokens.refresh_token is not None
    }
    expected = any(token in alive for token in candidates)
    missed = {"window_missed", "sent_late", "clock_off"} if simulation.mode == "window" and not alive else {"sent_late"}
    simulation.misfortunes |= {"window_missed"} if simulation.mode == "window" and not alive else set()
    expected = expected or (simulation.mode in FORGIVING and not simulation.misfortunes & missed)
    if "set_back" in simulation.misfortunes:  # a grant that was ended comes back dead, and a window may close meanwhile
        expected = any(token in alive and not simulation.used(token) for token in candidates)
    if simulation.mode == "window" and simulation.skewed:
        expected = False  # a clock that is off by more than is allowed for may sleep through the window
    _last_caller(simulation, expected=expected)


def _last_caller(simulation: Simulation, *, expected: bool) -> None:
    world = simulation.world
    for _ in range(40):
        program = access_token(world.settings, "two", resource_owner="alice")
        worker = simulation.add(Worker(program, "token", at=world.clock.time))
        simulation.run_out(worker)
        if isinstance(worker.error, RefreshInProgress):
            world.clock.time += worker.error.retry_after
            continue
        break
    else:
        message = "I5: the connection cools down for ever"
        raise Violation(message)
    if isinstance(worker.error, ReauthorizationRequired):
        state = None if simulation.connection is None else simulation.connection.state
        if expected:
            message = "I4: a live refresh token was held and nobody could get at it"
            raise Violation(message)
        if state != NEEDS_REAUTHORIZATION:
            message = f"I6: a caller was sent to connect again by a connection that is {state}"
            raise Violation(message)
        return
    if isinstance(worker.error, ValetkeyError) or worker.result is None:
        message = f"I5: on a calm day a caller got {type(worker.error).__name__}"
        raise Violation(message)
    headers = Headers((("Authorization", f"Bearer {worker.result.reveal()}"),))
    works = world.sandbox.respond(Request("GET", f"{world.sandbox.base_url}/oauth2/me", headers)).status == 200
    if not works and expected:
        message = "I5: a caller got an access token that the provider does not take"
        raise Violation(message)
