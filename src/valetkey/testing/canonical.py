"""States of a simulation, told apart: one digest for all that can still make a difference, and for nothing else.

    rows, the provider's tokens, each caller's place in its program with its variables, what the observer remembers
    times count by their distance from now; names that were drawn (attempts, versions, tokens) by where they first stand

Two states with one digest have the same future, up to the names in it. The one rule: what is not understood is an
error, never left out. Not here: searching (`exhaust`).
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b
from marshal import dumps

from valetkey.sandbox.state import fingerprint
from valetkey.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import Any

    from valetkey.testing.ledger import Claim, Worker
    from valetkey.testing.simulator import Simulation

NAME = re.compile(r"(sandbox-[a-z]+-[A-Za-z0-9_-]+|[0-9a-f]{32,64})")
EPOCH, HORIZON = 1.7e9, 2.1e9  # a number between them is a time
VERSION_OCTETS = 16
CONSTANT = ("Settings", "Registration", "Provider", "AuthorizationServer", "Client")
"""What the deployment is configured with: the same in every state."""


class Writer:
    """What has been written of one state, and which names were met in it.

    families: what the provider calls its grants; those are names too.
    """

    def __init__(self, now: float, sealed: Mapping[bytes, tuple[object, ...]], families: Collection[str]) -> None:
        self.now, self.sealed, self.families = now, sealed, families
        self.out: list[object] = []
        self.names: dict[object, int] = {}

    def digest(self) -> bytes:
        """A number for what was written."""
        return blake2b(dumps(self.out), digest_size=16).digest()

    def write(self, found: Any) -> None:
        """Anything that a program, a row or an observer may hold. Raises TypeError for what is not known here."""
        kind = type(found)
        writer = _WRITERS.get(kind)
        if writer is None:
            writer = _WRITERS[kind] = _writer_of(kind)
        writer(self, found)

    def program(self, program: Any) -> None:
        """Where each of the generators that wait for one another stands, and what it holds."""
        while program is not None and hasattr(program, "gi_frame"):
            frame = program.gi_frame
            self.out += (program.__qualname__, -1 if frame is None else frame.f_lasti)
            if frame is not None:
                for name, held in frame.f_locals.items():
                    self.out.append(name)
                    self.write(held)
            program = program.gi_yieldfrom

    def text(self, text: str) -> None:
        """A text with the drawn names in it replaced."""
        if len(text) <= VERSION_OCTETS:
            self.out.append(text)
            return
        for index, part in enumerate(_parts(text)):
            named = index % 2 or part in self.families
            self.out.append(self.names.setdefault(part, len(self.names)) if named else part)

    def octets(self, octets: bytes) -> None:
        """The same for octets; a sealed value is what is in it."""
        if octets.startswith(b"vk1."):
            self.write(self.sealed.get(octets, octets[4:]))
        elif len(octets) == VERSION_OCTETS:
            self.out.append(self.names.setdefault(octets, len(self.names)))
        else:
            self.text(octets.decode("latin-1"))

    def number(self, number: float) -> None:
        """A number, or a time by its distance from now."""
        self.out.append(f"t{number - self.now:.3f}" if EPOCH < number < HORIZON else number)

    def several(self, many: Any) -> None:
        """A sequence."""
        self.out.append(len(many))
        for each in many:
            self.write(each)

    def mapping(self, many: dict[Any, Any]) -> None:
        """A mapping, in the order in which it was made."""
        self.out.append(len(many))
        for name, each in many.items():
            self.write(name)
            self.write(each)

    def unordered(self, many: Any) -> None:
        """A set: those that were met before first."""
        self.several(sorted(many, key=lambda each: (self.names.get(each, len(self.names)), each)))

    def value(self, found: Any) -> None:
        """A frozen value, field by field."""
        self.out.append(type(found).__name__)
        for name in type(found).__match_args__:
            self.write(getattr(found, name))

    def error(self, found: Any) -> None:
        """An error: which, and what it says."""
        self.out.append(type(found).__name__)
        self.write(found.args)
        self.write(vars(found))

    def constant(self, found: Any) -> None:
        """What is the same in every state: functions, modules, configuration."""
        self.out.append(getattr(found, "__qualname__", type(found).__name__))


@lru_cache(maxsize=65_536)
def _parts(text: str) -> tuple[str, ...]:
    """The text, cut before and after each name; every second part is one. A token goes by its fingerprint."""
    found = list(NAME.split(text))
    found[1::2] = [fingerprint(name) if name.startswith("s") else name for name in found[1::2]]
    return tuple(found)


def _writer_of(kind: type) -> Callable[[Writer, Any], None]:
    if kind.__name__ in CONSTANT or kind.__name__ in ("function", "module", "type"):
        return Writer.constant
    if hasattr(kind, "__made__"):
        return Writer.value
    if issubclass(kind, BaseException):
        return Writer.error
    if kind.__name__ == "generator":
        return Writer.program
    message = f"a {kind.__name__} stands in a state: say in testing.canonical what of it counts"
    raise TypeError(message)


_WRITERS: dict[type, Callable[[Writer, Any], None]] = {
    type(None): lambda writer, _: writer.out.append(None),
    bool: lambda writer, found: writer.out.append(found),
    int: Writer.number,
    float: Writer.number,
    str: Writer.text,
    bytes: Writer.octets,
    tuple: Writer.several,
    list: Writer.several,
    dict: Writer.mapping,
    set: Writer.unordered,
    frozenset: Writer.unordered,
    Secret: lambda writer, found: writer.text(found.reveal()),
}


def state_of(simulation: Simulation, *more: object) -> bytes:
    """The digest of where everything stands. more: what the driver has still to give, such as deaths."""
    at_provider = simulation.world.sandbox.state
    writer = Writer(simulation.world.clock.time, simulation.sealed, at_provider.families)
    writer.write(more)
    writer.out.append(round(simulation.world.clock.time % 1.0, 6))  # times are rounded to whole seconds in rows
    for row in simulation.world.store.rows._rows.values():  # noqa: SLF001
        writer.write(row)
    for records in (at_provider.families, at_provider.refresh_tokens, at_provider.access_tokens):
        writer.write(records)
    for worker in simulation.workers:
        _write_worker(writer, worker)
    _write_ledger(writer, simulation)
    return writer.digest()


def _write_worker(writer: Writer, worker: Worker) -> None:
    writer.write((worker.kind, worker.dead, worker.attempt, worker.may_send, worker.skew))
    if worker.dead:
        return  # nothing of it will ever be asked again
    writer.write((worker.phase, worker.received, worker.hindered, worker.asked, worker.rejected, worker.seen))
    writer.write((worker.attempts, worker.revoked, bool(worker.refused_at), worker.ends_at, worker.last_now))
    if worker.effect is None:
        writer.write((worker.result, worker.error))
        return
    writer.write((max(worker.wakes_at, writer.now), worker.effect, worker.answer, worker._held))  # noqa: SLF001
    writer.program(worker.program)


def _write_ledger(writer: Writer, simulation: Simulation) -> None:
    for attempt, claim in simulation.claims.items():
        _write_claim(writer, simulation, attempt, claim)
    writer.write((simulation.processed, simulation.skewed, simulation.troubled, simulation.gone))
    writer.write(tuple(sorted(simulation.misfortunes)))
    for key, rescue in simulation.rescues.items():
        at = simulation.rescued_at[key.name.rpartition("/")[2]]
        writer.write((key, rescue, tuple(at < worker.refused_at for worker in simulation.workers)))
    writer.write(tuple(simulation.unsaved))
    writer.write(tuple((simulation.workers.index(worker), swap) for worker, swap in simulation.delayed))


def _write_claim(writer: Writer, simulation: Simulation, attempt: str, claim: Claim) -> None:
    held = {name: each for name, each in vars(claim).items() if name != "worker"}
    writer.write((attempt, simulation.workers.index(claim.worker), held))
