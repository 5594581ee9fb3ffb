"""`valetkey doctor`: what is wrong with the deployment of the environment, with a status that a script can use."""

from __future__ import annotations

import json
import os
import time

import pytest
from click.testing import CliRunner

from valetkey.cli.commands import valetkey as command
from valetkey.keys.local import generate_key
from valetkey.sandbox import Sandbox
from valetkey.sandbox.server import serve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

SECRET = "canary-client-secret"


@pytest.fixture(autouse=True)
def _a_clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(("VALETKEY_", "AWS_"))]:
        if name != "VALETKEY_NOTHING_SKIPPED":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def provider() -> Iterator[str]:
    with serve(Sandbox(now=time.time, random=os.urandom)) as running:
        yield running.sandbox.base_url


def run(tmp_path: Path, provider: str, *arguments: str, **changes: str) -> Result:
    environ = {
        "VALETKEY_STORE": f"sqlite://{tmp_path}/rows.db",
        "VALETKEY_KEY": generate_key(os.urandom, key_id="k1"),
        "VALETKEY_BASE_URL": "http://localhost:9/oauth",
        "VALETKEY_LOGIN_CLIENT_ID": "me",
        "VALETKEY_LOGIN_CLIENT_SECRET": SECRET,
        "VALETKEY_LOGIN_ISSUER": provider,
        "VALETKEY_LOGIN_PROVIDER": "oauth2-discovery",
        **changes,
    }
    return CliRunner().invoke(command, ["doctor", *arguments], env=environ)


def test_traces_that_cannot_be_written_are_told(tmp_path: Path, provider: str) -> None:
    (tmp_path / "file").write_text("")

    result = run(tmp_path, provider, "--json", VALETKEY_TRACE=str(tmp_path / "file"))

    (found,) = [one for one in json.loads(result.stdout)["findings"] if one["about"] == "trace"]
    assert (found["level"], found["check"]) == ("warning", "written")
    assert "traces are lost" in found["what"]
    assert "VALETKEY_TRACE" in found["advice"]


def test_a_deployment_without_problems_ends_with_status_0(tmp_path: Path, provider: str) -> None:
    result = run(tmp_path, provider)

    assert result.exit_code == 0, result.output
    assert "No problem was found." in result.output
    assert "http://localhost:9/oauth/callback/login" in result.output.replace("\n", "")
    assert SECRET not in result.output


def test_a_problem_ends_with_status_1_and_is_json_on_demand(tmp_path: Path) -> None:
    result = run(tmp_path, "http://127.0.0.1:9", "--json")

    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert report["problems"] >= 1
    assert {"level", "about", "check", "what", "advice"} == set(report["findings"][0])
    assert report["findings"][0]["level"] == "problem"
    assert SECRET not in result.output


def test_a_configuration_that_is_wrong_ends_with_status_2(tmp_path: Path, provider: str) -> None:
    result = run(tmp_path, provider, VALETKEY_BASE_URL="http://app.example")

    assert result.exit_code == 2


def test_the_doctor_of_signatures_is_still_there() -> None:
    result = CliRunner().invoke(command, ["doctor", "oauth1", "--help"])

    assert result.exit_code == 0
    assert "--curl" in result.output
