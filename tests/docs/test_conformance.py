"""The page about conformance: the faults in it are faults."""

from __future__ import annotations

import re
from pathlib import Path

from valetkey.testing.world import World

PAGE = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text()


def test_every_fault_on_the_page_can_be_asked_for() -> None:
    [block] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    world = World()

    exec(compile(block, "docs/conformance.md", "exec"), {"world": world})

    assert len(world.sandbox.faults.pending()) == len(block.splitlines()) == 6
