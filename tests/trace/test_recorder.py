"""Watching programs: what is written of a flow, by whom, in which order, and that nobody notices."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.openid import connect, openid_world
from tests.connections.steps import begun, expired, returning, token, world_of
from tests.trace.recording import Lines, watch
from tests.web.world import World as WebWorld

from valetkey.async_vault import AsyncVault
from valetkey.connections.authorize import begin_authorization, finish_authorization
from valetkey.connections.call import call
from valetkey.connections.codec import partition_of
from valetkey.connections.cookies import read_cookies
from valetkey.connections.device import begin_device_authorization, poll_device_authorization
from valetkey.connections.manage import revoke
from valetkey.connections.sign import access_token
from valetkey.errors import CallbackError, ReauthorizationRequired, StoreError, ValetkeyError
from valetkey.http import Request
from valetkey.keys.local import LocalKeyRing
from valetkey.sandbox import approve, approve_device
from valetkey.testing.crash import crashes
from valetkey.testing.world import World, callback_request
from valetkey.trace.har import NO_END
from valetkey.trace.lines import read_lines
from valetkey.trace.sinks import FolderSink
from valetkey.trace.watch import Recorder
from valetkey.value import replace
from valetkey.vault import Vault

if TYPE_CHECKING:
    from pathlib import Path

    from valetkey.connections.authorize import Finished
    from valetkey.effects import Op

ME = "http://127.0.0.1:8400/oauth2/me"


def test_a_flow_of_oauth1_is_one_file_with_the_reason_of_each_step() -> None:
    world = world_of()
    sink = watch(world)

    _ = world.connect("one")

    (trace,) = sink.traces()
    assert (trace.kind, trace.registration, trace.outcome) == ("flow", "one", "connected")
    assert [comment.partition(";")[0] for comment in sink.comments()] == [
        "temporary credentials (RFC 5849 section 2.1)",
        "the browser is sent to the provider (RFC 6749 section 4.1.1, RFC 5849 section 2.2)",
        "the browser",
        "token credentials (RFC 5849 section 2.3)",
    ]


def test_what_becomes_of_a_connection_later_is_in_the_file_of_the_flow_that_made_it() -> None:
    world = world_of()
    sink = watch(world)
    _ = world.connect()
    world.clock.time += 4000
    request = Request("GET", ME)

    _ = world.run(call(world.settings, request, registration="two", resource_owner="alice"))
    _ = world.run(revoke(world.settings, "two", resource_owner="alice"))

    (trace,) = sink.traces()
    assert len(trace.runs) == 4
    assert [comment.partition(";")[0] for comment in sink.comments()][2:] == [
        "token request (RFC 6749 section 4.1.3)",
        "refresh (RFC 6749 section 6)",
        "call of the API (RFC 6749 section 7)",
        "revocation (RFC 7009 section 2.1)",
    ]


def test_a_refresh_after_401_says_so_and_so_does_the_call_after_it() -> None:
    world = world_of()
    _ = world.connect()
    world.clock.time += 100  # a token that was issued a moment ago would be believed longer than the refusal
    sink = watch(world)
    world.sandbox.faults.add(endpoint="me", fault="status", status=401)
    request = Request("GET", ME)

    _ = world.run(call(world.settings, request, registration="two", resource_owner="alice"))

    assert [comment.partition(";")[0] for comment in sink.comments()] == [
        "call of the API (RFC 6749 section 7)",
        "refresh (RFC 6749 section 6), after 401 (RFC 6750 section 3.1)",
        "call of the API (RFC 6749 section 7), once more after 401",
    ]


def test_a_later_flow_takes_what_comes_after_it() -> None:
    world = world_of()
    sink = watch(world)
    _ = world.connect()
    _ = world.connect()
    world.clock.time += 4000
    _ = world.run(token(world))

    first, second = sink.traces()

    assert (len(first.runs), len(second.runs)) == (2, 3)


def test_a_connection_whose_flow_was_not_traced_has_a_file_of_its_own() -> None:
    world = expired()
    sink = watch(world)

    _ = world.run(token(world))

    (trace,) = sink.traces()
    assert (trace.kind, trace.registration, trace.outcome) == ("connection", "two", "done")


def test_a_sweep_over_several_connections_is_in_the_file_of_each() -> None:
    world = world_of()
    for owner in ("alice", "bob"):
        _ = world.connect("two", owner)
    sink = watch(world)
    world.clock.time += 4000

    def sweep() -> Op[None]:
        for owner in ("alice", "bob"):
            _ = yield from access_token(world.settings, "two", resource_owner=owner)

    world.run(sweep())

    found = sink.traces()
    assert [(one.kind, one.outcome) for one in found] == [("connection", "done")] * 2
    assert [len([record for record in one.runs[0] if record["kind"] == "sent"]) for one in found] == [1, 1]


def test_the_flows_of_one_browser_are_told_apart() -> None:
    world = world_of()
    sink = watch(world)
    first = begun(world, "one")
    cookies = read_cookies(returning(world, first).headers)
    world.clock.time += 1

    _ = world.run(begin_authorization(world.settings, "two", resource_owner="alice", cookies=cookies))

    assert [(one.registration, len(one.runs)) for one in sink.traces()] == [("one", 1), ("two", 1)]


def test_equal_secrets_have_equal_fingerprints_in_every_step_and_place() -> None:
    world = world_of()
    sink = watch(world)
    _ = world.connect()

    left, arrived, sent = sink.entries()
    asked = {pair["name"]: pair["value"] for pair in left["request"]["queryString"]}
    came = {pair["name"]: pair["value"] for pair in arrived["request"]["queryString"]}
    form = {pair["name"]: pair["value"] for pair in sent["request"]["postData"]["params"]}
    basic = next(one["value"] for one in sent["request"]["headers"] if one["name"] == "Authorization")

    assert asked["state"] == came["state"]
    assert came["code"] == form["code"]
    assert basic.startswith(f"Basic {asked['client_id']}:fp-")
    assert form["code_verifier"] != asked["code_challenge"]


def test_two_processes_of_one_deployment_write_the_same_fingerprints_and_others_do_not() -> None:
    def flow_of(key: bytes, environment: str) -> str:
        world = world_of()
        keys = LocalKeyRing([("k", key)], random=world.clock.random)
        world.settings = replace(world.settings, environment=environment)
        sink = Lines()
        recorder = Recorder(world.settings, keys, sink)  # type: ignore[arg-type]
        with pytest.raises(CallbackError):
            _ = world.run(recorder.watch(finish_authorization(world.settings, REQUEST, resource_owner="alice")))
        found: str = sink.records[-1]["flow"]
        assert len(found) == 16
        return found

    one, other = os.urandom(32), os.urandom(32)

    assert flow_of(one, "production") == flow_of(one, "production")
    assert flow_of(one, "production") != flow_of(other, "production")
    assert flow_of(one, "production") != flow_of(one, "staging")


REQUEST = Request("GET", "/oauth/callback/two?code=c&state=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")


def test_a_callback_that_is_refused_is_in_the_file_of_its_flow_with_the_named_error() -> None:
    world = world_of()
    sink = watch(world)
    redirect = begun(world)
    request = returning(world, redirect)
    without_cookies = Request("GET", request.url)

    with pytest.raises(CallbackError):
        _ = world.run(finish_authorization(world.settings, without_cookies, resource_owner="alice"))

    (trace,) = sink.traces()
    assert trace.kind == "flow"
    assert len(trace.runs) == 2
    assert trace.outcome.startswith("CallbackError wrong_browser: ")


def test_a_page_that_refuses_says_in_the_trace_what_it_does_not_say_to_the_browser() -> None:
    world = WebWorld()
    sink = Lines()
    recorder = Recorder(world.settings, world.keys, sink)  # type: ignore[arg-type]
    run = world.run
    world.run = lambda op: run(recorder.watch(op))  # type: ignore[method-assign]
    browser = world.browser()
    _ = browser.get("/oauth/connections")
    _ = browser.get("/oauth/connect/github")
    assert sink.records == []
    asked = browser.start()
    world.provider.failure = lambda _: (_ for _ in ()).throw(StoreError("x"))

    page = browser.get(f"/oauth/callback/github?code=1&state={asked['state'][:-1]}A")

    (trace,) = sink.traces()
    assert page.status == 400
    assert trace.outcome.startswith("CallbackError state_mismatch: ")
    assert b"CallbackError" not in page.body
    entry = sink.entries()[-1]
    assert entry["response"]["status"] == 400
    assert entry["response"]["content"]["comment"] == "a page of valetkey's own, left out"
    assert [one["name"] for one in entry["request"]["cookies"]] != []
    first = sink.entries()[0]
    assert first["response"]["redirectURL"].startswith("https://github.example/authorize?response_type=code&")


def test_a_provider_that_does_not_answer_leaves_an_entry_that_says_so() -> None:
    world = expired()
    sink = watch(world)
    world.sandbox.faults.add(endpoint="token", fault="lose_response")

    with pytest.raises(ValetkeyError):
        _ = world.run(token(world))

    (entry,) = sink.entries()
    assert entry["response"]["status"] == 0
    assert entry["response"]["comment"].startswith("no answer: ResponseLost maybe received: ")
    assert "concluded: " in entry["comment"]


def test_a_refresh_that_is_refused_is_concluded_by_the_named_error() -> None:
    world = expired()
    sink = watch(world)
    world.sandbox.faults.add(endpoint="token", fault="error_with_status_200", error="invalid_grant")

    with pytest.raises(ReauthorizationRequired):
        _ = world.run(token(world))

    (entry,) = sink.entries()
    assert "then: needs_reauthorization invalid_grant" in entry["comment"]
    assert "concluded: ReauthorizationRequired invalid_grant" in entry["comment"]


def test_the_owner_of_a_connection_cannot_be_told_from_a_trace() -> None:
    world = world_of()
    sink = watch(world)
    _ = world.connect("two", "alice-of-the-canaries", "account-of-the-canaries")
    world.clock.time += 4000
    _ = world.run(
        call(
            world.settings,
            Request("GET", ME),
            registration="two",
            resource_owner="alice-of-the-canaries",
            account="account-of-the-canaries",
        )
    )

    assert "canaries" not in sink.text
    assert partition_of("alice-of-the-canaries")[:12] not in sink.text


def test_a_flow_for_a_device_is_one_file() -> None:
    world = world_of()
    sink = watch(world)
    begun_here = world.run(begin_device_authorization(world.settings, "two", resource_owner="alice"))
    _ = approve_device(world.sandbox.respond, begun_here.verification_uri, begun_here.user_code)
    world.clock.time += 6
    _ = world.run(poll_device_authorization(world.settings, begun_here.handle, resource_owner="alice"))

    (trace,) = sink.traces()
    assert [comment.partition(";")[0] for comment in sink.comments()] == [
        "device authorization request (RFC 8628 section 3.1)",
        "device access token request (RFC 8628 section 3.4)",
    ]
    assert trace.kind == "flow"
    assert begun_here.user_code not in sink.text


def test_keys_are_fetched_for_the_id_token() -> None:
    world, network = openid_world()
    sink = watch(world)

    _ = connect(world, network)

    assert "JWKS of the issuer (OpenID Connect Core 1.0 section 10.1.1)" in [
        comment.partition(";")[0] for comment in sink.comments()
    ]
    answered = json.loads(sink.entries()[-1]["response"]["content"]["text"])
    assert answered["id_token"].startswith("fp-")
    assert '"alg": "RS256"' in answered["id_token"]
    assert '"iss": "http://127.0.0.1:8400"' in answered["id_token"]


def test_a_process_that_is_killed_has_written_what_it_sent_until_then() -> None:
    world = world_of()
    request = returning(world, begun(world))
    written: list[Lines] = []

    def attempt(fresh: World) -> Op[Finished]:
        sink = Lines()
        written.append(sink)
        recorder = Recorder(fresh.settings, fresh.keys, sink)  # type: ignore[arg-type]
        return recorder.watch(finish_authorization(fresh.settings, request, resource_owner="alice"))

    for _ in crashes(world.fork, attempt):
        pass

    unfinished = [sink for sink in written if sink.traces() and sink.traces()[0].outcome == NO_END]
    assert unfinished
    assert all(trace.kind == "flow" for sink in unfinished for trace in sink.traces())


def test_watching_changes_no_effect_and_no_answer() -> None:
    plain, watched = world_of(), world_of()
    _ = watch(watched)

    assert plain.connect().scope == watched.connect().scope
    assert plain.network.sent == watched.network.sent
    assert plain.events.names == watched.events.names


class Broken:
    """A sink that always fails."""

    def write(self, line: str) -> None:
        raise OSError(line)


class NoRing:
    """A key ring from before rings derived keys."""

    def derive(self, place: object) -> bytes:
        raise StoreError("the key service is out")


def test_a_recorder_that_fails_does_not_fail_the_program() -> None:
    world = world_of()
    recorder = Recorder(world.settings, NoRing(), Broken())  # type: ignore[arg-type]

    run = world.run
    world.run = lambda op: run(recorder.watch(op))  # type: ignore[method-assign]

    assert world.connect().registration == "two"
    assert recorder.failures > 0


def test_both_vaults_trace_into_a_folder(tmp_path: Path) -> None:
    def lines_of(folder: Path) -> list[Any]:
        return list(read_lines((folder / f"{os.getpid()}.vktrace").read_text().splitlines()))

    world = world_of()
    given: dict[str, Any] = {"store": world.store, "keys": world.keys, "transport": world.network, "clock": world.clock}
    vault = Vault(world.settings, **given, trace=str(tmp_path / "plain"))
    redirect = vault.begin_authorization("two", "alice")
    request = callback_request(approve(world.sandbox.respond, redirect.location), redirect.set_cookies)
    _ = vault.finish_authorization(request, resource_owner="alice")

    class AwaitedClock:
        now, remaining, whole, random = world.clock.now, world.clock.remaining, world.clock.whole, world.clock.random

        async def sleep(self, seconds: float) -> None:
            world.clock.sleep(seconds)

    async def awaited() -> None:
        vault = AsyncVault(world.settings, **{**given, "clock": AwaitedClock()}, trace=str(tmp_path / "awaited"))
        redirect = await vault.begin_authorization("two", "alice")
        request = callback_request(approve(world.sandbox.respond, redirect.location), redirect.set_cookies)
        _ = await vault.finish_authorization(request, resource_owner="alice")

    asyncio.run(awaited())
    plain, colored = lines_of(tmp_path / "plain"), lines_of(tmp_path / "awaited")
    assert [(one["kind"], one["said"]) for one in plain] == [(one["kind"], one["said"]) for one in colored]
    assert len(plain) == 6
    assert (tmp_path / "plain").stat().st_mode & 0o077 == 0
    assert (tmp_path / "plain" / f"{os.getpid()}.vktrace").stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_written_loses_the_line_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    FolderSink(str(tmp_path / "file" / "folder")).write("line")

    assert (tmp_path / "file").read_text() == ""


def test_traces_that_are_lost_are_told_once_and_the_flow_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    world = World()
    given: Any = {"store": world.store, "keys": world.keys, "transport": world.network, "clock": world.clock}
    vault = Vault(world.settings, **given, trace=str(tmp_path / "file" / "folder"))

    for _ in range(2):
        redirect = vault.begin_authorization("two", "alice")
        request = callback_request(approve(world.sandbox.respond, redirect.location), redirect.set_cookies)
        assert vault.finish_authorization(request, resource_owner="alice").connection is not None

    (record,) = [one for one in caplog.records if "trace_lost" in one.getMessage()]
    assert (record.name, record.levelname) == ("valetkey", "WARNING")
    assert "Not a directory" in record.getMessage()
    assert "VALETKEY_TRACE=log" in record.getMessage()
    assert [one.what for one in vault.doctor().findings if one.about == "trace"] != []


def test_a_folder_is_looked_at_without_being_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert FolderSink(str(tmp_path / "a" / "b")).problem == ""
    assert FolderSink(str(tmp_path / "file" / "folder")).problem == f"{tmp_path / 'file'} is no folder"
    assert not (tmp_path / "a").exists()


def test_a_folder_that_can_be_written_again_is_no_problem_any_more(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    sink = FolderSink(str(tmp_path / "file"))
    sink.write("line")
    lost = sink.problem
    (tmp_path / "file").unlink()

    sink.write("line")

    assert lost.startswith(f"{tmp_path / 'file'}: ")
    assert sink.problem == ""
    assert (tmp_path / "file" / f"{os.getpid()}.vktrace").read_text() == "line\n"


def test_a_deployment_that_does_not_trace_loads_nothing_of_it() -> None:
    program = (
        "import sys\n"
        "from valetkey.testing.world import World\n"
        "vault = World().vault()\n"
        "_ = vault.begin_authorization('two', 'alice')\n"
        "assert not [name for name in sys.modules if name.startswith('valetkey.trace')]\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
