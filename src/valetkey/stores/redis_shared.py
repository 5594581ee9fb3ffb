"""What both Redis stores share: what answers and failures mean, whichever colour brought them."""

from __future__ import annotations

import os

from valetkey.digest import sha1
from valetkey.effects import UNKNOWN, Key, Page, Row
from valetkey.errors import StoreError
from valetkey.stores import redis_commands as commands
from valetkey.stores import rows
from valetkey.stores.failures import Operations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from valetkey.effects import Outcome
    from valetkey.stores.redis_commands import Command
    from valetkey.stores.redis_url import RedisPlace

READ_ATTEMPTS = 2
SWAP_HASH = sha1(commands.SWAP.encode()).hexdigest()
FACTS: tuple[Command, ...] = (
    ("INFO", "memory"), ("INFO", "persistence"), ("INFO", "cluster"),
    ("CONFIG", "GET", "save"), ("CONFIG", "GET", "appendfsync"),
)  # fmt: skip


class RedisMeaning:
    """What both colours share: where, and what answers and failures mean."""

    local = False

    def __init__(self, place: RedisPlace) -> None:
        from redis import exceptions

        self.description = place.description
        self._during = Operations(self.description)
        self._place = place
        self._keys = commands.Keys(place.prefix)
        self._probe_keys = commands.Keys(f"{place.prefix}:check")
        self._parameters = {"decode_responses": False, "protocol": 2, "health_check_interval": 0, **place.parameters}
        self._refusal, self._no_script = exceptions.ResponseError, exceptions.NoScriptError
        self._loading = exceptions.BusyLoadingError
        self._error = exceptions.RedisError

    def _failure(self, error: Exception) -> StoreError:
        said = isinstance(error, self._refusal | self._loading)
        sentence = commands.explain(error, connecting=not said)
        if sentence == commands.UNREACHABLE:
            sentence = "the connection broke: try again, and check the server and the network"
        return StoreError(sentence)

    def _unreachable(self, error: Exception) -> StoreError:
        return StoreError(commands.explain(error, connecting=True))

    def _check_role(self, role: Any) -> None:
        """Raise StoreError where the server is not a primary: what it says may be old."""
        if isinstance(role, list) and role and role[0] not in (b"master", "master"):
            raise StoreError(commands.REPLICA)

    def _outcome(self, error: Exception) -> Outcome:
        """What a failed write came to. Raises StoreError: nothing was written."""
        if isinstance(error, self._refusal | self._loading):
            raise self._failure(error) from None
        return UNKNOWN

    def _repeats(self, attempt: int, error: Exception) -> bool:
        return attempt + 1 < READ_ATTEMPTS and not isinstance(error, self._refusal)

    def _members(self, partition: str | None, answer: Sequence[bytes]) -> list[Key]:
        try:
            return [commands.read_member(partition, member) for member in answer]
        except ValueError:
            message = "an index was written by something else: give valetkey a prefix of its own"
            raise StoreError(message) from None

    def _page(self, keys: Sequence[Key], answers: Sequence[Any]) -> tuple[Page, list[Command]]:
        """The page, and what tidies the indexes of rows that have lapsed."""
        loaded = [commands.read_row(key, fields) for key, fields in zip(keys, answers, strict=False)]
        gone = [self._keys.tidy(key) for key, row in zip(keys, loaded, strict=False) if row is None]
        page = tuple(row for row in loaded if row is not None)
        return Page(page, rows.write_cursor(keys[rows.PAGE_ROWS - 1]) if len(keys) > rows.PAGE_ROWS else ""), gone

    def _missing(self, answers: Sequence[Any], refused: str) -> tuple[str, ...]:
        texts = [answer for answer in answers[:3] if isinstance(answer, bytes)]
        info = commands.read_info(*texts)
        for name, answer in zip(("save", "appendfsync"), answers[3:], strict=True):
            if isinstance(answer, list) and len(answer) == 2:
                info[name] = answer[1].decode()
        found = [f"{self.description}: {refused}"] if refused else []
        return (*found, *commands.missing(self.description, info), *self._place.exposed)

    def _probe(self) -> tuple[Command, Command]:
        """A write and a delete beside the rows, which no listing sees."""
        key = Key("check", os.urandom(8).hex())  # noqa: TID251 - a name that no other check has at this moment
        row = Row(key, bytes(16), {})
        return (
            ("EVAL", commands.SWAP, *self._probe_keys.swap(key, None, row)),
            ("EVAL", commands.SWAP, *self._probe_keys.swap(key, row.version, None)),
        )
