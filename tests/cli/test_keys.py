"""`valetkey keys` for a fleet: keys wrapped by a service, the rings of a rotation, and the sweep that seals anew."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from tests.keys.steps import ENVIRON, KmsServer
from tests.stores import servers

from valetkey.async_vault import AsyncVault
from valetkey.cli.commands import valetkey as command
from valetkey.cli.demo.deployment import OAUTH2, Deployment
from valetkey.effects import Key, Row
from valetkey.keys.local import generate_key
from valetkey.keys.open import read_key_ring
from valetkey.stores.sqlite import SqliteStore
from valetkey.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.testing import Result

    from valetkey.secret import Secret

OLD = generate_key(lambda octets: bytes((number * 7 + 200) % 256 for number in range(octets)), key_id="old")


def run(*arguments: str, **environ: str) -> Result:
    result = CliRunner().invoke(command, ["keys", *arguments], env=environ)
    assert "Traceback" not in result.output
    assert "canary" not in result.output
    return result


def with_ring(environ: dict[str, str], text: str) -> dict[str, str]:
    return {**{name: value for name, value in environ.items() if name != "VALETKEY_KEY_FILE"}, "VALETKEY_KEY": text}


def ring_of(deployment: Deployment) -> str:
    return Path(deployment.environ["VALETKEY_KEY_FILE"]).read_text().strip()


@pytest.fixture(autouse=True)
def _a_clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in [name for name in os.environ if name.startswith(("VALETKEY_", "AWS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def kms_endpoint() -> Iterator[str]:
    yield from servers.moto()


@pytest.fixture
def kms(kms_endpoint: str) -> Iterator[tuple[KmsServer, dict[str, str]]]:
    with KmsServer(kms_endpoint) as server:
        yield server, {**ENVIRON, "AWS_ENDPOINT_URL_KMS": kms_endpoint}


def test_a_rotation_is_three_rings_with_one_new_key() -> None:
    result = run("rotate", "--key-id", "new", "--json", VALETKEY_KEY=OLD)

    found = json.loads(result.output)
    rings = [[key[0] for key in read_key_ring(step["key"]) if isinstance(key, tuple)] for step in found["steps"]]
    assert found["key_id"] == "new"
    assert [step["step"] for step in found["steps"]] == ["open-only", "promoted", "retired"]
    assert rings == [["old", "new"], ["new", "old"], ["new"]]
    assert (
        len({read_key_ring(step["key"])[-1 if number == 0 else 0] for number, step in enumerate(found["steps"])}) == 1
    )


def test_a_rotation_is_told_step_by_step_and_written_to_files_that_nobody_else_reads(tmp_path: Path) -> None:
    text = run("rotate", VALETKEY_KEY=OLD).output
    written = run("rotate", "--key-id", "new", "--file", str(tmp_path / "ring"), VALETKEY_KEY=OLD)

    assert [line[:13] for line in text.splitlines() if line.startswith("VALETKEY")] == ["VALETKEY_KEY="] * 3
    assert "valetkey keys reseal" in text
    assert OLD.partition(":")[2] not in written.output
    assert (tmp_path / "ring.1").read_text().splitlines()[0] == OLD
    assert read_key_ring(f"file:{tmp_path / 'ring.2'}")[1] == read_key_ring(OLD)[0]
    assert stat.S_IMODE((tmp_path / "ring.3").stat().st_mode) == 0o600


def test_a_key_id_that_is_there_already_and_a_missing_ring_are_refused() -> None:
    taken = run("rotate", "--key-id", "old", "--json", VALETKEY_KEY=OLD)
    missing = run("rotate", "--json")

    assert (taken.exit_code, missing.exit_code) == (2, 2)
    assert "stands there twice" in taken.stderr
    assert "VALETKEY_KEY is missing" in missing.stderr
    assert OLD.partition(":")[2] not in taken.output


def test_a_key_is_wrapped_by_kms_for_the_environment_and_rotated_with_it(kms: tuple[KmsServer, dict[str, str]]) -> None:
    server, environ = kms
    arn = server.create_key()

    line = json.loads(
        run("generate", "--kms", f"aws-kms:{arn}", "--json", **environ, VALETKEY_ENVIRONMENT="staging").output
    )
    rotated = json.loads(
        run("rotate", "--json", **environ, VALETKEY_KEY=line["key"], VALETKEY_ENVIRONMENT="staging").output
    )
    mixed = json.loads(run("rotate", "--kms", f"aws-kms:{arn}", "--json", **environ, VALETKEY_KEY=OLD).output)

    assert line["key"].startswith(f"{line['key_id']}:aws-kms:{arn}:")
    assert [key.name for key in read_key_ring(rotated["steps"][0]["key"]) if not isinstance(key, tuple)] == [arn, arn]
    assert [type(key).__name__ for key in read_key_ring(mixed["steps"][0]["key"])] == ["tuple", "WrappedKey"]


@pytest.mark.parametrize(
    ("name", "problem"),
    [("aws-kms:alias/x", "named by its ARN"), ("vault:x", "the key services are"), ("gcp-kms:x", "without a version")],
)
def test_a_key_service_that_is_not_named_well_is_refused(name: str, problem: str) -> None:
    result = run("generate", "--kms", name, "--json")

    assert result.exit_code == 2
    assert problem in json.loads(result.stderr)["problems"][0]


def test_a_deployment_moves_from_a_local_key_to_kms_without_losing_a_connection(
    deployment: Deployment, kms: tuple[KmsServer, dict[str, str]]
) -> None:
    server, environ = kms
    before = {**deployment.environ, **environ}
    made = run("rotate", "--kms", f"aws-kms:{server.create_key()}", "--key-id", "cloud", "--json", **before)
    rings = [step["key"] for step in json.loads(made.output)["steps"]]
    token = deployment.vault.access_token(OAUTH2, "alice")

    open_only = run("reseal", "--json", **with_ring(before, rings[0]))
    promoted = run("reseal", **with_ring(before, rings[1]))
    again = run("reseal", "--json", **with_ring(before, rings[2]))

    assert json.loads(open_only.output)["already"] == 2
    assert "sealed anew" in promoted.output
    assert (json.loads(again.output)["already"], json.loads(again.output)["left"]) == (2, 0)
    vault = Vault.from_env(with_ring(before, rings[2]))
    try:
        assert vault.access_token(OAUTH2, "alice") == token
        connection = vault.connection(OAUTH2, "alice")
        assert connection is not None
        assert connection.key_id == "cloud"
    finally:
        vault.close()
    assert asyncio.run(awaited(with_ring(before, rings[2]))) == token


async def awaited(environ: dict[str, str]) -> Secret:
    vault = AsyncVault.from_env(environ)
    try:
        return await vault.access_token(OAUTH2, "alice")
    finally:
        await vault.close()


def test_rows_of_a_missing_key_are_counted_by_its_name_and_are_status_1(deployment: Deployment) -> None:
    name = ring_of(deployment).partition(":")[0]

    result = run("reseal", "--json", **with_ring(deployment.environ, OLD))
    text = run("reseal", **with_ring(deployment.environ, OLD))

    assert result.exit_code == 1
    assert json.loads(result.output)["missing"] == {name: 2}
    assert f"key {name} is missing, or is another, for" in text.output
    assert deployment.vault.connection(OAUTH2, "alice") is not None


def test_rows_that_the_first_key_does_not_open_are_not_passed_as_sealed_by_it(deployment: Deployment) -> None:
    name = ring_of(deployment).partition(":")[0]
    wrong = generate_key(lambda octets: bytes(range(9, 9 + octets)), key_id=name)

    result = run("reseal", "--json", **with_ring(deployment.environ, wrong))
    right = run("reseal", "--json", **with_ring(deployment.environ, ring_of(deployment)))

    assert result.exit_code == 1
    assert (json.loads(result.output)["already"], json.loads(result.output)["missing"]) == (0, {name: 2})
    assert (right.exit_code, json.loads(right.output)["already"]) == (0, 2)


def test_a_key_service_that_is_down_says_where_to_go_on(
    deployment: Deployment, kms: tuple[KmsServer, dict[str, str]]
) -> None:
    server, environ = kms
    line = run("generate", "--kms", f"aws-kms:{server.create_key()}", **environ).output.strip()
    down = {**deployment.environ, **environ, "AWS_ENDPOINT_URL_KMS": "http://127.0.0.1:1"}

    result = run("reseal", "--json", **with_ring(down, f"{line},{ring_of(deployment)}"))

    assert result.exit_code == 1
    assert "go on with: valetkey keys reseal" in json.loads(result.stderr)["problems"][0]


def test_a_sweep_in_sittings_prints_the_cursor_from_which_it_goes_on(deployment: Deployment) -> None:
    store = SqliteStore(deployment.environ["VALETKEY_STORE"].removeprefix("sqlite://"))
    for number in range(150):
        row = Row(Key("f" * 64, f"other/{number:04}"), number.to_bytes(16, "big"), {})
        assert store.swap(row.key, None, row) == "won"
    store.close()
    ring = f"{OLD},{ring_of(deployment)}"

    first = run("reseal", "--pages", "1", **with_ring(deployment.environ, ring))
    cursor = first.output.rpartition("--cursor ")[2].strip()
    second = json.loads(run("reseal", "--cursor", cursor, "--json", **with_ring(deployment.environ, ring)).output)
    whole = run("reseal", **with_ring(deployment.environ, ring))

    assert "There is more" in first.output
    assert (second["cursor"], second["left"]) == ("", 0)
    assert "sealed by old before" in whole.output
    assert "--cursor" in whole.stderr


@pytest.mark.parametrize("words", [("keys", "reseal"), ("store", "restored")])
def test_a_cursor_that_was_not_printed_is_wrong_use(deployment: Deployment, words: tuple[str, str]) -> None:
    result = CliRunner().invoke(command, [*words, "--cursor", "junk"], env=deployment.environ)

    assert result.exit_code == 2
    assert "start again with an empty one" in " ".join(result.stderr.split())
