"""What both vaults are built from: their parts, and how a program is run.

The one rule: as in `vault`, no decision is taken here.
"""

from __future__ import annotations

from valetkey.connections.cache import TokenCache
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Self, TypeVar

    from valetkey.connections.settings import Settings
    from valetkey.drivers.events import Invocation
    from valetkey.drivers.ports import Clock, Events, Signer, Transport
    from valetkey.effects import Event, Op
    from valetkey.keys import KeyRing
    from valetkey.stores import Store
    from valetkey.trace.watch import Recorder

    T = TypeVar("T")


def _refuse_certificates(settings: Settings, transport: Transport | None, clock: Clock | None) -> None:
    """Refuse a vault whose registrations have certificates that are not valid now, or that nobody here can present.

    Raises ConfigurationError.
    """
    certified = {
        name: registration
        for name, registration in settings.registrations.items()
        if getattr(registration.client, "certificate", None) is not None
    }
    if not certified:
        return
    from valetkey.drivers.clock import SystemClock
    from valetkey.errors import ConfigurationError
    from valetkey.providers.certificates import ended_certificates

    problems = ended_certificates(certified, (clock or SystemClock()).now())
    if transport is not None and not getattr(transport, "presents_certificates", False):
        from valetkey.drivers.transports.certificates import CANNOT_PRESENT

        problems.append(CANNOT_PRESENT)
    if problems:
        raise ConfigurationError(problems)


class Front:
    """What both vaults are built from."""

    def __init__(
        self,
        settings: Settings,
        *,
        store: Store,
        keys: KeyRing,
        transport: Transport | None = None,
        signer: Signer | None = None,
        clock: Clock | None = None,
        events: Events | None = None,
        on_event: Callable[[Event], object] | None = None,
        on_unsaved: Callable[[str], object] | None = None,
        trace: str = "",
    ) -> None:
        """Build a vault by hand; `from_env` is the usual way. What is left out is the one for production.

        on_event: is told of every event (docs/events.md), once it is written. on_unsaved: gets the one line that holds
        fresh tokens, sealed, which the store did not take: keep it, `valetkey rescue import` reads it.
        trace: where redacted traces go, `log` or a folder (docs/trace.md); empty: nothing is traced.
        """
        from valetkey.drivers.defaults import LazyTransport, build_ports
        from valetkey.drivers.events import Listeners, LogEvents

        self.settings = settings if settings.cache is not None else replace(settings, cache=TokenCache())
        _refuse_certificates(self.settings, transport, clock)
        if unfit := getattr(store, "unfit", ""):
            self.settings = replace(self.settings, store_unfit=f"{store.description}: {unfit}")
        wanted = None if settings.webhook is None else settings.webhook.wants
        self._listeners = Listeners(events or LogEvents(), on_event=on_event, on_unsaved=on_unsaved, wanted=wanted)
        self._store = store
        self._own_transport = LazyTransport() if transport is None else None
        self._ports = build_ports(
            awaited=self._awaited,
            store=store,
            keys=keys,
            transport=transport or self._own_transport,
            signer=signer,
            clock=clock,
            events=self._listeners,
        )

        self._recorder: Recorder | None = None
        if trace:
            from valetkey.trace.sinks import sink_of
            from valetkey.trace.watch import Recorder

            self._recorder = Recorder(self.settings, keys, sink_of(trace))

    _awaited = False

    @property
    def _traces_lost(self) -> str:
        """Why traces are lost; empty where none are made, or all is well."""
        return "" if self._recorder is None else self._recorder.sink.problem

    def _give_back(self) -> None:
        if self._own_transport is not None:
            self._own_transport.close()
        self._store.close()

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, *, file: str | None = None) -> Self:
        """The vault that the environment and `valetkey.toml` describe.

        Raises ConfigurationError with everything that is wrong, StoreError where the store cannot be opened.
        """
        import os

        from valetkey.config import read_configuration, settings
        from valetkey.drivers.defaults import system_random
        from valetkey.drivers.events import load_hook
        from valetkey.keys.open import open_key_ring
        from valetkey.stores.open import open_store

        environ = os.environ if environ is None else environ
        found = read_configuration(environ, file)
        keys = open_key_ring(found.key.reveal(), random=system_random, environ=environ, environment=found.environment)
        store = open_store(found.store.reveal(), environ=environ, serverless=found.platform, awaited=cls._awaited)
        hooks: dict[str, Any] = {name: load_hook(hook) for name, hook in found.hooks.items()}
        return cls(settings(found), store=store, keys=keys, trace=found.trace, **hooks)

    def invocation(self, context: object) -> Invocation:
        """For the length of a `with` block, lets valetkey see how much time is left; sends events at its end.

        context: what the platform passes to the handler (AWS Lambda's has get_remaining_time_in_millis), or seconds.
        An AsyncVault sends events at the end of an `async with`; with a plain one they are kept for the next delivery.
        """
        from valetkey.drivers.clock import seconds_left
        from valetkey.drivers.events import Invocation

        listeners = None if self.settings.webhook is None else self._listeners
        return Invocation(seconds_left(context), listeners, self._send, awaited=self._awaited)

    def run(self, op: Op[T]) -> Any:
        """The program's result, in the colour of the vault."""
        raise NotImplementedError

    def _send(self, events: list[Event]) -> object:
        from valetkey.connections.outbox import send_events

        return self.run(send_events(self.settings, events))

    def _keep(self, events: list[Event]) -> Op[None]:
        from valetkey.connections.outbox import keep_events

        return keep_events(self.settings, events)

    @property
    def _tells_alone(self) -> bool:
        """Whether there is a webhook, and no invocation that will send to it."""
        return self.settings.webhook is not None and not self._listeners.collected

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._store.description})"
