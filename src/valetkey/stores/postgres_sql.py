"""What PostgreSQL is asked, and how its answers and failures are read; nothing here speaks to it.

    partition, name  bytea, the primary key: UTF-8, since text cannot hold NUL and its order depends on a locale
    version, sealed  bytea
    clear            json, so that operators can write clear->>'state'
    expires_at       bigint, 0 for never

The one rule: a failure counts as "nothing was written" only where the server said so with a code that means it.
"""

from __future__ import annotations

from valetkey.effects import Key, Page, Row
from valetkey.errors import StoreError
from valetkey.stores import failures, rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, TypeAlias

    Parameters: TypeAlias = tuple[bytes | int, ...]

SWEEP_ONE_WRITE_IN = 64
SWEEP_ROWS = 200
NOTHING_WRITTEN = "57014"  # query_canceled: by the statement timeout
SERIALIZATION_FAILURE = "40001"
COMPLETION_UNKNOWN = "40003"
DOUBTFUL_CLASSES = ("08", "57", "58", "XX")  # connection, shutdown, system and internal errors

COLUMNS = "partition, name, version, clear::text, sealed, expires_at"
FACTS = (
    "table", "columns", "key", "logged", "synchronous_commit", "fsync", "full_page_writes", "encoding",
    "SELECT", "INSERT", "UPDATE", "DELETE",
)  # fmt: skip
COLUMN_TYPES = "clear json, expires_at bigint, name bytea, partition bytea, sealed bytea, version bytea"

ADVICE = {
    "42P01": "its table is not there: make it with `valetkey store create`",
    "42703": "its table has other columns: name a table of valetkey's own with ?table=",
    "42501": "permission denied: GRANT SELECT, INSERT, UPDATE, DELETE on the table to this user",
    "25006": "this server is read-only: name the primary, not a replica",
    "57014": "it took too long: look for locks and load on the server; nothing was written",
    "55P03": "the row stayed locked: look for long transactions",
    "40P01": "a deadlock: look for what else writes to the table",
    "40001": "others kept writing the row: try again",
    "53100": "the disk is full: make room, what was stored is untouched",
    "53300": "too many connections: lower ?connections= or put a pooler between",
    "3F000": "its schema is not there: create it, or name another with ?table=",
    "22P05": "the database's encoding cannot hold a row: make it with ENCODING 'UTF8'",
}
# What libpq says when it cannot connect has no code; these words are the server's or libpq's own, in English.
CONNECT_ADVICE = (
    ("password", "the server refused the user or the password: check both in the URL"),
    ("no pg_hba.conf entry", "the server does not let this user in from here: change its pg_hba.conf or use TLS"),
    ("read-only", "this server is read-only: name the primary, not a replica"),
    ("hot standby", "this server is read-only: name the primary, not a replica"),
    ("does not exist", "there is no such database or user: create it, or correct the URL"),
    ("too many", "too many connections: lower ?connections= or put a pooler between"),
    ("remaining connection slots", "too many connections: lower ?connections= or put a pooler between"),
    ("starting up", "the server is starting or stopping: try again"),
    ("shutting down", "the server is starting or stopping: try again"),
    ("certificate", "its certificate was not accepted: check sslmode, sslrootcert and the host name"),
    ("SSL", "TLS failed: the server may not have it; set ?sslmode= to what is wanted"),
    ("timeout", "it did not answer in time: check the host, and that this network may reach it"),
    ("translate host name", "the host name is not known: correct it"),
    ("resolve host", "the host name is not known: correct it"),
)
UNFORESEEN = "look it up in PostgreSQL's list of error codes, and in the server's log"
UNREACHABLE = "it cannot be reached: check host and port, and that the server runs"


