"""What every gateway does between reading a request and writing a response.

The steps are one generator that yields what must be awaited, so that there is one copy for blocking and for async
callers. The one rule: whatever happens, an answer goes out, and neither it nor the log holds a secret or an exception's
text that is not ours.
"""

from __future__ import annotations

from valetkey.errors import ConfigurationError, RequestRefused, ValetkeyError
from valetkey.http import Headers, Response
from valetkey.web.pages import NO_CONTENT_POLICY, PROTECTIVE, render_refusal
from valetkey.web.refusals import describe
from valetkey.web.routes import respond

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from typing import Any, Protocol, TypeAlias

    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.http import Request

    ResourceOwner: TypeAlias = Callable[[Request], str | Awaitable[str | None] | None]
    Steps: TypeAlias = Generator[Awaitable[Any], Any, Response]

    class Runs(Protocol):
        """What a gateway needs of a Vault or AsyncVault."""

        @property
        def settings(self) -> Settings:
            """The deployment as the programs see it."""
            ...

        def run(self, op: Op[Response]) -> Response | Awaitable[Response]:
            """The program's result, or something to await for it."""
            ...


LAST_RESORT = Response(
    500,
    Headers(
        (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Security-Policy", NO_CONTENT_POLICY),
            *PROTECTIVE,
        )
    ),
    b'<!doctype html><html lang="en"><meta charset="utf-8">'
    b'<meta name="viewport" content="width=device-width, initial-scale=1">'
    b'<meta name="color-scheme" content="light dark"><title>Something went wrong</title>'
    b"<h1>Something went wrong</h1><p>It is our fault, not yours. Nothing is lost. Try again in a minute.</p></html>\n",
)
MAX_FRAMES = 30


def serve(vault: Runs, read: Callable[[], Request], *, resource_owner: ResourceOwner) -> Steps:
    """The steps from a request to a response; yields what must be awaited.

    read: gives the request; may raise RequestRefused or ValueError for one that cannot be read.
    """
    try:
        return (yield from _serve(vault, read, resource_owner))
    except Exception as error:  # noqa: BLE001 - the last resort
        _log(error)
        return LAST_RESORT


def _serve(vault: Runs, read: Callable[[], Request], resource_owner: ResourceOwner) -> Steps:
    try:
        request = read()
    except RequestRefused as error:
        return render_refusal(vault.settings, describe(error))
    except ValueError:
        unreadable = RequestRefused("malformed_request", "the request holds what HTTP does not allow")
        return render_refusal(vault.settings, describe(unreadable))
    owner: Any = resource_owner(request)
    if hasattr(owner, "__await__"):
        owner = yield owner
    answer: Any = vault.run(respond(vault.settings, request, _checked(owner)))
    if hasattr(answer, "__await__"):
        answer = yield answer
    assert isinstance(answer, Response)
    return answer


def finish(steps: Steps) -> Response:
    """The response, for a blocking caller; an event loop is started only where something must be awaited."""
    try:
        awaited = next(steps)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    import asyncio

    return asyncio.run(_finish_awaited(steps, awaited))


async def _finish_awaited(steps: Steps, awaited: Awaitable[Any]) -> Response:
    return await finish_async(steps, advance=_here, first=awaited)


async def _here(step: Callable[[], tuple[bool, Any]]) -> tuple[bool, Any]:
    return step()


async def in_thread(step: Callable[[], tuple[bool, Any]]) -> tuple[bool, Any]:
    """Take a step in a worker thread: a blocking vault or resource_owner must not hold up an event loop."""
    import asyncio

    return await asyncio.to_thread(step)


async def finish_async(
    steps: Steps,
    *,
    advance: Callable[[Callable[[], tuple[bool, Any]]], Awaitable[tuple[bool, Any]]] = _here,
    first: Awaitable[Any] | None = None,
) -> Response:
    """The response, for an async caller; `advance` takes each step, here or `in_thread`."""
    awaited = first
    while True:
        answer, failure = None, None
        if awaited is not None:
            try:
                answer = await awaited
            except Exception as error:  # noqa: BLE001 - thrown into the steps
                failure = error
        done, found = await advance(_step(steps, answer, failure))
        if done:
            return found  # type: ignore[no-any-return]
        awaited = found


def _step(steps: Steps, answer: object, failure: Exception | None) -> Callable[[], tuple[bool, Any]]:
    def step() -> tuple[bool, Any]:
        try:
            return False, steps.send(answer) if failure is None else steps.throw(failure)
        except StopIteration as done:  # a StopIteration may not leave a thread
            return True, done.value

    return step


def _checked(owner: object) -> str | None:
    if owner is None or (isinstance(owner, str) and owner):
        return owner
    message = f"resource_owner must answer a non-empty str or None, not {type(owner).__name__}"
    raise ConfigurationError(message)


def _log(error: Exception) -> None:
    """Where it happened, without the exception's text: only our own errors are known to hold no secret."""
    import logging

    where: list[str] = []
    trace = error.__traceback__
    while trace is not None and len(where) < MAX_FRAMES:
        code = trace.tb_frame.f_code
        where.append(f"{code.co_filename}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    said = str(error) if isinstance(error, ValetkeyError) else "(text withheld)"
    logging.getLogger("valetkey").error("answered 500: %s %s\n  %s", type(error).__name__, said, "\n  ".join(where))
