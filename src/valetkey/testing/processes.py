"""What a storm puts around its callers: processes that remember tokens, a key service that fails, a backup put back.

    half of all storms have none of it; the others draw from a second seed, so that each storm stays what it was

Callers of one process share a cache (`connections.cache`) and unwrapped keys (`keys.envelope`), as in production.
The one rule: as in `storm`, everything is drawn from the seed and the mode.
"""

from __future__ import annotations

import random

from valetkey.connections.cache import TokenCache
from valetkey.connections.connection import ACTIVE
from valetkey.connections.records import SETTLE_ROUNDS
from valetkey.connections.restored import mark_page
from valetkey.effects import Load, Swap
from valetkey.errors import KeyUnavailable, StoreError
from valetkey.keys.envelope import EnvelopeKeyRing
from valetkey.keys.key_service import WrappedKey
from valetkey.keys.local import LocalKeyRing
from valetkey.testing.ledger import Worker
from valetkey.testing.simulator import ANSWERED
from valetkey.testing.surroundings import Process
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.settings import Settings
    from valetkey.effects import WireOp
    from valetkey.testing.simulator import Simulation

CLOUD = WrappedKey("cloud", "aws-kms", "arn", b"wrapped")
OCTETS = bytes((number * 11 + 200) % 256 for number in range(32))
KEY_SECONDS = 2.0  # an hour in production: here keys are renewed within a storm
PROCESSES = (1, 2, 3)
SKEWS = (-0.5, 0.0, 0.0, 0.5)
OUTAGES = (0.5, 6.0, 30.0, 100.0)
SLOW = (0.4, 3.0, 12.0, 20.0)
AIMED = 0.5
RATE = 0.05  # of each step: an outage, a slow answer or a backup, while there is some left
MARKED_AFTER = (0.0, 0.0, 3.0, 20.0, None)  # seconds; None where the operator says nothing
KINDS = ("keys", "keys", "slow", "backup", "backup", "backup")


