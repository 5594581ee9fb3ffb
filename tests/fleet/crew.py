"""Worker processes: started once, asked together over their pipes, killed and replaced."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 120.0


class Worker:
    """One process and the thread that reads what it says."""

    def __init__(self, command: list[str], *, environ: Mapping[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, cwd=ROOT, env=environ
        )
        self.lines: Queue[str] = Queue()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put("")

    def tell(self, command: Mapping[str, Any] | int) -> None:
        assert self.process.stdin is not None
        _ = self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def answer(self, timeout: float = PATIENCE_SECONDS) -> str:
        """Its next line; raises Empty."""
        line = self.lines.get(timeout=timeout)
        assert line, f"a worker ended by itself with {self.process.wait(10)}"
        return line.strip()

    def kill(self) -> None:
        self.process.kill()
        self.end()

    def end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        _ = self.process.wait(30)
        self._reader.join(10)
        self.process.stdout.close()


class Crew:
    """So many processes with so many threads each."""

    def __init__(self, processes: int, threads: int) -> None:
        self.threads = threads
        self.setup: dict[str, Any] = {}
        self.workers = [self._start(number) for number in range(processes)]

    def _start(self, number: int) -> Worker:
        return Worker([sys.executable, "-m", "tests.fleet.worker", str(number)])

    @property
    def callers(self) -> int:
        return len(self.workers) * self.threads

    def open(self, setup: dict[str, Any]) -> None:
        """Let every process open the vault."""
        self.setup = setup
        for worker in self.workers:
            worker.tell({"open": setup})
        for worker in self.workers:
            assert worker.answer() == "opened"

    def ask(self, *, seconds: float = 90.0) -> Asked:
        """Let every thread of every process ask for the token, at once."""
        for worker in self.workers:
            worker.tell({"ask": self.threads, "seconds": seconds})
        return Asked(self)

    def call(self, threads: int, *, seconds: float = 120.0) -> Asked:
        """Let so many threads of every process call the API, at once."""
        for worker in self.workers:
            worker.tell({"call": threads, "seconds": seconds})
        return Asked(self)

    def keep_asking(self, seconds: float) -> Asked:
        """Let every thread ask again and again for so long."""
        for worker in self.workers:
            worker.tell({"keep_asking": self.threads, "seconds": seconds})
        return Asked(self)

    def close(self) -> None:
        for worker in self.workers:
            worker.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Asked:
    """A question to the whole crew, and the answers that are in."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._open = dict(enumerate(crew.workers))
        self.answers: list[str] = []
        self.killed: set[int] = set()

    def kill(self, number: int) -> None:
        """End a process with its threads, whatever they are doing; another one takes its place for the next question."""
        if self._open.pop(number, None) is None:
            return
        self._crew.workers[number].kill()
        self.killed.add(number)
        fresh = self._crew.workers[number] = self._crew._start(number)
        fresh.tell({"open": self._crew.setup})

    def wait(self, seconds: float) -> bool:
        """Whether every survivor has been answered, after at most about so many seconds."""
        for number, worker in list(self._open.items()):
            try:
                line = worker.answer(seconds)
            except Empty:
                return False
            self.answers += json.loads(line)
            del self._open[number]
        return True

    def without(self, absent: Worker) -> list[str]:
        """What every process but that one was answered."""
        kept = {number: worker for number, worker in self._open.items() if worker is absent}
        self._open = {number: worker for number, worker in self._open.items() if worker is not absent}
        assert self.wait(PATIENCE_SECONDS), "some callers were never answered"
        self._open = kept
        return list(self.answers)

    def finish(self) -> list[str]:
        """What every survivor was answered."""
        assert self.wait(PATIENCE_SECONDS), "some callers were never answered"
        for number in self.killed:
            assert self._crew.workers[number].answer() == "opened"
        self.killed.clear()
        return self.answers
