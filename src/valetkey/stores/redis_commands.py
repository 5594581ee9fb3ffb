"""What Redis is told, and how its answers and failures are read; nothing here speaks to it.

    <prefix>:row:<octets of partition>:<partition>:<name>   a hash: version, clear (JSON), sealed, expires_at
    <prefix>:partition:<partition>                          a sorted set of the names in it, all with score 0
    <prefix>:all                                            a sorted set of partition and name, all with score 0

The one rule: row and indexes change in one script, which Redis runs alone, and nothing is written before its compare.
A row with a time to live goes by itself; what the indexes still say of it is dropped by the listing that finds it gone.
"""

from __future__ import annotations

from valetkey.effects import Key, Row
from valetkey.errors import StoreError
from valetkey.stores import failures, rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, TypeAlias

    Command: TypeAlias = tuple[str | bytes | int, ...]

FIELDS = ("version", "clear", "sealed", "expires_at")
LATEST_EXPIRY = 99_999_999_999  # Redis counts milliseconds in 64 bits; the year 5138 is never enough
PAGE = rows.PAGE_ROWS + 1

# KEYS: row, partition's index, index of all. ARGV: expected version or "", new version or "", clear, sealed,
# expires_at, when the row lapses or 0, name, partition and name. The indexes go first: should one of them be
# something else, nothing of the row has been written.
SWAP = """
local current = redis.call('HGET', KEYS[1], 'version')
if (current or '') ~= ARGV[1] then return 0 end
if ARGV[2] == '' then
  redis.call('ZREM', KEYS[2], ARGV[7])
  redis.call('ZREM', KEYS[3], ARGV[8])
  redis.call('DEL', KEYS[1])
  return 1
end
redis.call('ZADD', KEYS[2], 0, ARGV[7])
redis.call('ZADD', KEYS[3], 0, ARGV[8])
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'clear', ARGV[3], 'sealed', ARGV[4], 'expires_at', ARGV[5])
if ARGV[6] == '0' then redis.call('PERSIST', KEYS[1]) else redis.call('EXPIREAT', KEYS[1], ARGV[6]) end
return 1
"""
TIDY = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('ZREM', KEYS[3], ARGV[2])
"""

COMMANDS = "EVAL, EVALSHA, HGET, HMGET, HSET, DEL, EXISTS, PERSIST, EXPIREAT, ZADD, ZREM, ZRANGEBYLEX and ROLE"
REPLICA = "this server is a read-only replica: name the primary"
ADVICE = (
    ("ReadOnly", REPLICA),
    ("NOAUTH", "the server wants a password: write redis://user:password@host"),
    ("Authentication required", "the server wants a password: write redis://user:password@host"),
    ("WRONGPASS", "the server refused the user or the password: check both in the URL"),
    ("invalid username-password", "the server refused the user or the password: check both in the URL"),
    ("invalid password", "the server refused the user or the password: check both in the URL"),
    ("without any password configured", "the server has no password, but the URL gives one: remove it or set one"),
    ("NOPERM", f"permission denied: allow {COMMANDS} on the store's keys"),
    ("no permissions", f"permission denied: allow {COMMANDS} on the store's keys"),
    ("OutOfMemory", "the memory is full: raise maxmemory; nothing was written"),
    ("MISCONF", "it cannot write to its disk and takes no writes: look at its log"),
    ("NOREPLICAS", "it has fewer replicas than it wants and takes no writes: look at its replication"),
    ("MovedError", "a cluster is not supported: name a server, or a replication group without cluster mode"),
    ("CrossSlot", "a cluster is not supported: name a server, or a replication group without cluster mode"),
    ("ClusterDown", "a cluster is not supported: name a server, or a replication group without cluster mode"),
    ("LOADING", "it is starting and still reads its data: try again"),
    ("loading", "it is starting and still reads its data: try again"),
    ("WRONGTYPE", "a key is used by something else: give valetkey a ?prefix= or a database of its own"),
    ("DB index", "there is no such database number on the server: correct the URL"),
    ("unknown command", "this server has no Lua scripts or sorted sets: use another"),
    ("certificate", "its certificate was not accepted: check the host name and ?cafile="),
    ("SSL", "TLS failed: write redis:// where the server does not speak it"),
    ("Timeout", "it did not answer in time: check the host, and that this network may reach it"),
    ("Name or service not known", "the host name is not known: correct it"),
)  # fmt: skip
UNREACHABLE = "it cannot be reached: check host and port, and that the server runs"
UNFORESEEN = "look the error up in the log of the server"


class Keys:
    """The keys of one prefix, as octets: Redis takes any."""

    def __init__(self, prefix: str) -> None:
        """prefix: what all keys begin with."""
        self.all = f"{prefix}:all".encode()
        self._row, self._partition = f"{prefix}:row:".encode(), f"{prefix}:partition:".encode()

    def row(self, key: Key) -> bytes:
        """Where the row is. The length says where the partition ends, whatever is in it."""
        partition = key.partition.encode()
        return b"%s%d:%s:%s" % (self._row, len(partition), partition, key.name.encode())

    def partition(self, partition: str) -> bytes:
        """Where the names of a partition are."""
        return self._partition + partition.encode()

    def of(self, key: Key) -> tuple[bytes, bytes, bytes]:
        """The row and its two indexes."""
        return self.row(key), self.partition(key.partition), self.all

    def swap(self, key: Key, expected: bytes | None, new: Row | None) -> Command:
        """What follows EVAL and the script."""
        members = (key.name.encode(), write_member(key))
        if new is None:
            return (3, *self.of(key), expected or b"", b"", b"", b"", 0, 0, *members)
        content = (rows.write_clear(new.clear), new.sealed, new.expires_at, min(new.expires_at, LATEST_EXPIRY))
        return (3, *self.of(key), expected or b"", new.version, *content, *members)

    def load(self, key: Key) -> Command:
        """The command that reads a row."""
        return ("HMGET", self.row(key), *FIELDS)

    def list(self, partition: str | None, cursor: str) -> Command:
        """The command that reads an index, for a page and one row more."""
        after = rows.read_cursor(cursor, partition) if cursor else None
        index = self.all if partition is None else self.partition(partition)
        member = b"-" if after is None else b"(" + (after.name.encode() if partition else write_member(after))
        return ("ZRANGEBYLEX", index, member, "+", "LIMIT", 0, PAGE)

    def tidy(self, key: Key) -> Command:
        """The command that drops what the indexes say of a row that has lapsed."""
        return ("EVAL", TIDY, 3, *self.of(key), key.name.encode(), write_member(key))


def write_member(key: Key) -> bytes:
    """Partition and name as one text whose octets sort as the pair does."""
    return key.partition.encode().replace(b"\0", b"\0\xff") + b"\0\0" + key.name.encode()


def read_member(partition: str | None, member: bytes) -> Key:
    """The key that a member of an index stands for. Raises ValueError."""
    if partition is not None:
        return Key(partition, member.decode())
    written, end, name = member.partition(b"\0\0")
    if not end:
        message = "a member of the index has no end of its partition"
        raise ValueError(message)
    return Key(written.replace(b"\0\xff", b"\0").decode(), name.decode())


def read_row(key: Key, fields: Sequence[Any]) -> Row | None:
    """The row that HMGET found. Raises StoreError."""
    version, clear, sealed, expires_at = fields
    if version is None:
        return None
    try:
        return rows.read_row(key, version, rows.read_clear(clear.decode()), sealed, int(expires_at))
    except rows.NOT_OURS:
        message = "a row was written by something else: give valetkey a ?prefix= of its own"
    raise StoreError(message)


def explain(error: Exception, *, connecting: bool = False) -> str:
    """What a failure is and what to do about it; of the server's own words only the code is repeated."""
    text = f"{type(error).__name__} {error}"  # redis-py makes classes of some codes and takes them from the text
    found = next((advice for words, advice in ADVICE if words in text), "")
    if connecting and not found:
        return UNREACHABLE
    word = str(error).partition(" ")[0]  # the server's code, where redis-py has left it there
    code = word if word.isascii() and word.isalpha() and word.isupper() else type(error).__name__
    return failures.explain(code, {code: found}, otherwise=UNFORESEEN)


