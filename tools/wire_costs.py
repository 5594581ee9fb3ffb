"""What really goes to each engine: the things of `costs` done with a real store behind a proxy that counts.

    python -m tools.wire_costs     starts the engines that the tests start, and writes the table into docs/costs.md

A request is one message to the engine and its answer: a statement, a command, an HTTP request. Octets are those of
everything that a socket carried, heads of HTTP included, on connections that were open before. Time and chance are the
world's, so that a second run counts the same.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from types import GeneratorType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.stores import servers
from tests.stores.cutter import Cutter
from tests.stores.engines import Postgres, Redis
from tests.stores.firestore_fake import FirestoreFake
from tests.stores.test_azure_tables import ACCOUNT, KEY

from tools.costs import CALLS, REFRESHES, STEADY, Counting
from valetkey.drivers.drive import drive
from valetkey.drivers.ports import Ports
from valetkey.drivers.transports.stdlib import StdlibTransport
from valetkey.effects import Key, Row
from valetkey.keys.signer import LocalSigner
from valetkey.stores.open import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from valetkey.effects import AnyEffect, Send
    from valetkey.http import Response
    from valetkey.stores import Store

    Place = tuple[str, dict[str, str]]

PAGE = Path(__file__).parents[1] / "docs" / "costs.md"
WIRE, MILLION_WIRE = "costs on the wire", "a million on the wire"
HEAD = ("| store | | requests | octets sent | octets received |", "|---|---|---|---|---|")
MILLION_HEAD = (
    "| a day of a million | hourly refreshes: requests | GB both ways | 240 cold calls each: requests | GB both ways |",
    "|---|---|---|---|---|",
)
AWS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "canary-secret-key"}
SEED = 1  # with which PostgreSQL happens not to sweep
WARMING = Key("f" * 64, "warming")


class Counter(Cutter):
    """A proxy that cuts nothing and counts."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.reset()

    def reset(self) -> None:
        """Begin to count anew."""
        self.requests = self.sent = self.received = 0
        self._asking = False

    def passing(self, octets: bytes, *, asks: bool) -> None:
        self.requests += asks and not self._asking  # of one caller: an answer comes when all of its request has passed
        self._asking = asks
        self.sent += len(octets) if asks else 0
        self.received += 0 if asks else len(octets)


class Live(Counting):
    """The world, with a real store."""

    def __init__(self, store: Store) -> None:
        super().__init__(seed=SEED)
        self.real = StdlibTransport(wall=self.clock.now)
        self.ports = Ports(
            transport=self,
            store=store,
            keys=self.keys,
            signer=LocalSigner(),
            clock=self.clock,
            events=self.events,
        )

    def answer(self, effect: AnyEffect) -> object:
        """Perform one effect; the proxy counts."""
        return self.ports.answer(effect)

    def send(self, effect: Send) -> Response:
        """One exchange with the sandbox, or with the engine over a socket."""
        of_sandbox = effect.request.url.startswith(self.sandbox.base_url)
        return self.network.send(effect) if of_sandbox else self.real.send(effect)

    def warm(self, store: Store) -> None:
        """Make the table and open the connection; sweep what has expired, which a process does once a minute."""
        for made in (
            store.create(),
            store.swap(WARMING, None, Row(WARMING, bytes(16), {}, b"", 0)),
            store.load(WARMING),
        ):
            if isinstance(made, GeneratorType):
                drive(made, self.ports.answer)


@contextmanager
def _postgres() -> Iterator[tuple[int, Callable[[int, int], Place]]]:
    server = Postgres()
    try:
        server.initialize().start()
        yield server.port, lambda number, port: (server.url(port=port, options=f"?table=costs_{number}"), {})
    finally:
        server.remove()


@contextmanager
def _redis() -> Iterator[tuple[int, Callable[[int, int], Place]]]:
    server = Redis("--appendonly", "yes", "--appendfsync", "no")
    try:
        server.start()
        yield server.port, lambda number, port: (server.url(port=port, options=f"?prefix=costs-{number}"), {})
    finally:
        server.remove()


