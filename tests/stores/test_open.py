"""From a store's URL to the store."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from valetkey.errors import ConfigurationError
from valetkey.stores.dynamodb import DynamoDBStore
from valetkey.stores.memory import MemoryStore
from valetkey.stores.open import check_store_url, open_store
from valetkey.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path


def test_memory_is_a_memory_store() -> None:
    store = open_store("memory:", environ={})

    assert isinstance(store, MemoryStore)
    assert store.local


def test_three_slashes_name_an_absolute_file(tmp_path: Path) -> None:
    store = open_store(f"sqlite://{tmp_path}/a%20b.db", environ={})
    store.close()

    assert isinstance(store, SqliteStore)
    assert store.path == f"{tmp_path}/a b.db"
    assert store.local
    assert store.blocking


def test_no_slashes_name_a_relative_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    open_store("sqlite:rows.db", environ={}).close()

    assert (tmp_path / "rows.db").is_file()


def test_a_dynamodb_table_is_named_with_its_region() -> None:
    store = open_store("dynamodb://valetkey-rows?region=eu-west-1", environ={"AWS_REGION": "us-east-1"})

    assert isinstance(store, DynamoDBStore)
    assert store.description == "dynamodb:valetkey-rows in eu-west-1"
    assert not store.local


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_region_of_the_function_serves_where_none_is_named(name: str) -> None:
    store = open_store("dynamodb://valetkey-rows", environ={name: "us-east-2"})

    assert store.description == "dynamodb:valetkey-rows in us-east-2"


@pytest.mark.parametrize(
    ("url", "environ"),
    [
        ("dynamodb://rows?region=x&endpoint=http%3A%2F%2F127.0.0.1%3A8000", {}),
        ("dynamodb://rows?region=x&endpoint=http://127.0.0.1:8000", {"AWS_ENDPOINT_URL": "https://other.example"}),
        ("dynamodb://rows?region=x", {"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:8000/"}),
        ("dynamodb://rows?region=x", {"AWS_ENDPOINT_URL": "http://127.0.0.1:8000"}),
    ],
)
def test_an_endpoint_may_be_overridden(url: str, environ: dict[str, str]) -> None:
    store = open_store(url, environ=environ)

    assert isinstance(store, DynamoDBStore)
    assert store._wire._url == "http://127.0.0.1:8000/"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "not understood: write memory:, sqlite:///absolute"),
        ("memory", "not understood"),
        ("mysql://canary-password@host/db", "not understood"),
        ("memory:x", "no path"),
        ("sqlite:", "names a file"),
        ("sqlite://host/rows.db", "no host"),
        ("sqlite::memory:", "names a file"),
        ("sqlite:a%00b", "names a file"),
        ("sqlite:a%zz", "percent"),
        ("sqlite:/nowhere/at/all/rows.db", "directory does not exist"),
        ("dynamodb:rows?region=x", "is written dynamodb://table"),
        ("dynamodb://rows", "name the region"),
        ("dynamodb://?region=x", "table's name"),
        ("dynamodb://rows/more?region=x", "table's name"),
        ("dynamodb://rows?region=x&regoin=y", "no option 'regoin': it has endpoint, region"),
        ("memory:?region=x", "no option 'region'"),
        ("rediss://:canary?canary-word@host/0", r"no option that its URL names \(write \? as %3F\)"),
        ("postgresql://u:p?canary=canary@host/db", "no option that its URL names"),
        ("dynamodb://rows?region=x&region=y", "twice"),
        ("memory:?ephemeral=yes", "one value: accepted"),
        ("memory:?ephemeral=%zz", "percent"),
    ],
)
def test_a_url_that_names_no_store_is_refused_with_what_to_write(url: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        open_store(url, environ={})

    assert "canary" not in str(caught.value)
    if "nowhere" not in url:
        assert check_store_url(url) == caught.value.problems


def test_checking_a_url_opens_and_makes_nothing(tmp_path: Path) -> None:
    assert check_store_url(f"sqlite://{tmp_path}/rows.db") == ()
    assert check_store_url("dynamodb://rows", environ={"AWS_REGION": "eu-west-1"}) == ()
    assert check_store_url("sqlite:/nowhere/at/all/rows.db") == ()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["memory:", "sqlite:rows.db"])
def test_a_store_that_is_lost_with_the_machine_is_refused_on_a_serverless_platform(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"on AWS Lambda each instance .* \?ephemeral=accepted"):
        open_store(url, environ={}, serverless="AWS Lambda")


def test_whoever_accepts_that_gets_it(tmp_path: Path) -> None:
    open_store("memory:?ephemeral=accepted", environ={}, serverless="AWS Lambda").close()
    open_store(f"sqlite://{tmp_path}/rows.db?ephemeral=accepted", environ={}, serverless="AWS Lambda").close()
    open_store("dynamodb://rows?region=x", environ={}, serverless="AWS Lambda").close()


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_store("memory:?colour=red&ephemeral=no", environ={}, serverless="AWS Lambda")

    assert len(caught.value.problems) == 3


def test_opening_dynamodb_imports_no_other_store_and_no_network_code() -> None:
    script = (
        "import sys; from valetkey.stores.open import open_store;"
        "open_store('dynamodb://rows?region=x', environ={});"
        "print([name for name in ('sqlite3', 'valetkey.stores.sqlite', 'ssl', 'http.client', 'json', 'boto3',"
        " 'cryptography', 'threading') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
