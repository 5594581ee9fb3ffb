"""Where lines go: to standard error, which every platform keeps as the function's log, or into a folder.

The one rule: writing never fails a program; a line that cannot be written is lost, and the first one is told.
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

    @property
    def problem(self) -> str:
        """Why lines are lost; empty where they are not, as far as can be known."""
        return ""


class FolderSink:
    """Lines in one file for each process, in a folder that is made where it is missing."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._problem, self._told = "", False

    @property
    def problem(self) -> str:
        """Why lines are lost, or would be; empty where they are not. Nothing is written to find out."""
        if self._problem:
            return self._problem
        nearest = next(path for path in (self._folder.absolute(), *self._folder.absolute().parents) if path.exists())
        if not nearest.is_dir():
            return f"{nearest} is no folder"
        return "" if os.access(nearest, os.W_OK | os.X_OK) else f"{nearest} cannot be written by this user"

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
            self._problem = ""
        except OSError as error:
            self._problem = f"{self._folder}: {error.strerror or type(error).__name__}"
            self._tell()

    def _tell(self) -> None:
        """Once for each process: a log that hears of every line would be of no more use than none."""
        if self._told:
            return
        self._told = True
        try:
            import logging

            from valetkey.connections.doctor import WRITABLE

            said = "trace_lost: traces cannot be written (%s): %s"
            logging.getLogger("valetkey").warning(said, self._problem, WRITABLE)
        except Exception:  # noqa: BLE001, S110 - a log that is full must not break a refresh
            pass


def sink_of(destination: str) -> LogSink | FolderSink:
    """The sink that a configuration names: `log`, or a folder."""
    return LogSink() if destination == LOG else FolderSink(destination)
