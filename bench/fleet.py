"""Many processes on one expired connection at a provider that rotates strictly: who refreshes how often, what survives.

PYTHONPATH=.:bench/naive python bench/fleet.py     prints what run.py writes into docs/benchmarks.md, as JSON

Every program keeps the same connection in the same engine, every caller loads it and asks the API for one thing, all of
them at once. A calm round, then one in which processes are killed at moments that are drawn. After each the access token
expires again, and a single caller asks: where it gets no answer, the pair is dead.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random
from subprocess import run
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from saved import Saved
from tests.fleet.crew import Worker
from tests.fleet.provider import FleetProvider
from tests.fleet.run import store_url

from valetkey import Secret, Vault
from valetkey.connections.records import load_record, open_record, write_record
from valetkey.keys.local import generate_key
from valetkey.sandbox import SandboxClient, approve, serve
from valetkey.testing.world import callback_request
from valetkey.value import replace

HERE = Path(__file__).parent
PROCESSES, THREADS, VICTIMS = 10, 20, 5
ANSWER_SECONDS, KILLING_SECONDS, PATIENCE_SECONDS = 0.3, 1.0, 60.0
ROUNDS = 10  # of the fleet that is driven by hand
SEED = 20
NAME = "sandbox-oauth2"
CALLBACK = f"https://app.example/oauth/callback/{NAME}"
ENGINES = {"postgres": "PostgreSQL", "redis": "Redis", "dynalite": "DynamoDB (dynalite)"}
PROGRAMS = ("valetkey", "authlib", "requests_oauthlib")
MODES = ("strict", "strict_family")
AWS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_EC2_METADATA_DISABLED": "true"}


class ValetkeyConnection:
    """Alice's connection in a vault."""

    def __init__(self, store: str, base_url: str) -> None:
        self.database = store
        self.environ = AWS | {
            "VALETKEY_STORE": store,
            "VALETKEY_KEY": generate_key(os.urandom),
            "VALETKEY_BASE_URL": "https://app.example/oauth",
            "VALETKEY_SANDBOX_BASE_URL": base_url,
            "VALETKEY_SANDBOX_OAUTH2_CLIENT_ID": "client-two",
            "VALETKEY_SANDBOX_OAUTH2_CLIENT_SECRET": "secret-of-two",
        }
        self._base_url, self._vault = base_url, Vault.from_env(self.environ)
        made = self._vault._store.create()
        if made is not None:
            self._vault.run(made)

    def connect(self) -> None:
        begun = self._vault.begin_authorization(NAME, "alice")
        callback = callback_request(approve(self._base_url, begun.location), begun.set_cookies)
        self._vault.finish_authorization(callback, resource_owner="alice")

    def tokens(self) -> dict[str, object]:
        """As other libraries keep them."""
        record = self._vault.run(load_record(NAME, resource_owner="alice"))
        assert record is not None
        tokens = self._vault.run(open_record(self._vault.settings, record)).current
        assert tokens.refresh_token is not None
        token: dict[str, object] = {"access_token": tokens.access_token.reveal(), "token_type": "Bearer"}
        return token | {"refresh_token": tokens.refresh_token.reveal(), "expires_in": 3600}

    def expire(self) -> None:
        past = int(time.time()) - 1
        record = self._vault.run(load_record(NAME, resource_owner="alice"))
        assert record is not None
        over = replace(record.connection, access_expires_at=past, refresh_due_at=past)
        assert self._vault.run(write_record(record.key, record.version, over, record.sealed)) is not None

    def close(self) -> None:
        self._vault.close()


class NaiveConnection:
    """The same connection, as the token of a naive program in a table of its own: taken out of a vault."""

    def __init__(self, store: str, base_url: str) -> None:
        parts = urlsplit(store)
        dynamodb = parts.scheme == "dynamodb"
        self.database = parse_qs(parts.query)["endpoint"][0] if dynamodb else store.partition("?")[0]
        self.environ = AWS | {"OAUTHLIB_INSECURE_TRANSPORT": "1", "AUTHLIB_INSECURE_TRANSPORT": "1"}
        os.environ.update(AWS)
        self._vault, self._saved = ValetkeyConnection("memory:", base_url), Saved(self.database)
        self._saved.create()

    def connect(self) -> None:
        self._vault.connect()
        self._saved.save(self._vault.tokens())

    def expire(self) -> None:
        self._saved.save(self._saved.load() | {"expires_at": time.time() - 3600})

    def close(self) -> None:
        self._vault.close()


