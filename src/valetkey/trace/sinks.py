"""Where lines go: to standard error, which every platform keeps as the function's log, or into a folder.

The one rule: writing never fails a program; a line that cannot be written is lost.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

LOG = "log"
SUFFIX = ".vktrace"


class LogSink:
    """Lines on standard error."""

    def write(self, line: str) -> None:
        """One line; other threads' lines do not get into it."""
        try:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            pass


class FolderSink:
    """Lines in one file for each process, in a folder that is made where it is missing."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def write(self, line: str) -> None:
        """One line, appended in one piece, readable by this user alone."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._folder / f"{os.getpid()}{SUFFIX}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
            handle = os.open(path, flags, 0o600)
            try:
                os.write(handle, line.encode() + b"\n")
            finally:
                os.close(handle)
        except OSError:
            pass


def sink_of(destination: str) -> LogSink | FolderSink:
    """The sink that a configuration names: `log`, or a folder."""
    return LogSink() if destination == LOG else FolderSink(destination)
