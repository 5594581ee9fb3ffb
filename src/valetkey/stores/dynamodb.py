"""Rows in a DynamoDB table, over HTTP without an SDK; one class for sync and async.

    partition (S, partition key), name (S, sort key), version (B), sealed (B), expires_at (N, the table's TTL
    attribute), and each clear column as an attribute of its own (S or N)

The one rule: after an attempt that may have been applied, a refused condition is `unknown`, never `lost`, since it may
be our own write that stands there. Listing all rows goes by DynamoDB's hash of the partition; within one partition it
goes by name. How requests are sent and repeated is in `dynamodb_wire`, how the table is made and checked in
`dynamodb_table`.
"""

from __future__ import annotations

from valetkey.effects import LOST, UNKNOWN, WON, Key, Page, Row
from valetkey.errors import ConfigurationError, StoreError
from valetkey.stores import rows
from valetkey.stores.dynamodb_wire import DynamoDBWire
from valetkey.stores.failures import NO_ANSWER, Operations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeAlias, TypeVar

    from valetkey.clouds.aws_credentials import AwsCredentialSource
    from valetkey.effects import Outcome, WireOp

    T = TypeVar("T")
    Attributes: TypeAlias = dict[str, dict[str, str]]

CONDITION_FAILED = "ConditionalCheckFailedException"
TABLE_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
BIG_ROWS_PAGE = 8  # of the biggest rows in base64, still under a megabyte


class DynamoDBStore:
    """Rows in one table, strongly consistent, with conditional writes."""

    blocking = False
    local = False

    def __init__(self, table: str, *, region: str, credentials: AwsCredentialSource, endpoint: str = "") -> None:
        """endpoint: another address than the region's own, such as a VPC endpoint or a test's server."""
        if not 3 <= len(table) <= 255 or not TABLE_CHARACTERS.issuperset(table):
            message = "a DynamoDB table's name is 3 to 255 of letters, digits, underscore, full stop and hyphen"
            raise ConfigurationError(message)
        self.table = table
        self.description = f"dynamodb:{table} in {region}" if region else f"dynamodb:{table}"
        self._during = Operations(self.description)
        self._wire = DynamoDBWire(self.description, region=region, credentials=credentials, endpoint=endpoint)

    def load(self, key: Key) -> WireOp[Row | None]:
        """The row, read consistently. Raises StoreError."""
        rows.check_key(key)
        with self._during.load:
            answer = yield from self._wire.ask(
                "GetItem", {"TableName": self.table, "Key": _key_attributes(key), "ConsistentRead": True}
            )
            item = self._wire.content(answer).get("Item")
            row = None if item is None else self._ours(_read_row, item)
            if row is not None and row.key != key:
                raise self._foreign()
            return row

    def swap(self, key: Key, expected: bytes | None, new: Row | None) -> WireOp[Outcome]:
        """Create, replace or delete by version. Raises StoreError only where nothing was written."""
        rows.check_swap(key, expected, new)
        with self._during.swap:
            request: dict[str, object] = {"TableName": self.table}
            if expected is None:
                request |= {"ConditionExpression": "attribute_not_exists(#p)"}
                request |= {"ExpressionAttributeNames": {"#p": "partition"}}
            else:
                request |= {"ConditionExpression": "#v = :v", "ExpressionAttributeNames": {"#v": "version"}}
                request |= {"ExpressionAttributeValues": {":v": {"B": _base64(expected)}}}
            if new is None:
                answer = yield from self._wire.ask("DeleteItem", {**request, "Key": _key_attributes(key)})
            else:
                answer = yield from self._wire.ask("PutItem", {**request, "Item": _attributes(new)})
            if not answer.error:
                return WON
            if answer.maybe_applied or (answer.error == CONDITION_FAILED and answer.repeated):
                return UNKNOWN
            if answer.error == CONDITION_FAILED:
                return LOST
            raise self._wire.failure(answer)

    def list(self, partition: str | None, cursor: str) -> WireOp[Page]:
        """At most 100 rows after the cursor, fewer where they are big. Raises StoreError."""
        with self._during.list:
            operation = "Scan"
            request: dict[str, object] = {"TableName": self.table, "ConsistentRead": True}
            if cursor:
                request["ExclusiveStartKey"] = _key_attributes(rows.read_cursor(cursor, partition))
            if partition is not None:
                operation = "Query"
                request |= {"KeyConditionExpression": "#p = :p", "ExpressionAttributeNames": {"#p": "partition"}}
                request |= {"ExpressionAttributeValues": {":p": {"S": partition}}}
            answer = yield from self._wire.ask(operation, {**request, "Limit": rows.PAGE_ROWS}, attempts=2)
            if answer.error == NO_ANSWER:  # perhaps the page was more than a transport takes: rows are at most 82 KB
                answer = yield from self._wire.ask(operation, {**request, "Limit": BIG_ROWS_PAGE})
            return self._ours(_read_page, self._wire.content(answer))

    def create(self) -> WireOp[None]:
        """Make the table where it is not there; let expired rows lapse; keep backups. Raises StoreError."""
        with self._during.create:
            from valetkey.stores.dynamodb_table import create_table

            return (yield from create_table(self._wire, self.table))

    def check(self) -> WireOp[tuple[str, ...]]:
        """What the table or its permissions are missing. Raises StoreError where DynamoDB cannot be asked."""
        with self._during.check:
            from valetkey.stores.dynamodb_table import check_table

            return (yield from check_table(self._wire, self.table))

    def close(self) -> None:
        """Nothing is held open: connections belong to the transport."""

    def _ours(self, read: Callable[[Mapping[str, Any]], T], content: Mapping[str, Any]) -> T:
        """What it reads there. Raises StoreError where something else has written it."""
        try:
            return read(content)
        except rows.NOT_OURS:
            failure = self._foreign()
        raise failure

    def _foreign(self) -> StoreError:
        return StoreError("an item was written by something else: give valetkey a table of its own")


