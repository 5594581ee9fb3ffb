"""`valetkey store`: the table is made on demand only, and what is missing is said."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from tests.stores import servers

from valetkey.cli.commands import valetkey as command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result


@pytest.fixture(autouse=True)
def _a_clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in [name for name in os.environ if name.startswith(("VALETKEY_", "AWS_"))]:
        if name != "VALETKEY_NOTHING_SKIPPED":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    yield from servers.moto()


def run(*arguments: str, store: str, **environment: str) -> Result:
    return CliRunner().invoke(command, ["store", *arguments], env={"VALETKEY_STORE": store, **environment})


def test_a_table_is_made_when_it_is_asked_for_and_not_before(moto: str) -> None:
    environment = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "canary", "AWS_ENDPOINT_URL": moto}
    url = "dynamodb://made-by-hand?region=eu-central-1"

    before = run("check", store=url, **environment)
    made = run("create", store=url, **environment)
    after = run("check", "--json", store=url, **environment)

    assert before.exit_code == 1
    assert "there is no such table" in " ".join(before.output.split())
    assert made.exit_code == 0, made.output
    assert "is there" in made.output
    assert after.exit_code == 0
    assert json.loads(after.output) == {"missing": [], "store": "dynamodb:made-by-hand in eu-central-1"}
    assert "canary" not in before.output + made.output + after.output


def test_only_the_store_has_to_be_configured(tmp_path: Path) -> None:
    result = run("check", store=f"sqlite://{tmp_path}/rows.db")

    assert result.exit_code == 0
    assert "nothing is missing" in " ".join(result.output.split())


def test_what_is_missing_is_also_said_as_json(tmp_path: Path) -> None:
    result = run("create", "--json", store=f"sqlite://{tmp_path}/rows.db")

    assert json.loads(result.output)["missing"] == []


@pytest.mark.parametrize("verb", ["create", "check"])
def test_a_store_that_cannot_be_asked_is_one_sentence(verb: str) -> None:
    result = run(verb, "--json", store="redis://:canary@127.0.0.1:1")

    assert result.exit_code == 1
    assert json.loads(result.stderr)["problems"] == [
        f"redis:127.0.0.1:1/0: cannot be {verb.removesuffix('e')}ed: it cannot be reached: check host and port, and that the server runs"
    ]
    assert "canary" not in result.output


def test_a_wrong_url_is_a_mistake_of_the_configuration() -> None:
    result = run("check", "--json", store="redis://host?colour=red")

    assert result.exit_code == 2
    assert "no option 'colour'" in json.loads(result.stderr)["problems"][0]