class KeyServiceOfTheWorld:
    """A key service that unwraps at once, or fails as it is told to, for a while."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.until = 0.0
        self.now = 0.0

    def unwrap(self, key: WrappedKey, *, environment: str, patient: bool = True) -> WireOp[bytes]:
        """See `KeyService`."""
        del key, environment, patient
        if self.failure is not None and self.now < self.until:
            raise self.failure
        return OCTETS
        yield  # a program, though it asks for nothing

    def wrap(self, name: str, *, key_id: str, environment: str) -> WireOp[WrappedKey]:
        """See `KeyService`; nobody makes keys here."""
        del name, key_id, environment
        raise NotImplementedError


class Surroundings:
    """What stands around the callers of one storm; nothing, in half of them."""

    def __init__(self, simulation: Simulation, seed: str, *, none: bool = False) -> None:
        self.simulation = simulation
        self.chance = chance = random.Random(f"{seed} around")  # noqa: S311 - a schedule is no secret
        self.processes: list[Process] = []
        self.left = self.aims = 0
        if none or chance.random() < 0.5:
            return
        self.left, self.aims = chance.choice((0, 1, 2, 3)), 1
        self._unaskable = chance.random() < 0.5
        world = simulation.world
        ring: LocalKeyRing | None = None
        if chance.random() < 0.5:
            simulation.key_service = KeyServiceOfTheWorld()
            old = [(key_id, world.keys._keys[key_id]) for key_id in world.keys.key_ids]  # noqa: SLF001
            ring = LocalKeyRing([("cloud", OCTETS), *old], random=world.clock.random)
            world.keys = ring
        self.processes = [
            Process(self._settings(world.settings), self._keys(ring), skew=chance.choice(SKEWS))
            for _ in range(chance.choice(PROCESSES))
        ]

    def _settings(self, settings: Settings) -> Settings:
        two = settings.registrations["two"]
        if self._unaskable:
            server = replace(two.provider.server, introspection_endpoint=None)
            two = replace(two, provider=replace(two.provider, server=server))
        cache = TokenCache() if self.chance.random() < 0.8 else None
        return replace(settings, registrations={**settings.registrations, "two": two}, cache=cache)

    def _keys(self, ring: LocalKeyRing | None) -> EnvelopeKeyRing | None:
        service = self.simulation.key_service
        if ring is None or service is None:
            return None
        local = [(key_id, ring._keys[key_id]) for key_id in ring.key_ids if key_id != "cloud"]  # noqa: SLF001
        return EnvelopeKeyRing(
            [CLOUD, *local], services={"aws-kms": service}, environment="default", lifetime_seconds=KEY_SECONDS
        )

    def process(self) -> Process | None:
        """Where the next caller runs."""
        return self.chance.choice(self.processes) if self.processes else None

    def happen(self) -> None:
        """Perhaps something happens now."""
        simulation = self.simulation
        service, now = simulation.key_service, simulation.world.clock.time
        if service is not None:
            service.now = now
        if not self.left or self.chance.random() >= RATE:
            return
        self.left -= 1
        kind = self.chance.choice(KINDS)
        if kind == "backup":
            self._restore()
        elif kind == "slow":
            simulation.slow_keys = self.chance.choice(SLOW)
        elif kind == "keys":
            self._take_keys(self.chance.choice(OUTAGES))

    def aim(self, worker: Worker) -> None:
        """Perhaps something happens to this caller now, at one of the few moments where it would hurt; once a storm."""
        simulation, effect = self.simulation, worker.effect
        if not self.aims or self.chance.random() >= AIMED:
            return
        simulation.troubled = True
        self.aims -= 1
        if worker.phase == ANSWERED and simulation.key_service is not None:
            self._take_keys(OUTAGES[2])
        elif not isinstance(effect, Load | Swap) or effect.key != simulation.key:
            self.aims += 1
        elif isinstance(effect, Load) and self._is_being_ended(worker):
            simulation.slow_keys = SLOW[0]
        elif isinstance(effect, Load) and self._remembers_the_dead(worker):
            simulation.world.store.outages = 1
        elif isinstance(effect, Swap) and simulation.rescues and _brings_tokens(effect):
            simulation.world.store.lost_writes = SETTLE_ROUNDS
        else:
            self.aims += 1

    def _is_being_ended(self, worker: Worker) -> bool:
        """Whether another caller of the same process is about to delete the connection."""
        return any(
            other.process is worker.process is not None and other.kind in ("forget", "revoke") and other.began
            for other in self.simulation.living()
        )

    def _remembers_the_dead(self, worker: Worker) -> bool:
        """Whether the caller's process has a token in its cache that has expired."""
        cache = None if worker.process is None else worker.process.settings.cache
        known = None if cache is None else cache.known(self.simulation.key)
        return known is not None and known.record.connection.access_expires_at < self.simulation.world.clock.time

    def _take_keys(self, seconds: float) -> None:
        """Let the key service fail for so long."""
        service = self.simulation.key_service
        if service is None:
            return
        service.failure = self.chance.choice((StoreError("down"), KeyUnavailable("cloud", "disabled")))
        service.until = self.simulation.world.clock.time + seconds
        self.simulation.troubled = True

    def _restore(self) -> None:
        """A backup from some moment of this storm, and the operator who says so, or does not."""
        simulation = self.simulation
        at = simulation.connection
        older = [row for row in simulation.history if at is not None and int(row.clear["generation"]) < at.generation]
        simulation.restore(self.chance.choice(older or simulation.history))
        after = self.chance.choice(MARKED_AFTER)
        if after is None:
            return
        world = simulation.world
        worker = Worker(mark_page(world.settings), "mark", at=world.clock.time + after)
        _ = simulation.add(worker)


def _brings_tokens(effect: Swap) -> bool:
    return effect.new is not None and effect.new.clear["state"] == ACTIVE
