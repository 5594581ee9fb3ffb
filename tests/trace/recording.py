"""A world whose every run is watched, and what was written of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from valetkey.trace.har import traces, write_har
from valetkey.trace.lines import read_lines
from valetkey.trace.watch import Recorder

if TYPE_CHECKING:
    from valetkey.effects import Op
    from valetkey.testing.world import World
    from valetkey.trace.har import Trace


class Lines:
    """A sink in memory."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        self.lines.append(line)

    @property
    def records(self) -> list[Any]:
        return list(read_lines(self.lines))

    @property
    def text(self) -> str:
        """Everything that a reader of the lines can see."""
        return json.dumps(self.records, ensure_ascii=False)

    def traces(self) -> tuple[Trace, ...]:
        return traces(self.records)

    def entries(self) -> list[dict[str, Any]]:
        return [entry for trace in self.traces() for entry in write_har(trace, version="test")["log"]["entries"]]

    def comments(self) -> list[str]:
        return [entry["comment"] for entry in self.entries()]


def watch(world: World) -> Lines:
    """From now on every run of the world is traced."""
    sink = Lines()
    recorder = Recorder(world.settings, world.keys, sink)  # type: ignore[arg-type]
    run = world.run

    def watched(op: Op[Any]) -> Any:
        try:
            return run(recorder.watch(op))
        finally:
            assert recorder.failures == 0

    world.run = watched  # type: ignore[method-assign]
    return sink