class Statements:
    """The statements for one table."""

    def __init__(self, table: str) -> None:
        """table: a checked name, with or without a schema."""
        found = f"SELECT {COLUMNS} FROM {table}"  # noqa: S608 - the name is checked
        self.table = table
        self.load = (
            f"SELECT version, clear::text, sealed, expires_at FROM {table}"  # noqa: S608 - as above
            " WHERE partition = $1 AND name = $2"
        ).encode()
        self.list = f"{found} WHERE partition = %s AND name > %s ORDER BY name LIMIT %s".encode()
        self.list_all = f"{found} WHERE (partition, name) > (%s, %s) ORDER BY partition, name LIMIT %s".encode()
        self.insert = (
            f"INSERT INTO {table} (version, clear, sealed, expires_at, partition, name)"  # noqa: S608 - as above
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
        ).encode()
        self.update = (
            f"UPDATE {table} SET version = %s, clear = %s, sealed = %s, expires_at = %s"  # noqa: S608 - as above
            " WHERE partition = %s AND name = %s AND version = %s"
        ).encode()
        self.delete = f"DELETE FROM {table} WHERE partition = %s AND name = %s AND version = %s".encode()  # noqa: S608
        self.sweep = (
            f"DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE expires_at > 0"  # noqa: S608
            f" AND expires_at <= extract(epoch FROM now()) LIMIT {SWEEP_ROWS} FOR UPDATE SKIP LOCKED))"
        ).encode()
        self.create = _create(table).encode()
        self.check = _check(table).encode()


def _create(table: str) -> str:
    index = f"{table.rpartition('.')[2]}_by_expiry"
    # One message, so one transaction; the lock lets two who create at once take turns.
    return (
        "SELECT pg_advisory_xact_lock(8245932101);"
        f"CREATE TABLE IF NOT EXISTS {table} (partition bytea NOT NULL, name bytea NOT NULL, version bytea NOT NULL,"
        " clear json NOT NULL, sealed bytea NOT NULL, expires_at bigint NOT NULL, PRIMARY KEY (partition, name));"
        f"CREATE INDEX IF NOT EXISTS {index} ON {table} (expires_at) WHERE expires_at > 0"
    )


def _check(table: str) -> str:
    allowed = ", ".join(f"has_table_privilege(c.oid, '{verb}')" for verb in FACTS[-4:])
    return f"""
        SELECT c.relkind IN ('r', 'p'),
          (SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attname COLLATE "C")
             FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped),
          EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid
             AND i.indpred IS NULL AND (SELECT array_agg(a.attname::text ORDER BY a.attname COLLATE "C")
               FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey)) = '{{name,partition}}'),
          c.relpersistence = 'p', current_setting('synchronous_commit'), current_setting('fsync'),
          current_setting('full_page_writes'), current_setting('server_encoding'), {allowed}
        FROM (SELECT to_regclass('{table}') AS oid) AS wanted LEFT JOIN pg_class c ON c.oid = wanted.oid
    """  # noqa: S608 - as above


def key_parameters(key: Key) -> tuple[bytes, bytes]:
    """The key's columns."""
    return key.partition.encode(), key.name.encode()


def send_load(statements: Statements, key: Key, connection: Any) -> Any:
    """Ask for a row by libpq itself, and what brings the results when the connection has waited for it.

    A cursor takes longer to be made, converted and read than the server takes to answer.
    """
    from psycopg import generators

    connection.pgconn.send_query_params(statements.load, key_parameters(key), _BYTEAS, _BINARY, _BINARY[0])
    return generators.execute(connection.pgconn)


_BYTEAS = (17, 17)  # the type's identifier, the same on every server
_BINARY = (1, 1)


def read_load(key: Key, result: Any) -> Row | None:
    """The row that was asked for, or None where there is none. Raises StoreError, and psycopg's error for a refusal."""
    if result.status != _TUPLES_OK:
        from psycopg.errors import error_from_result

        raise error_from_result(result)
    if not result.ntuples:
        return None
    version, clear, sealed, expires_at = [result.get_value(0, column) for column in range(4)]
    try:
        expiry = int.from_bytes(expires_at, "big", signed=True)
        return rows.read_row(key, version, rows.read_clear(clear.decode()), sealed, expiry)
    except rows.NOT_OURS:
        failure = _foreign()
    raise failure


_TUPLES_OK = 2


