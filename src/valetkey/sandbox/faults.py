"""Misbehaviour on request: what real providers and networks do to a client.

    fault                  details                          what happens
    lose_request                                            the connection breaks before the request arrives
    lose_response                                           it acts, and the answer is lost
    delay                  seconds, when                    it waits, before or after it acts
    status                 status, retry_after, when        an error status, before or after it acts
    html                   status, when                     a page instead of the answer
    form_encoded                                            the fields of the answer form-encoded
    error_with_status_200  error                            errors come with status 200; with `error`, one at once
    missing_refresh_token                                   the answer lacks its refresh token
    expires_in_string                                       `"expires_in": "3600"`
    double_delivery        answer                           it acts twice; the `first` or `second` answer comes back
    token_type_swapped                                      `"token_type": "bEARER"`
    <member>_missing                                        the answer lacks access_token, token_type, expires_in,
                                                            scope or id_token

What is inside signed tokens, keys, metadata and authorization responses goes wrong by the words of `spoilt`.

`when` is `before` or `after` acting: before for status and delay, after for html, unless said otherwise.
The one rule: faults are taken in the order in which they were added, one for each request.
"""

from __future__ import annotations

from valetkey.errors import ConfigurationError, TransportError
from valetkey.http import FORM, Headers, Response, write_form
from valetkey.sandbox.spoilt import WORDS
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeAlias

    from valetkey.http import Pairs

    Act: TypeAlias = Callable[[], Response]

HTML = b"<!doctype html><html><head><title>Bad gateway</title></head><body><h1>It is not you.</h1></body></html>"
WHEN = ("before", "after")


class ResponseLost(TransportError):
    """The sandbox did what was asked, and the answer never left it: a server closes the socket."""

    def __init__(self) -> None:
        super().__init__("the sandbox lost its answer, as it was told to", maybe_received=True)


class RequestLost(TransportError):
    """The request never arrived: a server closes the socket without looking."""

    def __init__(self) -> None:
        super().__init__("the sandbox dropped the request, as it was told to", maybe_received=False)


@value
class Fault:
    """One kind of misbehaviour at one endpoint, for as many requests as `times` says.

    only: fields that the request's form or query must have, such as `grant_type`, for the fault to be taken.
    """

    endpoint: str
    fault: str
    times: int = 1
    only: Pairs = ()
    seconds: float = 0.0
    status: int = 503
    retry_after: int | None = None
    when: str = ""
    error: str = ""
    answer: str = "first"

    def __post_init__(self) -> None:
        problems = []
        if self.fault not in _FAULTS and self.fault not in WORDS:
            problems.append(f"there is no fault {self.fault!r}: use one of {', '.join((*_FAULTS, *WORDS))}")
        if self.when not in ("", *WHEN):
            problems.append(f"a fault acts before or after, not {self.when!r}")
        if self.answer not in ("first", "second"):
            problems.append(f"the answer of a double delivery is first or second, not {self.answer!r}")
        if self.times < 1 or not 100 <= self.status <= 599:
            problems.append("a fault happens at least once, with a status from 100 to 599")
        if problems:
            raise ConfigurationError(problems)