CLUSTER = "it is part of a cluster, which is not supported: use one server, with replicas that take over"
UNTOLD = "its INFO says nothing of memory: make sure that it persists and that maxmemory-policy is noeviction"
FORGETFUL = "it keeps nothing on disk, a restart loses every connection: set appendonly to yes"
SNAPSHOTS = "it only takes snapshots, a crash loses what was written since the last: set appendonly to yes"
SLOW = "appendfsync is no, a crash loses up to half a minute: set it to always or everysec"
FAILING = "its last write to disk failed: look at its disk and its log"


def missing(description: str, info: Mapping[str, str]) -> tuple[str, ...]:
    """A sentence for each thing that what INFO and CONFIG say makes unsafe."""
    policy = info.get("maxmemory_policy", "")
    evicts = f"maxmemory-policy is {policy}: it may drop connections or claims: set it to noeviction"
    log_off = info.get("aof_enabled") == "0"
    wanting = (
        (info.get("cluster_enabled") == "1", CLUSTER),
        (not policy, UNTOLD),
        (policy not in ("", "noeviction"), evicts),
        (log_off and info.get("save") == "", FORGETFUL),
        (log_off and info.get("save") != "", SNAPSHOTS),
        (info.get("aof_enabled") == "1" and info.get("appendfsync") == "no", SLOW),
        (info.get("aof_last_write_status", "ok") != "ok", FAILING),
    )
    return tuple(f"{description}: {sentence}" for wrong, sentence in wanting if wrong)


def read_info(*texts: bytes) -> dict[str, str]:
    """INFO's lines as a table."""
    lines = [line for text in texts for line in text.decode("utf-8", "replace").splitlines()]
    return {name: content for name, colon, content in (line.partition(":") for line in lines) if colon}
