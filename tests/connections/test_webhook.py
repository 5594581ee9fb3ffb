"""Events over real HTTP to a receiver that checks their signature with another implementation."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from standardwebhooks.webhooks import Webhook as Receiver
from standardwebhooks.webhooks import WebhookVerificationError
from tests.connections.steps import world_of
from werkzeug import Response

from valetkey.async_vault import AsyncVault
from valetkey.connections.outbox import KEPT_SECONDS, PARTITION, PAUSES, deliver_events
from valetkey.connections.webhook import Webhook, secret_problem, webhook_request, write_body, write_secret
from valetkey.drivers.transports.stdlib import StdlibTransport
from valetkey.effects import Event, Send
from valetkey.errors import TransportError
from valetkey.secret import Secret
from valetkey.testing.crash import crashes
from valetkey.testing.world import START, World
from valetkey.value import replace
from valetkey.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_httpserver import HTTPServer

    from valetkey.http import Response as Answer

OLD, NEW = write_secret(b"o" * 24), write_secret(b"n" * 32)


class Both:
    """The provider in memory, and everything else over real HTTP."""

    blocking = False

    def __init__(self, world: World) -> None:
        self.world, self.real = world, StdlibTransport(wall=world.clock.now)

    def send(self, effect: Send) -> Any:
        if effect.request.url.startswith(self.world.sandbox.base_url):
            return self.world.network.send(effect)
        return self.real.send(effect)


class Scene:
    """A world whose vault tells a receiver."""

    def __init__(self, server: HTTPServer, *, status: int = 200, events: tuple[str, ...] = ()) -> None:
        self.server, self.status = server, status
        self.got: list[tuple[dict[str, str], bytes]] = []
        server.expect_request("/hook", method="POST").respond_with_handler(self._receive)
        self.world = world_of()
        self.world.clock.time = time.time() - self.world.client.access_token_seconds - 1
        _ = self.world.connect()
        self.world.clock.time = time.time()  # receivers refuse what is old
        webhook = Webhook(server.url_for("/hook"), (Secret(OLD), Secret(NEW)), events)
        self.settings = replace(self.world.settings, webhook=webhook)
        self.both = Both(self.world)

    def _receive(self, request: Any) -> Response:
        self.got.append((dict(request.headers), request.get_data()))
        return Response(status=self.status)

    def vault(self, kind: type = Vault) -> Any:
        return kind(
            self.settings,
            store=self.world.store,
            keys=self.world.keys,
            transport=self.both,
            clock=self.world.clock,
            events=self.world.events,
        )

    @property
    def kept(self) -> list[Any]:
        return list(self.world.store.list(PARTITION, "").rows)

    def types(self) -> list[str]:
        return [json.loads(body)["type"] for _, body in self.got]


@pytest.fixture
def scene(httpserver: HTTPServer) -> Iterator[Scene]:
    found = Scene(httpserver)
    real = found.both.real
    yield found
    real.close()


def test_what_is_told_in_an_invocation_is_sent_at_its_end_and_verified_with_either_secret(scene: Scene) -> None:
    vault = scene.vault()

    with vault.invocation(30):
        fresh = vault.access_token("two", "alice")
        assert scene.got == [], "the token comes first"

    ((headers, body),) = scene.got
    for secret in (OLD, NEW):
        assert Receiver(secret).verify(body, headers) == json.loads(body)
    content = json.loads(body)
    assert content["type"] == "connection.refreshed"
    assert content["timestamp"].endswith("Z")
    assert content["data"]["resource_owner"] == "alice"
    assert content["data"]["generation"] == 2
    assert fresh.reveal() not in body.decode()
    assert scene.kept == []


def test_what_a_program_tells_after_its_cancelled_callers_invocation_is_kept(scene: Scene) -> None:
    class Slow:
        blocking = False

        async def send(self, effect: Send) -> Answer:
            await released.wait()
            return scene.world.network.send(effect)

    released: asyncio.Event

    async def main() -> None:
        nonlocal released
        released = asyncio.Event()
        scene.both.real.close()
        scene.both = Slow()  # type: ignore[assignment]
        vault = scene.vault(AsyncVault)
        async with vault.invocation(30):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(vault.access_token("two", "alice"), 0.05)
        assert scene.kept == []
        released.set()
        await vault.close()

    asyncio.run(main())

    assert len(scene.kept) == 1
    assert scene.got == []


def test_another_secret_does_not_verify(scene: Scene) -> None:
    vault = scene.vault()
    with vault.invocation(30):
        _ = vault.access_token("two", "alice")

    ((headers, body),) = scene.got
    with pytest.raises(WebhookVerificationError):
        Receiver(write_secret(b"x" * 32)).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Receiver(NEW).verify(body + b" ", headers)


def test_an_async_vault_sends_at_the_end_of_an_async_with(scene: Scene) -> None:
    async def main() -> None:
        vault = scene.vault(AsyncVault)
        async with vault.invocation(30):
            _ = await vault.access_token("two", "alice")

    asyncio.run(main())

    assert scene.types() == ["connection.refreshed"]


def test_what_is_told_outside_an_invocation_is_kept_sealed_and_delivered_later(scene: Scene) -> None:
    vault = scene.vault()
    _ = vault.access_token("two", "alice")

    (row,) = scene.kept
    assert scene.got == []
    assert b"alice" not in row.sealed
    assert "alice" not in repr(row.clear)
    assert vault.run(deliver_events(vault.settings)).sent == 1
    assert scene.types() == ["connection.refreshed"]
    assert scene.kept == []


def test_an_async_vault_in_a_plain_with_keeps_what_it_cannot_wait_for(scene: Scene) -> None:
    async def main() -> None:
        vault = scene.vault(AsyncVault)
        with vault.invocation(30):
            _ = await vault.access_token("two", "alice")

    asyncio.run(main())

    assert scene.got == []
    assert len(scene.kept) == 1


def test_what_a_receiver_refused_is_kept_and_sent_again_under_the_same_id(scene: Scene) -> None:
    vault, scene.status = scene.vault(), 500
    with vault.invocation(30):
        _ = vault.access_token("two", "alice")
    assert len(scene.kept) == 1

    scene.status = 204
    delivery = vault.run(deliver_events(vault.settings))

    assert (delivery.sent, delivery.kept, delivery.given_up) == (1, 0, 0)
    (first, _), (second, body) = scene.got
    assert first["Webhook-Id"] == second["Webhook-Id"]
    assert Receiver(NEW).verify(body, second)


@pytest.mark.parametrize("status", [301, 404, 410, 500])
def test_only_success_is_success(scene: Scene, status: int) -> None:
    vault, scene.status = scene.vault(), status
    with vault.invocation(30):
        _ = vault.access_token("two", "alice")

    assert len(scene.kept) == 1


def test_attempts_get_rarer_and_end_after_three_days(scene: Scene) -> None:
    vault, scene.status = scene.vault(), 500
    _ = vault.access_token("two", "alice")
    begun = scene.world.clock.time
    times = []
    for _ in range(2000):
        before = len(scene.got)
        if vault.run(deliver_events(vault.settings)).given_up:
            break
        if len(scene.got) > before:
            times.append(scene.world.clock.time - begun)
        scene.world.clock.time += 300

    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert pauses == sorted(pauses)
    assert len(times) == 10, "at once, after each pause, and once more after the longest"
    assert scene.world.clock.time - begun >= KEPT_SECONDS
    assert scene.kept == []


def test_a_receiver_that_does_not_answer_costs_two_seconds_and_once(httpserver: HTTPServer) -> None:
    scene = Scene(httpserver)
    asked = []

    class Silent:
        blocking = False

        def send(self, effect: Send) -> Answer:
            if effect.request.url.startswith(scene.world.sandbox.base_url):
                return scene.world.network.send(effect)
            asked.append(effect.not_after - scene.world.clock.now())
            scene.world.clock.time = effect.not_after
            message = "no answer"
            raise TransportError(message, maybe_received=True)

    scene.both = Silent()  # type: ignore[assignment]
    vault = scene.vault()
    with vault.invocation(30):
        _ = vault.access_token("two", "alice")
        vault.forget("two", "alice")

    assert len(asked) == 1
    assert asked[0] == pytest.approx(2.0, abs=0.01)
    assert len(scene.kept) == 2


def test_a_store_that_is_down_keeps_no_event_and_fails_no_caller(scene: Scene) -> None:
    vault, scene.status = scene.vault(), 500
    with vault.invocation(30):
        fresh = vault.access_token("two", "alice")
        scene.world.store.outages = 100
    scene.world.store.outages = 0

    assert fresh
    assert scene.kept == []


def test_a_handler_that_raises_still_tells(scene: Scene) -> None:
    vault = scene.vault()

    def handler() -> None:
        with vault.invocation(30):
            _ = vault.access_token("two", "alice")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        handler()

    assert scene.types() == ["connection.refreshed"]


def test_an_invocation_inside_another_leaves_the_sending_to_it(scene: Scene) -> None:
    vault = scene.vault()
    with vault.invocation(30):
        with vault.invocation(20):
            _ = vault.access_token("two", "alice")
        assert scene.got == []

    assert len(scene.got) == 1


def test_two_vaults_do_not_tell_each_others_receivers(scene: Scene) -> None:
    vault, other = (
        scene.vault(),
        Vault(
            scene.world.settings,
            store=scene.world.store,
            keys=scene.world.keys,
            transport=scene.both,
            clock=scene.world.clock,
        ),
    )
    with vault.invocation(30):
        _ = other.access_token("two", "alice")

    assert scene.got == []
    assert scene.kept == []


def test_only_the_events_that_were_asked_for_are_sent(httpserver: HTTPServer) -> None:
    scene = Scene(httpserver, events=("forgotten",))
    vault = scene.vault()
    with vault.invocation(30):
        _ = vault.access_token("two", "alice")
        vault.forget("two", "alice")
    scene.both.real.close()

    assert scene.types() == ["connection.forgotten"]


def test_what_waits_goes_out_with_the_next_invocation_that_tells_something(scene: Scene) -> None:
    vault = scene.vault()
    _ = vault.access_token("two", "alice")
    with vault.invocation(30):
        vault.forget("two", "alice")

    assert scene.types() == ["connection.forgotten", "connection.refreshed"]
    assert scene.kept == []


def test_a_crash_at_any_effect_of_a_delivery_loses_no_event(httpserver: HTTPServer) -> None:
    scene = Scene(httpserver)
    vault = scene.vault()
    vault.forget("two", "alice")
    (row,) = scene.kept

    class Copy:
        """The row in a store of its own, and a receiver that counts."""

        def __init__(self) -> None:
            self.world = World()
            self.world.keys = scene.world.keys
            self.world.clock.time = scene.world.clock.time
            self.world.store.rows._rows[row.key.partition, row.key.name] = row
            self.got: list[str] = []
            self.ports = vault._ports

        def answer(self, effect: Any) -> object:
            if isinstance(effect, Send):
                self.got.append(str(effect.request.headers.get("webhook-id")))
                from valetkey.http import Headers
                from valetkey.http import Response as Plain

                return Plain(200, Headers(), b"")
            if type(effect).__name__ in ("Seal", "Open"):
                return self.ports.answer(effect)
            return self.world.answer(effect)

    from valetkey.drivers.drive import drive

    count = 0
    for crashed in crashes(Copy, lambda _: deliver_events(scene.settings)):
        copy = crashed.world
        copy.world.clock.time += PAUSES[0] + 1
        _ = drive(deliver_events(scene.settings), copy.answer)
        assert copy.got, crashed
        assert len(set(copy.got)) == 1, "sent twice, it is one event"
        assert len(copy.got) <= 2, crashed
        assert copy.world.store.list(PARTITION, "").rows == (), crashed
        count += 1
    assert count > 15


def test_the_url_of_a_webhook_is_one_that_somebody_else_chose() -> None:
    assert Webhook("https://hooks.example/x", ()).reach == "public"
    assert Webhook("http://127.0.0.1:9/x", ()).reach == "configured"
    transport = StdlibTransport(resolver=lambda _host, _port: ("10.0.0.8",))
    webhook = Webhook("https://hooks.example/x", (Secret(NEW),))
    request = webhook_request(webhook, b"{}", event_id="e", now=int(time.time()))

    with pytest.raises(TransportError, match="public"):
        _ = transport.send(Send(request, webhook.reach, time.time() + 5))


@pytest.mark.parametrize("text", ["", "whsec_", "secret", "whsec_!!", write_secret(b"x" * 23), write_secret(b"x" * 65)])
def test_a_signing_secret_is_of_the_standards_form_and_length(text: str) -> None:
    problem = secret_problem(text)

    assert problem
    assert len(text) < 10 or text not in problem
    assert secret_problem(NEW) == ""


def test_a_body_is_a_type_a_time_and_the_events_fields() -> None:
    body = write_body(
        Event("revoked", "github", {"partition": "p", "at_provider": "revoked"}, "alice"), told_at=int(START)
    )

    assert json.loads(body) == {
        "type": "connection.revoked",
        "timestamp": "2027-01-15T08:00:00Z",
        "data": {"registration": "github", "resource_owner": "alice", "partition": "p", "at_provider": "revoked"},
    }