class Programs:
    """So many fresh processes of one program, and one more for the single caller."""

    def __init__(self, program: str, connection: ValetkeyConnection | NaiveConnection, base_url: str) -> None:
        script = str(HERE / "naive" / f"{program}_program.py")
        command = [sys.executable, "-W", "ignore", script, connection.database, base_url]
        environ = os.environ | connection.environ
        *self._workers, self._single = [Worker(command, environ=environ) for _ in range(PROCESSES + 1)]

    def ready(self) -> None:
        for worker in (*self._workers, self._single):
            assert worker.answer() == "ready"

    def ask(self, provider: FleetProvider, victims: list[tuple[float, int]]) -> list[str]:
        """What the callers of the survivors got. victims: when after the first refresh request, and who."""
        for worker in self._workers:
            worker.tell(THREADS)
        end = time.monotonic() + PATIENCE_SECONDS
        while victims and not provider.refresh_requests:
            assert time.monotonic() < end, "nobody refreshes"
            time.sleep(0.001)
        began = time.monotonic()
        for moment, number in victims:
            time.sleep(max(0.0, began + moment - time.monotonic()))
            self._workers[number].kill()
        killed = {number for _, number in victims}
        survivors = [worker for number, worker in enumerate(self._workers) if number not in killed]
        self._workers = survivors
        answers = [answer for worker in survivors for answer in json.loads(worker.answer())]
        while provider.open_requests:  # of the dead
            time.sleep(0.01)
        return answers

    def ask_once(self) -> bool:
        """Whether a single caller is answered."""
        self._single.tell(1)
        return bool(json.loads(self._single.answer()) == ["ok"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in (*self._workers, self._single):
            worker.end()


def measure(store: str, engine: str, program: str) -> list[dict[str, Any]]:
    """The rows of one program in one engine."""
    provider, rows = FleetProvider(now=time.time, random=os.urandom, clients=()), []
    with ExitStack() as running:
        server = running.enter_context(serve(provider))
        kind = ValetkeyConnection if program == "valetkey" else NaiveConnection
        connection = kind(store, server.base_url)
        running.callback(connection.close)
        for mode in MODES:
            provider.register(client(mode))
            for victims in ([], drawn()):
                with Programs(program, connection, server.base_url) as programs:
                    programs.ready()
                    row = play(provider, connection, programs, victims)
                rows.append({"engine": engine, "mode": mode, "program": program, "killed": len(victims)} | row)
                print(rows[-1], file=sys.stderr)
    return rows


def client(mode: Any) -> SandboxClient:
    return SandboxClient("client-two", Secret("secret-of-two"), redirect_uris=(CALLBACK,), rotation=mode)


def drawn() -> list[tuple[float, int]]:
    """Who is killed, and when: the same for everybody."""
    chance = Random(SEED)
    return sorted((chance.uniform(0.0, KILLING_SECONDS), number) for number in chance.sample(range(PROCESSES), VICTIMS))


def play(
    provider: FleetProvider,
    connection: ValetkeyConnection | NaiveConnection,
    programs: Programs,
    victims: list[tuple[float, int]],
) -> dict[str, Any]:
    connection.connect()
    connection.expire()
    provider.seen.clear()
    provider.refresh_requests = 0
    provider.faults.add(endpoint="token", fault="delay", seconds=ANSWER_SECONDS, times=10_000)
    answers = programs.ask(provider, victims)
    provider.faults.clear()
    figures = {
        "callers": len(answers),
        "refresh_requests": provider.refresh_requests,
        "invalid_grant": provider.seen.count("token", grant_type="refresh_token", outcome="invalid_grant"),
        "without": len(answers) - answers.count("ok"),
        "told": sorted(set(answers) - {"ok"}),
    }
    connection.expire()
    return figures | {"dead": not programs.ask_once()}


def driven() -> dict[str, dict[str, int]]:
    """The sums of tests/fleet/run.py: valetkey's own fleet, whose lease holders are killed on purpose."""
    with tempfile.TemporaryDirectory() as folder:
        sums = Path(folder) / "sums.json"
        command = [sys.executable, "-m", "tests.fleet.run", "--stores", ",".join(ENGINES), "--rounds", str(ROUNDS)]
        run([*command, "--json", str(sums)], check=True, cwd=HERE.parent, stdout=sys.stderr)
        found: dict[str, dict[str, int]] = json.loads(sums.read_text())
        return {ENGINES[name]: figures for name, figures in found.items()}


def main() -> None:
    rows = []
    for name, engine in ENGINES.items():
        with store_url(name) as store:
            for program in PROGRAMS:
                rows += measure(store, engine, program)
    load = {"processes": PROCESSES, "threads": THREADS, "victims": VICTIMS, "answer_seconds": ANSWER_SECONDS}
    load |= {"killing_seconds": KILLING_SECONDS, "rounds": ROUNDS}
    print(json.dumps({"load": load, "rows": rows, "driven": driven()}, indent=1))


if __name__ == "__main__":
    main()
