"""Canaries: every secret of every scenario is looked for in everything that anybody else might read.

What holds: no secret in an event, a log record, a redirect, a clear column, a sealed blob's text, the repr or str of
any value, effect or error, nor in the local variables of any frame of `connections`, `drivers`, `keys` and `effects`
that an error report with locals (such as Sentry's) would show. What does not hold: frames of `oauth1` and `oauth2` that
refuse an answer while they read it hold that answer, which is why they hold bodies only inside `Response`; and a
callback that is refused while its parameters are read shows them in the frame that reads them.
"""

from __future__ import annotations

import logging
from functools import partial
from traceback import TracebackException
from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.steps import begun, record, returning, standing, token, tokens_of, world_of
from tests.simulation.pausing import until_after_send

from valetkey.connections.authorize import finish_authorization
from valetkey.connections.call import call
from valetkey.connections.links import begin_from_link, complete_authorization, connect_url
from valetkey.connections.manage import connections, revoke
from valetkey.connections.records import open_record
from valetkey.connections.sign import sign
from valetkey.drivers.events import LogEvents
from valetkey.effects import Seal, Send, Sign
from valetkey.errors import StoreError, ValetkeyError
from valetkey.http import Request, base64url, read_form
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valetkey.effects import AnyEffect, Op

SECRET_FIELDS = (
    "access_token",
    "refresh_token",
    "oauth_token_secret",
    "code",
    "code_verifier",
    "oauth_verifier",
    "client_secret",
)
OUR_FRAMES = ("/valetkey/connections/", "/valetkey/drivers/", "/valetkey/keys/", "/valetkey/effects.py")


