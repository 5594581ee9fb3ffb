"""Commands print what they should, errors are sentences or JSON, and nothing secret gets out."""

from __future__ import annotations

import json
import stat
import sys

import click
import pytest
from click.testing import CliRunner

import valetkey.cli
from valetkey.cli.commands import LAZY
from valetkey.cli.commands import valetkey as command
from valetkey.keys.local import LocalKeyRing
from valetkey.providers.catalog import provider_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

CANARY = "canary-77aa0c"


def run(*arguments: str, **environment: str) -> Result:
    result = CliRunner().invoke(command, arguments, env=dict(environment))
    assert "Traceback" not in result.output
    assert CANARY not in result.output
    return result


@pytest.fixture(autouse=True)
def _a_clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("VALETKEY_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_every_command_has_help() -> None:
    assert run("--help").exit_code == 0
    for name in LAZY:
        result = run(name, "--help")
        assert result.exit_code == 0, result.output
        assert "Usage:" in result.output


def test_every_command_of_every_group_takes_json() -> None:
    context = click.Context(command)
    for name in LAZY:
        found = command.get_command(context, name)
        assert found is not None
        leaves = found.commands.values() if isinstance(found, click.Group) else [found]
        for leaf in leaves:
            assert "--json" in [option for parameter in leaf.params for option in parameter.opts], leaf.name


def test_a_generated_key_is_one_that_a_ring_takes() -> None:
    line = run("keys", "generate", "--key-id", "2026-11").output

    ring = LocalKeyRing.from_text(line, random=lambda octets: b"n" * octets)
    assert ring.key_ids == ("2026-11",)


def test_two_generated_keys_are_not_the_same() -> None:
    one, other = run("keys", "generate", "--json").output, run("keys", "generate", "--json").output

    assert json.loads(one)["key"] != json.loads(other)["key"]
    assert json.loads(one)["key"].startswith(json.loads(one)["key_id"] + ":")


def test_a_key_file_is_for_its_owner_only_and_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key"

    made = run("keys", "generate", "--file", str(path))
    content = path.read_text()
    again = run("keys", "generate", "--file", str(path), "--json")

    assert made.exit_code == 0
    assert content.strip() not in made.output
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert again.exit_code == 2
    assert "never overwritten" in json.loads(again.stderr)["problems"][0]
    assert path.read_text() == content


def test_a_bad_key_id_is_a_sentence() -> None:
    result = run("keys", "generate", "--key-id", "No Good")

    assert result.exit_code == 2
    assert result.stderr.startswith("Error: a key id is ")


def test_providers_are_listed_with_what_nobody_has_tried() -> None:
    listed = json.loads(run("providers", "list", "--json").output)

    assert tuple(entry["name"] for entry in listed) == provider_names()
    assert {entry["name"]: entry["tried"] for entry in listed}["github"] == "never"
    for name in provider_names():
        assert name in run("providers", "list").output


def test_one_provider_is_shown_with_its_source() -> None:
    shown = json.loads(run("providers", "show", "github", "--json").output)

    assert shown["server"]["token_endpoint"] == "https://github.com/login/oauth/access_token"
    assert shown["source"] in run("providers", "show", "github").output
    assert "never against the live provider" in run("providers", "show", "github").output


def test_an_unknown_provider_is_an_error_with_a_hint() -> None:
    result = run("providers", "show", "githbu", "--json")

    assert result.exit_code == 2
    assert result.stdout == ""
    told = json.loads(result.stderr)
    assert told["error"] == "ConfigurationError"
    assert "did you mean github" in told["problems"][0]


def test_wrong_use_is_status_2_in_both_forms() -> None:
    text, as_json = run("providers", "shwo"), run("providers", "shwo", "--json")

    assert text.exit_code == as_json.exit_code == 2
    assert text.stderr.startswith("Error: ")
    assert json.loads(as_json.stderr)["error"] == "usage"


def test_every_problem_of_the_configuration_is_in_the_json() -> None:
    result = run(
        "connections",
        "list",
        "--json",
        VALETKEY_BASE_URL="http://app.example",
        VALETKEY_KEY=f"k:{CANARY}",
        VALETKEY_GITHUB_CLIENT_SECRET=CANARY,
    )

    assert result.exit_code == 2
    told = json.loads(result.stderr)
    beginnings = {problem.split()[0].rstrip(":") for problem in told["problems"]}
    assert {"VALETKEY_STORE", "VALETKEY_BASE_URL", "VALETKEY_GITHUB_CLIENT_ID"} <= beginnings


def test_several_problems_are_a_list_for_people() -> None:
    result = run("connections", "list")

    assert result.exit_code == 2
    assert "problems:" in result.stderr
    assert "\n  - VALETKEY_STORE is missing" in result.stderr


def test_an_unexpected_failure_tells_its_place_and_not_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> str:
        raise RuntimeError(CANARY)

    monkeypatch.setattr("valetkey.cli.keys.generate_key", broken)
    text, as_json = run("keys", "generate"), run("keys", "generate", "--json")

    assert (text.exit_code, as_json.exit_code) == (1, 1)
    assert json.loads(as_json.stderr)["error"] == "bug"
    assert "RuntimeError at " in text.stderr


def test_without_a_terminal_nothing_is_coloured() -> None:
    assert "\x1b" not in run("providers", "list").output
    assert "\x1b" not in run("providers", "show", "nobody").stderr


def test_a_control_character_does_not_reach_the_terminal() -> None:
    assert "\x1b" not in run("providers", "show", "a\x1b[31mb").stderr


def test_without_click_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "click", None)
    for name in [name for name in sys.modules if name.startswith("valetkey.cli.")]:
        monkeypatch.delitem(sys.modules, name)

    with pytest.raises(SystemExit) as ended:
        valetkey.cli.main(["--help"])

    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "pip install 'valetkey[cli]'" in told


def test_the_sandbox_stays_on_this_machine() -> None:
    result = run("sandbox", "--host", "0.0.0.0")

    assert result.exit_code == 2
    assert "not a loopback address" in result.stderr
