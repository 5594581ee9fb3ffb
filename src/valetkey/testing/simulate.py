"""The simulator's command: `python -m valetkey.testing.simulate --seeds 100000`, or `make simulate SEEDS=100000`.

    --seeds N            so many drawn runs, shared among the provider's modes (`storm`)
    --complete           every run of two callers to its end, in each mode (`exhaust`)
    --exhaustive DEPTH   the same without telling states apart, to that many choices (`explore`)
    --stale              drawn runs on a store half of whose reads are stale: I1 to I3 must hold, the others may not
    --replay "..."       the one run that a violation's line names, told step by step

It prints how many schedules it ran a second and how many distinct states they reached; a violation is one line that
replays it, and the command ends with status 1.
"""

from __future__ import annotations

import sys
import time
from math import inf

from valetkey.testing.exhaust import exhaust as exhaust_all
from valetkey.testing.explore import CLASSES, FREEZES, Exploration, explore
from valetkey.testing.ledger import Violation
from valetkey.testing.storm import ROTATIONS, Storm
from valetkey.testing.telling import rough_state
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from valetkey.sandbox.clients import RotationMode
    from valetkey.testing.exhaust import Exhausted
    from valetkey.testing.simulator import Simulation

    Found = tuple[int, int, int, "Seen", list[str]]
    Complete = tuple[Exhausted | None, str]

PAIRS = ("token,token", "token,forced", "token,revoke", "token,forget", "token,reconnect", "token,reseal")
MOST_VIOLATIONS = 10
NEED_STRONG_READS = ("I4", "I5", "I6")
BITS = 1 << 26
COMMAND = "python -m valetkey.testing.simulate"


