"""Real threads, real processes, a real socket and a real file: one refresh for all of them, also when one is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.one_process import CALLBACK, open_vault

from valetkey.connections.records import load_record, write_record
from valetkey.drivers.defaults import system_random
from valetkey.errors import ReauthorizationRequired, RefreshInProgress
from valetkey.http import Headers, Request
from valetkey.keys.local import generate_key
from valetkey.sandbox import Sandbox, SandboxClient, approve, serve
from valetkey.secret import Secret
from valetkey.testing.world import callback_request
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valetkey.sandbox.clients import RotationMode
    from valetkey.sandbox.server import Server
    from valetkey.vault import Vault

PROCESSES = 8
THREADS = 32
PATIENCE_SECONDS = 20.0


class Deployment:
    """A provider on loopback, a database file, and alice, whose access token has expired."""

    def __init__(self, server: Server, setup: dict[str, Any], directory: Path) -> None:
        self.server, self.setup, self.directory = server, setup, directory
        self.sandbox = server.sandbox

    def connect(self) -> None:
        vault = open_vault(self.setup)
        begun = vault.begin_authorization("two", "alice")
        request = callback_request(approve(self.server.base_url, begun.location), begun.set_cookies)
        assert vault.finish_authorization(request, resource_owner="alice").connection is not None
        self.expire(vault)
        vault.close()

    def expire(self, vault: Vault) -> None:
        """Let the access token have expired a second ago."""
        record = vault.run(load_record("two", resource_owner="alice"))
        assert record is not None
        over = replace(record.connection, access_expires_at=int(time.time()) - 1, refresh_due_at=int(time.time()) - 60)
        assert vault.run(write_record(record.key, record.version, over, record.sealed)) is not None

    def start(self, *, seconds: float = 25.0) -> subprocess.Popen[str]:
        """A process that is ready and waits for a line."""
        file = self.directory / f"setup-{time.monotonic_ns()}.json"
        _ = file.write_text(json.dumps({**self.setup, "seconds": seconds}))
        script = Path(__file__).with_name("one_process.py")
        return subprocess.Popen(
            [sys.executable, str(script), str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def refreshes(self, **fields: str) -> int:
        return self.sandbox.seen.count("token", grant_type="refresh_token", **fields)

    def works(self, secret: Secret) -> bool:
        headers = Headers((("Authorization", f"Bearer {secret.reveal()}"),))
        return self.sandbox.respond(Request("GET", f"{self.server.base_url}/oauth2/me", headers)).status == 200


def deployed(directory: Path, mode: RotationMode, rotation: dict[str, Any]) -> Iterator[Deployment]:
    client = SandboxClient("client-two", Secret("secret-of-two"), redirect_uris=(CALLBACK,), rotation=mode)
    sandbox = Sandbox(now=time.time, random=os.urandom, clients=(client,))
    with serve(sandbox) as server:
        setup = {
            "database": str(directory / "vault.sqlite"),
            "key": generate_key(system_random),
            "base_url": server.base_url,
            "rotation": rotation,
        }
        deployment = Deployment(server, setup, directory)
        deployment.connect()
        yield deployment


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Deployment]:
    yield from deployed(tmp_path, "strict_family", {"kind": "strict", "reuse_kills_family": True})


@pytest.fixture
def forgiving(tmp_path: Path) -> Iterator[Deployment]:
    yield from deployed(tmp_path, "window", {"kind": "window", "window_seconds": 60})


def answer_of(process: subprocess.Popen[str]) -> str:
    """The line that a process ends with."""
    assert process.stdout is not None
    with process:
        return process.stdout.read().strip().rpartition("\n")[2]


def ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    _ = process.stdin.write("go\n")
    process.stdin.flush()


def test_thirty_two_threads_with_an_expired_token_refresh_once(strict: Deployment) -> None:
    vaults = [open_vault(strict.setup) for _ in range(4)]
    strict.sandbox.faults.add(endpoint="token", fault="delay", seconds=0.2)

    with ThreadPoolExecutor(THREADS) as pool:
        calls = [pool.submit(vaults[number % 4].access_token, "two", "alice") for number in range(THREADS)]
        tokens = [call.result() for call in calls]

    assert strict.refreshes() == 1
    assert strict.sandbox.seen.count(outcome="invalid_grant") == 0
    assert {token.reveal() for token in tokens} == {tokens[0].reveal()}
    assert strict.works(tokens[0])
    for vault in vaults:
        vault.close()


def test_eight_processes_with_an_expired_token_refresh_once(strict: Deployment) -> None:
    processes = [strict.start() for _ in range(PROCESSES)]
    for process in processes:
        ready(process)
    strict.sandbox.faults.add(endpoint="token", fault="delay", seconds=0.2)

    for process in processes:
        go(process)
    answers = [answer_of(process) for process in processes]

    vault = open_vault(strict.setup)
    token = vault.access_token("two", "alice")
    vault.close()
    assert set(answers) == {sha256(token.reveal().encode()).hexdigest()}
    assert strict.refreshes() == 1
    assert strict.sandbox.seen.count(outcome="invalid_grant") == 0
    assert strict.works(token)


def killed_while_asking(deployment: Deployment) -> None:
    """A process takes the lease, asks the provider, and is killed; the provider acts all the same."""
    process = deployment.start()
    ready(process)
    deployment.sandbox.faults.add(endpoint="token", fault="delay", seconds=0.5)
    go(process)
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while deployment.sandbox.faults.pending():
        assert time.monotonic() < give_up_at, "the request never reached the provider"
        time.sleep(0.01)
    process.kill()
    assert answer_of(process) in ("", "ready")
    while not deployment.refreshes():
        assert time.monotonic() < give_up_at, "the provider never acted"
        time.sleep(0.01)


def test_a_killed_holder_keeps_others_waiting_no_longer_than_its_lease(forgiving: Deployment) -> None:
    killed_while_asking(forgiving)
    vault = open_vault(forgiving.setup)

    with vault.invocation(2.0), pytest.raises(RefreshInProgress) as caught:
        _ = vault.access_token("two", "alice")

    assert 0 < caught.value.retry_after <= 16
    assert forgiving.refreshes() == 1, "the live lease of the dead is respected"
    vault.close()


def test_what_a_killed_process_asked_for_is_recovered_inside_the_window(forgiving: Deployment) -> None:
    killed_while_asking(forgiving)
    vaults = [open_vault(forgiving.setup, ahead_seconds=17) for _ in range(2)]  # the lease has lapsed

    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(vaults[number % 2].access_token, "two", "alice") for number in range(8)]
        tokens = {call.result().reveal() for call in calls}

    assert len(tokens) == 1
    assert forgiving.works(Secret(tokens.pop()))
    assert forgiving.refreshes() == 2
    assert forgiving.refreshes(outcome="ok") == 2
    for vault in vaults:
        vault.close()


def test_what_a_killed_process_burnt_at_a_strict_provider_is_said_to_the_resource_owner(strict: Deployment) -> None:
    killed_while_asking(strict)
    vault = open_vault(strict.setup, ahead_seconds=17)

    with pytest.raises(ReauthorizationRequired) as caught:
        _ = vault.access_token("two", "alice")

    assert caught.value.reason == "invalid_grant"
    assert caught.value.connect_url == "https://app.example/oauth/connect/two"
    assert strict.refreshes() == 2, "asked once more, never in a storm"
    strict.connect()
    assert strict.works(vault.access_token("two", "alice"))
    vault.close()