class Faults:
    """The faults that are still to come."""

    def __init__(self, endpoints: tuple[str, ...], lock: Any) -> None:
        self._endpoints, self._lock = endpoints, lock
        self._pending: list[Fault] = []

    def add(
        self, *, endpoint: str, fault: str, times: int = 1, only: Mapping[str, str] | None = None, **details: Any
    ) -> None:
        """Let the endpoint misbehave for its next requests. Raises ConfigurationError for a word it does not know."""
        if endpoint not in self._endpoints:
            raise ConfigurationError(f"there is no endpoint {endpoint!r}: use one of {', '.join(self._endpoints)}")
        if unknown := set(details) - {"seconds", "status", "retry_after", "when", "error", "answer"}:
            raise ConfigurationError(f"a fault has no detail {', '.join(sorted(unknown))}")
        added = Fault(endpoint, fault, times, tuple((only or {}).items()), **details)
        with self._lock:
            self._pending.append(added)

    def pending(self) -> tuple[Fault, ...]:
        """What is still to come."""
        with self._lock:
            return tuple(self._pending)

    def clear(self) -> None:
        """Behave again."""
        with self._lock:
            self._pending.clear()

    def take(self, endpoint: str, pairs: Pairs) -> Fault | None:
        """The fault for this request, used up by one."""
        with self._lock:
            for index, fault in enumerate(self._pending):
                if fault.endpoint == endpoint and set(fault.only) <= set(pairs):
                    self._pending[index : index + 1] = (
                        [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                    )
                    return fault
        return None


def misbehave(fault: Fault, act: Act, *, sleep: Callable[[float], None]) -> Response:
    """The response, spoilt. Raises ResponseLost and RequestLost."""
    if fault.fault == "delay":
        return _delay(fault, act, sleep)
    if fault.fault in WORDS:  # whoever makes the answer sees to it
        return act()
    return _FAULTS[fault.fault](fault, act)


def _delay(fault: Fault, act: Act, sleep: Callable[[float], None]) -> Response:
    if fault.when == "after":
        response = act()
        sleep(fault.seconds)
        return response
    sleep(fault.seconds)
    return act()


def _lose_request(_: Fault, __: Act) -> Response:
    raise RequestLost


def _lose_response(_: Fault, act: Act) -> Response:
    act()
    raise ResponseLost


def _status(fault: Fault, act: Act) -> Response:
    if fault.when == "after":
        act()
    headers = Headers((("Content-Type", "text/plain"),))
    if fault.retry_after is not None:
        headers = headers.with_added("Retry-After", str(fault.retry_after))
    return Response(fault.status, headers, b"out of order, as it was told to be")


def _html(fault: Fault, act: Act) -> Response:
    if fault.when != "before":
        act()
    status = 200 if fault.status == 503 else fault.status
    return Response(status, Headers((("Content-Type", "text/html; charset=utf-8"),)), HTML)


def _form_encoded(_: Fault, act: Act) -> Response:
    response = act()
    fields = _json_fields(response)
    if fields is None:
        return response
    body = write_form((name, str(field)) for name, field in fields.items()).encode()
    return replace(response, headers=response.headers.with_set("Content-Type", FORM), body=body)


def _error_with_status_200(fault: Fault, act: Act) -> Response:
    if fault.error:
        headers = Headers((("Content-Type", "application/json"),))
        return _with_fields(Response(200, headers), {"error": fault.error})
    response = act()
    return replace(response, status=200) if response.status >= 400 else response


def _without(name: str) -> Callable[[Fault, Act], Response]:
    def fault(_: Fault, act: Act) -> Response:
        response = act()
        fields = _json_fields(response) or {}
        fields.pop(name, None)
        return _with_fields(response, fields) if fields else response

    return fault


def _token_type_swapped(_: Fault, act: Act) -> Response:
    response = act()
    fields = _json_fields(response)
    if fields is None or "token_type" not in fields:
        return response
    return _with_fields(response, fields | {"token_type": str(fields["token_type"]).swapcase()})


def _expires_in_string(_: Fault, act: Act) -> Response:
    response = act()
    fields = _json_fields(response)
    if fields is None or "expires_in" not in fields:
        return response
    return _with_fields(response, fields | {"expires_in": str(fields["expires_in"])})


def _double_delivery(fault: Fault, act: Act) -> Response:
    first = act()
    second = act()
    return first if fault.answer == "first" else second


def _json_fields(response: Response) -> dict[str, Any] | None:
    import json

    if response.headers.get("Content-Type") != "application/json":
        return None
    fields: dict[str, Any] = json.loads(response.body)
    return fields


def _with_fields(response: Response, fields: Mapping[str, object]) -> Response:
    import json

    return replace(response, body=json.dumps(fields).encode())


_FAULTS: dict[str, Callable[[Fault, Act], Response]] = {
    "lose_request": _lose_request,
    "lose_response": _lose_response,
    "delay": lambda _, act: act(),
    "status": _status,
    "html": _html,
    "form_encoded": _form_encoded,
    "error_with_status_200": _error_with_status_200,
    "missing_refresh_token": _without("refresh_token"),
    "access_token_missing": _without("access_token"),
    "token_type_missing": _without("token_type"),
    "expires_in_missing": _without("expires_in"),
    "scope_missing": _without("scope"),
    "id_token_missing": _without("id_token"),
    "token_type_swapped": _token_type_swapped,
    "expires_in_string": _expires_in_string,
    "double_delivery": _double_delivery,
}
