"""The operator's commands against a real vault, a real store and a provider on loopback."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from valetkey.cli.commands import valetkey as command
from valetkey.cli.demo.deployment import OAUTH1, OAUTH2, Deployment
from valetkey.drivers.clock import SystemClock
from valetkey.keys.local import generate_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from click.testing import Result


def run(deployment: Deployment, *arguments: str) -> Result:
    result = CliRunner().invoke(command, ["connections", *arguments], env=deployment.environ)
    secret = deployment.environ["VALETKEY_SANDBOX_OAUTH2_CLIENT_SECRET"]
    assert secret not in result.output
    for kind in ("access", "refresh", "code", "token", "temporary"):  # what the sandbox issues begins like this
        assert f"sandbox-{kind}-" not in result.output
    assert "Traceback" not in result.output
    return result


def test_connections_are_listed_for_people_and_for_programs(deployment: Deployment) -> None:
    text, as_json = run(deployment, "list"), run(deployment, "list", "--json")
    one = json.loads(run(deployment, "list", "--resource-owner", "alice", "--registration", OAUTH1, "--json").output)
    none = run(deployment, "list", "--resource-owner", "nobody")
    limited = json.loads(run(deployment, "list", "--limit", "1", "--json").output)

    listed = json.loads(as_json.output)
    assert {item["registration"] for item in listed["connections"]} == {OAUTH1, OAUTH2}
    assert listed["more"] is False
    assert OAUTH1 in text.output
    assert OAUTH2 in text.output
    assert [item["registration"] for item in one["connections"]] == [OAUTH1]
    assert none.output == "There are no connections.\n"
    assert (len(limited["connections"]), limited["more"]) == (1, True)


def test_one_connection_is_shown_without_its_tokens(deployment: Deployment) -> None:
    shown = json.loads(run(deployment, "show", OAUTH2, "alice", "--json").output)

    assert (shown["state"], shown["scope"]) == ("active", ["read"])
    lines = [line.split() for line in run(deployment, "show", OAUTH2, "alice").output.splitlines()]
    moments = {line[0] for line in lines if line[-1] == "UTC"}
    assert moments == {"access_expires_at", "refresh_due_at", "created_at", "authorized_at", "refreshed_at"}
    assert ["previous_until", "0"] not in lines


def test_a_list_that_the_key_ring_cannot_read_says_so(deployment: Deployment) -> None:
    Path(deployment.environ["VALETKEY_KEY_FILE"]).write_text(generate_key(os.urandom))

    result = run(deployment, "list")

    assert result.output.count("active (key_unavailable)") == 2
    assert "2 of them cannot be read: the key that sealed them is not in VALETKEY_KEY" in result.output


def test_refreshing_does_nothing_that_is_not_due_unless_forced(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = deployment.sandbox.seen

    idle = run(deployment, "refresh", OAUTH2, "alice")
    assert "Nothing to do" in idle.output
    assert seen.count("token", grant_type="refresh_token") == 0

    hasty = run(deployment, "refresh", OAUTH2, "alice", "--force")
    assert hasty.exit_code == 1
    assert "less than 30 seconds old" in hasty.stderr
    assert seen.count("token", grant_type="refresh_token") == 0

    monkeypatch.setattr(SystemClock, "now", lambda _: time.time() + 40)
    forced = json.loads(run(deployment, "refresh", OAUTH2, "alice", "--force", "--json").output)
    assert forced["refreshed"] is True
    assert seen.count("token", grant_type="refresh_token", outcome="ok") == 1


def test_an_oauth1_connection_has_nothing_to_refresh(deployment: Deployment) -> None:
    result = run(deployment, "refresh", OAUTH1, "alice", "--json")

    assert result.exit_code == 2
    assert "OAuth 1.0a" in json.loads(result.stderr)["problems"][0]


def test_revoking_tells_the_provider_and_forgetting_does_not(deployment: Deployment) -> None:
    seen = deployment.sandbox.seen

    revoked = json.loads(run(deployment, "revoke", OAUTH2, "alice", "--yes", "--json").output)
    forgotten = run(deployment, "forget", OAUTH1, "alice", "--yes")

    assert revoked["at_provider"] == "revoked"
    assert seen.count("revoke", outcome="ok") >= 1
    assert "The provider was not told" in forgotten.output
    assert seen.count("oauth1_revoke") == 0
    assert deployment.vault.connections().connections == ()


def test_a_provider_that_cannot_be_told_is_status_1_and_the_connection_stays(deployment: Deployment) -> None:
    deployment.sandbox.faults.add(endpoint="revoke", fault="status", times=10)

    result = run(deployment, "revoke", OAUTH2, "alice", "--yes")

    assert result.exit_code == 1
    assert "could not be told" in result.output
    connection = deployment.vault.connection(OAUTH2, "alice")
    assert connection is not None
    assert connection.state == "revoking"


@pytest.mark.parametrize("verb", ["revoke", "forget"])
def test_nothing_is_destroyed_where_nobody_can_be_asked(deployment: Deployment, verb: str) -> None:
    result = run(deployment, verb, OAUTH2, "alice", "--json")

    assert result.exit_code == 2
    assert json.loads(result.stderr)["problems"] == ["nobody is there to be asked: add --yes"]
    assert deployment.vault.connection(OAUTH2, "alice") is not None


@pytest.mark.parametrize("verb", ["show", "refresh", "revoke", "forget"])
def test_what_is_not_connected_is_status_1(deployment: Deployment, verb: str) -> None:
    result = run(deployment, verb, OAUTH2, "nobody", "--json")

    assert result.exit_code == 1
    assert json.loads(result.stderr)["problems"] == [f"there is no connection of nobody with {OAUTH2}"]


def test_a_registration_that_is_not_configured_is_status_2(deployment: Deployment) -> None:
    result = run(deployment, "show", "github", "alice")

    assert result.exit_code == 2
    assert "'github' is not configured" in result.stderr
