"""`valetkey trace`: from lines of a log or a folder to files, and a flow that is traced on this machine."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from tests.connections.steps import world_of
from tests.trace.recording import Lines, watch

from valetkey.cli.commands import valetkey as command
from valetkey.keys.local import generate_key
from valetkey.sandbox import Sandbox, approve, demo_clients, serve

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

PAGE_SECONDS = 10


@pytest.fixture(autouse=True)
def _a_clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("VALETKEY_")]:
        if name != "VALETKEY_NOTHING_SKIPPED":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def traced() -> Lines:
    world = world_of()
    sink = watch(world)
    _ = world.connect("one")
    world.clock.time += 1
    _ = world.connect("two")
    return sink


def run(*arguments: str, log: str | None = None, **environ: str) -> Result:
    return CliRunner().invoke(command, ["trace", *arguments], input=log, env=environ)


def test_a_saved_log_is_a_list_of_flows(tmp_path: Path) -> None:
    (tmp_path / "saved.log").write_text("\n".join(["START", *(f"2026 INFO {line}" for line in traced().lines), "END"]))

    result = run("list", "saved.log", "--json")

    assert result.exit_code == 0, result.output
    said = json.loads(result.output)
    assert said["damaged_lines"] == 0
    assert [(one["registration"], one["runs"], one["outcome"]) for one in said["traces"]] == [
        ("one", 2, "connected"),
        ("two", 2, "connected"),
    ]
    assert "connected" in run("list", "saved.log").output


def test_standard_input_becomes_one_file_for_each_flow(tmp_path: Path) -> None:
    sink = traced()

    result = run("har", "-", "--to", "out", "--json", log="\n".join([*sink.lines, sink.lines[0][:-5]]))

    assert result.exit_code == 0, result.output
    said = json.loads(result.output)
    assert said["damaged_lines"] == 1
    assert len(said["files"]) == 2
    for name, trace in zip(said["files"], sink.traces(), strict=True):
        assert name == f"out/{trace.file_name}"
        assert json.loads((tmp_path / name).read_text())["log"]["version"] == "1.2"


def test_the_configured_folder_may_not_be_there_yet_and_a_named_one_must(tmp_path: Path) -> None:
    for folder in ("later", "much/later"):
        result = run("list", "--json", VALETKEY_TRACE=folder)

        assert result.exit_code == 0, result.output
        assert json.loads(result.output) == {"traces": [], "damaged_lines": 0}
    assert "no traces in this" in run("list", VALETKEY_TRACE="later").output
    assert run("har", VALETKEY_TRACE="later").exit_code == 0
    assert run("list", "later").exit_code == 2
    (tmp_path / "file").touch()
    assert run("list", VALETKEY_TRACE="file/later").exit_code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_one_flow_may_be_asked_for_and_an_unknown_one_is_named(tmp_path: Path) -> None:
    sink = traced()
    (tmp_path / "lines.vktrace").write_text("\n".join(sink.lines))
    wanted = sink.traces()[1]

    result = run("har", "--only", wanted.id, VALETKEY_TRACE=str(tmp_path))
    unknown = run("har", ".", "--only", "0123")

    assert f"wrote {wanted.file_name}" in result.output
    assert [path.name for path in tmp_path.glob("*.har")] == [wanted.file_name]
    assert unknown.exit_code == 2
    assert "no flow '0123' is in these traces" in unknown.output


def test_nothing_to_read_says_what_to_name() -> None:
    result = run("list", VALETKEY_TRACE="log")
    empty = run("list", ".")

    assert result.exit_code == 2
    assert "name a folder or a saved log" in result.output
    assert "does the deployment run with VALETKEY_TRACE?" in empty.output


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return int(found.getsockname()[1])


def environment(port: int, provider: str, clients: Any) -> dict[str, str]:
    (_, client, *_) = clients
    return {
        "VALETKEY_STORE": "sqlite:///nowhere/rows.db",
        "VALETKEY_KEY": generate_key(os.urandom, key_id="k1"),
        "VALETKEY_BASE_URL": f"http://localhost:{port}/oauth",
        "VALETKEY_SANDBOX_BASE_URL": provider,
        "VALETKEY_SANDBOX_OAUTH2_CLIENT_ID": client.client_id,
        "VALETKEY_SANDBOX_OAUTH2_CLIENT_SECRET": client.secret.reveal(),
    }


def visit(port: int, sandbox: Sandbox) -> None:
    """What a person does in a browser."""
    ends = time.monotonic() + PAGE_SECONDS
    while True:
        try:
            connection = http.client.HTTPConnection("localhost", port, timeout=PAGE_SECONDS)
            connection.request("POST", "/oauth/connect/sandbox-oauth2", headers={"Sec-Fetch-Site": "same-origin"})
            break
        except ConnectionRefusedError:
            assert time.monotonic() < ends
            time.sleep(0.05)
    answer = connection.getresponse()
    cookie = (answer.getheader("Set-Cookie") or "").partition(";")[0]
    _ = answer.read()
    back = approve(sandbox.respond, answer.getheader("Location") or "")
    connection.request("GET", "/" + back.split("/", 3)[3], headers={"Cookie": cookie})
    _ = connection.getresponse().read()
    connection.close()


def test_a_flow_is_traced_on_this_machine_and_leaves_nothing_behind(tmp_path: Path) -> None:
    port = free_port()
    clients = demo_clients(redirect_uris=(f"http://localhost:{port}/oauth/callback/sandbox-oauth2",), callbacks=())
    sandbox = Sandbox(now=time.time, random=os.urandom, clients=clients)
    with serve(sandbox) as running:
        browser = threading.Thread(target=visit, args=(port, sandbox))
        browser.start()
        result = run("connect", "sandbox-oauth2", "--json", **environment(port, running.base_url, clients))
        browser.join()

    assert result.exit_code == 0, result.output
    (name,) = json.loads(result.output)["files"]
    entries = json.loads((tmp_path / name).read_text())["log"]["entries"]
    assert [entry["comment"].partition(";")[0] for entry in entries] == [
        "the browser",
        "the browser",
        "token request (RFC 6749 section 4.1.3)",
        "revocation (RFC 7009 section 2.1)",
    ]
    assert sandbox.seen.count("revoke") == 1


def test_a_deployment_elsewhere_is_told_how_to_be_traced_here() -> None:
    result = run(
        "connect",
        "sandbox-oauth2",
        **(
            environment(1, "http://127.0.0.1:1", demo_clients(redirect_uris=(), callbacks=()))
            | {"VALETKEY_BASE_URL": "https://app.example/oauth"}
        ),
    )
    unknown = run(
        "connect", "github", **environment(1, "http://127.0.0.1:1", demo_clients(redirect_uris=(), callbacks=()))
    )

    assert result.exit_code == 2
    assert "VALETKEY_BASE_URL=http://localhost:8300/oauth" in result.output
    assert unknown.exit_code == 2
    assert "'github' is not configured" in unknown.output
