"""The sandbox's own control, for demonstrations and tests: what was seen, and which faults are to come.

Only there where `Sandbox(control=True)`; the table's checks see to it.
"""

from __future__ import annotations

from valetkey.errors import ConfigurationError
from valetkey.oauth2.strict_json import read_json_object
from valetkey.sandbox.answers import empty_answer, json_answer
from valetkey.sandbox.exchange import MAX_BODY, Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Response
    from valetkey.sandbox.exchange import Exchange


def show_seen(exchange: Exchange) -> Response:
    """Counters, and the last hundred requests without secrets."""
    seen = exchange.sandbox.seen
    last = [
        {"at": entry.at, "endpoint": entry.endpoint, "status": entry.status, "outcome": entry.outcome}
        | dict(entry.fields)
        for entry in tuple(seen)[-100:]
    ]
    return json_answer({"counters": seen.counters(), "requests": last})


def show_faults(exchange: Exchange) -> Response:
    """What is still to come."""
    pending = exchange.sandbox.faults.pending()
    return json_answer({"faults": [{"endpoint": f.endpoint, "fault": f.fault, "times": f.times} for f in pending]})


def add_fault(exchange: Exchange) -> Response:
    """The JSON body is what `Faults.add` takes."""
    try:
        exchange.sandbox.faults.add(**read_json_object(exchange.request.body, limit=MAX_BODY))
    except (ConfigurationError, ValueError, TypeError):
        raise Refusal("invalid_request", "Send a JSON object with endpoint, fault, times and details.") from None
    return empty_answer(204)


def clear_faults(exchange: Exchange) -> Response:
    """Behave again."""
    exchange.sandbox.faults.clear()
    return empty_answer(204)
