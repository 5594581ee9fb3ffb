"""What every store asks of a key and a row before keeping them, and the text forms that stores share.

The one rule: what fits one store fits them all, so that moving from SQLite to DynamoDB never finds a row too big.
"""

from __future__ import annotations

from valetkey.effects import Key, Row
from valetkey.http import base64url, base64url_decode
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.effects import Clear

PAGE_ROWS = 100
VERSION_OCTETS = 16
MAX_KEY_OCTETS = 1_000  # of the partition, and of the name: DynamoDB's sort key has at most 1,024
MAX_SEALED_OCTETS = 65_536
MAX_CLEAR_OCTETS = 16_384
MAX_INTEGER = 2**63
RESERVED_COLUMNS = frozenset({"partition", "name", "version", "sealed", "expires_at"})
COLUMN_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")


NOT_OURS = (ValueError, KeyError, TypeError, AttributeError, OverflowError)
"""What reading a row raises that something else wrote. Raise the store's own error after the handler: these hold it."""


def check_key(key: Key) -> None:
    """Raise ValueError where no store could keep a row under this key."""
    for part, text in (("partition", key.partition), ("name", key.name)):
        if not 0 < len(text) <= MAX_KEY_OCTETS or (not text.isascii() and len(_utf8(text, part)) > MAX_KEY_OCTETS):
            message = f"the {part} of a row's key has 1 to {MAX_KEY_OCTETS} octets of UTF-8: hash what is longer"
            raise ValueError(message)


def check_swap(key: Key, expected: bytes | None, new: Row | None) -> None:
    """Raise ValueError where a write makes no sense or its row is too big; nothing was written then."""
    check_key(key)
    if expected is None and new is None:
        message = "a swap creates, replaces or deletes: give a version to expect, a new row, or both"
        raise ValueError(message)
    if expected is not None and len(expected) != VERSION_OCTETS:
        message = f"a version has {VERSION_OCTETS} octets"
        raise ValueError(message)
    if new is None:
        return
    if new.key != key:
        message = "the new row carries another key than the one it is written to"
        raise ValueError(message)
    if len(new.version) != VERSION_OCTETS or new.version == expected:
        message = f"every write draws a version of {VERSION_OCTETS} octets of its own"
        raise ValueError(message)
    if len(new.sealed) > MAX_SEALED_OCTETS:
        message = f"a row's sealed part has at most {MAX_SEALED_OCTETS} octets: keep less metadata in it"
        raise ValueError(message)
    if not 0 <= new.expires_at < MAX_INTEGER:
        message = "expires_at is in Unix seconds, 0 for never"
        raise ValueError(message)
    check_clear(new.clear)


def check_clear(clear: Clear) -> None:
    """Raise ValueError where a clear column could not be kept as it is by every store."""
    size = 0
    for name, content in clear.items():
        if not name or len(name) > 64 or not COLUMN_CHARACTERS.issuperset(name) or name in RESERVED_COLUMNS:
            message = "a clear column's name is 1 to 64 of a-z, 0-9 and _, and none of the row's own columns"
            raise ValueError(message)
        if type(content) is str:
            size += len(name) + len(_utf8(content, name))
        elif type(content) is int and -MAX_INTEGER <= content < MAX_INTEGER:
            size += len(name) + 20
        else:  # a bool or a float would come back as something else
            message = f"clear column {name} holds a str or an int of 64 bits"
            raise ValueError(message)
    if size > MAX_CLEAR_OCTETS:
        message = f"a row's clear columns have at most {MAX_CLEAR_OCTETS} octets together"
        raise ValueError(message)


def _utf8(text: str, part: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        message = f"{part} holds half of a surrogate pair, which is no character"
        raise ValueError(message) from None


def read_row(key: Key, version: bytes, clear: Clear, sealed: bytes, expires_at: int) -> Row:
    """The row that an engine gave back. Raises what is in `NOT_OURS` where no swap can have written it."""
    check_key(key)
    if len(version) != VERSION_OCTETS or not 0 <= expires_at < MAX_INTEGER:
        message = "a row has a version and a time when it expires"
        raise ValueError(message)
    return Row(key, version, clear, sealed, expires_at)


def detached(row: Row) -> Row:
    """A copy whose clear columns nobody else holds."""
    return replace(row, clear=dict(row.clear))


def write_clear(clear: Clear) -> str:
    """The clear columns as JSON text, in the order of their names."""
    from json import dumps

    return dumps(dict(clear), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def read_clear(text: str) -> Clear:
    """The clear columns from JSON text; anything but an object of strings and integers raises ValueError."""
    from json import loads

    try:
        clear = loads(text)
    except RecursionError:
        clear = None
    if not isinstance(clear, dict):
        message = "clear columns are a JSON object"
        raise ValueError(message)  # noqa: TRY004 - it is the text that is wrong
    if not _COLUMN_TYPES.issuperset(map(type, clear.values())):  # names and sizes were checked when it was written
        message = "clear columns are strings and integers"
        raise ValueError(message)
    return clear


_COLUMN_TYPES = frozenset((str, int))


def write_cursor(key: Key) -> str:
    """The cursor of the page after this key."""
    partition = key.partition.encode()
    return base64url(len(partition).to_bytes(2, "big") + partition + key.name.encode())


def read_cursor(cursor: str, partition: str | None) -> Key:
    """The key after which the page starts. Raises ValueError where the cursor is not one of that listing."""
    try:
        octets = base64url_decode(cursor)
        end = 2 + int.from_bytes(octets[:2], "big")
        key = Key(octets[2:end].decode(), octets[end:].decode())
        check_key(key)
    except ValueError:
        message = "this cursor was not given out by a listing: start again with an empty one"
        raise ValueError(message) from None
    if partition is not None and key.partition != partition:
        message = "this cursor belongs to another partition: start again with an empty one"
        raise ValueError(message)
    return key
