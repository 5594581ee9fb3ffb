"""Rows in a table of Azure Table Storage, over HTTP without an SDK; one class for sync and async.

    PartitionKey, RowKey    partition and name as `keytext` writes them; `partition` and `name` too where one was cut
    version (Binary), sealed and sealed_1 (Binary), expires_at (Int64), each clear column as c_<column> (String, Int64)

Table Storage compares its ETags only, so a write is: find the ETag that stands beside the expected version, then write
`If-Match` that ETag. Both change at every write, so the ETag holds exactly while the version does, and a row that this
store has just read or written needs no second look. (A batch could not compare versions either.)
The one rule: after an attempt that may have been applied, a refused condition is `unknown`, never `lost`; and a delete
of what is not there is never `won`: the service says 404 and SDKs hide it. Table Storage has no time to live, and could
find expired rows only by reading the whole table: whoever lists everything drops the expired rows it meets.
Requests are in `azure_tables_wire`, repetitions in `http_wire`.
"""

from __future__ import annotations

from valetkey.effects import LOST, Key, Now, Page, Row
from valetkey.errors import ConfigurationError, StoreError
from valetkey.stores import rows
from valetkey.stores.azure_tables_wire import (
    CONDITION_FAILED,
    ENTITY_EXISTS,
    NO_SUCH_ENTITY,
    NO_SUCH_TABLE,
    TABLE_EXISTS,
    AzureTablesWire,
)
from valetkey.stores.failures import ADVICE, NO_ANSWER, NOT_JSON, Operations
from valetkey.stores.http_wire import MAX_ATTEMPTS, Stamps
from valetkey.stores.keytext import read_key_text, write_key_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from valetkey.clouds.azure_credentials import AzureTokenSource
    from valetkey.effects import Outcome, WireOp
    from valetkey.http import Pairs, Request
    from valetkey.secret import Secret

MAX_KEY_CHARACTERS = 512  # 1 KiB of UTF-16 for each of the two keys
PIECE_OCTETS = 61_440  # a Binary property has at most 64 KiB
COLUMN = "c_"  # no clear column's name is one of the service's own then, nor begins with a digit
BIG_ROWS_PAGE = 8  # of the biggest rows in base64, still under a megabyte
MAX_CONTINUATIONS = 50  # of pages without a row, which the service gives at the borders of its partitions
GRACE_SECONDS = 3_600  # after a row expired: no clock is off by so much
MAX_DROPPED = 25  # expired rows for each page of a sweep
TABLE_ABSENT = frozenset({NO_SUCH_TABLE, NO_SUCH_ENTITY})
EXISTS = frozenset({ENTITY_EXISTS})
MOVED = CONDITION_FAILED | {NO_SUCH_ENTITY}
PROBE = "(PartitionKey='valetkey-check',RowKey='none')"
PROBE_ETAG = "W/\"datetime'2000-01-01T00%3A00%3A00.0000000Z'\""


