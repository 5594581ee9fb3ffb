"""`valetkey keepalive`, `rescue` and `events` against a real vault, a real store and a provider on loopback."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from valetkey.cli.commands import valetkey as command
from valetkey.cli.demo.deployment import OAUTH1, OAUTH2, Deployment
from valetkey.connections.events import EVENTS
from valetkey.connections.outbox import keep_events
from valetkey.connections.records import load_record, write_record
from valetkey.connections.rescue_line import write_rescue_line
from valetkey.connections.seal import rescue_place
from valetkey.connections.webhook import secret_problem, write_secret
from valetkey.drivers.clock import SystemClock
from valetkey.effects import Event, Key, Row, Seal
from valetkey.value import replace
from valetkey.vault import Vault

if TYPE_CHECKING:
    from click.testing import Result
    from pytest_httpserver import HTTPServer

    from valetkey.connections.records import Record
    from valetkey.effects import Op

DAY = 86_400


def run(deployment: Deployment, *arguments: str, text: str = "", **environ: str) -> Result:
    result = CliRunner().invoke(command, list(arguments), env={**deployment.environ, **environ}, input=text)
    for kind in ("access", "refresh", "code", "token", "temporary"):  # what the sandbox issues begins like this
        assert f"sandbox-{kind}-" not in result.output
    assert "Traceback" not in result.output
    return result


def record_of(deployment: Deployment) -> Record:
    found = deployment.vault.run(load_record(OAUTH2, resource_owner="alice"))
    assert found is not None
    return found


def test_keepalive_refreshes_what_is_about_to_lapse(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    early = json.loads(run(deployment, "keepalive", "--json").output)
    monkeypatch.setattr(SystemClock, "now", lambda _: time.time() + 20 * DAY)
    late = json.loads(run(deployment, "keepalive", "--json").output)
    again = run(deployment, "keepalive", "--restart")

    assert (early["seen"], early["refreshed"], early["finished"]) == (2, 0, True)
    assert (late["seen"], late["refreshed"], late["waiting"]) == (2, 1, [])
    assert again.output == "Looked at 2, refreshed 0, failed 0, skipped 0.\n"
    assert deployment.sandbox.seen.count("token", grant_type="refresh_token", outcome="ok") == 1


def test_keepalive_lists_who_must_act(deployment: Deployment) -> None:
    deployment.sandbox.faults.add(endpoint="revoke", fault="status", times=10)
    _ = deployment.vault.revoke(OAUTH2, "alice")

    shown = run(deployment, "keepalive")

    assert "revocation_unfinished" in shown.output
    assert "alice" in shown.output


def test_a_time_too_short_for_one_connection_is_wrong_use(deployment: Deployment) -> None:
    assert run(deployment, "keepalive", "--seconds", "5").exit_code == 2


def in_doubt(deployment: Deployment) -> str:
    """The connection is in doubt, and the line of its fresh tokens."""
    from valetkey.connections.codec import rescue_name, write_credentials
    from valetkey.connections.connection import IN_DOUBT, Doubt
    from valetkey.connections.records import open_record

    record, attempt = record_of(deployment), "ab" * 16

    def doubt() -> Op[Any]:
        credentials = yield from open_record(deployment.vault.settings, record)
        at = record.connection
        changed = replace(at, state=IN_DOUBT, doubts=(Doubt(attempt, 1, 2),))
        _ = yield from write_record(record.key, record.version, changed, record.sealed)
        place = rescue_place(deployment.vault.settings.environment, record.key, at.incarnation, at.generation)
        sealed = yield from Seal(place, write_credentials(credentials))
        clear: dict[str, str | int] = {
            "registration": OAUTH2,
            "state": "rescue",
            "incarnation": at.incarnation,
            "generation": at.generation,
            "access_expires_at": at.access_expires_at,
            "refresh_due_at": at.refresh_due_at,
        }
        key = Key(record.key.partition, rescue_name(record.key.name, attempt))
        return write_rescue_line(Row(key, b"v" * 16, clear, sealed, int(time.time()) + DAY))

    return str(deployment.vault.run(doubt()))


def test_lines_of_a_log_are_imported_once(deployment: Deployment) -> None:
    line = in_doubt(deployment)
    log = f"an ordinary line\n2026-11-22 ERROR valetkey unsaved {OAUTH2} record={line}\n{line[:60]}\n"

    first = run(deployment, "rescue", "import", "--json", text=log)
    second = run(deployment, "rescue", "import", text=f"{line}\n")
    nothing = run(deployment, "rescue", "import", text="nothing here\n")

    assert json.loads(first.output) == {
        "imported": [{"line": 2, "fate": "adopted"}, {"line": 3, "fate": "malformed"}],
    }
    assert first.exit_code == 1, "the third line was cut short"
    assert (second.exit_code, second.output[:20]) == (0, "line 1: superseded: ")
    assert nothing.output == "There is no rescue record in these lines.\n"
    assert record_of(deployment).connection.generation == 2


def test_a_backup_that_was_put_back_is_marked_and_its_connections_go_on(deployment: Deployment) -> None:
    done = json.loads(run(deployment, "store", "restored", "--json", "--wait", "3600").output)
    shown = run(deployment, "store", "restored")
    again = run(deployment, "connections", "refresh", OAUTH2, "alice", "--json")

    assert done == {"marked": 2, "already": 0, "leased": 0, "busy": 0, "unreadable": 0, "cursor": "", "left": 0}
    assert "marked before 2" in " ".join(shown.output.split()), "a longer wait is never shortened"
    assert record_of(deployment).connection.verify_first > time.time() + 3500
    assert again.exit_code == 0, "the access token lives"
    assert json.loads(again.output)["refreshed"] is False


def test_marking_says_where_to_go_on_and_what_is_left(deployment: Deployment) -> None:
    record = record_of(deployment)

    def lease() -> Op[Any]:
        leased = replace(record.connection, state="refreshing", attempt="ab" * 16, lease_until=int(time.time()) + 60)
        yield from write_record(record.key, record.version, leased, record.sealed)

    deployment.vault.run(lease())

    result = run(deployment, "store", "restored")

    assert result.exit_code == 1
    assert "being refreshed 1" in " ".join(result.output.split())


def test_a_wait_of_nothing_is_wrong_use(deployment: Deployment) -> None:
    assert run(deployment, "store", "restored", "--wait", "0").exit_code == 2


def test_rescue_records_are_listed(deployment: Deployment) -> None:
    assert run(deployment, "rescue", "list").output == "There are no rescue records.\n"
    assert json.loads(run(deployment, "rescue", "list", "--json").output) == {"rescues": []}


def test_kept_events_are_delivered(deployment: Deployment, httpserver: HTTPServer) -> None:
    got: list[bytes] = []

    def receive(request: Any) -> str:
        got.append(request.get_data())
        return ""

    httpserver.expect_request("/hook", method="POST").respond_with_handler(receive)
    hook = {"VALETKEY_WEBHOOK_URL": httpserver.url_for("/hook"), "VALETKEY_WEBHOOK_SECRET": write_secret(b"s" * 32)}
    vault = Vault.from_env({**deployment.environ, **hook})
    vault.run(keep_events(vault.settings, [Event("forgotten", OAUTH1, {}, "alice")]))
    vault.close()

    delivered = json.loads(run(deployment, "events", "deliver", "--json", **hook).output)
    nothing = run(deployment, "events", "deliver", **hook)

    assert delivered == {"sent": 1, "kept": 0, "given_up": 0}
    assert [json.loads(body)["type"] for body in got] == ["connection.forgotten"]
    assert nothing.output == "Delivered 0, kept 0 for later, given up 0.\n"


def test_delivering_without_a_webhook_says_what_to_set(deployment: Deployment) -> None:
    result = run(deployment, "events", "deliver")

    assert result.exit_code == 2
    assert "VALETKEY_WEBHOOK_URL" in result.stderr


def test_the_events_are_listed_and_a_secret_is_made() -> None:
    listed = json.loads(CliRunner().invoke(command, ["events", "list", "--json"]).output)
    secrets = {CliRunner().invoke(command, ["events", "secret"]).output.strip() for _ in range(3)}

    assert set(listed) == set(EVENTS)
    assert "reason" in listed["needs_reauthorization"]["fields"]
    assert len(secrets) == 3
    assert all(secret_problem(secret) == "" for secret in secrets)


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"URL": "http://hooks.example/x", "SECRET": write_secret(b"s" * 32)}, "WEBHOOK_URL: it must start with https"),
        ({"URL": "https://hooks.example:8443/x", "SECRET": write_secret(b"s" * 32)}, "the usual port"),
        ({"URL": "https://hooks.example/x"}, "VALETKEY_WEBHOOK_SECRET is missing"),
        ({"URL": "https://hooks.example/x", "SECRET": "whsec_canary"}, "VALETKEY_WEBHOOK_SECRET: it "),
        ({"SECRET": write_secret(b"s" * 32)}, "of no use without VALETKEY_WEBHOOK_URL"),
        (
            {"URL": "https://hooks.example/x", "SECRET": write_secret(b"s" * 32), "EVENTS": "renewed"},
            "not an event: renewed",
        ),
    ],
)
def test_what_is_wrong_with_a_webhook_is_said_at_start(
    deployment: Deployment, variables: dict[str, str], problem: str
) -> None:
    environ = {f"VALETKEY_WEBHOOK_{name}": text for name, text in variables.items()}

    result = run(deployment, "connections", "list", "--json", **environ)

    assert result.exit_code == 2
    (found,) = json.loads(result.stderr)["problems"]
    assert problem in found
    assert "canary" not in found


def test_two_secrets_and_a_choice_of_events_are_read(deployment: Deployment) -> None:
    environ = {
        "VALETKEY_WEBHOOK_URL": "https://hooks.example/x",
        "VALETKEY_WEBHOOK_SECRET": f"{write_secret(b'o' * 32)} {write_secret(b'n' * 32)}",
        "VALETKEY_WEBHOOK_EVENTS": "needs_reauthorization,unsaved",
    }
    vault = Vault.from_env({**deployment.environ, **environ})
    webhook = vault.settings.webhook
    vault.close()

    assert webhook is not None
    assert len(webhook.secrets) == 2
    assert webhook.wants("unsaved")
    assert not webhook.wants("refreshed")
    assert write_secret(b"o" * 32) not in repr(webhook)


heard: list[Event] = []


def hear(event: Event) -> None:
    """A function that the configuration names."""
    heard.append(event)


def test_a_hook_of_the_configuration_is_called_and_a_wrong_one_refused_at_start(deployment: Deployment) -> None:
    heard.clear()
    vault = Vault.from_env({**deployment.environ, "VALETKEY_ON_EVENT": f"{__name__}:hear"})
    vault.forget(OAUTH1, "alice")
    vault.close()

    assert [event.name for event in heard] == ["forgotten"]
    for wrong, said in (("nowhere", "module:function"), ("no_such_module:hear", "cannot be imported")):
        result = run(deployment, "connections", "list", VALETKEY_ON_UNSAVED=wrong)
        assert result.exit_code == 2
        assert said in result.stderr
