"""Longer runs than the tests': more expiries, deaths drawn from a seed, one line for each round.

    python -m tests.fleet.run [--stores postgres,redis,moto,dynalite] [--rounds 20] [--deaths 0.6] [--seed 1]
                              [--processes 10] [--threads 20] [--mode strict_family] [--only any_time] [--real-time]
                              [--json FILE]

--only lets nobody die in another way. --real-time waits for expiries (tokens of 12 s) and for the leases of the dead
instead of moving the clock. --json writes the sums of each store.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from tests.fleet.crew import Crew
from tests.fleet.deployment import ROTATIONS, TOKEN_SECONDS, deployed
from tests.fleet.rounds import ACTED, ANY_TIME, BYSTANDER, NEVER_ACTED, Tally, play
from tests.fleet.stores import dynamodb_url, postgres_options, redis_options
from tests.stores import servers
from tests.stores.engines import Postgres, Redis

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KINDS: Sequence[tuple[str, ...]] = (
    (ACTED,),
    (NEVER_ACTED,),
    (ANY_TIME,),
    (BYSTANDER,),
    (NEVER_ACTED, ACTED),
    (NEVER_ACTED, BYSTANDER),
)


@contextmanager
def store_url(name: str) -> Iterator[str]:
    """A store of that kind, started for the run."""
    if name in ("moto", "dynalite"):
        serving = contextmanager(servers.moto if name == "moto" else servers.dynalite)
        with serving() as endpoint:
            yield dynamodb_url(endpoint)
        return
    # a program without a pool (bench/naive) has a connection for each of 200 threads
    postgres = name == "postgres"
    server: Postgres | Redis = (
        Postgres(["max_connections=300"]).initialize() if postgres else Redis("--appendonly", "yes")
    )
    try:
        server.start()
        yield server.url(options=postgres_options() if postgres else redis_options())
    finally:
        server.remove()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fleet.run")
    parser.add_argument("--stores", default="postgres,redis,moto,dynalite")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--deaths", type=float, default=0.6, help="how likely somebody is killed in a round")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=10)
    parser.add_argument("--threads", type=int, default=20)
    parser.add_argument("--mode", default="strict_family", choices=sorted(ROTATIONS))
    parser.add_argument("--only", choices=sorted({kind for kinds in KINDS for kind in kinds}))
    parser.add_argument("--real-time", action="store_true")
    parser.add_argument("--json", type=Path, help="where the sums are written")
    return parser.parse_args()


def run(name: str, crew: Crew, given: argparse.Namespace) -> Tally:
    chance, total = Random(given.seed), Tally()
    with ExitStack() as running:
        directory = Path(running.enter_context(tempfile.TemporaryDirectory()))
        url = running.enter_context(store_url(name))
        seconds = 12 if given.real_time else TOKEN_SECONDS
        fleet = running.enter_context(
            deployed(url, directory, mode=given.mode, token_seconds=seconds, real_time=given.real_time)
        )
        crew.open(fleet.setup)
        for number in range(given.rounds):
            kinds = [(given.only,)] if given.only else KINDS
            deaths = chance.choice(kinds) if chance.random() < given.deaths else ()
            began = time.monotonic()
            tally = play(fleet, crew, deaths, chance)
            total += tally
            print(
                f"{name} {number + 1}: {' then '.join(deaths) or 'nobody dies'}: {tally.refresh_requests} refresh requests,"
                f" {tally.tokens} tokens, {tally.told_to_reconnect} told to connect again,"
                f" {time.monotonic() - began:.1f} s",
                flush=True,
            )
    return total


def main() -> None:
    given = arguments()
    sums = {}
    with Crew(given.processes, given.threads) as crew:
        for name in given.stores.split(","):
            total = run(name, crew, given)
            print(total, flush=True)
            sums[name] = {field: getattr(total, field) for field in Tally.__annotations__}
    if given.json:
        given.json.write_text(json.dumps(sums))


if __name__ == "__main__":
    main()
