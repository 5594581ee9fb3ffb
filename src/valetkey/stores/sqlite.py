"""Rows in one SQLite file, for every process of one machine.

The one rule: a write is one transaction that begins by taking the write lock, so that of any number of threads and
processes exactly one wins. The journal is a write-ahead log and `synchronous` is FULL: NORMAL would be faster by one
fsync per write, but may forget the last commits when the power fails, and a rotated refresh token that is forgotten
is a connection lost. A connection is used by one thread at a time and never across a fork.
Not for network file systems: they do not keep SQLite's locks.
"""

from __future__ import annotations

import os
import time
from collections import deque
from contextlib import contextmanager

from valetkey.effects import LOST, UNKNOWN, WON, Key, Page, Row
from valetkey.errors import ConfigurationError, StoreError
from valetkey.stores import rows
from valetkey.stores.failures import Operations, explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from valetkey.effects import Outcome

SCHEMA_VERSION = 1
APPLICATION_ID = 0x766B7331  # "vks1", so that `file` and we know whose database it is
BUSY_SECONDS = 5.0
SWEEP_SECONDS = 60
SWEEP_ROWS = 200
IDLE_CONNECTIONS = 8
UNFORESEEN = "look it up at sqlite.org/rescode.html, and check the file and its disk"

SCHEMA = (
    """CREATE TABLE rows (
        partition TEXT NOT NULL, name TEXT NOT NULL, version BLOB NOT NULL,
        clear TEXT NOT NULL, sealed BLOB NOT NULL, expires_at INTEGER NOT NULL,
        UNIQUE (partition, name))""",
    "CREATE INDEX rows_by_expiry ON rows (expires_at) WHERE expires_at > 0",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)
COLUMNS = "partition, name, version, clear, sealed, expires_at"

# Connections that a fork brought into a child: closing them there would release locks and truncate logs of the
# parent's, so they are kept from the garbage collector until the child ends.
_inherited: list[object] = []


