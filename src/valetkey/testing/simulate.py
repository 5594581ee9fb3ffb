"""The simulator's command: `python -m valetkey.testing.simulate --seeds 100000`, or `make simulate SEEDS=100000`.

    --seeds N            so many drawn runs, shared among the provider's modes (`storm`)
    --exhaustive DEPTH   every run of two callers to that many choices, in each mode (`explore`)
    --replay "..."       the one run that a violation's line names, told step by step

It prints how many schedules it ran a second and how many distinct states they reached; a violation is one line that
replays it, and the command ends with status 1.
"""

from __future__ import annotations

import sys
import time

from valetkey.testing.explore import Exploration, explore
from valetkey.testing.ledger import Violation
from valetkey.testing.storm import ROTATIONS, Storm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from valetkey.sandbox.clients import RotationMode
    from valetkey.testing.simulator import Simulation

    Found = tuple[int, int, int, "Seen", list[str]]

PAIRS = ("token,token", "token,forced", "token,revoke", "token,forget", "token,reconnect", "token,reseal")
MOST_VIOLATIONS = 10
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


def draw(seeds: range, modes: Sequence[RotationMode]) -> Found:
    """What so many storms came to: runs, steps, questions that were asked of them, states, violations' lines."""
    seen, lines = Seen(), []
    steps = checks = runs = 0
    for seed in seeds:
        storm = Storm(modes[seed % len(modes)], seed // len(modes))
        storm.watch = lambda simulation: seen.add(simulation.fingerprint())
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
        seen.add(simulation.fingerprint())

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


def replay(text: str) -> str | None:
    """Tell the run of a violation's line; the sentence that it broke, or None where it broke none."""
    fields = dict(part.partition("=")[::2] for part in text.split())
    mode: RotationMode = next(known for known in ROTATIONS if known == fields["mode"])
    try:
        if "choices" in fields:
            exploration = Exploration(mode, fields["callers"].split(","))
            exploration.simulation.log = _say
            choices = [int(choice) for choice in fields["choices"].split(".") if choice]
            _ = exploration.run(choices, int(fields["depth"]))
        else:
            storm = Storm(mode, int(fields["seed"]), stale=fields.get("stale") == "1")
            storm.simulation.log = _say
            _ = storm.run()
    except Violation as violation:
        return str(violation.args[0])
    return None


def _shared(workers: int, function: str, parts: Sequence[tuple[object, ...]]) -> Iterator[Found]:
    """Each part's findings, from so many processes."""
    from multiprocessing import get_context

    call = globals()[function]
    if workers == 1:
        yield from (call(*part) for part in parts)
        return
    with get_context("fork").Pool(workers) as pool:
        yield from (each.get() for each in [pool.apply_async(call, part) for part in parts])


def report(found: Iterator[Found], *, began: float) -> int:
    """Print what was found; the exit status."""
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
    return 1 if lines else 0


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
    _ = parser.add_argument("--replay", default="", metavar="LINE", help="tell one run step by step")
    _ = parser.add_argument("--mode", choices=list(ROTATIONS), action="append", help="only these modes of the provider")
    _ = parser.add_argument("--processes", type=int, default=cpu_count() or 1)
    given = parser.parse_args(arguments)
    if given.replay:
        sentence = replay(given.replay)
        _say(sentence or "every invariant held")
        return 1 if sentence else 0
    began, modes = time.monotonic(), list(given.mode or ROTATIONS)
    if given.exhaustive:
        tasks = [(mode, pair, given.exhaustive) for pair in PAIRS for mode in modes]
        return report(_shared(given.processes, "exhaust", [([task],) for task in tasks]), began=began)
    size = max(1, min(5_000, -(-given.seeds // given.processes)))
    ends = given.first + given.seeds
    parts = [(range(first, min(first + size, ends)), modes) for first in range(given.first, ends, size)]
    return report(_shared(given.processes, "draw", parts), began=began)


if __name__ == "__main__":
    sys.exit(main())