class Watched:
    """A world whose every secret is known, and everything that it tells anybody."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.world = world_of("window")
        self.canaries: dict[str, str] = {"secret-of-two": "client secret", "secret-of-one": "client secret"}
        for key_id in self.world.keys.key_ids:
            octets = self.world.keys._keys[key_id]
            self.canaries |= {octets.hex(): "key", base64url(octets): "key", repr(octets)[2:-1]: "key"}
        self.told: list[tuple[str, str]] = []
        self.caplog = caplog
        self.errors: list[BaseException] = []
        performers = self.world.ports._performers
        self._performers = dict(performers)
        for kind, perform in self._performers.items():
            performers[kind] = partial(self._perform, perform)
        self.out = 0
        self.logger = LogEvents()

    def _perform(self, perform: Any, effect: AnyEffect) -> object:
        self.told.append((f"repr of {type(effect).__name__}", repr(effect)))
        if isinstance(effect, Seal):
            self._learn_json(effect.plaintext)
        if isinstance(effect, Send):
            self._learn_form(effect.request.body.decode())
        if self.out and not isinstance(effect, Send | Sign):
            from valetkey.effects import List, Load, Swap

            if isinstance(effect, Load | Swap | List):
                self.out -= 1
                message = "the store is out of reach: try again"
                raise StoreError(message)
        answer = perform(effect)
        if isinstance(effect, Send):
            self._learn_form(answer.body.decode())
            self._learn_json(answer.body)
        if type(effect).__name__ != "Open":
            self.told.append(
                (f"repr of the answer to {type(effect).__name__}", "" if isinstance(answer, bytes) else repr(answer))
            )
        return answer

    def _learn_form(self, text: str) -> None:
        try:
            pairs = read_form(text)
        except ValueError:
            return
        for name, found in pairs:
            if name in SECRET_FIELDS and len(found) > 5:
                self.canaries[found] = name

    def _learn_json(self, octets: bytes) -> None:
        import json

        try:
            content = json.loads(octets)
        except ValueError:
            return
        if isinstance(content, dict):
            for name, found in content.items():
                if name in SECRET_FIELDS and isinstance(found, str):
                    self.canaries[found] = name
        if isinstance(content, list) and len(content) >= 12:  # a pending authorization: verifier and secret
            self.canaries |= {str(text): "cookie plaintext" for text in (content[7], content[9]) if text}

    def run(self, op: Op[Any]) -> Any:
        """The result, or None after an error that is examined."""
        try:
            result = self.world.run(op)
        except (ValetkeyError, ValueError) as error:
            self.errors.append(error)
            return None
        self.told.append((f"repr of {type(result).__name__}", repr(result)))
        self.told.append((f"str of {type(result).__name__}", str(result)))
        return result

    def come_back(self, registration: str, **changes: Any) -> Request:
        redirect = begun(self.world, registration, **changes)
        self.told.append(("redirect", redirect.location))
        self.told += [("Set-Cookie", text) for text in redirect.set_cookies]
        request = returning(self.world, redirect)
        found = dict(read_form(request.url.partition("?")[2]))
        self.canaries |= {found[name]: name for name in ("code", "oauth_verifier") if name in found}
        self.told.append(("repr of the callback", repr(request)))
        return request

    def everything(self) -> Iterator[tuple[str, str]]:
        yield from self.told
        for event in self.world.events.events:
            self.logger.emit(event)
            yield "event", repr(event)
        for log in self.caplog.records:
            yield f"log record of {log.name}", f"{log.getMessage()} {vars(log)!r}"
        for row in self.world.store.rows._rows.values():
            yield "clear columns", repr(dict(row.clear)) + repr(row.key)
            yield "sealed column", repr(row.sealed)
        for error in self.errors:
            yield "error", f"{error} {error!r} {error.args!r} {vars(error)!r}"
            yield from self._frames(TracebackException.from_exception(error, capture_locals=True))
        for thing in (self.world.settings, self.world.keys, self.world.settings.cache):
            yield f"repr of {type(thing).__name__}", f"{thing!r} {thing}"

    def _frames(self, report: TracebackException | None) -> Iterator[tuple[str, str]]:
        while report is not None:
            for frame in report.stack:
                if any(part in frame.filename for part in OUR_FRAMES):
                    for name, text in (frame.locals or {}).items():
                        yield f"local {name} of {frame.name} in {frame.filename.rpartition('/')[2]}", text
            report = report.__cause__ or report.__context__


@pytest.fixture
def watched(caplog: pytest.LogCaptureFixture) -> Watched:
    caplog.set_level(logging.DEBUG)
    return Watched(caplog)


def finish(watched: Watched, request: Request, owner: str | None = "alice") -> Any:
    return watched.run(finish_authorization(watched.world.settings, request, resource_owner=owner))


def connect_in_every_way(watched: Watched) -> None:
    for registration in ("one", "two"):
        request = watched.come_back(registration)
        for owner in ("bob", None, "alice", "alice"):
            _ = finish(watched, request, owner)
        for broken in ("lose_response", "html", "status"):
            endpoint = "oauth1_token" if registration == "one" else "token"
            request = watched.come_back(registration)
            watched.world.sandbox.faults.add(endpoint=endpoint, fault=broken)
            _ = finish(watched, request)
        for outage in range(1, 14):
            request = watched.come_back(registration)
            watched.out = outage
            _ = finish(watched, request)
            watched.out = 0
        late = watched.come_back(registration)
        watched.world.clock.time += 700
        _ = finish(watched, late)
        denied = begun(watched.world, registration)
        _ = finish(watched, returning(watched.world, denied, decision="deny"))
        _ = finish(watched, watched.come_back(registration))


def link_in_every_way(watched: Watched) -> None:
    world = watched.world
    world.settings = replace(world.settings, completion_url="https://app.example/done")
    for outage in (0, 1, 2, 3, 5):
        link = watched.run(connect_url(world.settings, "two", resource_owner="alice")).rpartition("/")[2]
        redirect = watched.run(begin_from_link(world.settings, link, resource_owner=None, cookies=()))
        watched.told.append(("redirect", redirect.location))
        request = returning(world, redirect)
        watched.canaries[dict(read_form(request.url.partition("?")[2]))["code"]] = "code"
        watched.out = outage
        _ = finish(watched, request, None)
        watched.out = 0
        handed = finish(watched, request, None)
        if handed is None:
            continue
        watched.told.append(("redirect", handed.return_to))
        handle = handed.return_to.rpartition("=")[2]
        for owner in ("bob", "alice"):
            watched.out = outage if owner == "alice" else 0
            _ = watched.run(complete_authorization(world.settings, handle, resource_owner=owner))
            watched.out = 0


def use_in_every_way(watched: Watched) -> None:
    world = watched.world
    for fault in ("lose_request", "lose_response", "status", "html", "error_with_status_200"):
        world.clock.time += 4000
        details: dict[str, Any] = {"error": "invalid_client"} if fault == "error_with_status_200" else {}
        world.sandbox.faults.add(endpoint="token", fault=fault, **details)
        for _ in range(4):
            _ = watched.run(token(world))
            world.clock.time += 12
    for outage in range(1, 6):
        world.clock.time += 4000
        watched.out = outage
        _ = watched.run(token(world))
        watched.out = 0
        world.clock.time += 20
        _ = watched.run(token(world))
    for registration in ("one", "two"):
        request = Request("GET", f"{world.sandbox.base_url}/oauth{1 if registration == 'one' else 2}/me")
        signed = watched.run(sign(world.settings, request, registration=registration, resource_owner="alice"))
        assert signed is not None
        _ = watched.run(call(world.settings, request, registration=registration, resource_owner="alice"))
        elsewhere = Request("GET", "https://evil.example/")
        _ = watched.run(call(world.settings, elsewhere, registration=registration, resource_owner="alice"))
        _ = watched.run(tokens_of(world, registration))
        _ = watched.run(open_record(world.settings, record(world, registration)))


def end_in_every_way(watched: Watched) -> None:
    world = watched.world
    world.clock.time += 4000
    paused = until_after_send(world, token(world))
    watched.out = 100
    fresh = paused.finish()
    watched.out = 0
    watched.told.append(("repr of a token", f"{fresh!r} {fresh} {fresh:>10}"))
    assert "unsaved" in world.events.names
    world.clock.time += 20
    _ = watched.run(token(world))
    _ = watched.run(connections(world.settings))
    world.sandbox.faults.add(endpoint="revoke", fault="status", status=503)
    for registration in ("two", "two", "one", "one"):
        _ = watched.run(revoke(world.settings, registration, resource_owner="alice"))
    _ = watched.run(token(world))


def test_no_secret_is_found_anywhere_outside_a_seal_and_the_wire(watched: Watched) -> None:
    connect_in_every_way(watched)
    assert standing(watched.world).registration == "two"
    use_in_every_way(watched)
    link_in_every_way(watched)
    use_in_every_way(watched)
    end_in_every_way(watched)

    kinds = set(watched.canaries.values())
    assert kinds >= {
        "access_token",
        "refresh_token",
        "code",
        "code_verifier",
        "oauth_verifier",
        "oauth_token_secret",
        "key",
    }
    assert "cookie plaintext" in kinds
    assert len(watched.errors) > 30
    assert len(watched.told) > 1000
    leaks = {
        f"{kind} in {where}"
        for where, text in watched.everything()
        for canary, kind in watched.canaries.items()
        if canary in text
    }
    assert not leaks, "\n".join(sorted(leaks))


def test_the_canaries_would_be_found(watched: Watched) -> None:
    """The test of the test: what is put where it must not be is found there."""
    _ = watched.world.connect()
    found = next(canary for canary, kind in watched.canaries.items() if kind == "access_token")
    watched.told.append(("a careless log", f"token {found}"))

    assert any(canary in text for _, text in watched.everything() for canary in watched.canaries)


def test_an_expired_connection_leaves_no_plaintext_in_the_drivers_frames() -> None:
    """An error raised right after a row was opened, with nothing asked in between."""
    world = world_of(refresh_tokens=False)
    _ = world.connect()
    held = world.run(open_record(world.settings, record(world))).current.access_token.reveal()
    world.clock.time += 4000
    try:
        _ = world.run(token(world))
    except ValetkeyError as error:
        report = TracebackException.from_exception(error, capture_locals=True)
        ours = [frame for frame in report.stack if any(part in frame.filename for part in OUR_FRAMES)]
        texts = [text for frame in ours for text in (frame.locals or {}).values()]
        assert texts
        assert not any(held in text for text in texts)
    else:
        pytest.fail("it should have expired")