class Seen:
    """How many different numbers were shown to it: a bitmap, counted linearly, exact to about 0.1 %."""

    def __init__(self) -> None:
        self.bits = bytearray(BITS // 8)

    def add(self, number: int) -> None:
        """One number, such as the fingerprint of a state."""
        at = number % BITS
        self.bits[at >> 3] |= 1 << (at & 7)

    def join(self, other: Seen) -> None:
        """Whatever the other has seen too."""
        ours, theirs = int.from_bytes(self.bits), int.from_bytes(other.bits)
        self.bits = bytearray((ours | theirs).to_bytes(len(self.bits)))

    def count(self) -> int:
        """About how many."""
        from math import log

        clear = BITS - int.from_bytes(self.bits).bit_count()
        return round(-BITS * log(max(clear, 1) / BITS))


def draw(seeds: range, modes: Sequence[RotationMode], stale: bool = False) -> Found:  # noqa: FBT001, FBT002 - pickled
    """What so many storms came to: runs, steps, questions that were asked of them, states, violations' lines."""
    seen, lines = Seen(), []
    steps = checks = runs = 0
    for seed in seeds:
        storm = Storm(modes[seed % len(modes)], seed // len(modes), stale=stale)
        storm.watch = lambda simulation: seen.add(rough_state(simulation))
        try:
            _ = storm.run()
        except Violation as violation:
            lines.append(f'{violation}: {COMMAND} --replay "{storm.name}"')
            if len(lines) == MOST_VIOLATIONS:
                break
        runs, steps, checks = runs + 1, steps + storm.simulation.steps, checks + storm.simulation.checks
    return runs, steps, checks, seen, lines


def exhaust(tasks: Sequence[tuple[RotationMode, str, int]]) -> Found:
    """The same for every run of each pair of callers, to its depth."""
    seen, lines = Seen(), []
    steps = checks = runs = 0

    def watch(simulation: Simulation) -> None:
        seen.add(rough_state(simulation))

    for mode, pair, depth in tasks:
        try:
            for found in explore(mode, depth=depth, kinds=pair.split(","), watch=watch):
                runs, steps = runs + 1, steps + found.simulation.steps
                checks += found.simulation.checks
        except Violation as violation:
            choices = ".".join(str(choice) for choice in violation.args[1])
            line = f"mode={mode} callers={pair} choices={choices} depth={depth}"
            lines.append(f'{violation.args[0]}: {COMMAND} --replay "{line}"')
    return runs, steps, checks, seen, lines


def complete(mode: RotationMode, pair: str) -> Complete:
    """Every run of a pair of callers to its end: what it came to, and the line of a violation."""
    began = time.process_time()
    try:
        found = exhaust_all(mode, kinds=pair.split(","))
    except Violation as violation:
        choices = ".".join(str(choice) for choice in violation.args[1])
        line = f"mode={mode} callers={pair} choices={choices} finely=1"
        return None, f'{violation.args[0]}: {COMMAND} --replay "{line}"'
    text = (
        f"{mode} {pair}: {found.schedules:,} schedules, {len(found.states):,} states, {found.steps:,} steps, "
        f"{found.checks:,} questions asked, frontier {'empty' if not found.frontier else found.frontier}, "
        f"{time.process_time() - began:.0f} s"
    )
    return replace(found, states=frozenset()), text


def complete_all(modes: Sequence[RotationMode], pairs: Sequence[str], processes: int) -> int:
    """Print what each pair in each mode comes to; the exit status."""
    schedules = wrong = 0
    for found, text in _shared(processes, "complete", [(mode, pair) for pair in pairs for mode in modes]):
        _say(text)
        schedules, wrong = schedules + (found.schedules if found else 0), wrong + (found is None)
    _say(f"{schedules:,} schedules, {wrong} violations")
    return 1 if wrong else 0


def replay(text: str) -> str | None:
    """Tell the run of a violation's line; the sentence that it broke, or None where it broke none."""
    fields = dict(part.partition("=")[::2] for part in text.split())
    mode: RotationMode = next(known for known in ROTATIONS if known == fields["mode"])
    try:
        if "choices" in fields:
            finely = fields.get("finely") == "1"
            freezes = CLASSES if finely else FREEZES
            exploration = Exploration(mode, fields["callers"].split(","), freezes=freezes, finely=finely)
            exploration.simulation.log = _say
            choices = [int(choice) for choice in fields["choices"].split(".") if choice]
            _ = exploration.run(choices, inf if finely else int(fields["depth"]))
        else:
            storm = Storm(mode, int(fields["seed"]), stale=fields.get("stale") == "1")
            storm.simulation.log = _say
            _ = storm.run()
    except Violation as violation:
        return str(violation.args[0])
    return None


def _shared(workers: int, function: str, parts: Sequence[tuple[object, ...]]) -> Iterator[Any]:
    """Each part's findings, from so many processes."""
    from multiprocessing import get_context

    call = globals()[function]
    if workers == 1:
        yield from (call(*part) for part in parts)
        return
    with get_context("fork").Pool(workers) as pool:
        yield from (each.get() for each in [pool.apply_async(call, part) for part in parts])


def report(found: Iterator[Found], *, began: float, stale: bool = False) -> int:
    """Print what was found; the exit status. stale: what stale reads are known to break is told and no failure."""
    seen, lines = Seen(), list[str]()
    runs = steps = checks = 0
    for part in found:
        runs, steps, checks = runs + part[0], steps + part[1], checks + part[2]
        seen.join(part[3])
        lines += part[4]
    seconds = max(time.monotonic() - began, 0.001)
    _say(
        f"{runs:,} schedules in {seconds:.0f} s ({runs / seconds:,.0f}/s), {steps:,} steps, "
        f"{checks:,} questions asked, {seen.count():,} distinct states, {len(lines)} violations"
    )
    for line in lines[:MOST_VIOLATIONS]:
        _say(line)
    return 1 if any(not (stale and line.startswith(NEED_STRONG_READS)) for line in lines) else 0


def _say(line: str) -> None:
    _ = sys.stdout.write(f"{line}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 where every invariant held, 1 where one did not."""
    from argparse import ArgumentParser
    from os import cpu_count

    parser = ArgumentParser(prog=COMMAND, description="Run the refresh against every misfortune, and see what holds.")
    _ = parser.add_argument("--seeds", type=int, default=10_000, help="how many drawn runs (10000)")
    _ = parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    _ = parser.add_argument(
        "--exhaustive", type=int, default=0, metavar="DEPTH", help="every run of two callers instead"
    )
    _ = parser.add_argument("--complete", action="store_true", help="every run of two callers, to its end")
    _ = parser.add_argument("--pair", choices=PAIRS, action="append", help="with --complete: these (two refreshers)")
    _ = parser.add_argument("--stale", action="store_true", help="drawn runs on a store with stale reads")
    _ = parser.add_argument("--replay", default="", metavar="LINE", help="tell one run step by step")
    _ = parser.add_argument("--mode", choices=list(ROTATIONS), action="append", help="only these modes of the provider")
    _ = parser.add_argument("--processes", type=int, default=cpu_count() or 1)
    given = parser.parse_args(arguments)
    if given.replay:
        sentence = replay(given.replay)
        _say(sentence or "every invariant held")
        return 1 if sentence else 0
    began, modes = time.monotonic(), list(given.mode or ROTATIONS)
    if given.complete:
        return complete_all(modes, given.pair or PAIRS[:1], given.processes)
    if given.exhaustive:
        tasks = [(mode, pair, given.exhaustive) for pair in PAIRS for mode in modes]
        return report(_shared(given.processes, "exhaust", [([task],) for task in tasks]), began=began)
    size = max(1, min(5_000, -(-given.seeds // given.processes)))
    ends = given.first + given.seeds
    parts = [(range(first, min(first + size, ends)), modes, given.stale) for first in range(given.first, ends, size)]
    return report(_shared(given.processes, "draw", parts), began=began, stale=given.stale)


if __name__ == "__main__":
    sys.exit(main())
