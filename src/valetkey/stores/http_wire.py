"""How a store's requests over HTTP are authorized, sent, repeated and understood, for Azure Tables and Firestore.

The one rule: an answer says whether an attempt before it may have been applied, because the caller must not mistake
its own write for somebody else's. Repetitions wait with full jitter, are bounded by a number and by the time left.
Not here: what is asked (`azure_tables`, `firestore`), and how requests are signed (`clouds`).
"""

from __future__ import annotations

from valetkey.clouds.service import LEAST_SECONDS, NO_CODE, error_code, pause, read_json
from valetkey.effects import CONFIGURED, LOST, UNKNOWN, WON, Now, Remaining, Send
from valetkey.errors import ConfigurationError, StoreError, TransportError
from valetkey.http import Headers
from valetkey.stores.failures import NO_ANSWER, NO_TIME, NOT_JSON, explain
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from valetkey.effects import Key, Outcome, WireOp
    from valetkey.http import Request, Response

MAX_ATTEMPTS = 6
FIRST_DELAY_SECONDS = 0.05
MAX_DELAY_SECONDS = 2.0
REQUEST_SECONDS = 5.0
MAX_STAMPS = 512
DOUBTFUL_STATUSES = (408, 499)  # given up on by somebody between, as every 5xx may be
NONE: frozenset[str] = frozenset()


@value
class Answer:
    """What came of a request.

    error: the service's code or a word of ours; empty where it did what was asked.
    repeated: whether it was sent more than once.
    maybe_applied: whether it failed, and an attempt may nevertheless have been applied.
    """

    error: str
    content: Any = None
    headers: Headers = Headers()
    repeated: bool = False
    maybe_applied: bool = False


class HttpWire:
    """Sends requests to one service. A subclass authorizes them and reads the service's errors.

    throttled: codes that say that nothing was done and that waiting helps.
    stale: codes that say that the credentials must be asked for again.
    advice: what to do about a code; otherwise: about those that nobody foresaw.
    """

    throttled: frozenset[str] = NONE
    stale: frozenset[str] = NONE
    advice: Mapping[str, str] = {}
    otherwise: str = ""

    def __init__(self, description: str) -> None:
        """description: how what a check finds names the store."""
        self.description = description

    def ask(self, request: Request, *, attempts: int = MAX_ATTEMPTS) -> WireOp[Answer]:
        """The answer, after as many repetitions as help. Raises StoreError where nothing can have been applied."""
        answer, maybe_applied = Answer(NO_ANSWER), False
        for attempt in range(min(attempts, MAX_ATTEMPTS)):
            if attempt and not (
                yield from pause(attempt, first_seconds=FIRST_DELAY_SECONDS, most_seconds=MAX_DELAY_SECONDS)
            ):
                break
            try:
                answer = yield from self._attempt(request)
            except (StoreError, ConfigurationError):
                if maybe_applied:
                    break
                raise
            maybe_applied = maybe_applied or answer.maybe_applied
            if not self._helps_to_repeat(answer):
                # a code that was given on purpose is final, but says nothing about attempts before this one
                return replace(answer, repeated=attempt > 0, maybe_applied=maybe_applied and bool(answer.error))
            if answer.error in self.stale:
                self.forget()
        return Answer(answer.error, repeated=True, maybe_applied=maybe_applied)

    def content(self, answer: Answer) -> Any:
        """What a successful answer holds. Raises StoreError for any other."""
        if answer.error:
            raise self.failure(answer)
        return answer.content

    def outcome(self, answer: Answer, *, lost: frozenset[str]) -> Outcome:
        """What a conditional write came to; `lost` are the codes of a condition that failed. Raises StoreError."""
        if not answer.error:
            return WON
        if answer.maybe_applied or (answer.error in lost and answer.repeated):
            return UNKNOWN
        if answer.error in lost:
            return LOST
        raise self.failure(answer)

    def failure(self, answer: Answer) -> StoreError:
        """The error to raise for an answer that is one, within an operation."""
        return StoreError(explain(answer.error, self.advice, otherwise=self.otherwise))

    def authorize(self, request: Request) -> WireOp[Request]:
        """The request as it is sent. Raises StoreError, ConfigurationError."""
        raise NotImplementedError

    def forget(self) -> None:
        """Ask for other credentials next time."""

    def read_error(self, response: Response, content: Any, /) -> str:
        """The service's code, as it stands in its error."""
        raise NotImplementedError

    def _attempt(self, request: Request) -> WireOp[Answer]:
        authorized = yield from self.authorize(request)
        now, remaining = (yield from Now()), (yield from Remaining())
        if remaining < LEAST_SECONDS:
            raise StoreError(NO_TIME)
        not_after = now + min(REQUEST_SECONDS, remaining)
        try:
            response = yield from Send(authorized, CONFIGURED, not_after=not_after, kept=True)
        except TransportError as error:
            return Answer(NO_ANSWER, maybe_applied=error.maybe_received)
        return self._read_answer(response)

    def _helps_to_repeat(self, answer: Answer) -> bool:
        error = answer.error
        return answer.maybe_applied or error == NO_ANSWER or error in self.throttled or error in self.stale

    def _read_answer(self, response: Response) -> Answer:
        content = read_json(response.body)
        if response.status in (200, 201, 204):
            if content is None and response.status != 204:
                # something between us may have answered; the service may have acted behind it
                return Answer(NOT_JSON, maybe_applied=True)
            return Answer("", content, response.headers)
        code = error_code(self.read_error(response, content))
        doubtful = response.status >= 500 or response.status in DOUBTFUL_STATUSES or code == NO_CODE
        return Answer(code, content, maybe_applied=doubtful)


class Stamps:
    """Which stamp of the service (an ETag, an update time) belongs to which version of ours, for rows seen lately.

    A service compares its own stamps only. A stamp that was seen with a version is as good as the version, since every
    write draws a version of its own and gets a stamp of its own; so a row that was just read is written at once.
    """

    def __init__(self) -> None:
        self._seen: dict[Key, tuple[bytes, str]] = {}

    def note(self, key: Key, version: bytes, stamp: str) -> None:
        """Remember the pair; the oldest are forgotten."""
        if not stamp:
            self.drop(key)
            return
        self.drop(key)
        for oldest in list(self._seen)[: max(0, len(self._seen) - MAX_STAMPS + 1)]:
            self.drop(oldest)
        self._seen[key] = version, stamp

    def of(self, key: Key, version: bytes) -> str:
        """The stamp of that version, empty where it is not known."""
        seen = self._seen.get(key)
        return seen[1] if seen is not None and seen[0] == version else ""

    def drop(self, key: Key) -> None:
        """Forget the row's."""
        _ = self._seen.pop(key, None)
