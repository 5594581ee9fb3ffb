"""The demonstration holds, ends with a status, and says why where it cannot start."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from click.testing import CliRunner

import valetkey.cli.demo.steps
from valetkey.cli.commands import valetkey as command
from valetkey.cli.demo.deployment import Deployment
from valetkey.cli.demo.narration import DemoFailed, Narrator
from valetkey.sandbox.visitor import Visitor, over_http

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FREE = ("--port", "0", "--sandbox-port", "0")


def test_every_step_holds() -> None:
    result = CliRunner().invoke(command, ["demo", "--once", "--json", *FREE])

    told = json.loads(result.output)
    assert [(step["step"], step.get("problem", "")) for step in told["steps"] if not step["ok"]] == []
    assert (result.exit_code, told["ok"], len(told["steps"])) == (0, True, 7)
    lines = [line for step in told["steps"] for line in step["told"]]
    assert "ok: the provider saw exactly 1 refresh request for 8 callers" in lines


def a_step(problem: Exception | None) -> Callable[[Deployment, Narrator], None]:
    def step(_: Deployment, narrator: Narrator) -> None:
        narrator.check(True, "something")
        if problem is not None:
            raise problem

    return step


@pytest.mark.parametrize(
    ("problem", "shown"),
    [(DemoFailed("this does not hold"), "this does not hold"), (RuntimeError("canary"), "its text is withheld")],
)
def test_a_step_that_fails_ends_the_demonstration_with_status_1(
    monkeypatch: pytest.MonkeyPatch, problem: Exception, shown: str
) -> None:
    steps = (("First", a_step(None)), ("Second", a_step(problem)), ("Third", a_step(None)))
    monkeypatch.setattr(valetkey.cli.demo.steps, "STEPS", steps)

    text = CliRunner().invoke(command, ["demo", *FREE])
    as_json = CliRunner().invoke(command, ["demo", "--json", *FREE])

    told = json.loads(as_json.output)
    assert (text.exit_code, as_json.exit_code, told["ok"]) == (1, 1, False)
    assert [step["ok"] for step in told["steps"]] == [True, False]
    assert shown in text.output
    assert "canary" not in text.output + as_json.output
    assert "Third" not in text.output


@pytest.mark.parametrize("option", ["--port", "--sandbox-port"])
def test_a_port_in_use_is_one_sentence(option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = CliRunner().invoke(command, ["demo", "--once", "--json", *FREE, option, str(taken.getsockname()[1])])

    assert result.exit_code == 2
    (problem,) = json.loads(result.stderr)["problems"]
    assert "in use" in problem


def test_the_sample_application_works_by_hand() -> None:
    with Deployment(port=0, sandbox_port=0) as deployment:
        browser = Visitor(over_http)
        nobody = browser.request("GET", f"{deployment.base_url}/")
        wrong = browser.request("POST", f"{deployment.base_url}/sign-in", (("person", "mallory"),))
        right = browser.request("POST", f"{deployment.base_url}/sign-in", (("person", "bob"),))
        home = browser.request("GET", f"{deployment.base_url}/")
        report = browser.request("GET", f"{deployment.base_url}/report")
        pages = browser.request("GET", f"{deployment.base_url}/oauth/connections")
        browser.cookies = {"notes-session": "alice.0000"}
        forged = browser.request("GET", f"{deployment.base_url}/report")

    assert b"Who are you?" in nobody.body
    assert (wrong.status, right.status) == (400, 303)
    assert b"You are bob." in home.body
    assert report.body.count(b"Connect it") == 2
    assert pages.status == 200
    assert forged.status == 404


def test_an_environment_of_another_deployment_does_not_get_into_the_demonstration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VALETKEY_GITHUB_CLIENT_ID", "theirs")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "theirs")

    with Deployment(port=0, sandbox_port=0) as deployment:
        assert set(deployment.vault.settings.registrations) == {"sandbox-oauth1", "sandbox-oauth2"}


def start(*arguments: str, first: str = "") -> subprocess.Popen[str]:
    # A shell that starts the tests in the background has them, and whatever they start, ignore SIGINT.
    heeds = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = f"{heeds}\n{first}\nfrom valetkey.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def test_the_sandbox_serves_until_interrupted() -> None:
    running = start("sandbox", "--port", "0", "--json")
    try:
        assert running.stdout is not None
        lines: list[str] = []
        while not lines or lines[-1] != "}\n":
            line = running.stdout.readline()
            assert line, "it ended early"
            lines.append(line)
        told = json.loads("".join(lines))
        with urllib.request.urlopen(f"{told['base_url']}/.well-known/oauth-authorization-server", timeout=10) as answer:
            assert json.load(answer)["issuer"] == told["base_url"]
        time.sleep(0.1)
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=20)
    finally:
        running.kill()
        running.communicate()

    assert (running.returncode, errors) == (0, "")
    assert {"demo-oauth2", "demo-password", "demo-implicit"} <= {client["client_id"] for client in told["clients"]}


def test_the_demonstration_serves_its_pages_until_interrupted() -> None:
    no_steps = "import valetkey.cli.demo.steps as steps; steps.STEPS = ()"
    running = start("demo", *FREE, first=no_steps)
    try:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("Try it yourself: "):
                break
        url = line.partition(": ")[2].strip()
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert b"Who are you?" in answer.read()
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=20)
    finally:
        running.kill()
        running.communicate()

    assert (running.returncode, errors) == (0, "")
