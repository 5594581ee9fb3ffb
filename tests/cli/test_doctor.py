"""`valetkey doctor`: what is wrong with the deployment of the environment, with a status that a script can use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

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
    environ = {name: text for name, text in environ.items() if text}
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


def told(result: Result, check: str) -> list[tuple[str, str, str]]:
    found = [one for one in json.loads(result.stdout)["findings"] if one["check"] == check]
    assert all(one["advice"] for one in found)
    return [(one["level"], one["about"], one["what"]) for one in found]


def test_a_private_key_whose_password_is_wrong_is_a_problem_before_anybody_connects(
    tmp_path: Path, provider: str
) -> None:
    key = generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"right")).decode()
    changes = {
        "VALETKEY_LOGIN_CLIENT_SECRET": "",
        "VALETKEY_LOGIN_TOKEN_ENDPOINT_AUTH_METHOD": "private_key_jwt",
        "VALETKEY_LOGIN_PRIVATE_KEY": pem,
    }

    wrong = run(tmp_path, provider, "--json", **changes, VALETKEY_LOGIN_PRIVATE_KEY_PASSWORD=SECRET)
    right = run(tmp_path, provider, "--json", **changes, VALETKEY_LOGIN_PRIVATE_KEY_PASSWORD="right")

    assert wrong.exit_code == 1
    assert SECRET not in wrong.output
    ((level, about, what),) = told(wrong, "private_key")
    assert (level, about) == ("problem", "login")
    assert "password is wrong" in what
    assert [level for level, _, _ in told(right, "private_key")] == ["note"]


def test_a_signer_that_is_not_in_the_deployment_is_a_problem(tmp_path: Path, provider: str) -> None:
    result = run(
        tmp_path,
        provider,
        "--json",
        VALETKEY_LOGIN_CLIENT_SECRET="",
        VALETKEY_LOGIN_TOKEN_ENDPOINT_AUTH_METHOD="private_key_jwt",
        VALETKEY_LOGIN_PRIVATE_KEY_SIGNER="nowhere.module:sign",
        VALETKEY_LOGIN_PRIVATE_KEY_ID="key-1",
    )

    assert result.exit_code == 1
    ((level, about, what),) = told(result, "private_key")
    assert (level, about) == ("problem", "login")
    assert "'nowhere.module:sign' cannot be imported" in what


def test_a_secret_that_ended_is_a_problem_where_every_tenant_has_a_host(tmp_path: Path, provider: str) -> None:
    result = run(
        tmp_path,
        provider,
        "--json",
        "--tenant",
        "nothing:acme",
        VALETKEY_ZENDESK_CLIENT_ID="z",
        VALETKEY_ZENDESK_CLIENT_SECRET=SECRET,
        VALETKEY_ZENDESK_CLIENT_SECRET_EXPIRES="2020-01-01",
    )

    assert result.exit_code == 1
    assert told(result, "secret_age") == [("problem", "zendesk", "its client secret ended on 2020-01-01")]
    assert ("problem", "tenants") in [(level, about) for level, about, _ in told(result, "tenant")]


def test_a_function_needs_nothing_of_the_command_line_for_it() -> None:
    """Without the extra `cli`: neither click nor rich is asked for."""
    program = """
import sys
sys.modules["click"] = sys.modules["rich"] = None
from valetkey import Request
from valetkey.testing.world import World
world = World()
print(len(world.vault().doctor(Request("GET", "/oauth/connections")).findings) > 0, "valetkey.cli" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "True False\n"