class SqliteStore:
    """Rows in a SQLite file, made with permissions 0600 where it is not there."""

    blocking = True
    local = True

    def __init__(
        self, path: str, *, busy_seconds: float = BUSY_SECONDS, now: Callable[[], float] | None = None
    ) -> None:
        """Open or make the file. Raises ConfigurationError where it cannot be used.

        busy_seconds: how long a write waits for another process's.
        now: Unix seconds, the system's clock unless a test brings its own.
        """
        self.path = os.path.abspath(path)  # noqa: PTH100 - pathlib costs a cold start more than it gives
        self.description = f"sqlite:{self.path}"
        self._during = Operations(self.description)
        self._busy_seconds = busy_seconds
        self._now = now or time.time
        self._swept_at = 0.0
        self._process = os.getpid()
        self._idle: deque[sqlite3.Connection] = deque()  # append and pop are atomic: no lock that a fork could copy
        self._make_file()
        with self._during.open, self._connection() as connection:
            self._prepare(connection)

    def load(self, key: Key) -> Row | None:
        """The row, or None. Raises StoreError."""
        rows.check_key(key)
        with self._during.load:
            with self._connection() as connection:
                found = connection.execute(
                    f"SELECT {COLUMNS} FROM rows WHERE partition = ? AND name = ?",  # noqa: S608 - our own constant
                    (key.partition, key.name),
                ).fetchone()
            return None if found is None else self._row(found)

    def swap(self, key: Key, expected: bytes | None, new: Row | None) -> Outcome:
        """Create, replace or delete by version. Raises StoreError where nothing was written."""
        rows.check_swap(key, expected, new)
        with self._during.swap, self._connection() as connection:
            _run(connection, "BEGIN IMMEDIATE")
            try:
                changed = self._write(connection, key, expected=expected, new=new)
                self._sweep(connection)
            except BaseException:
                connection.rollback()
                raise
            if not self._commit(connection):
                return UNKNOWN
        return WON if changed else LOST

    def list(self, partition: str | None, cursor: str) -> Page:
        """At most 100 rows in key order after the cursor. Raises StoreError."""
        after = rows.read_cursor(cursor, partition) if cursor else Key("", "")
        within, scope = ("", ()) if partition is None else ("partition = ? AND ", (partition,))
        with self._during.list:
            with self._connection() as connection:
                found = connection.execute(
                    f"SELECT {COLUMNS} FROM rows WHERE {within}(partition, name) > (?, ?)"  # noqa: S608 - our constants
                    " ORDER BY partition, name LIMIT ?",
                    (*scope, after.partition, after.name, rows.PAGE_ROWS + 1),
                ).fetchall()
            page = tuple(self._row(columns) for columns in found[: rows.PAGE_ROWS])
            return Page(page, rows.write_cursor(page[-1].key) if len(found) > rows.PAGE_ROWS else "")

    def create(self) -> None:
        """Nothing is left to make: opening the store made the file and its table."""

    def check(self) -> tuple[str, ...]:
        """A sentence for each thing that would keep rows from being written safely. Raises StoreError."""
        with self._during.check, self._connection() as connection:
            journal = connection.execute("PRAGMA journal_mode").fetchone()[0]
            damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        problems = []
        if not os.access(self.path, os.W_OK):
            problems.append(f"{self.description}: the file is read-only: make it and its directory writable")
        if journal != "wal":
            problems.append(
                f"{self.description}: its journal is no write-ahead log ({journal}): readers and writers will wait for"
                " one another; keep it on a local disk"
            )
        if damage != "ok":
            problems.append(f"{self.description}: the file is damaged: restore it from a backup")
        return tuple(problems)

    def close(self) -> None:
        """Close the connections that nobody is using."""
        self._leave_inherited()
        while self._idle:
            self._idle.pop().close()

    def _write(self, connection: sqlite3.Connection, key: Key, *, expected: bytes | None, new: Row | None) -> bool:
        where = (key.partition, key.name, expected)
        if new is None:
            statement = "DELETE FROM rows WHERE partition = ? AND name = ? AND version = ?"
            return connection.execute(statement, where).rowcount == 1
        content = (new.version, rows.write_clear(new.clear), new.sealed, new.expires_at)
        if expected is None:
            statement = f"INSERT INTO rows ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"  # noqa: S608
            return connection.execute(statement, (key.partition, key.name, *content)).rowcount == 1
        statement = (
            "UPDATE rows SET version = ?, clear = ?, sealed = ?, expires_at = ?"
            " WHERE partition = ? AND name = ? AND version = ?"
        )
        return connection.execute(statement, (*content, *where)).rowcount == 1

    def _sweep(self, connection: sqlite3.Connection) -> None:
        """Drop some expired rows, once a minute, in a transaction that writes anyway."""
        now = self._now()
        if 0 <= now - self._swept_at < SWEEP_SECONDS:
            return
        self._swept_at = now
        _run(
            connection,
            "DELETE FROM rows WHERE rowid IN (SELECT rowid FROM rows WHERE expires_at > 0 AND expires_at <= ? LIMIT ?)",
            (int(now), SWEEP_ROWS),
        )

    def _commit(self, connection: sqlite3.Connection) -> bool:
        """Whether it is certain that the transaction was written; raises where it is certain that it was not."""
        import sqlite3

        try:
            _run(connection, "COMMIT")
        except sqlite3.Error as error:
            connection.rollback()
            if _code(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY):
                raise
            return False  # a failing disk may still have the whole record in its log
        return True

    def _row(self, columns: tuple[str, str, bytes, str, bytes, int]) -> Row:
        partition, name, version, clear, sealed, expires_at = columns
        try:
            return rows.read_row(Key(partition, name), version, rows.read_clear(clear), sealed, expires_at)
        except rows.NOT_OURS:
            message = "a row's clear columns are damaged: restore the file from a backup"
        raise StoreError(message)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection for one operation; failures of SQLite become StoreError."""
        import sqlite3

        self._leave_inherited()
        connection = None
        try:
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self._connect()
            yield connection
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            raise self._explain(error) from None
        except BaseException:
            if connection is not None:
                connection.close()
            raise
        if len(self._idle) < IDLE_CONNECTIONS:
            self._idle.append(connection)
        else:
            connection.close()

    def _connect(self) -> sqlite3.Connection:
        import sqlite3

        connection = sqlite3.connect(
            self.path, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False
        )
        try:
            _run(connection, "PRAGMA synchronous = FULL")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _leave_inherited(self) -> None:
        if self._process != os.getpid():
            _inherited.append(self._idle)
            self._idle = deque()
            self._process = os.getpid()

    def _make_file(self) -> None:
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except FileNotFoundError:
            message = f"{self.description}: its directory does not exist: make it, or choose another path"
            raise ConfigurationError(message) from None
        except IsADirectoryError:
            message = f"{self.description}: is a directory: name a file in it"
            raise ConfigurationError(message) from None
        except OSError as error:
            message = f"{self.description}: cannot be opened for writing ({error.strerror}): check its permissions"
            raise ConfigurationError(message) from None

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Check whose database it is and make the table where the file is empty."""
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self._refuse_foreign(connection)
            _run(connection, "PRAGMA journal_mode = WAL")
            _run(connection, "BEGIN IMMEDIATE")
            try:
                version = connection.execute("PRAGMA user_version").fetchone()[0]  # another process may have been first
                if version == 0:
                    self._refuse_foreign(connection)
                    for statement in SCHEMA:
                        _run(connection, statement)
                    version = SCHEMA_VERSION
            except BaseException:
                connection.rollback()
                raise
            _run(connection, "COMMIT")
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise self._foreign()
        if version > SCHEMA_VERSION:
            message = (
                f"it was written by a newer valetkey (schema {version}, this one knows"
                f" {SCHEMA_VERSION}): upgrade valetkey, the file is untouched"
            )
            raise StoreError(message)

    def _refuse_foreign(self, connection: sqlite3.Connection) -> None:
        if connection.execute("SELECT count(*) FROM sqlite_master WHERE tbl_name <> 'rows'").fetchone()[0]:
            raise self._foreign()

    def _foreign(self) -> ConfigurationError:
        return ConfigurationError(f"{self.description}: is a database of another application: choose another path")

    def _explain(self, error: sqlite3.Error) -> StoreError | ConfigurationError:
        import sqlite3

        code = _code(error)
        if code == sqlite3.SQLITE_NOTADB:
            return ConfigurationError(f"{self.description}: is not a SQLite database: choose another path")
        advice = {
            sqlite3.SQLITE_BUSY: f"another process kept it locked for {self._busy_seconds:g} s: find what holds it",
            sqlite3.SQLITE_READONLY: "the file or its directory is read-only: make both writable",
            sqlite3.SQLITE_FULL: "the disk is full: make room, what was stored is untouched",
            sqlite3.SQLITE_CANTOPEN: "it cannot be opened any more: check the path and its permissions",
            sqlite3.SQLITE_CORRUPT: "the file is damaged: restore it from a backup",
            sqlite3.SQLITE_IOERR: "the disk failed: check it and the file system",
        }.get(code, "")
        name = getattr(error, "sqlite_errorname", "an error of SQLite without a code")
        return StoreError(explain(name, {name: advice}, otherwise=UNFORESEEN))


def _run(connection: sqlite3.Connection, statement: str, parameters: tuple[int, ...] = ()) -> None:
    connection.execute(statement, parameters).close()


def _code(error: sqlite3.Error) -> int:
    """The primary result code; the extended ones carry more in their upper octets."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
