"""The operator's view of clients that were registered at run time, in a real store."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from tests.connections.internet import URL, Internet
from tests.connections.steps import failure

from valetkey.cli.commands import valetkey as command
from valetkey.config import read_configuration
from valetkey.connections.authorize import begin_authorization
from valetkey.connections.mcp import begin_mcp_authorization
from valetkey.connections.registrations import registered
from valetkey.effects import Send
from valetkey.errors import ReauthorizationRequired
from valetkey.keys.local import generate_key
from valetkey.keys.open import open_key_ring
from valetkey.stores.open import open_store
from valetkey.testing.world import World
from valetkey.value import replace

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


class Operated:
    """A deployment with one registration in it, and its environment."""

    def __init__(self, folder: Path) -> None:
        key = generate_key(os.urandom, key_id="k1")
        self.environ = {
            "VALETKEY_STORE": f"sqlite://{folder}/connections.db",
            "VALETKEY_KEY": key,
            "VALETKEY_BASE_URL": "https://app.example/oauth",
            "VALETKEY_MCP_PAGE": "true",
        }
        self.world = World()
        ring = open_key_ring(key, random=os.urandom, environ={}, environment="default")
        store = open_store(self.environ["VALETKEY_STORE"], environ={})
        self.world.ports = type(self.world.ports)(
            transport=self.world.network, store=store, keys=ring, signer=_Nobody(), clock=self.world.clock,
            events=self.world.events,
        )  # fmt: skip
        self.internet = Internet(self.world)
        server = self.internet.server()
        _ = self.internet.resource(URL, server)
        self.world.settings = replace(self.world.settings, registrations={})
        _ = self.world.run(begin_mcp_authorization(self.world.settings, URL, resource_owner="alice", cookies=()))
        store.close()

    def run(self, *arguments: str) -> Result:
        result = CliRunner().invoke(command, ["registrations", *arguments], env=self.environ)
        assert "secret-1" not in result.output
        assert "Traceback" not in result.output
        return result


class _Nobody:
    def sign(self, *_: object) -> bytes:
        raise AssertionError


@pytest.fixture
def operated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operated:
    monkeypatch.chdir(tmp_path)
    return Operated(tmp_path)


def test_registrations_are_listed_for_people_and_for_programs(operated: Operated) -> None:
    text, listed = operated.run("list"), json.loads(operated.run("list", "--json").output)

    (one,) = listed["registrations"]
    assert one["resource"] == URL
    assert one["issuer"] == "https://as.notes.example"
    assert (one["enrolment"], one["client_id"], one["present"], one["refused"]) == ("dynamic", "client-1", True, False)
    assert URL.removeprefix("https://") in text.output.replace("\n", "")
    assert listed["unreadable"] == 0


@pytest.mark.parametrize("by", ["url", "name"])
def test_one_is_forgotten_by_its_url_or_name(operated: Operated, by: str) -> None:
    (one,) = json.loads(operated.run("list", "--json").output)["registrations"]

    gone = operated.run("forget", URL if by == "url" else one["registration"], "--yes", "--json")

    assert json.loads(gone.output)["at_server"] == "unsupported"
    assert operated.run("list").output == "Nothing was registered at run time.\n"


def test_nothing_is_forgotten_unasked_or_unknown(operated: Operated) -> None:
    unasked, unknown = operated.run("forget", URL, "--json"), operated.run("forget", "github", "--yes")

    assert unasked.exit_code != 0
    assert unknown.exit_code != 0
    assert "was not registered at run time" in unknown.output.replace("\n", " ")
    assert len(json.loads(operated.run("list", "--json").output)["registrations"]) == 1


def test_a_row_of_another_key_is_counted_and_kept(operated: Operated) -> None:
    operated.environ["VALETKEY_KEY"] = generate_key(os.urandom, key_id="k2")

    listed = json.loads(operated.run("list", "--json").output)

    assert listed == {"registrations": [], "unreadable": 1}
    assert isinstance(failure(World(), registered(World().settings, URL)), ReauthorizationRequired), (
        "elsewhere nobody knows of it"
    )


@pytest.fixture
def configured(operated: Operated) -> Operated:
    """The same with a registration of the configuration that has made its client at run time."""
    operated.environ |= {
        "VALETKEY_LOGIN_ISSUER": "https://as.notes.example",
        "VALETKEY_LOGIN_PROVIDER": "oauth2-discovery",
        "VALETKEY_LOGIN_CLIENT_REGISTRATION": "dynamic",
    }
    registrations = read_configuration(operated.environ).registrations
    operated.world.settings = replace(operated.world.settings, registrations=registrations)
    store = open_store(operated.environ["VALETKEY_STORE"], environ={})
    ports = operated.world.ports
    ring = open_key_ring(operated.environ["VALETKEY_KEY"], random=os.urandom, environ={}, environment="default")
    operated.world.ports = type(ports)(
        transport=operated.world.network, store=store, keys=ring, signer=_Nobody(), clock=operated.world.clock,
        events=operated.world.events,
    )  # fmt: skip
    operated.world.ports._performers[Send] = operated.internet.send
    settings = operated.world.settings
    _ = operated.world.run(begin_authorization(settings, "login", resource_owner="alice", cookies=()))
    store.close()
    return operated


def test_one_of_the_configuration_is_listed_by_its_name_beside_those_of_resources(configured: Operated) -> None:
    text, listed = configured.run("list"), json.loads(configured.run("list", "--json").output)

    found = {one["registration"]: one for one in listed["registrations"]}
    assert found["login"]["resource"] == ""
    assert (found["login"]["client_id"], found["login"]["enrolment"]) == ("client-2", "dynamic")
    assert len(found) == 2
    assert "login" in text.output


def test_the_issuer_of_one_is_told_only_where_that_can_be(configured: Operated) -> None:
    cannot, resource = configured.run("update", "login"), configured.run("update", URL, "--json")

    assert cannot.exit_code == resource.exit_code == 2
    assert "gave nothing to manage the client with" in cannot.output.replace("\n", " ")
    assert len(json.loads(configured.run("list", "--json").output)["registrations"]) == 2


def test_one_of_the_configuration_is_forgotten_by_its_name(configured: Operated) -> None:
    gone = configured.run("forget", "login", "--yes", "--json")

    assert json.loads(gone.output)["at_server"] == "unsupported"
    (left,) = json.loads(configured.run("list", "--json").output)["registrations"]
    assert left["resource"] == URL
