"""Where audit events go: to the log, one line each.

The one rule: telling never fails, and never delays what is told.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.effects import Event


class LogEvents:
    """Events as records of the logger `valetkey`: the name as message, the fields in `record.valetkey`."""

    def emit(self, event: Event) -> None:
        """Log the event at level INFO; a logger that fails is passed over."""
        try:
            import logging  # 14 ms that a cold start without events does not pay

            log = logging.getLogger("valetkey")
            if log.isEnabledFor(logging.INFO):
                fields = " ".join(f"{name}={field}" for name, field in event.fields.items())
                told = {"event": event.name, "registration": event.registration, **event.fields}
                log.info("%s %s %s", event.name, event.registration, fields, extra={"valetkey": told})
        except Exception:  # noqa: BLE001, S110 - an audit sink that is full must not break a refresh
            pass
