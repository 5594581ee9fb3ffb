"""Stores: where rows live. Each can load strongly, compare-and-swap and list.

    rows.py            the limits and text forms that every store shares
    memory.py          a dict, for tests and for a process that may forget
    sqlite.py          one file, for every process of one machine
    dynamodb.py        a table over HTTP; `dynamodb_wire.py` signs, sends and repeats its requests,
                       `dynamodb_table.py` makes and checks the table
    postgres.py        a table in PostgreSQL, by psycopg 3; one class for each colour
    redis.py           hashes in Redis, by redis-py; one class for each colour
    firestore.py       documents of Firestore over HTTP; `firestore_wire.py`, `firestore_database.py`
    azure_tables.py    a table of Azure Table Storage over HTTP; `azure_tables_wire.py`
    http_wire.py       how the last two send, repeat and understand their requests
    failures.py        how the errors of all of them read
    keytext.py         a key as plain ASCII that sorts as the key does
    open.py            from a URL such as `sqlite:rows.db` to one of them

The one rule: `swap` never says lost where its own write may have been applied; it says unknown, and the caller looks.
A store whose method is a program of wire effects serves both colours; others answer at once.
Not here: what a row means (`connections`), sealing (`keys`).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Protocol, TypeAlias, TypeVar

    from valetkey.effects import Key, Outcome, Page, Row, WireOp

    T = TypeVar("T")
    Answer: TypeAlias = T | Awaitable[T] | WireOp[T]

    class Store(Protocol):
        """Rows and compare-and-swap.

        A store of your own that has no strong reads or no compare-and-swap says so in an attribute `unfit`, whose text
        is the reason: its tokens are served, and refreshing them is refused with that reason.
        """

        description: str
        """How errors and `valetkey` commands name it: kind and place, never a credential."""
        blocking: bool
        """Whether a call blocks the thread: the async vault then calls it in another one."""
        local: bool
        """Whether it is lost with the machine: refused on serverless platforms unless accepted as ephemeral."""

        def load(self, key: Key) -> Answer[Row | None]:
            """The row, strongly consistent; one past its expires_at may still be there. Raises StoreError."""
            ...

        def swap(self, key: Key, expected: bytes | None, new: Row | None) -> Answer[Outcome]:
            """Create (expected None), replace or delete (new None) by version."""
            ...

        def list(self, partition: str | None, cursor: str) -> Answer[Page]:
            """Rows in key order, at most 100 a page."""
            ...

        def create(self) -> Answer[None]:
            """Make what the store needs to keep rows, where it is missing. Raises StoreError.

            Nothing that is there is changed but what expires and protects rows; `valetkey store create` calls it.
            """
            ...

        def check(self) -> Answer[tuple[str, ...]]:
            """A sentence about each thing that is missing or unsafe, with what to do; empty where all is well.

            Reads and writes no row of a connection. Raises StoreError where the store cannot be asked.
            """
            ...

        def close(self) -> None:
            """Give back what is held open."""
            ...
