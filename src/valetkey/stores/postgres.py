"""Rows in a PostgreSQL table, by psycopg 3: one class for each colour, one statement for each write.

    postgresql://user:password@host:5432/database?sslmode=verify-full&sslrootcert=ca.pem

The one rule: a write whose connection broke is `unknown` and is never sent again, since the server may have carried it
out. Reads and writes go to the primary (target_session_attrs=read-write) and no state is kept in a session, so that a
pooler may stand between. What is asked and how answers are read is in `postgres_sql`, connections are kept in `pool`.
"""

from __future__ import annotations

from valetkey.effects import LOST, UNKNOWN, WON, Key
from valetkey.errors import StoreError
from valetkey.stores import postgres_sql as sql
from valetkey.stores import rows
from valetkey.stores.failures import Operations
from valetkey.stores.pool import CONNECTIONS, AsyncPool, Pool, is_silent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    import psycopg

    from valetkey.effects import Outcome, Page, Row
    from valetkey.stores.postgres_url import PostgresPlace

READ_ATTEMPTS = 2
WRITE_ATTEMPTS = 3  # where the server's isolation level makes it refuse a write that came second
NO_STARTUP_OPTIONS = "unsupported startup parameter"  # a pooler's words


class _Postgres:
    """What both colours share: where, and what failures mean."""

    local = False

    def __init__(self, place: PostgresPlace, *, connections: int = CONNECTIONS) -> None:
        """connections: so many of one process, or of one event loop, at once."""
        self.description = place.description
        self._during = Operations(self.description)
        self._sql = sql.Statements(place.table)
        self._parameters = dict(place.parameters)
        self._error = place.error
        self._limit = connections
        self._unverified = place.unverified

    def _drop_options(self, error: Exception) -> None:
        """Leave out the options that a pooler does not know, for another try. Raises StoreError else."""
        if NO_STARTUP_OPTIONS in str(error) and self._parameters.pop("options", None):
            return
        raise StoreError(sql.explain_connect(str(error))) from None

    def _failure(self, error: Any) -> StoreError:
        return StoreError(sql.explain(error.sqlstate))

    def _repeats(self, attempt: int, error: Any) -> bool:
        """Whether to read again on a new connection: the one before was cut."""
        return attempt + 1 < READ_ATTEMPTS and sql.is_doubtful(error.sqlstate)

    def _outcome(self, error: Any) -> Outcome | None:
        """What a failed write came to; None where it is to be sent again. Raises StoreError: nothing was written."""
        if sql.is_doubtful(error.sqlstate):
            return UNKNOWN
        if error.sqlstate == sql.SERIALIZATION_FAILURE:
            return None
        raise self._failure(error) from None

    def _never(self) -> StoreError:
        return StoreError(sql.explain(sql.SERIALIZATION_FAILURE))

    def _missing(self, facts: Sequence[Any]) -> tuple[str, ...]:
        return (*sql.missing(self.description, self._sql.table, facts), *self._unverified)


class PostgresStore(_Postgres):
    """Rows in a table, for blocking callers."""

    blocking = True

    def __init__(self, place: PostgresPlace, *, connections: int = CONNECTIONS) -> None:
        """connections: so many at once; others wait. Nothing is opened yet."""
        super().__init__(place, connections=connections)
        self._pool: Pool[psycopg.Connection[Any]] = Pool(self, limit=connections)

    def load(self, key: Key) -> Row | None:
        """The row, from the primary. Raises StoreError."""
        rows.check_key(key)
        with self._during.load:
            for attempt in range(READ_ATTEMPTS):
                try:
                    with self._pool.lend(new=attempt > 0) as connection:
                        found = connection.wait(sql.send_load(self._sql, key, connection))
                        return sql.read_load(key, found[0])
                except self._error as error:
                    if not self._repeats(attempt, error):
                        raise self._failure(error) from None
            raise self._never()

    def swap(self, key: Key, expected: bytes | None, new: Row | None) -> Outcome:
        """Create, replace or delete by version. Raises StoreError only where nothing was written."""
        rows.check_swap(key, expected, new)
        with self._during.swap:
            statement, parameters = sql.swap(self._sql, key, expected, new)
            for _ in range(WRITE_ATTEMPTS):
                try:
                    with self._pool.lend() as connection:
                        changed = connection.execute(statement, parameters).rowcount
                except self._error as error:
                    outcome = self._outcome(error)
                    if outcome is None:
                        continue
                    return outcome
                if changed and sql.sweeps(new):
                    self._sweep()
                return WON if changed else LOST
            raise self._never()

    def list(self, partition: str | None, cursor: str) -> Page:
        """At most 100 rows in key order after the cursor. Raises StoreError."""
        with self._during.list:
            return sql.read_page(self._read(*sql.listing(self._sql, partition, cursor)))

    def create(self) -> None:
        """Make the table and its index where they are not there. Raises StoreError."""
        with self._during.create:
            try:
                with self._pool.lend() as connection:
                    _ = connection.execute(self._sql.create)
            except self._error as error:
                raise self._failure(error) from None

    def check(self) -> tuple[str, ...]:
        """What the table, this user's permissions or the server's settings are missing. Raises StoreError."""
        with self._during.check:
            return self._missing(self._read(self._sql.check, ())[0])

    def close(self) -> None:
        """Close the connections that nobody is using."""
        self._pool.close()

    def connect(self) -> psycopg.Connection[Any]:
        """A new connection to the primary. Raises StoreError."""
        import psycopg

        for _ in range(2):
            try:
                return psycopg.connect(**self._parameters, autocommit=True, prepare_threshold=None)
            except psycopg.Error as error:
                self._drop_options(error)
        raise self._never()

    def usable(self, connection: psycopg.Connection[Any]) -> bool:
        """Whether nothing has come on an idle connection: an end, or news that should not be there."""
        return not connection.closed and is_silent(connection.fileno())

    def disconnect(self, connection: psycopg.Connection[Any]) -> None:
        """Close it."""
        connection.close()

    def _read(self, statement: bytes, parameters: sql.Parameters) -> Sequence[Any]:
        for attempt in range(READ_ATTEMPTS):
            try:
                with self._pool.lend(new=attempt > 0) as connection:
                    return connection.execute(statement, parameters or None, binary=True).fetchall()
            except self._error as error:
                if not self._repeats(attempt, error):
                    raise self._failure(error) from None
        raise self._never()

    def _sweep(self) -> None:
        """Drop some expired rows; the write that came before is done, whatever comes of this."""
        try:
            with self._pool.lend() as connection:
                _ = connection.execute(self._sql.sweep)
        except (self._error, StoreError):
            return


