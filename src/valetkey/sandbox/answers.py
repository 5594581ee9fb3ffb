"""Responses, in the few forms that the sandbox gives. Nothing here decides anything."""

from __future__ import annotations

from valetkey.http import Headers, Response, write_form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NO_STORE = (("Cache-Control", "no-store"), ("Pragma", "no-cache"))  # 6749 s5.1
FORM_ANSWER = "application/x-www-form-urlencoded; charset=utf-8"


def json_answer(
    fields: Mapping[str, object], *, status: int = 200, headers: Iterable[tuple[str, str]] = ()
) -> Response:
    """A JSON object, not to be stored."""
    import json

    body = json.dumps(fields, separators=(",", ":")).encode()
    return Response(status, Headers((("Content-Type", "application/json"), *NO_STORE, *headers)), body)


def form_answer(
    pairs: Iterable[tuple[str, str]], *, status: int = 200, headers: Iterable[tuple[str, str]] = ()
) -> Response:
    """A form-encoded body, as OAuth 1.0a answers (RFC 5849 section 2.1)."""
    body = write_form(pairs).encode()
    return Response(status, Headers((("Content-Type", FORM_ANSWER), *NO_STORE, *headers)), body)


def empty_answer(status: int = 200, *, headers: Iterable[tuple[str, str]] = ()) -> Response:
    """No body."""
    return Response(status, Headers((*NO_STORE, *headers)), b"")


def redirect_answer(location: str, *, headers: Iterable[tuple[str, str]] = ()) -> Response:
    """A 303: the browser continues with GET, so that a form's password or token is never sent on (9700 s4.12)."""
    return Response(
        303, Headers((("Location", location), *NO_STORE, ("Referrer-Policy", "no-referrer"), *headers)), b""
    )


def http_date(now: float) -> str:
    """The time as a header has it (RFC 9110 section 5.6.7)."""
    from email.utils import formatdate

    return formatdate(now, usegmt=True)
