"""Rows in Redis or Valkey, by redis-py: one class for each colour, one script for each write.

    rediss://user:password@host:6379/0?prefix=valetkey

The one rule: a write whose connection broke is `unknown` and is never sent again, since the server may have carried it
out; redis-py's own repetitions are therefore not used. A connection that is not to a primary is refused. Clusters are
not supported: a row and its indexes live in different slots. What is said and how answers are read is in
`redis_commands` and `redis_shared`, connections are kept in `pool`.
"""

from __future__ import annotations

from valetkey.effects import LOST, WON
from valetkey.stores import redis_commands as commands
from valetkey.stores import rows
from valetkey.stores.pool import CONNECTIONS, AsyncPool, Pool, is_silent
from valetkey.stores.redis_shared import FACTS, READ_ATTEMPTS, SWAP_HASH, RedisMeaning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from valetkey.effects import Key, Outcome, Page, Row
    from valetkey.stores.redis_commands import Command
    from valetkey.stores.redis_url import RedisPlace


class RedisStore(RedisMeaning):
    """Rows in hashes, for blocking callers."""

    blocking = True

    def __init__(self, place: RedisPlace, *, connections: int = CONNECTIONS) -> None:
        """connections: so many at once; others wait. Nothing is opened yet."""
        super().__init__(place)
        self._pool: Pool[Any] = Pool(self, limit=connections)

    def load(self, key: Key) -> Row | None:
        """The row, from the primary. Raises StoreError."""
        rows.check_key(key)
        with self._during.load:
            return commands.read_row(key, self._read([self._keys.load(key)])[0])

    def swap(self, key: Key, expected: bytes | None, new: Row | None) -> Outcome:
        """Create, replace or delete by version. Raises StoreError only where nothing was written."""
        rows.check_swap(key, expected, new)
        with self._during.swap:
            arguments = self._keys.swap(key, expected, new)
            try:
                with self._pool.lend() as connection:
                    changed = self._write(connection, arguments)
            except (self._error, OSError) as error:
                return self._outcome(error)
            return WON if changed == 1 else LOST

    def list(self, partition: str | None, cursor: str) -> Page:
        """At most 100 rows in key order after the cursor. Raises StoreError."""
        with self._during.list:
            keys = self._members(partition, self._read([self._keys.list(partition, cursor)])[0])
            page, gone = self._page(keys, self._read([self._keys.load(key) for key in keys[: rows.PAGE_ROWS]]))
            if gone:
                _ = self._read(gone)
            return page

    def create(self) -> None:
        """Nothing has to be made, but the server must answer. Raises StoreError."""
        with self._during.create:
            _ = self._read([("PING",)])

    def check(self) -> tuple[str, ...]:
        """What persistence, eviction and permissions are missing. Raises StoreError where it cannot be asked."""
        with self._during.check:
            with self._pool.lend() as connection:
                answers = [self._ask(connection, command) for command in FACTS]
                probes = [self._ask(connection, command) for command in self._probe()]
            failed = [answer for answer in probes if isinstance(answer, Exception)]
            return self._missing(answers, commands.explain(failed[0]) if failed else "")

    def close(self) -> None:
        """Close the connections that nobody is using."""
        self._pool.close()

    def connect(self) -> Any:
        """A new connection to the primary. Raises StoreError."""
        from redis.backoff import NoBackoff
        from redis.connection import Connection, SSLConnection
        from redis.retry import Retry

        make: Any = SSLConnection if self._place.tls else Connection
        connection = make(**self._parameters, retry=Retry(NoBackoff(), 0))
        try:
            connection.connect()
            self._check_role(self._ask(connection, ("ROLE",)))
        except (self._error, OSError) as error:
            connection.disconnect()
            raise self._unreachable(error) from None
        except BaseException:
            connection.disconnect()
            raise
        return connection

    def usable(self, connection: Any) -> bool:
        """Whether nothing has come on an idle connection: an end, or an answer to a question of another."""
        try:
            return not connection.can_read(timeout=0)
        except (self._error, OSError):
            return False

    def disconnect(self, connection: Any) -> None:
        """Close it."""
        connection.disconnect()

    def _write(self, connection: Any, arguments: Command) -> Any:
        try:
            connection.send_command("EVALSHA", SWAP_HASH, *arguments)
            return connection.read_response()
        except self._no_script:  # nothing ran
            connection.send_command("EVAL", commands.SWAP, *arguments)
            return connection.read_response()

    def _ask(self, connection: Any, command: Command) -> Any:
        """The answer, or the refusal as a value."""
        connection.send_command(*command)
        try:
            return connection.read_response()
        except self._refusal as error:
            return error

    def _read(self, asked: Sequence[Command]) -> tuple[Any, ...]:
        """All answers, on one connection; a refused question is an error."""
        for attempt in range(READ_ATTEMPTS):
            try:
                with self._pool.lend(new=attempt > 0) as connection:
                    if asked:
                        connection.send_packed_command(connection.pack_commands(asked))
                    return tuple(connection.read_response() for _ in asked)
            except (self._error, OSError) as error:
                if not self._repeats(attempt, error):
                    raise self._failure(error) from None
        raise AssertionError


