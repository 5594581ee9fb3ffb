"""Where audit events go: to the log, to the application's hooks, and into the hands of whoever sends the webhook.

The one rule: telling never fails, and never delays what is told but by what a hook does.
Not here: which events there are (`connections.events`), how a webhook is sent (`connections.outbox`).
"""

from __future__ import annotations

from contextvars import ContextVar

from valetkey.drivers.clock import invocation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextvars import Token
    from typing import Any

    from valetkey.drivers.ports import Events
    from valetkey.effects import Event

WARNED = ("needs_reauthorization", "refresh_failed")  # at level WARNING; `unsaved` at ERROR, everything else at INFO
MAX_FIELD = 500  # characters of a field in the log; an `unsaved` record is never cut

_told: ContextVar[dict[Listeners, Told] | None] = ContextVar("valetkey_told", default=None)
"""What was told during this invocation and is wanted by a webhook, for each vault's listeners."""


class Told(list["Event"]):
    """Events in the order in which they were told; `ended` once nobody collects them any more."""

    ended = False


class LogEvents:
    """Events as records of the logger `valetkey`: the name as message, the fields in `record.valetkey`.

    The resource owner is not logged; `partition` is its hash. Nothing in a field can begin a line of its own.
    """

    def emit(self, event: Event) -> None:
        """Log the event; a logger that fails is passed over."""
        try:
            import logging  # 14 ms that a cold start without events does not pay

            log = logging.getLogger("valetkey")
            level = logging.WARNING if event.name in WARNED else logging.INFO
            level = logging.ERROR if event.name == "unsaved" else level
            if log.isEnabledFor(level):
                clean = {name: field if name == "record" else _clean(field) for name, field in event.fields.items()}
                fields = " ".join(f"{name}={field}" for name, field in clean.items())
                told = {"event": event.name, "registration": event.registration, **clean}
                log.log(level, "%s %s %s", event.name, event.registration, fields, extra={"valetkey": told})
        except Exception:  # noqa: BLE001, S110 - an audit sink that is full must not break a refresh
            pass


class Listeners:
    """Everybody who listens to one vault.

    log: the sink that comes first. on_event: gets every Event. on_unsaved: gets the line of tokens that could not be
      stored: ciphertext. wanted: whether the webhook wants events of that name.
    """

    def __init__(
        self,
        log: Events,
        *,
        on_event: Callable[[Event], object] | None = None,
        on_unsaved: Callable[[str], object] | None = None,
        wanted: Callable[[str], bool] | None = None,
    ) -> None:
        self._log, self._on_event, self._on_unsaved, self._wanted = log, on_event, on_unsaved, wanted

    def emit(self, event: Event) -> None:
        """Tell them; whoever fails is named in the log, and the next one is told."""
        self._log.emit(event)
        if self._on_unsaved is not None and event.name == "unsaved":
            _call("on_unsaved", self._on_unsaved, str(event.fields.get("record", "")))
        if self._on_event is not None:
            _call("on_event", self._on_event, event)
        told = _told.get()
        if told is not None and self in told and self._wanted is not None and self._wanted(event.name):
            told[self].append(event)

    @property
    def collected(self) -> bool:
        """Whether somebody up the stack collects what is told, and will send it."""
        told = _told.get()
        return told is not None and self in told and not told[self].ended

    def late(self) -> list[Event]:
        """What was told after the collecting had ended, by a program that outlived its cancelled caller."""
        found = (_told.get() or {}).get(self)
        if found is None or not found.ended:
            return []
        events, found[:] = list(found), []
        return events

    def collect(self) -> Collecting:
        """For the length of a `with` block, the list of what is told and wanted by the webhook."""
        return Collecting(self)


class Collecting:
    """A `with` block that collects; what is told in a task or thread that was begun inside it is in the list too."""

    def __init__(self, listeners: Listeners) -> None:
        self._listeners = listeners
        self._token: Token[dict[Listeners, Told] | None] | None = None
        self._events = Told()

    def __enter__(self) -> list[Event]:
        self._token = _told.set({**(_told.get() or {}), self._listeners: self._events})
        return self._events

    def __exit__(self, *_: object) -> None:
        assert self._token is not None
        _told.reset(self._token)
        self._events.ended = True


class Invocation(invocation):
    """An invocation of a function: `with` in blocking code, `async with` where the vault is awaited.

    At its end, what was told is sent to the webhook, within the invocation's own time. A plain `with` around an
    AsyncVault cannot wait for that: there each event is kept in the store for the next delivery.
    """

    def __init__(
        self, seconds_left: float, listeners: Listeners | None, send: Callable[[list[Event]], Any], *, awaited: bool
    ) -> None:
        super().__init__(seconds_left)
        self._collecting = None if listeners is None or listeners.collected else Collecting(listeners)
        self._send, self._awaited = send, awaited
        self._events: list[Event] = []

    def __enter__(self) -> None:
        super().__enter__()
        if self._collecting is not None and not self._awaited:
            self._events = self._collecting.__enter__()

    def __exit__(self, *raised: object) -> None:
        try:
            if self._collecting is not None and not self._awaited:
                self._collecting.__exit__()
                events, self._events[:] = list(self._events), []
                if events:
                    self._send(events)
        except Exception as error:  # noqa: BLE001 - what the handler did stands
            _log_failure("sending events", error)
        finally:
            super().__exit__(*raised)

    async def __aenter__(self) -> None:
        super().__enter__()
        if self._collecting is not None:
            self._events = self._collecting.__enter__()

    async def __aexit__(self, *raised: object) -> None:
        try:
            if self._collecting is not None:
                self._collecting.__exit__()
                events, self._events[:] = list(self._events), []
                sending: Awaitable[object] | None = self._send(events) if events else None
                if sending is not None:
                    await sending
        except Exception as error:  # noqa: BLE001 - what the handler did stands
            _log_failure("sending events", error)
        finally:
            super().__exit__(*raised)


def load_hook(name: str) -> Callable[..., object]:
    """The function that `package.module:function` names. Raises ConfigurationError."""
    from importlib import import_module

    from valetkey.errors import ConfigurationError

    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError):
        message = f"the hook {name!r} cannot be imported: name it as package.module:function"
        raise ConfigurationError(message) from None
    if not callable(found):
        message = f"the hook {name!r} is not a function"
        raise ConfigurationError(message)
    return found  # type: ignore[no-any-return]


def _call(name: str, hook: Callable[..., object], told: object) -> None:
    try:
        hook(told)
    except Exception as error:  # noqa: BLE001 - the application's code must not break a refresh
        _log_failure(name, error)


def _log_failure(name: str, error: Exception) -> None:
    """The kind of the error and nothing of its text, which may hold what it was told."""
    try:
        import logging

        logging.getLogger("valetkey").error("%s failed: %s (its text is withheld)", name, type(error).__name__)
    except Exception:  # noqa: BLE001, S110 - a log that is full must not break a refresh
        pass


def _clean(field: str | int) -> str | int:
    if isinstance(field, int):
        return field
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in field[:MAX_FIELD])