class AsyncPostgresStore(_Postgres):
    """Rows in a table, for awaiting callers; it outlives event loops."""

    blocking = False

    def __init__(self, place: PostgresPlace, *, connections: int = CONNECTIONS) -> None:
        """connections: so many at once in each event loop; others wait. Nothing is opened yet."""
        super().__init__(place, connections=connections)
        self._pool: AsyncPool[psycopg.AsyncConnection[Any]] = AsyncPool(self, limit=connections)

    async def load(self, key: Key) -> Row | None:
        """The row, from the primary. Raises StoreError."""
        rows.check_key(key)
        with self._during.load:
            for attempt in range(READ_ATTEMPTS):
                try:
                    async with self._pool.lend(new=attempt > 0) as connection:
                        found = await connection.wait(sql.send_load(self._sql, key, connection))
                        return sql.read_load(key, found[0])
                except self._error as error:
                    if not self._repeats(attempt, error):
                        raise self._failure(error) from None
            raise self._never()

    async def swap(self, key: Key, expected: bytes | None, new: Row | None) -> Outcome:
        """Create, replace or delete by version. Raises StoreError only where nothing was written."""
        rows.check_swap(key, expected, new)
        with self._during.swap:
            statement, parameters = sql.swap(self._sql, key, expected, new)
            for _ in range(WRITE_ATTEMPTS):
                try:
                    async with self._pool.lend() as connection:
                        changed = (await connection.execute(statement, parameters)).rowcount
                except self._error as error:
                    outcome = self._outcome(error)
                    if outcome is None:
                        continue
                    return outcome
                if changed and sql.sweeps(new):
                    await self._sweep()
                return WON if changed else LOST
            raise self._never()

    async def list(self, partition: str | None, cursor: str) -> Page:
        """At most 100 rows in key order after the cursor. Raises StoreError."""
        with self._during.list:
            return sql.read_page(await self._read(*sql.listing(self._sql, partition, cursor)))

    async def create(self) -> None:
        """Make the table and its index where they are not there. Raises StoreError."""
        with self._during.create:
            try:
                async with self._pool.lend() as connection:
                    _ = await connection.execute(self._sql.create)
            except self._error as error:
                raise self._failure(error) from None

    async def check(self) -> tuple[str, ...]:
        """What the table, this user's permissions or the server's settings are missing. Raises StoreError."""
        with self._during.check:
            return self._missing((await self._read(self._sql.check, ()))[0])

    def close(self) -> None:
        """Close the connections that nobody is using."""
        self._pool.close()

    async def connect(self) -> psycopg.AsyncConnection[Any]:
        """A new connection to the primary. Raises StoreError."""
        import psycopg

        for _ in range(2):
            try:
                return await psycopg.AsyncConnection.connect(
                    **self._parameters, autocommit=True, prepare_threshold=None
                )
            except psycopg.Error as error:
                self._drop_options(error)
        raise self._never()

    async def usable(self, connection: psycopg.AsyncConnection[Any]) -> bool:
        """Whether nothing has come on an idle connection: an end, or news that should not be there."""
        return not connection.closed and is_silent(connection.fileno())

    def disconnect(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Close it; no loop is needed for that."""
        connection.pgconn.finish()
        connection._closed = True  # noqa: SLF001 - else it warns that nobody closed it

    async def _read(self, statement: bytes, parameters: sql.Parameters) -> Sequence[Any]:
        for attempt in range(READ_ATTEMPTS):
            try:
                async with self._pool.lend(new=attempt > 0) as connection:
                    return await (await connection.execute(statement, parameters or None, binary=True)).fetchall()
            except self._error as error:
                if not self._repeats(attempt, error):
                    raise self._failure(error) from None
        raise self._never()

    async def _sweep(self) -> None:
        """Drop some expired rows; the write that came before is done, whatever comes of this."""
        try:
            async with self._pool.lend() as connection:
                _ = await connection.execute(self._sql.sweep)
        except (self._error, StoreError):
            return
