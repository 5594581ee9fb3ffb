"""Watching a program from the outside: every request that it sends, what came of it, and which flow it belongs to.

`Recorder.watch(op)` is a program that asks for what the other asks for and hands on what it gets, in both colours. It
knows the flow and the connection from the places that are sealed and opened and the rows that are loaded, so that no
program has to tell it. The one rule: whatever fails here, the program goes on as if nobody watched.
"""

from __future__ import annotations

from types import GeneratorType
from typing import TYPE_CHECKING, Any, TypeVar

from valetkey.connections.authorize import Finished, Redirect
from valetkey.connections.codec import CONNECTION
from valetkey.connections.pending import flow_of_temporary, read_state
from valetkey.effects import Emit, Load, Now, Open, Place, Random, Seal, Send, Swap
from valetkey.errors import RequestRefused, describe_error
from valetkey.http import Request, Response, read_form
from valetkey.trace import entries
from valetkey.trace.known import Known
from valetkey.trace.lines import write_line
from valetkey.trace.reasons import CALLS, NO_STEPS, RESOURCES, chain, reason, step_of
from valetkey.trace.redact import Redactor
from valetkey.value import value

if TYPE_CHECKING:
    from valetkey.connections.settings import Settings
    from valetkey.effects import AnyEffect, Op
    from valetkey.keys import KeyRing
    from valetkey.trace.sinks import FolderSink, LogSink

T = TypeVar("T")

KEY_OCTETS = 32
RUN_OCTETS = 8
ID_DIGITS = 16
OF_FLOWS = ("flow", "lean-flow", "done", "claim", "device")
OF_CONNECTIONS = ("connection", "rescue")


def trace_place(environment: str) -> Place:
    """What the key of fingerprints is derived for; nothing is ever sealed there."""
    return Place("trace", (environment,))


class Recorder:
    """Watches the programs of one vault."""

    def __init__(self, settings: Settings, keys: KeyRing, sink: LogSink | FolderSink) -> None:
        self._settings, self._keys, self.sink = settings, keys, sink
        self._key: bytes | None = None
        self._known = known_of(settings)
        self.failures = 0

    def watch(self, op: Op[T]) -> Op[T]:
        """The program, with the same effects, answers, failures and result."""
        run = Run(self._settings, self._known, arrived=_request_of(op))
        yield from self._begin(run)
        inbox: list[Any] = [None]  # emptied as it is handed on: what was opened must not stand in a traceback
        failure: Exception | None = None
        while True:
            try:
                effect = op.send(inbox.pop()) if failure is None else op.throw(failure)
            except StopIteration as done:
                yield from self._end(run, done.value)
                return done.value  # type: ignore[no-any-return]
            except Exception as error:
                yield from self._end(run, error)
                raise
            failure, sent = None, isinstance(effect, Send)
            programs, started = (chain(op), (yield from Now())) if sent else ((), 0.0)
            try:
                inbox.append((yield from effect))
            except Exception as error:  # noqa: BLE001 - thrown into the program, as a driver does
                failure = error
            ended = (yield from Now()) if sent else 0.0
            self._guarded(run, effect, failure or (inbox[0] if sent else None), programs, started, ended)

    def _begin(self, run: Run) -> Op[None]:
        try:
            if self._key is None:
                self._key = yield from self._derived()
            run.begin(Redactor(self._key, self._known), (yield from Random(RUN_OCTETS)).hex(), (yield from Now()))
        except Exception:  # noqa: BLE001 - see the one rule
            self.failures += 1

    def _derived(self) -> Op[bytes]:
        """The key of fingerprints: the deployment's own, or one of this process alone where that cannot be had."""
        try:
            key: Any = self._keys.derive(trace_place(self._settings.environment))
            if isinstance(key, GeneratorType):
                key = yield from key
            return bytes(key)
        except Exception:  # noqa: BLE001 - a key service that is out is what one may want to see in a trace
            return (yield from Random(KEY_OCTETS))

    def _guarded(
        self, run: Run, effect: AnyEffect, answer: Any, programs: tuple[str, ...], started: float, ended: float
    ) -> None:
        try:
            record = run.see(effect, answer, programs, started, ended)
            if record is not None:
                self.sink.write(write_line(record))
        except Exception:  # noqa: BLE001 - see the one rule
            self.failures += 1

    def _end(self, run: Run, result: Any) -> Op[None]:
        try:
            for record in run.end(result, (yield from Now())):
                self.sink.write(write_line(record))
        except Exception:  # noqa: BLE001 - see the one rule
            self.failures += 1


def _request_of(op: Any) -> Request | None:
    """The browser's request that a program was built for, if it was: its parameter `request`, with a target of ours."""
    request = op.gi_frame.f_locals.get("request") if isinstance(op, GeneratorType) and op.gi_frame else None
    return request if isinstance(request, Request) and request.url.startswith("/") else None


@value
class Ended:
    """How a run ended, in a sentence; worth: whether the run is worth a line though nothing was sent."""

    said: str
    worth: bool