class AsyncRedisStore(RedisMeaning):
    """Rows in hashes, for awaiting callers; it outlives event loops."""

    blocking = False

    def __init__(self, place: RedisPlace, *, connections: int = CONNECTIONS) -> None:
        """connections: so many at once in each event loop; others wait. Nothing is opened yet."""
        super().__init__(place)
        self._pool: AsyncPool[Any] = AsyncPool(self, limit=connections)

    async def load(self, key: Key) -> Row | None:
        """The row, from the primary. Raises StoreError."""
        rows.check_key(key)
        with self._during.load:
            return commands.read_row(key, (await self._read([self._keys.load(key)]))[0])

    async def swap(self, key: Key, expected: bytes | None, new: Row | None) -> Outcome:
        """Create, replace or delete by version. Raises StoreError only where nothing was written."""
        rows.check_swap(key, expected, new)
        with self._during.swap:
            arguments = self._keys.swap(key, expected, new)
            try:
                async with self._pool.lend() as connection:
                    changed = await self._write(connection, arguments)
            except (self._error, OSError) as error:
                return self._outcome(error)
            return WON if changed == 1 else LOST

    async def list(self, partition: str | None, cursor: str) -> Page:
        """At most 100 rows in key order after the cursor. Raises StoreError."""
        with self._during.list:
            keys = self._members(partition, (await self._read([self._keys.list(partition, cursor)]))[0])
            loads = [self._keys.load(key) for key in keys[: rows.PAGE_ROWS]]
            page, gone = self._page(keys, await self._read(loads))
            if gone:
                _ = await self._read(gone)
            return page

    async def create(self) -> None:
        """Nothing has to be made, but the server must answer. Raises StoreError."""
        with self._during.create:
            _ = await self._read([("PING",)])

    async def check(self) -> tuple[str, ...]:
        """What persistence, eviction and permissions are missing. Raises StoreError where it cannot be asked."""
        with self._during.check:
            async with self._pool.lend() as connection:
                answers = [await self._ask(connection, command) for command in FACTS]
                probes = [await self._ask(connection, command) for command in self._probe()]
            failed = [answer for answer in probes if isinstance(answer, Exception)]
            return self._missing(answers, commands.explain(failed[0]) if failed else "")

    def close(self) -> None:
        """Close the connections that nobody is using."""
        self._pool.close()

    async def connect(self) -> Any:
        """A new connection to the primary. Raises StoreError."""
        from redis.asyncio.connection import Connection, SSLConnection
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        make: Any = SSLConnection if self._place.tls else Connection
        connection = make(**self._parameters, retry=Retry(NoBackoff(), 0))
        try:
            await connection.connect()
            self._check_role(await self._ask(connection, ("ROLE",)))
        except (self._error, OSError) as error:
            self.disconnect(connection)
            raise self._unreachable(error) from None
        except BaseException:
            self.disconnect(connection)
            raise
        return connection

    async def usable(self, connection: Any) -> bool:
        """Whether nothing has come on an idle connection: an end, or an answer to a question of another."""
        # redis-py looks at what its loop has read already; the news may still be in the socket
        there = connection._writer and connection._writer.get_extra_info("socket")  # noqa: SLF001 - it has no other way
        return bool(there) and is_silent(there.fileno())

    def disconnect(self, connection: Any) -> None:
        """Close it without waiting; where its loop has ended, its socket is closed beneath it."""
        writer = connection._writer  # noqa: SLF001 - redis-py closes on the loop only
        connection._writer = connection._reader = None  # noqa: SLF001 - as above
        if writer is None:
            return
        try:
            writer.transport.abort()
        except RuntimeError:  # the loop is closed
            transport = writer.transport
            transport = getattr(transport, "_ssl_protocol", transport)
            transport = getattr(transport, "_transport", transport)
            if getattr(transport, "_sock", None) is not None:
                transport._sock.close()  # noqa: SLF001 - as above
                transport._sock = None  # noqa: SLF001 - as above

    async def _write(self, connection: Any, arguments: Command) -> Any:
        try:
            await connection.send_command("EVALSHA", SWAP_HASH, *arguments)
            return await connection.read_response()
        except self._no_script:  # nothing ran
            await connection.send_command("EVAL", commands.SWAP, *arguments)
            return await connection.read_response()

    async def _ask(self, connection: Any, command: Command) -> Any:
        """The answer, or the refusal as a value."""
        await connection.send_command(*command)
        try:
            return await connection.read_response()
        except self._refusal as error:
            return error

    async def _read(self, asked: Sequence[Command]) -> tuple[Any, ...]:
        """All answers, on one connection; a refused question is an error."""
        for attempt in range(READ_ATTEMPTS):
            try:
                async with self._pool.lend(new=attempt > 0) as connection:
                    if asked:
                        await connection.send_packed_command(connection.pack_commands(asked))
                    return tuple([await connection.read_response() for _ in asked])
            except (self._error, OSError) as error:
                if not self._repeats(attempt, error):
                    raise self._failure(error) from None
        raise AssertionError