@contextmanager
def _dynalite() -> Iterator[tuple[int, Callable[[int, int], Place]]]:
    with contextmanager(servers.dynalite)() as endpoint:
        place = "dynamodb://costs-{}?region=eu-central-1&endpoint=http://127.0.0.1:{}"
        yield urlsplit(endpoint).port or 0, lambda number, port: (place.format(number, port), AWS)


@contextmanager
def _azurite() -> Iterator[tuple[int, Callable[[int, int], Place]]]:
    with contextmanager(servers.azurite)() as endpoint:
        place = f"aztables://{ACCOUNT}/costs{{}}?endpoint=http://127.0.0.1:{{}}/{ACCOUNT}"
        environ = {"AZURE_STORAGE_KEY": KEY}
        yield urlsplit(endpoint).port or 0, lambda number, port: (place.format(number, port), environ)


@contextmanager
def _firestore() -> Iterator[tuple[int, Callable[[int, int], Place]]]:
    with FirestoreFake() as fake:

        def place(_: int, port: int) -> Place:
            fake.database.documents.clear()
            return "firestore://demo-valetkey", {"FIRESTORE_EMULATOR_HOST": f"127.0.0.1:{port}"}

        yield int(fake.host.rpartition(":")[2]), place


SERVED = {
    "PostgreSQL": _postgres,
    "Redis": _redis,
    "DynamoDB": _dynalite,
    "Azure Tables": _azurite,
    "Firestore": _firestore,
}
ENGINES = ("SQLite", *SERVED)


def lines_of(engine: str) -> Sequence[str]:
    """The lines of one engine's in the table."""
    counted = _of_sqlite() if engine == "SQLite" else _served(engine)
    return [f"| {engine} | {name} | {' | '.join(figures)} |" for name, figures in counted]


def _served(engine: str) -> Iterator[tuple[str, Sequence[str]]]:
    with SERVED[engine]() as (port, place):
        for number, (name, (arrange, act)) in enumerate(STEADY.items()):
            with Counter(port) as proxy:
                url, environ = place(number, proxy.port)
                store = open_store(url, environ=environ)
                world = Live(store)
                world.warm(store)
                arrange(world)
                proxy.reset()
                act(world)
                figures = (proxy.requests, proxy.sent, proxy.received)
                world.real.close()
                store.close()
            yield name, [f"{figure:,}" for figure in figures]


def _of_sqlite() -> Iterator[tuple[str, Sequence[str]]]:
    for name, (arrange, act) in STEADY.items():
        with tempfile.TemporaryDirectory() as folder:
            store: Any = open_store(f"sqlite://{folder}/costs.db", environ={})
            world = Live(store)
            world.warm(store)
            arrange(world)
            statements: list[str] = []
            with store._connection() as connection:  # noqa: SLF001
                connection.set_trace_callback(statements.append)
            act(world)
            store.close()
        yield name, [str(len(statements)), "", ""]


def million(lines: Sequence[str]) -> Sequence[str]:
    """What the lines of the table come to for a million connections."""
    found: dict[str, list[str]] = {}
    for line in lines:
        engine, name, *figures = (cell.strip() for cell in line.strip("|").split("|"))
        requests, *both = (int(figure.replace(",", "") or 0) for figure in figures)
        times = {"a refresh": REFRESHES, "a call in a new process": CALLS}.get(name, 0)
        gigabytes = f"{times * sum(both) / 1e9:,.0f}" if sum(both) else ""
        if times:
            found.setdefault(engine, [])[:0] = [f"{times * requests:,}", gigabytes]  # the refresh comes after the call
    return [f"| {engine} | {' | '.join(cells)} |" for engine, cells in found.items()]


def table(page: str, name: str) -> Sequence[str]:
    """The lines of a table as the page has it, without its head."""
    return page.partition(f"<!-- begin {name} -->\n")[2].partition(f"\n<!-- end {name} -->")[0].splitlines()[2:]


def main() -> None:
    """Write both tables."""
    page = PAGE.read_text()
    lines = [line for engine in ENGINES for line in lines_of(engine)]
    made = {WIRE: (*HEAD, *lines), MILLION_WIRE: (*MILLION_HEAD, *million(lines))}
    for name, content in made.items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        before, _, rest = page.partition(begin)
        page = "\n".join([f"{before}{begin}", *content, f"{end}{rest.partition(end)[2]}"])
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