class AzureTablesStore:
    """Rows in one table, strongly consistent, with conditional writes."""

    blocking = False
    local = False

    def __init__(
        self, table: str, *, account: str, key: Secret | None, tokens: AzureTokenSource, endpoint: str = ""
    ) -> None:
        """key: the account's, where there is one; tokens: asked where there is none.

        endpoint: another address than the account's own, such as another cloud's or a test's server.
        """
        if not 3 <= len(table) <= 63 or not (table.isascii() and table.isalnum()) or table[0].isdigit():
            message = "a table's name is 3 to 63 letters and digits, the first a letter: write aztables://account/table"
            raise ConfigurationError(message)
        self.table = table
        self.description = f"aztables:{table} in {account}"
        self._during = Operations(self.description)
        self._wire = AzureTablesWire(self.description, account=account, key=key, tokens=tokens, endpoint=endpoint)
        self._stamps = Stamps()

    def load(self, key: Key) -> WireOp[Row | None]:
        """The row, from the primary region. Raises StoreError."""
        rows.check_key(key)
        with self._during.load:
            return (yield from self._load(key))

    def swap(self, key: Key, expected: bytes | None, new: Row | None) -> WireOp[Outcome]:
        """Create, replace or delete by version. Raises StoreError only where nothing was written."""
        rows.check_swap(key, expected, new)
        with self._during.swap:
            if expected is None:
                request, lost = self._wire.request("POST", self.table, content=_entity_of(new)), EXISTS
            else:
                etag = self._stamps.of(key, expected) or (yield from self._etag_beside(key, expected))
                if not etag:
                    return LOST
                request, lost = self._write(key, etag, new), MOVED
            self._stamps.drop(key)
            answer = yield from self._wire.ask(request)
            if not answer.error and new is not None:
                self._stamps.note(key, new.version, answer.headers.get("ETag") or "")
            return self._wire.outcome(answer, lost=lost)

    def list(self, partition: str | None, cursor: str) -> WireOp[Page]:
        """At most 100 rows after the cursor, fewer where they are big. Raises StoreError."""
        with self._during.list:
            after = rows.read_cursor(cursor, partition) if cursor else None
            place = after.partition if after is not None else partition
            found: tuple[Row, ...] = ()
            if place is not None:  # what is left of one partition
                condition = f"PartitionKey eq '{_partition_text(place)}'"
                if after is not None:
                    condition += f" and RowKey gt '{_name_text(after.name)}'"
                found, more = yield from self._page(condition, rows.PAGE_ROWS)
                if partition is not None:
                    return _page_of(found, more=more)
                if more:
                    return (yield from self._tidied(found, more=more))
            # one condition for each request: with `or` in it, the service would read the whole table every time
            condition = "" if place is None else f"PartitionKey gt '{_partition_text(place)}'"
            others, more = yield from self._page(condition, rows.PAGE_ROWS - len(found))
            return (yield from self._tidied(found + others, more=more))

    def create(self) -> WireOp[None]:
        """Make the table where it is not there. Raises StoreError."""
        with self._during.create:
            answer = yield from self._wire.ask(
                self._wire.request("POST", "Tables", content={"TableName": self.table}),
            )
            if answer.error and answer.error != TABLE_EXISTS:
                raise self._wire.failure(answer)

    def check(self) -> WireOp[tuple[str, ...]]:
        """Whether the table is there and may be read and written. Raises StoreError where it cannot be asked."""
        with self._during.check:
            query = (("$top", "1"), ("$select", "PartitionKey"))
            answer = yield from self._wire.ask(self._wire.request("GET", f"{self.table}()", query=query))
            if answer.error in TABLE_ABSENT:
                return (f"{self.description}: there is no such table: make it with `valetkey store create`",)
            if answer.error.startswith("Authorization"):
                return (f"{self.description}: {self._wire.failure(answer)}",)
            _ = self._wire.content(answer)
            # the conditional delete of a row that is never there asks for the permission to write, and writes nothing
            answer = yield from self._wire.ask(self._wire.request("DELETE", self.table + PROBE, if_match=PROBE_ETAG))
            if answer.error.startswith("Authorization"):
                return (f"{self.description}: {self._wire.failure(answer)}",)
            if answer.error and answer.error not in MOVED:
                raise self._wire.failure(answer)
            return ()

    def close(self) -> None:
        """Nothing is held open: connections belong to the transport."""

    def _load(self, key: Key) -> WireOp[Row | None]:
        answer = yield from self._wire.ask(self._wire.request("GET", self._entity(key)))
        if answer.error == NO_SUCH_ENTITY:
            self._stamps.drop(key)
            return None
        content = self._wire.content(answer)
        row = self._row(content, answer.headers.get("ETag") or "")
        if row.key != key:  # only where SHA-256 collides
            raise self._foreign()
        return row

    def _etag_beside(self, key: Key, expected: bytes) -> WireOp[str]:
        """The ETag that stands beside that version; empty where the row has another version or is not there."""
        _ = yield from self._load(key)
        return self._stamps.of(key, expected)

    def _write(self, key: Key, etag: str, new: Row | None) -> Request:
        if new is None:
            return self._wire.request("DELETE", self._entity(key), if_match=etag)
        return self._wire.request("PUT", self._entity(key), if_match=etag, content=_entity_of(new))

    def _entity(self, key: Key) -> str:
        from valetkey.http import percent_encode

        partition, name = percent_encode(_partition_text(key.partition)), percent_encode(_name_text(key.name))
        return f"{self.table}(PartitionKey='{partition}',RowKey='{name}')"

    def _page(self, condition: str, most: int) -> WireOp[tuple[tuple[Row, ...], bool]]:
        """At most that many rows in key order, and whether there may be more."""
        token: Pairs = ()
        for _ in range(MAX_CONTINUATIONS):
            query = ((("$filter", condition),) if condition else ()) + token
            answer, top = (yield from self._query(query, most, attempts=2)), most
            if answer.error == NO_ANSWER:  # perhaps the page was more than a transport takes: rows are at most 82 KB
                top = min(most, BIG_ROWS_PAGE)
                answer = yield from self._query(query, top)
            content = self._wire.content(answer)
            found = tuple(self._row(entity, "") for entity in self._entities(content))
            token = _continuation(answer.headers)
            if found or not token:
                return found, bool(token) or len(found) >= top
        message = "the service went on without giving rows: try again"
        raise StoreError(message)

    def _tidied(self, found: tuple[Row, ...], *, more: bool) -> WireOp[Page]:
        """The page without the rows that expired some time ago, a few of which are deleted."""
        latest = (yield from Now()) - GRACE_SECONDS
        expired = [row for row in found if row.expires_at and row.expires_at < latest]
        for row in expired[:MAX_DROPPED]:
            etag = self._stamps.of(row.key, row.version)
            if not etag:
                continue
            try:  # whatever comes of it: the next sweep meets the row again
                _ = yield from self._wire.ask(self._write(row.key, etag, None), attempts=1)
            except StoreError:
                break
        page = _page_of(found, more=more)
        return Page(tuple(row for row in found if row not in expired), page.cursor)

    def _query(self, query: Pairs, top: int, *, attempts: int = MAX_ATTEMPTS) -> WireOp[Any]:
        request = self._wire.request("GET", f"{self.table}()", query=(*query, ("$top", str(top))))
        return (yield from self._wire.ask(request, attempts=attempts))

    def _entities(self, content: Any) -> Sequence[Any]:
        entities = content.get("value") if isinstance(content, dict) else None
        if not isinstance(entities, list):
            message = f"an answer that is not a listing: {ADVICE[NOT_JSON]}"
            raise StoreError(message)
        return entities

    def _row(self, entity: Any, etag: str) -> Row:
        try:
            row, beside = _read_entity(entity), entity.get("odata.etag", "")
            etag = etag or (beside if beside.isascii() and beside.isprintable() else "")
        except rows.NOT_OURS:
            row = None
        if row is None:
            raise self._foreign()
        self._stamps.note(row.key, row.version, etag)
        return row

    def _foreign(self) -> StoreError:
        return StoreError("a row was written by something else: give valetkey a table of its own")


