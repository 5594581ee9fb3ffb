"""Rows as documents of Firestore, over its REST API without an SDK; one class for sync and async.

    document id    `k<partition> <name>`, both as `keytext` writes them: it sorts as the key does
    fields         version (bytes), sealed (bytes), expires_at (a timestamp, for the TTL policy), each clear column as
                   c_<column> (string or integer); `partition` and `name` where one was cut

Firestore compares its own update times only, so a write is: find the update time that stands beside the expected
version, then commit on condition of it. Both change at every write, so the one holds exactly while the other does, and
a row that this store has just read or written needs no second look.
The one rule: after an attempt that may have been applied, a refused condition is `unknown`, never `lost`. Requests are
in `firestore_wire`, repetitions in `http_wire`, the TTL policy and backups in `firestore_database`.
"""

from __future__ import annotations

from valetkey.dates import read_time, write_time
from valetkey.effects import LOST, Key, Page, Row
from valetkey.errors import ConfigurationError, StoreError
from valetkey.stores import rows
from valetkey.stores.failures import ADVICE, NO_ANSWER, NOT_JSON, Operations
from valetkey.stores.firestore_wire import CONDITION_FAILED, EXISTS, NOT_FOUND, FirestoreWire
from valetkey.stores.http_wire import MAX_ATTEMPTS, Stamps
from valetkey.stores.keytext import read_key_text, write_key_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from valetkey.clouds.google_credentials import GoogleTokenSource
    from valetkey.effects import Outcome, WireOp

    Fields = Mapping[str, Mapping[str, str]]

MAX_PARTITION_CHARACTERS = 380  # a document's id has at most 1,500 octets
MAX_NAME_CHARACTERS = 1_100
LAST_TIME = 253_402_300_799  # 9999-12-31T23:59:59Z, the last second of a timestamp
COLUMN = "c_"  # a field's name must not look like __this__
BIG_ROWS_PAGE = 8  # of the biggest rows in base64, still under a megabyte
MOVED = frozenset({CONDITION_FAILED, NOT_FOUND})
COLLECTION_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


class FirestoreStore:
    """Rows in one collection, strongly consistent, with conditional commits."""

    blocking = False
    local = False

    def __init__(
        self,
        project: str,
        *,
        tokens: GoogleTokenSource,
        database: str = "(default)",
        collection: str = "valetkey",
        emulator: str = "",
    ) -> None:
        """emulator: `host:port` on loopback, as in FIRESTORE_EMULATOR_HOST; it gets no credentials."""
        self.description = f"firestore:{collection} in {project}/{database}"
        self._during = Operations(self.description)
        good = 1 <= len(collection) <= 200 and COLLECTION_CHARACTERS.issuperset(collection)
        if not good or collection.startswith("_"):
            message = "a Firestore collection's name is 1 to 200 letters, digits, _ and -, the first no _"
            raise ConfigurationError(message)
        self.collection = collection
        self._wire = FirestoreWire(
            self.description, project=project, database=database, tokens=tokens, emulator=emulator
        )
        self._documents = f"{self._wire.database}/documents/{collection}"
        self._stamps = Stamps()

    def load(self, key: Key) -> WireOp[Row | None]:
        """The row, strongly consistent. Raises StoreError."""
        rows.check_key(key)
        with self._during.load:
            return (yield from self._load(key))

    def swap(self, key: Key, expected: bytes | None, new: Row | None) -> WireOp[Outcome]:
        """Create, replace or delete by version. Raises StoreError only where nothing was written."""
        rows.check_swap(key, expected, new)
        with self._during.swap:
            condition: dict[str, object] = {"exists": False}
            if expected is not None:
                time = self._stamps.of(key, expected) or (yield from self._time_beside(key, expected))
                if not time:
                    return LOST
                condition = {"updateTime": time}
            write: dict[str, object] = {"currentDocument": condition}
            if new is None:
                write["delete"] = self._name(key)
            else:
                write["update"] = {"name": self._name(key), "fields": _fields(new)}
            self._stamps.drop(key)
            answer = yield from self._wire.ask(self._wire.request("/documents:commit", {"writes": [write]}))
            if not answer.error and new is not None:
                self._stamps.note(key, new.version, _update_time(answer.content))
            # of a creation, only ALREADY_EXISTS is an outcome: the others say that the database cannot be used
            return self._wire.outcome(answer, lost=frozenset({EXISTS}) if expected is None else MOVED)

    def list(self, partition: str | None, cursor: str) -> WireOp[Page]:
        """At most 100 rows after the cursor, fewer where they are big. Raises StoreError."""
        with self._during.list:
            query: dict[str, object] = {
                "from": [{"collectionId": self.collection}],
                "orderBy": [{"field": {"fieldPath": "__name__"}, "direction": "ASCENDING"}],
            }
            if partition is not None:  # from before its first row to before the next character after the space
                start = f"{self._documents}/k{_partition_text(partition)}"
                query |= {"startAt": _position(f"{start} ", before=True), "endAt": _position(f"{start}!", before=True)}
            if cursor:
                after = rows.read_cursor(cursor, partition)
                query |= {"startAt": _position(self._name(after), before=False)}
            answer, most = (yield from self._query(query, rows.PAGE_ROWS, attempts=2)), rows.PAGE_ROWS
            if answer.error == NO_ANSWER:  # perhaps the page was more than a transport takes: rows are at most 82 KB
                answer, most = (yield from self._query(query, BIG_ROWS_PAGE)), BIG_ROWS_PAGE
            found = tuple(self._row(part["document"]) for part in self._parts(answer) if "document" in part)
            return Page(found, rows.write_cursor(found[-1].key) if len(found) >= most else "")

    def create(self) -> WireOp[None]:
        """Let expired rows lapse, leave the collection out of indexes, keep backups. Raises StoreError."""
        with self._during.create:
            from valetkey.stores.firestore_database import create_policies

            return (yield from create_policies(self._wire, self.collection))

    def check(self) -> WireOp[tuple[str, ...]]:
        """What the database or its permissions are missing. Raises StoreError where it cannot be asked."""
        with self._during.check:
            from valetkey.stores.firestore_database import check_database

            return (yield from check_database(self._wire, self.collection))

    def close(self) -> None:
        """Nothing is held open: connections belong to the transport."""

    def _load(self, key: Key) -> WireOp[Row | None]:
        request = self._wire.request("/documents:batchGet", {"documents": [self._name(key)]})
        for part in self._parts((yield from self._wire.ask(request))):
            if "missing" in part:
                self._stamps.drop(key)
                return None
            if "found" in part:
                row = self._row(part["found"])
                if row.key != key:  # only where SHA-256 collides
                    raise self._foreign()
                return row
        message = f"an answer that says neither that a document is there nor that it is not: {ADVICE[NOT_JSON]}"
        raise StoreError(message)

    def _time_beside(self, key: Key, expected: bytes) -> WireOp[str]:
        """The update time that stands beside that version; empty where there is another one or no row."""
        _ = yield from self._load(key)
        return self._stamps.of(key, expected)

    def _name(self, key: Key) -> str:
        name = write_key_text(key.name, MAX_NAME_CHARACTERS)
        return f"{self._documents}/k{_partition_text(key.partition)} {name}"

    def _query(self, query: Mapping[str, object], limit: int, *, attempts: int = MAX_ATTEMPTS) -> WireOp[Any]:
        request = self._wire.request("/documents:runQuery", {"structuredQuery": {**query, "limit": limit}})
        return (yield from self._wire.ask(request, attempts=attempts))

    def _parts(self, answer: Any) -> Sequence[Mapping[str, Any]]:
        """The messages of a streamed answer."""
        content = self._wire.content(answer)
        if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
            message = f"an answer that is not a stream of messages: {ADVICE[NOT_JSON]}"
            raise StoreError(message)
        return content

    def _row(self, document: Any) -> Row:
        row: Row | None
        try:
            row, time = _read_document(document, self._documents), document["updateTime"]
        except rows.NOT_OURS:
            row, time = None, ""
        if row is None or not isinstance(time, str):
            raise self._foreign()
        self._stamps.note(row.key, row.version, time)
        return row

    def _foreign(self) -> StoreError:
        return StoreError("a document was written by something else: give valetkey a collection of its own")


