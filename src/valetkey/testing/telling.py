"""What is told of a simulation: a line for each step, and a number for each state, to count them by.

Not here: telling states apart for sure (`canonical`).
"""

from __future__ import annotations

from valetkey.effects import Load, Send, Swap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from valetkey.testing.ledger import Worker
    from valetkey.testing.simulator import Simulation

STATES = ("active", "refreshing", "in_doubt", "needs_reauthorization", "revoking")
KINDS = ("token", "forced", "revoke", "forget", "reconnect", "keepalive", "reseal", "import", "mark")


def rough_state(simulation: Simulation) -> int:
    """A number for where everything stands: the row, the provider's tokens, and each caller's place in its program.

    Times count only as what has lapsed; callers of one kind are interchangeable.
    """
    at, now = simulation.connection, simulation.world.clock.time
    row: tuple[int, ...] = ()
    if at is not None:
        state = STATES.index(at.state)
        live, cool = int(bool(at.attempt) and now < at.lease_until), int(now < at.cool_until)
        row = (
            state,
            at.generation,
            len(at.doubts),
            live,
            cool,
            int(now >= at.access_expires_at),
            len(simulation.rescues),
        )
    state_of = simulation.world.sandbox.state
    tokens = tuple(
        4 * (each.used_at is not None) + 2 * each.successor_used + state_of.families[each.family].revoked
        for each in state_of.refresh_tokens.values()
    )
    places = sorted(
        hash((KINDS.index(worker.kind), worker.phase, worker.dead, _place(worker))) for worker in simulation.workers
    )
    return hash((row, tokens, tuple(places)))


def told(simulation: Simulation, worker: Worker, in_hand: float) -> str:
    """One line about a step, without a secret: rows are told by their clear columns."""
    at, effect = simulation.connection, worker.effect
    row = "no row" if at is None else f"{at.state} g{at.generation} {len(at.doubts)} doubts"
    what = type(effect).__name__
    if isinstance(effect, Send):
        what = f"Send {effect.request.url.rpartition('/')[2]}, {('check', 'deliver', 'receive')[worker.phase]}"
    elif isinstance(effect, Load | Swap):
        state = "" if isinstance(effect, Load) or effect.new is None else f" -> {effect.new.clear.get('state')}"
        what = f"{what} {effect.key.name.partition('/')[0]}{state}"
    when = simulation.world.clock.time - simulation.began
    who = f"caller {simulation.workers.index(worker)} ({worker.kind})"
    return f"{when:8.2f} {who:22} {'thaws' if worker.frozen else what:34} [{row}]" + (
        f" and stands still for {in_hand} s" if in_hand else ""
    )


def _place(worker: Worker) -> int:
    """Where in its program a worker stands: the instruction in each of the generators that wait for one another."""
    if worker.effect is None:
        return 1 + (worker.error is not None)
    place = 3 + worker.frozen
    program: Any = worker.program
    while program is not None and hasattr(program, "gi_frame"):
        frame = program.gi_frame
        place = hash((place, -1 if frame is None else frame.f_lasti))
        program = program.gi_yieldfrom
    return place
