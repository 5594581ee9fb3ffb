"""Many processes on one expired connection at a provider that rotates strictly: who refreshes how often, what survives.

fleet.py [PROCESSES THREADS]     prints what run.py writes into docs/benchmarks.md, as JSON

Every program keeps the same connection in SQLite, every caller loads it and asks the API for one thing, all of them at
once. Then the access token expires again, and a single caller asks: where it gets an answer, the connection survived.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from valetkey import Secret, Vault
from valetkey.connections.records import load_record, write_record
from valetkey.keys.local import generate_key
from valetkey.sandbox import Sandbox, SandboxClient, approve, serve
from valetkey.testing.world import callback_request
from valetkey.value import replace

HERE = Path(__file__).parent
PROCESSES, THREADS = 10, 20
NAME = "sandbox-oauth2"
CALLBACK = f"https://app.example/oauth/callback/{NAME}"
PROGRAMS = ("valetkey", "authlib", "requests_oauthlib")
MODES = ("strict", "strict_family")


class ValetkeyConnection:
    """Alice's connection in a vault."""

    def __init__(self, folder: Path, base_url: str) -> None:
        self.database = str(folder / "valetkey.db")
        self.environ = {
            "VALETKEY_STORE": f"sqlite://{self.database}",
            "VALETKEY_KEY": generate_key(os.urandom),
            "VALETKEY_BASE_URL": "https://app.example/oauth",
            "VALETKEY_SANDBOX_BASE_URL": base_url,
            "VALETKEY_SANDBOX_OAUTH2_CLIENT_ID": "client-two",
            "VALETKEY_SANDBOX_OAUTH2_CLIENT_SECRET": "secret-of-two",
        }
        vault = Vault.from_env(self.environ)
        begun = vault.begin_authorization(NAME, "alice")
        vault.finish_authorization(
            callback_request(approve(base_url, begun.location), begun.set_cookies), resource_owner="alice"
        )
        vault.close()

    def expire(self) -> None:
        vault, past = Vault.from_env(self.environ), int(time.time()) - 1
        record = vault.run(load_record(NAME, resource_owner="alice"))
        assert record is not None
        over = replace(record.connection, access_expires_at=past, refresh_due_at=past)
        assert vault.run(write_record(record.key, record.version, over, record.sealed)) is not None
        vault.close()


class NaiveConnection:
    """The same connection, as the token of a naive program in a table of its own: taken out of a vault."""

    def __init__(self, folder: Path, base_url: str) -> None:
        from valetkey.connections.records import open_record

        sys.path.insert(0, str(HERE / "naive"))
        from saved import load_token, save_token

        self._load, self._save = load_token, save_token
        self.database = str(folder / "naive.db")
        self.environ = {"OAUTHLIB_INSECURE_TRANSPORT": "1", "AUTHLIB_INSECURE_TRANSPORT": "1"}
        made = ValetkeyConnection(folder, base_url)
        vault = Vault.from_env(made.environ)
        record = vault.run(load_record(NAME, resource_owner="alice"))
        assert record is not None
        tokens = vault.run(open_record(vault.settings, record)).current
        vault.close()
        assert tokens.refresh_token is not None
        token: dict[str, object] = {"access_token": tokens.access_token.reveal(), "token_type": "Bearer"}
        token |= {"refresh_token": tokens.refresh_token.reveal(), "expires_in": 3600}
        self._save(self.database, token)

    def expire(self) -> None:
        past = time.time() - 3600
        self._save(self.database, self._load(self.database) | {"expires_at": past})


def ask(
    program: str, connection: ValetkeyConnection | NaiveConnection, base_url: str, *, callers: list[int]
) -> list[str]:
    """What the callers got: so many threads in each process."""
    command = [
        sys.executable,
        "-W",
        "ignore",
        str(HERE / "naive" / f"{program}_program.py"),
        connection.database,
        base_url,
    ]
    environ = os.environ | connection.environ
    running = [
        subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in callers
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process, threads in zip(running, callers, strict=True):
        assert process.stdin is not None
        process.stdin.write(f"{threads}\n")
        process.stdin.flush()
    return [answer for process in running for answer in json.loads(process.communicate()[0])]


def measure(program: str, mode: Any, *, processes: int, threads: int) -> dict[str, Any]:
    """One row of the table."""
    client = SandboxClient("client-two", Secret("secret-of-two"), redirect_uris=(CALLBACK,), rotation=mode)
    sandbox = Sandbox(now=time.time, random=os.urandom, clients=(client,))
    with tempfile.TemporaryDirectory() as name, serve(sandbox) as server:
        kind = ValetkeyConnection if program == "valetkey" else NaiveConnection
        connection = kind(Path(name), server.base_url)
        connection.expire()
        answers = ask(program, connection, server.base_url, callers=[threads] * processes)
        requests = sandbox.seen.count("token", grant_type="refresh_token")
        connection.expire()
        survived = ask(program, connection, server.base_url, callers=[1]) == ["ok"]
    return {
        "program": program,
        "mode": mode,
        "processes": processes,
        "threads": threads,
        "callers": len(answers),
        "refresh_requests": requests,
        "answered": answers.count("ok"),
        "invalid_grant": answers.count("invalid_grant"),
        "others": sorted({answer for answer in answers if answer not in ("ok", "invalid_grant")}),
        "survived": survived,
    }


def main() -> None:
    processes, threads = (int(word) for word in sys.argv[1:]) if sys.argv[1:] else (PROCESSES, THREADS)
    rows = [measure(program, mode, processes=processes, threads=threads) for mode in MODES for program in PROGRAMS]
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