def _partition_text(partition: str) -> str:
    return write_key_text(partition, MAX_PARTITION_CHARACTERS)


def _position(name: str, *, before: bool) -> dict[str, object]:
    return {"values": [{"referenceValue": name}], "before": before}


def _update_time(content: Any) -> str:
    """The update time that a commit gave; empty where the answer does not say it."""
    try:
        time = content["writeResults"][0]["updateTime"]
    except (KeyError, TypeError, IndexError):
        return ""
    return time if isinstance(time, str) else ""


def _fields(row: Row) -> Fields:
    """The document's fields; what is empty or zero is left out."""
    fields = {"version": _bytes(row.version)}
    parts = (("partition", row.key.partition, MAX_PARTITION_CHARACTERS), ("name", row.key.name, MAX_NAME_CHARACTERS))
    for field, part, most in parts:
        if read_key_text(write_key_text(part, most)) is None:
            fields[field] = {"stringValue": part}
    if row.sealed:
        fields["sealed"] = _bytes(row.sealed)
    if row.expires_at > LAST_TIME:
        fields["expires_at"] = {"integerValue": str(row.expires_at)}  # which a TTL policy leaves alone
    elif row.expires_at:
        fields["expires_at"] = {"timestampValue": write_time(row.expires_at)}
    for column, content in row.clear.items():
        text = isinstance(content, str)
        fields[COLUMN + column] = {"stringValue" if text else "integerValue": str(content)}
    return fields


def _read_document(document: Mapping[str, Any], documents: str) -> Row:
    fields: Fields = document["fields"]
    partition, _, name = document["name"].removeprefix(f"{documents}/k").partition(" ")
    clear: dict[str, str | int] = {}
    for field, content in fields.items():
        if field.startswith(COLUMN):
            integer = "integerValue" in content
            clear[field.removeprefix(COLUMN)] = int(content["integerValue"]) if integer else content["stringValue"]
    rows.check_clear(clear)
    parts = []
    for field, text in (("partition", partition), ("name", name)):
        part = read_key_text(text)
        parts.append(fields[field]["stringValue"] if part is None else part)
    sealed = _octets(fields["sealed"]) if "sealed" in fields else b""
    return rows.read_row(Key(*parts), _octets(fields["version"]), clear, sealed, _expires_at(fields))


def _expires_at(fields: Fields) -> int:
    content = fields.get("expires_at", {"integerValue": "0"})
    return read_time(content["timestampValue"]) if "timestampValue" in content else int(content["integerValue"])


def _bytes(octets: bytes) -> dict[str, str]:
    from binascii import b2a_base64

    return {"bytesValue": b2a_base64(octets, newline=False).decode()}


def _octets(content: Mapping[str, str]) -> bytes:
    from binascii import a2b_base64

    return a2b_base64(content["bytesValue"], strict_mode=True)
