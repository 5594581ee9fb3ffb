"""What valetkey asks of a store, by counting: each thing is done once in a world in memory, and its effects counted.

Nothing is estimated. The octets are those of rows with the sandbox's tokens; docs/costs.md says how they grow.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from valetkey.connections.cache import TokenCache
from valetkey.connections.codec import connection_key
from valetkey.connections.keepalive import keepalive
from valetkey.connections.manage import forget, revoke
from valetkey.connections.outbox import deliver_events, keep_events
from valetkey.connections.sign import access_token
from valetkey.connections.webhook import Webhook, write_secret
from valetkey.drivers.drive import drive
from valetkey.effects import List, Load, Send, Swap
from valetkey.http import Headers, Response
from valetkey.secret import Secret
from valetkey.stores.rows import write_clear
from valetkey.testing.world import World
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from valetkey.effects import AnyEffect, Op, Row

HOOK = "https://hooks.example/valetkey"
DAY = 86_400
MILLION = 1_000_000
REFRESHES, CALLS = 24 * MILLION, 240 * MILLION  # of a day: every hour, and ten times an hour
LONG = 2_000
READ_UNIT, WRITE_UNIT = 4096, 1024  # octets of an item (Amazon DynamoDB Developer Guide, "read and write operations")


class Counting(World):
    """A world that counts what its store and its network are asked."""

    def __init__(self, token_length: int = 0, *, seed: int = 0) -> None:
        """token_length: of access and refresh tokens; 0 leaves them as the sandbox makes them."""
        super().__init__(cache=True, seed=seed)
        webhook = Webhook(HOOK, (Secret(write_secret(b"0" * 24)),))
        self.settings = replace(self.settings, webhook=webhook)
        self.token_length = token_length
        self.reset()

    def reset(self) -> None:
        """Begin to count anew."""
        words = ("reads", "writes", "lists", "sent", "read", "written", "read units", "write units")
        self.counts = dict.fromkeys(words, 0)

    def run(self, op: Op[Any]) -> Any:
        """The program's result, counted."""
        return drive(op, self.answer)

    def answer(self, effect: AnyEffect) -> object:
        """Perform one effect, and count it."""
        if isinstance(effect, Send):
            self.counts["sent"] += 1
            if effect.request.url == HOOK:
                return Response(204, Headers(), b"")
            if self.token_length:
                return self._lengthened(effect)
        before = self.store.rows.load(effect.key) if isinstance(effect, Swap) else None
        answered: Any = super().answer(effect)
        if isinstance(effect, Load):
            self.counts["reads"] += 1
            self.counts["read"] += octets(answered) if answered is not None else 0
            self.counts["read units"] += units([answered], READ_UNIT)
        elif isinstance(effect, List):
            self.counts["lists"] += 1
            self.counts["read"] += sum(map(octets, answered.rows))
            self.counts["read units"] += units(answered.rows, READ_UNIT)
        elif isinstance(effect, Swap):
            self.counts["writes"] += 1
            self.counts["written"] += octets(effect.new) if effect.new is not None else 0
            self.counts["write units"] += max(units([before], WRITE_UNIT), units([effect.new], WRITE_UNIT))
        return answered

    def _lengthened(self, effect: Send) -> Response:
        """The sandbox's answer with longer tokens, which it is sent as it knows them."""
        body = re.sub(rb"\.{100,}", b"", effect.request.body)
        response = super().answer(replace(effect, request=replace(effect.request, body=body)))
        assert isinstance(response, Response)

        def long(found: re.Match[bytes]) -> bytes:
            return found[1] + found[2].ljust(self.token_length, b".")

        return replace(response, body=re.sub(rb'("(?:access|refresh)_token":")([^"]+)', long, response.body))


def item_octets(row: Row) -> int:
    """The size of a row as DynamoDB's item: names, text and binary as they are, digits by twos."""
    pairs: dict[str, str | int | bytes] = {"partition": row.key.partition, "name": row.key.name, "version": bytes(16)}
    pairs.update(row.clear)
    pairs |= {"sealed": row.sealed} if row.sealed else {}
    pairs |= {"expires_at": row.expires_at} if row.expires_at else {}
    return sum(len(name) + _value_octets(content) for name, content in pairs.items())


def _value_octets(content: str | int | bytes) -> int:
    if isinstance(content, int):
        return (len(str(content).strip("0")) + 1) // 2 + 1  # zeros at the ends are not stored
    return len(content.encode() if isinstance(content, str) else content)


