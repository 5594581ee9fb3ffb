"""How a request to DynamoDB is signed, sent, repeated and understood.

The one rule: an answer says whether an attempt before it may have been applied, because the caller must not mistake
its own write for somebody else's. Repetitions wait with full jitter, are bounded by a number and by the time left.
"""

from __future__ import annotations

from valetkey.clouds.aws_sigv4 import sign_request
from valetkey.clouds.service import LEAST_SECONDS, NO_CODE, error_code, pause, read_endpoint, read_json
from valetkey.effects import CONFIGURED, Now, Remaining, Send
from valetkey.errors import ConfigurationError, StoreError, TransportError
from valetkey.http import Headers, Request
from valetkey.stores.failures import NO_ANSWER, NO_TIME, NOT_JSON, explain
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from valetkey.clouds.aws_credentials import AwsCredentialSource
    from valetkey.effects import WireOp
    from valetkey.http import Response

VERSION = "DynamoDB_20120810"
MAX_ATTEMPTS = 6
FIRST_DELAY_SECONDS = 0.05
MAX_DELAY_SECONDS = 2.0
REQUEST_SECONDS = 5.0
MAX_REGION_CHARACTERS = 32

CONFLICTS = frozenset({"TransactionConflictException", "ReplicatedWriteConflictException"})
THROTTLED = CONFLICTS | frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "Throttling",
        "LimitExceededException",
    }
)
EXPIRED = "ExpiredTokenException"
AGAIN = "AWS failed: try again, and look at AWS's health page if it stays"
ADVICE = {
    "ResourceNotFoundException": (
        "there is no such table in this region: name another, or make it with `valetkey store create`"
        " (partition key `partition`, sort key `name`, both strings)"
    ),
    "AccessDeniedException": "access denied: allow GetItem, PutItem, DeleteItem, Query and Scan on the table",
    "UnrecognizedClientException": "AWS does not know these credentials: check the access key",
    "InvalidSignatureException": "AWS refused the signature: check the secret key and this machine's clock",
    "MissingAuthenticationTokenException": "AWS saw no signature: check what stands between",
    "IncompleteSignatureException": "AWS did not understand the signature: check what stands between",
    EXPIRED: "the credentials have expired: renew them",
    **dict.fromkeys(THROTTLED, "throttled: raise the table's capacity, or spread the load"),
    **dict.fromkeys(CONFLICTS, "others keep writing the row, perhaps in another region: try again"),
    **dict.fromkeys(("InternalServerError", "InternalFailure", "ServiceUnavailable"), AGAIN),
    "ResourceInUseException": "the table is being made, changed or deleted: wait, then try again",
    "ValidationException": "DynamoDB did not take the request: see whether `valetkey store check` knows its keys",
}
UNFORESEEN = "look it up among DynamoDB's error codes; look at the table in the console"


@value
class Answer:
    """What came of a request.

    error: DynamoDB's code or a word of ours; empty where it did what was asked.
    repeated: whether it was sent more than once.
    maybe_applied: whether it failed, and an attempt may nevertheless have been applied.
    """

    error: str
    content: Mapping[str, Any]
    repeated: bool = False
    maybe_applied: bool = False


class DynamoDBWire:
    """Sends operations to one endpoint."""

    def __init__(self, description: str, *, region: str, credentials: AwsCredentialSource, endpoint: str) -> None:
        """description: how what a check finds names the store."""
        if not is_region(region):
            message = f"{description}: name the region, such as eu-central-1, in the URL or in AWS_REGION"
            raise ConfigurationError(message)
        self.description, self._region, self._credentials = description, region, credentials
        self._url = _endpoint(endpoint, region)

    def ask(self, operation: str, content: Mapping[str, object], *, attempts: int = MAX_ATTEMPTS) -> WireOp[Answer]:
        """The answer, after as many repetitions as help. Raises StoreError where nothing can have been applied."""
        from json import dumps

        body = dumps(content, ensure_ascii=False).encode()
        answer, maybe_applied = Answer(NO_ANSWER, {}), False
        for attempt in range(min(attempts, MAX_ATTEMPTS)):
            if attempt and not (
                yield from pause(attempt, first_seconds=FIRST_DELAY_SECONDS, most_seconds=MAX_DELAY_SECONDS)
            ):
                break
            try:
                answer = yield from self._attempt(operation, body)
            except (StoreError, ConfigurationError):
                if maybe_applied:
                    break
                raise
            maybe_applied = maybe_applied or answer.maybe_applied
            if not _helps_to_repeat(answer):
                # a code that DynamoDB gave on purpose is final, but says nothing about attempts before this one
                return Answer(answer.error, answer.content, attempt > 0, maybe_applied and bool(answer.error))
            if answer.error == EXPIRED:
                self._credentials.forget()
        return Answer(answer.error, {}, repeated=True, maybe_applied=maybe_applied)

    def content(self, answer: Answer) -> Mapping[str, Any]:
        """What a successful answer holds. Raises StoreError for any other."""
        if answer.error:
            raise self.failure(answer)
        return answer.content

    def failure(self, answer: Answer) -> StoreError:
        """The error to raise for an answer that is one, within an operation."""
        return StoreError(explain(answer.error, ADVICE, otherwise=UNFORESEEN))

    def _attempt(self, operation: str, body: bytes) -> WireOp[Answer]:
        credentials = yield from self._credentials.current()
        now, remaining = (yield from Now()), (yield from Remaining())
        if remaining < LEAST_SECONDS:
            raise StoreError(NO_TIME)
        headers = Headers((("Content-Type", "application/x-amz-json-1.0"), ("X-Amz-Target", f"{VERSION}.{operation}")))
        request = sign_request(
            Request("POST", self._url, headers, body),
            credentials,
            region=self._region,
            service="dynamodb",
            now=int(now),
        )
        try:
            response = yield from Send(request, CONFIGURED, not_after=now + min(REQUEST_SECONDS, remaining), kept=True)
        except TransportError as error:
            return Answer(NO_ANSWER, {}, maybe_applied=error.maybe_received)
        return _read_answer(response)


def is_region(text: str) -> bool:
    """Whether it may be the name of a region."""
    return text.isascii() and text.replace("-", "").isalnum() and len(text) <= MAX_REGION_CHARACTERS


def _helps_to_repeat(answer: Answer) -> bool:
    return answer.maybe_applied or answer.error in THROTTLED or answer.error in (EXPIRED, NO_ANSWER)


def _read_answer(response: Response) -> Answer:
    content = read_json(response.body)
    if response.status == 200:
        # An answer that is none may come from something between us; DynamoDB may have acted behind it.
        return Answer("", content) if isinstance(content, dict) else Answer(NOT_JSON, {}, maybe_applied=True)
    code = error_code(content.get("__type") if isinstance(content, dict) else None)
    return Answer(code, {}, maybe_applied=response.status >= 500 or code == NO_CODE)


def _endpoint(endpoint: str, region: str) -> str:
    if not endpoint:
        suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        return f"https://dynamodb.{region}.{suffix}/"
    return read_endpoint(endpoint, what="the DynamoDB endpoint") + "/"