def swap(statements: Statements, key: Key, expected: bytes | None, new: Row | None) -> tuple[bytes, Parameters]:
    """The one statement that is this write: it changes one row or none."""
    where = key_parameters(key)
    if new is None:
        return statements.delete, (*where, expected or b"")
    content: Any = (new.version, rows.write_clear(new.clear), new.sealed, new.expires_at)
    if expected is None:
        return statements.insert, (*content, *where)
    return statements.update, (*content, *where, expected)


def sweeps(new: Row | None) -> bool:
    """Whether this write also drops expired rows: its version is chance enough."""
    return new is not None and new.version[0] % SWEEP_ONE_WRITE_IN == 0


def listing(statements: Statements, partition: str | None, cursor: str) -> tuple[bytes, Parameters]:
    """The statement for a page and one row more."""
    after = rows.read_cursor(cursor, partition) if cursor else Key(partition or "", "")
    return (
        statements.list_all if partition is None else statements.list,
        (*key_parameters(after), rows.PAGE_ROWS + 1),
    )


def read_page(found: Sequence[Any]) -> Page:
    """The page of what a listing found."""
    page = tuple(read_row(columns) for columns in found[: rows.PAGE_ROWS])
    return Page(page, rows.write_cursor(page[-1].key) if len(found) > rows.PAGE_ROWS else "")


def read_row(columns: Sequence[Any]) -> Row:
    """The row of one line of a result. Raises StoreError."""
    partition, name, version, clear, sealed, expires_at = columns
    try:
        key = Key(partition.decode(), name.decode())
        return rows.read_row(key, version, rows.read_clear(clear), sealed, expires_at)
    except rows.NOT_OURS:
        failure = _foreign()
    raise failure


def _foreign() -> StoreError:
    return StoreError("a row was written by something else: give valetkey a table of its own")


def is_doubtful(sqlstate: str | None) -> bool:
    """Whether a statement that failed so may nevertheless have been carried out."""
    if sqlstate is None or sqlstate == COMPLETION_UNKNOWN:
        return True
    return sqlstate[:2] in DOUBTFUL_CLASSES and sqlstate != NOTHING_WRITTEN


def explain(sqlstate: str | None) -> str:
    """What to do about a statement's failure; the server's own words may hold a row and are not repeated."""
    if sqlstate is None:
        return "the connection broke: try again, and check the server and the network"
    code = f"SQLSTATE {sqlstate}"
    return failures.explain(code, {code: ADVICE.get(sqlstate, "")}, otherwise=UNFORESEEN)


def explain_connect(text: str) -> str:
    """What to do where no connection came about; the text may hold names and is not repeated."""
    return next((advice for words, advice in CONNECT_ADVICE if words in text), UNREACHABLE)


def missing(description: str, table: str, facts: Sequence[Any]) -> tuple[str, ...]:
    """A sentence for each thing that the statement `check` found wanting."""
    found = dict(zip(FACTS, facts, strict=True))
    if not found["table"]:
        return (f"{description}: there is no table {table}: make it with `valetkey store create`",)
    lacking = [verb for verb in FACTS[-4:] if not found[verb]]
    wanting = (
        (found["columns"] != COLUMN_TYPES, f"{table} has other columns: name a table of valetkey's own with ?table="),
        (not found["key"], f"{table} has no unique key (partition, name): two callers could create one row"),
        (not found["logged"], f"{table} is unlogged, a crash empties it: ALTER TABLE {table} SET LOGGED"),
        (
            found["synchronous_commit"] == "off",
            "synchronous_commit is off, a crash loses the last writes: set it to on",
        ),
        (found["fsync"] != "on", "fsync is off, a crash may destroy everything: set it to on"),
        (found["full_page_writes"] != "on", "full_page_writes is off, a crash may destroy pages: set it to on"),
        (found["encoding"] != "UTF8", f"the database's encoding is {found['encoding']}: make one with ENCODING 'UTF8'"),
        (bool(lacking), f"this user may not {', '.join(lacking)}: GRANT {', '.join(lacking)} ON {table}"),
    )
    return tuple(f"{description}: {sentence}" for wrong, sentence in wanting if wrong)