def _key_attributes(key: Key) -> Attributes:
    return {"partition": {"S": key.partition}, "name": {"S": key.name}}


def _attributes(row: Row) -> Attributes:
    """The item; what is empty or zero is left out."""
    item = _key_attributes(row.key) | {"version": {"B": _base64(row.version)}}
    if row.sealed:
        item["sealed"] = {"B": _base64(row.sealed)}
    if row.expires_at:
        item["expires_at"] = {"N": str(row.expires_at)}
    for name, content in row.clear.items():
        item[name] = {"S": content} if isinstance(content, str) else {"N": str(content)}
    return item


def _read_key(item: Mapping[str, Any]) -> Key:
    return Key(item["partition"]["S"], item["name"]["S"])


def _read_row(item: Mapping[str, Any]) -> Row:
    clear: dict[str, str | int] = {}
    for name, attribute in item.items():
        if name not in rows.RESERVED_COLUMNS:
            clear[name] = attribute["S"] if "S" in attribute else int(attribute["N"])
    rows.check_clear(clear)
    sealed = _from_base64(item["sealed"]["B"]) if "sealed" in item else b""
    expires_at = int(item["expires_at"]["N"]) if "expires_at" in item else 0
    return rows.read_row(_read_key(item), _from_base64(item["version"]["B"]), clear, sealed, expires_at)


def _read_page(content: Mapping[str, Any]) -> Page:
    found, last = tuple(map(_read_row, content.get("Items", ()))), content.get("LastEvaluatedKey")
    if not last:
        return Page(found, "")
    after = _read_key(last)
    rows.check_key(after)
    return Page(found, rows.write_cursor(after))


def _base64(octets: bytes) -> str:
    from binascii import b2a_base64

    return b2a_base64(octets, newline=False).decode()


def _from_base64(text: str) -> bytes:
    from binascii import a2b_base64

    return a2b_base64(text, strict_mode=True)