def _partition_text(partition: str) -> str:
    return write_key_text(partition, MAX_KEY_CHARACTERS)


def _name_text(name: str) -> str:
    return write_key_text(name, MAX_KEY_CHARACTERS)


def _page_of(found: tuple[Row, ...], *, more: bool) -> Page:
    return Page(found, rows.write_cursor(found[-1].key) if found and more else "")


def _continuation(headers: Any) -> Pairs:
    names = (("NextPartitionKey", "x-ms-continuation-NextPartitionKey"), ("NextRowKey", "x-ms-continuation-NextRowKey"))
    return tuple((name, text) for name, header in names if (text := headers.get(header)))


def _entity_of(row: Row | None) -> dict[str, object] | None:
    """The entity; what is empty or zero is left out."""
    if row is None:
        return None
    partition, name = _partition_text(row.key.partition), _name_text(row.key.name)
    entity: dict[str, object] = {"PartitionKey": partition, "RowKey": name}
    for column, text, part in (("partition", partition, row.key.partition), ("name", name, row.key.name)):
        if read_key_text(text) is None:
            entity |= _binary(column, part.encode())
    entity |= _binary("version", row.version)
    for number, start in enumerate(range(0, len(row.sealed), PIECE_OCTETS)):
        entity |= _binary(f"sealed_{number}" if number else "sealed", row.sealed[start : start + PIECE_OCTETS])
    if row.expires_at:
        entity |= _int64("expires_at", row.expires_at)
    for column, content in row.clear.items():
        entity |= {COLUMN + column: content} if isinstance(content, str) else _int64(COLUMN + column, content)
    return entity


def _read_entity(entity: Mapping[str, Any]) -> Row:
    clear: dict[str, str | int] = {}
    for name, content in entity.items():
        if name.startswith(COLUMN) and "@" not in name:
            clear[name.removeprefix(COLUMN)] = (
                int(content) if entity.get(f"{name}@odata.type") == "Edm.Int64" else content
            )
    rows.check_clear(clear)
    parts = []
    for column, name in (("PartitionKey", "partition"), ("RowKey", "name")):
        part = read_key_text(entity[column])
        parts.append(_octets(entity[name]).decode() if part is None else part)
    sealed = b"".join(_octets(entity[name]) for name in ("sealed", "sealed_1") if name in entity)
    return rows.read_row(Key(*parts), _octets(entity["version"]), clear, sealed, int(entity.get("expires_at", 0)))


def _int64(name: str, number: int) -> dict[str, object]:
    return {f"{name}@odata.type": "Edm.Int64", name: str(number)}


def _binary(name: str, octets: bytes) -> dict[str, object]:
    from binascii import b2a_base64

    return {f"{name}@odata.type": "Edm.Binary", name: b2a_base64(octets, newline=False).decode()}


def _octets(text: str) -> bytes:
    from binascii import a2b_base64

    return a2b_base64(text, strict_mode=True)