def units(rows: Sequence[Row | None], octets_each: int) -> int:
    """The capacity units of so many rows in one request: begun pieces of that size, and one for nothing."""
    return max(1, -(-sum(item_octets(row) for row in rows if row is not None) // octets_each))


def octets(row: Row) -> int:
    """A row's octets: key, version, clear columns as JSON, sealed part, expiry."""
    return len(row.key.partition) + len(row.key.name) + 16 + len(write_clear(row.clear).encode()) + len(row.sealed) + 8


@cache
def measured() -> dict[str, dict[str, int]]:
    """What each thing asks of the store and the network."""
    return {
        "connect, OAuth 2.0": _after(_nothing, lambda world: world.connect("two")),
        "connect, OAuth 1.0a": _after(_nothing, lambda world: world.connect("one")),
        "connect again": _after(lambda world: world.connect("two"), lambda world: world.connect("two")),
        "a call in a process that has the token (30 s)": _after(_warm, _token),
        "a call in a new process": _after(_cold, _token),
        "a refresh": _after(_expired, _token),
        "a refresh whose answer is lost, and the one after it": _after(_losing, _lost_and_again),
        "revoke": _after(lambda world: world.connect("two"), _revoke),
        "forget": _after(lambda world: world.connect("two"), _forget),
        "keepalive, a page of 100 connections with none due": _after(_hundred, _sweep),
        "an event kept, and delivered": _after(_nothing, _event),
    }


@cache
def capacity(token_length: int) -> dict[str, dict[str, int]]:
    """What each thing takes of DynamoDB's capacity where tokens are so long, once they have been refreshed."""
    return {name: _after(*steps, token_length=token_length) for name, steps in STEADY.items()}


def _after(
    arrange: Callable[[Counting], Any], act: Callable[[Counting], Any], *, token_length: int = 0
) -> dict[str, int]:
    world = Counting(token_length)
    arrange(world)
    world.reset()
    act(world)
    return world.counts


def _nothing(world: Counting) -> None:
    """The world as it is."""


def _token(world: Counting) -> None:
    world.run(access_token(world.settings, "two", resource_owner="alice"))


def _warm(world: Counting) -> None:
    world.connect("two")
    _token(world)


def _cold(world: Counting) -> None:
    world.connect("two")
    world.settings = replace(world.settings, cache=TokenCache())


def _expired(world: Counting) -> None:
    _cold(world)
    world.clock.time += world.client.access_token_seconds + 1


def _losing(world: Counting) -> None:
    _expired(world)
    world.sandbox.faults.add(endpoint="token", fault="status", status=503, when="before")


def _lost_and_again(world: Counting) -> None:
    from valetkey.errors import ProviderError

    try:
        _token(world)
    except ProviderError:
        world.clock.time += 60
    _token(world)


def _revoke(world: Counting) -> None:
    world.run(revoke(world.settings, "two", resource_owner="alice"))


def _forget(world: Counting) -> None:
    world.run(forget(world.settings, "two", resource_owner="alice"))


def _hundred(world: Counting) -> None:
    world.connect("two")
    row = world.store.load(connection_key("two", "alice"))
    assert row is not None
    for number in range(98):  # with the first connection, and the claim of its flow, a page
        key = replace(row.key, partition=f"{number:064x}")
        world.store.swap(key, None, replace(row, key=key))


def _sweep(world: Counting) -> None:
    world.run(keepalive(world.settings))


def _event(world: Counting) -> None:
    from valetkey.effects import Event

    told = Event("needs_reauthorization", "two", {"reason": "invalid_grant"}, "alice")
    world.run(keep_events(world.settings, [told]))
    world.run(deliver_events(world.settings))


def _refreshed(world: Counting) -> None:
    _expired(world)
    _token(world)
    world.settings = replace(world.settings, cache=TokenCache())


def _refreshed_and_expired(world: Counting) -> None:
    _refreshed(world)
    world.clock.time += world.client.access_token_seconds + 1


def _connect(world: Counting) -> None:
    world.connect("two")


STEADY: dict[str, tuple[Callable[[Counting], Any], Callable[[Counting], Any]]] = {
    "connect": (_nothing, _connect),
    "a call in a process that has the token (30 s)": (_warm, _token),
    "a call in a new process": (_refreshed, _token),
    "a refresh": (_refreshed_and_expired, _token),
    "revoke": (_refreshed, _revoke),
}


def costs() -> str:
    """The table of what each thing asks."""
    lines = [
        "| | reads | writes | listings | octets read | octets written | HTTP requests |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, counts in measured().items():
        lines.append(
            f"| {name} | {counts['reads']} | {counts['writes']} | {counts['lists']} | {counts['read']:,} | "
            f"{counts['written']:,} | {counts['sent']} |"
        )
    return "\n".join(lines)


def capacities() -> str:
    """The table of what each thing takes of DynamoDB."""
    short, long = capacity(0), capacity(LONG)
    lines = [
        f"| DynamoDB | read units | write units | read units, tokens of {LONG:,} | write units, tokens of {LONG:,} |",
        "|---|---|---|---|---|",
    ]
    for name in STEADY:
        figures = [counts[name][word] for counts in (short, long) for word in ("read units", "write units")]
        lines.append(f"| {name} | {' | '.join(map(str, figures))} |")
    return "\n".join(lines)


def million() -> str:
    """The table of what a million connections ask in a day."""
    found = measured()
    cold, refresh = found["a call in a new process"], found["a refresh"]
    page = found["keepalive, a page of 100 connections with none due"]
    refreshes = REFRESHES
    kept = round(MILLION / (180 * 0.625))
    rows = (
        ("used every hour, access tokens of an hour: refreshes", refreshes, refresh),
        ("ten calls an hour each, every one in a new process", CALLS, cold),
        ("ten calls an hour each, within 30 s of one another: the first of each hour", 24 * MILLION, cold),
        ("never used, refresh tokens of 180 idle days: refreshes by keepalive", kept, refresh),
        ("keepalive once an hour: pages looked through", 24 * MILLION // 100, page),
    )
    lines = [
        "| a day of a million connections | times | reads | writes | listings | DynamoDB: read units | write units |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, times, counts in rows:
        words = ("reads", "writes", "lists", "read units", "write units")
        asked = " | ".join(f"{times * counts[word]:,}" for word in words)
        lines.append(f"| {name} | {times:,} | {asked} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(costs(), million(), sep="\n\n")
