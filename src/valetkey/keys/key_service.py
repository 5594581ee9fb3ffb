"""What the rings know of a key service, whichever it is: wrapped keys, and how a service is asked.

    data key --wrapped by a key that never leaves the service--> the text of the configuration

The one rule: a service that said no (`KeyUnavailable`) is told apart from one that did not answer (`StoreError`),
because a key that was disabled on purpose must stop working and an outage must not. Repetitions wait with full jitter,
and are bounded by a number and by the time left.
"""

from __future__ import annotations

from valetkey.clouds.service import LEAST_SECONDS, error_code, pause, read_json
from valetkey.effects import CONFIGURED, Now, Remaining, Send
from valetkey.errors import KeyUnavailable, StoreError, TransportError
from valetkey.http import base64url_decode
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Protocol

    from valetkey.effects import WireOp
    from valetkey.http import Request, Response

    class KeyService(Protocol):
        """Wraps and unwraps data keys, as programs."""

        def unwrap(self, key: WrappedKey, *, environment: str, patient: bool = True) -> WireOp[bytes]:
            """The data key. Raises KeyUnavailable where the service refuses, StoreError where it does not answer.

            patient: whether to ask again where that may help; not where an older copy serves meanwhile.
            """
            ...

        def wrap(self, name: str, *, key_id: str, environment: str) -> WireOp[WrappedKey]:
            """A fresh data key of 32 octets, wrapped by the service's key of that name. Raises as `unwrap` does."""
            ...


MAX_ATTEMPTS = 4
FIRST_DELAY_SECONDS = 0.1
MAX_DELAY_SECONDS = 1.0
REQUEST_SECONDS = 3.0
MAX_WRAPPED_OCTETS = 6_144  # AWS's limit, the widest of the three
UNKNOWN_CALLER = frozenset(
    {
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "UnrecognizedClientException",
        "UNAUTHENTICATED",
        "Unauthorized",
    }
)


@value
class WrappedKey:
    """A data key as a key service wrapped it: not a secret, and of no use without the service.

    key_id: ours. service: a row of `open.SERVICES`. name: what the service calls the key that wraps.
    """

    key_id: str
    service: str
    name: str
    wrapped: bytes

    def __repr__(self) -> str:
        return f"WrappedKey({self.key_id}, {self.service}, {self.name})"


@value
class Refused:
    """A service's answer that is no success. code: its own, or `clouds.service.NO_CODE`."""

    status: int
    code: str


def ask(
    description: str,
    prepare: Callable[[], WireOp[Request]],
    *,
    transient: Callable[[Refused], bool],
    patient: bool = True,
) -> WireOp[Mapping[str, Any] | Refused]:
    """The JSON of a success, or the refusal. Raises StoreError where the service did not answer.

    prepare: the signed request, made anew for every attempt. transient: whether to ask again after that refusal.
    """
    reason = "no answer"
    for attempt in range(MAX_ATTEMPTS if patient else 1):
        if attempt and not (
            yield from pause(attempt, first_seconds=FIRST_DELAY_SECONDS, most_seconds=MAX_DELAY_SECONDS)
        ):
            break
        if (yield from Remaining()) < LEAST_SECONDS:
            break
        request = yield from prepare()
        now, remaining = (yield from Now()), (yield from Remaining())
        try:
            not_after = now + min(REQUEST_SECONDS, remaining)
            response = yield from Send(request, CONFIGURED, not_after=not_after, kept=True)
        except TransportError:
            reason = "no answer"
            continue
        answer = read_answer(response)
        if not isinstance(answer, Refused):
            return answer
        if answer.status < 500 and answer.status != 429 and not transient(answer):
            return answer
        reason = answer.code
    message = f"{description} is out of reach ({reason}): nothing is lost, try again"
    raise StoreError(message)


def read_answer(response: Response) -> Mapping[str, Any] | Refused:
    """The object of a 200, or what was refused; the texts of errors are never read, they may quote what was sent."""
    content = read_json(response.body)
    if response.status == 200 and isinstance(content, dict):
        return content
    if response.status == 200:  # something between us answered
        return Refused(502, "an answer that is not JSON")
    return Refused(response.status, _code(content))


def _code(content: object) -> str:
    """AWS: `__type`; Google: `error.status`; Azure: `error.innererror.code` or `error.code`."""
    code: object = None
    if isinstance(content, dict):
        code = content.get("__type")
        error = content.get("error")
        if isinstance(error, dict):
            inner = error.get("innererror")
            code = (inner.get("code") if isinstance(inner, dict) else None) or error.get("status") or error.get("code")
    return error_code(code)


def refusal(
    key_id: str, description: str, refused: Refused, *, advice: Mapping[str, str], deed: str = "unwrapped"
) -> StoreError:
    """The error for a service that said no: which of our keys, which of its keys, and what to do about it.

    KeyUnavailable where it refuses the key; StoreError where it does not know who asks, which says nothing of the key.
    """
    what = advice.get(refused.code) or advice.get(str(refused.status)) or f"status {refused.status}, {refused.code}"
    message = f"sealing key {key_id!r} cannot be {deed} by {description}: {what}; the rows are kept"
    if refused.status == 401 or refused.code in UNKNOWN_CALLER:
        return StoreError(message)
    return KeyUnavailable(key_id, message)


def not_a_key(key_id: str, description: str) -> KeyUnavailable:
    """The error for an answer that is something else than what was wrapped."""
    return KeyUnavailable(
        key_id,
        f"sealing key {key_id!r} cannot be unwrapped by {description}: what it answered is not the key that was"
        " wrapped for this key id and environment: restore this key's line; the rows are kept",
    )


def read_octets(text: object, *, most: int) -> bytes | None:
    """The octets behind standard or URL-safe base64, padded or not; None where it is none or too long."""
    if not isinstance(text, str) or len(text) > 2 * most + 4:
        return None
    try:
        octets = base64url_decode(text.rstrip("=").replace("+", "-").replace("/", "_"))
    except ValueError:
        return None
    return octets if len(octets) <= most else None