class Run:
    """One run of a program: an invocation's visit of a page, a call, a refresh."""

    def __init__(self, settings: Settings, known: Known, *, arrived: Request | None) -> None:
        self._settings, self._request = settings, arrived
        self._redactor: Redactor | None = None
        self._known = known
        self._id, self._number, self._began = "", 0, 0.0
        self._flow = self._connection = self._registration = ""
        self._before: Response | None = None

    def begin(self, redactor: Redactor, run_id: str, now: float) -> None:
        """Take note of what is known before the first effect."""
        self._redactor, self._id, self._began = redactor, run_id, now
        if self._request is None:
            return
        path, _, query = self._request.url.partition("?")
        name = path.removeprefix(f"{self._settings.path}/").partition("/")[2]
        if name in self._settings.registrations:
            self._registration = name
        text = self._request.body.decode("latin-1") if self._request.body else query
        try:
            found = dict(read_form(text))
        except ValueError:
            return
        identifier = found.get("oauth_token") or found.get("denied")
        try:
            if found.get("state"):
                self._of_flow(read_state(found["state"])[0])
            elif identifier:
                self._of_flow(flow_of_temporary(identifier))
        except RequestRefused:
            pass

    def see(
        self, effect: AnyEffect, answer: Any, programs: tuple[str, ...], started: float, ended: float
    ) -> dict[str, Any] | None:
        """The record of what was asked and answered, if it is a step of a flow."""
        if isinstance(effect, Seal | Open):
            self._at_place(effect.place)
        elif isinstance(effect, Load | Swap):
            if effect.key.name.startswith(CONNECTION):
                self._of_connection(effect.key.partition, effect.key.name)
        elif isinstance(effect, Emit):
            fields = effect.event.fields
            words = (str(fields.get(name, "")) for name in ("reason", "error", "phase") if fields.get(name))
            return self._record("noted", said=" ".join((effect.event.name, *map(self._checked.code, words))))
        elif isinstance(effect, Send):
            return self._sent(effect.request, answer, programs, started, ended)
        return None

    def _sent(
        self, request: Request, answer: Any, programs: tuple[str, ...], started: float, ended: float
    ) -> dict[str, Any] | None:
        step = step_of(programs)
        if step in NO_STEPS:
            return None
        self._known.add_host(request.url)
        entry = entries.sent(self._checked, request, answer, open_path=step not in RESOURCES)
        said = reason(programs, self._before)
        if isinstance(answer, Response) and step in CALLS:
            self._before = answer
        return self._record("sent", said=said, entry=entry, at=started, seconds=max(0.0, ended - started))

    def end(self, result: Any, now: float) -> list[dict[str, Any]]:
        """The last records of the run: the browser's request with its answer, and what came of it."""
        ended = _outcome(result)
        visited = self._request is not None and (bool(self._flow) or ended.worth)
        if not (visited or self._number or isinstance(result, Redirect)):
            return []  # a page that only shows something is no step
        records = []
        if self._request is not None:
            response = result if isinstance(result, Response) else None
            entry = entries.arrived(self._checked, self._request, response, origin=self._settings.origin)
            records.append(self._record("arrived", said="the browser", entry=entry, at=self._began))
        if isinstance(result, Redirect):
            entry = entries.led_away(self._checked, result.provider_page or result.location)
            said = "the browser is sent to the provider (RFC 6749 section 4.1.1, RFC 5849 section 2.2)"
            records.append(self._record("left", said=said, entry=entry, at=now))
        said = self._checked.scrub(ended.said)
        records.append(self._record("ended", said=said, at=now, seconds=max(0.0, now - self._began)))
        return records

    @property
    def _checked(self) -> Redactor:
        assert self._redactor is not None
        return self._redactor

    def _at_place(self, place: Place) -> None:
        if place.purpose in OF_FLOWS:
            self._registration = self._registration or place.fields[1]
            self._of_flow(place.fields[2])
        elif place.purpose in OF_CONNECTIONS:
            self._of_connection(place.fields[1], place.fields[2])

    def _of_flow(self, flow: str) -> None:
        if self._flow:
            return  # a browser's other flows are opened too, to see which are the oldest
        self._flow = self._checked.identifier("flow", flow)[:ID_DIGITS]

    def _of_connection(self, partition: str, name: str) -> None:
        self._connection = self._checked.identifier("connection", partition, name)[:ID_DIGITS]
        self._registration = name.removeprefix(CONNECTION).partition("/")[0]

    def _record(
        self,
        kind: str,
        *,
        said: str,
        entry: dict[str, Any] | None = None,
        at: float | None = None,
        seconds: float = 0.0,
    ) -> dict[str, Any]:
        self._number += 1
        record: dict[str, Any] = {
            "kind": kind,
            "run": self._id,
            "number": self._number,
            "at": self._began if at is None else at,
            "seconds": seconds,
            "registration": self._registration,
            "flow": self._flow,
            "connection": self._connection,
            "said": said,
        }
        return record if entry is None else {**record, "entry": entry}


def _outcome(result: Any) -> Ended:
    if isinstance(result, Exception):
        return Ended(describe_error(result), worth=True)
    if isinstance(result, Response):
        return Ended(result.concluded or f"answered {result.status}", worth=bool(result.concluded))
    if isinstance(result, (Redirect, Finished)):
        return Ended(result.concluded, worth=True)
    return Ended("done", worth=False)


def known_of(settings: Settings) -> Known:
    """What the configuration says openly."""
    known = Known()
    if settings.base_url:
        known.add_url(settings.base_url)
    for name, registration in settings.registrations.items():
        known.segments.add(name)
        known.scopes.update(registration.scope)
        known.add_url(registration.redirect_uri)
        server: Any = registration.provider.server
        for field in type(server).__match_args__:
            found = getattr(server, field)
            if isinstance(found, str) and found.startswith(("https://", "http://")):
                known.add_url(found)
            elif field in ("authorization_parameters", "token_parameters", "temporary_credentials_parameters"):
                known.names.update(name for name, _ in found)
            elif field == "resources":
                known.scopes.update(found)
                for url in found:
                    known.add_url(url)
        known.hosts.update(host for host in registration.provider.api_hosts if "*" not in host)
    return known
