"""Fresh processes, timed by pyperf: one command for each file in bench/cold."""

from __future__ import annotations

import sys
from pathlib import Path

import pyperf

SCRIPTS = sorted((Path(__file__).parent / "cold").glob("*.py"))

if __name__ == "__main__":
    runner = pyperf.Runner(processes=12, values=3, warmups=1)
    for script in SCRIPTS:
        runner.bench_command(script.stem, [sys.executable, "-W", "ignore", str(script)])
