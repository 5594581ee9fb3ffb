"""What both naive programs do beside OAuth: keep one token in SQLite, and ask with many threads at once."""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def open_database(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=30, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE IF NOT EXISTS token (owner TEXT PRIMARY KEY, content TEXT)")
    return database


def load_token(path: str) -> dict[str, object]:
    database = open_database(path)
    try:
        token: dict[str, object] = json.loads(database.execute("SELECT content FROM token").fetchone()[0])
    finally:
        database.close()
    return token


def save_token(path: str, token: dict[str, object]) -> None:
    database = open_database(path)
    try:
        database.execute("INSERT OR REPLACE INTO token VALUES ('alice', ?)", (json.dumps(dict(token)),))
    finally:
        database.close()


def run(call: Callable[[], str]) -> None:
    """Say `ready`; for each number on the standard input, call in so many threads at once and say what they got."""
    print("ready", flush=True)
    for line in sys.stdin:
        threads = int(line)
        barrier = threading.Barrier(threads)

        def one(_: int, barrier: threading.Barrier = barrier) -> str:
            barrier.wait()
            try:
                return call()
            except Exception as error:
                return str(getattr(error, "error", "") or getattr(error, "reason", "") or type(error).__name__)

        with ThreadPoolExecutor(threads) as pool:
            print(json.dumps(list(pool.map(one, range(threads)))), flush=True)
