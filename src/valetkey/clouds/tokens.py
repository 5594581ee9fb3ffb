"""Access tokens of a cloud: asked for once, kept until shortly before they expire. Google's and Azure's sources use it.

The one rule: a good token is never thrown away because its renewal failed, and an error quotes nothing of an answer but
a registered word. Not here: whom to ask (`azure_credentials`, `google_credentials`).
"""

from __future__ import annotations

from valetkey.clouds.service import LEAST_SECONDS, read_json
from valetkey.effects import Now, Random, Remaining, Send, Sleep
from valetkey.errors import ConfigurationError, StoreError, TransportError
from valetkey.secret import Secret
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from valetkey.effects import Reach, WireOp
    from valetkey.http import Request, Response

RENEW_SECONDS = 225  # before it expires; metadata servers hand out a new one 300 s before
REQUEST_SECONDS = 3.0
MAX_ATTEMPTS = 3
MAX_DELAY_SECONDS = 0.5
MAX_LIFE_SECONDS = 90_000  # a managed identity's token lives a day
MAX_FILE_OCTETS = 65_536
MAX_WORD = 64
NOT_TEXT = "the environment's credentials hold octets that are not UTF-8: set the variables, or write the file, anew"
WORD = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")


@value
class AccessToken:
    """A bearer token. expires_at: Unix seconds."""

    token: Secret
    expires_at: int


class TokenSource:
    """Keeps one token. A subclass says how another one is asked for."""

    def __init__(self) -> None:
        self._kept: AccessToken | None = None

    def current(self) -> WireOp[Secret]:
        """A token that still lives for a while. Raises ConfigurationError where nobody can be asked, StoreError."""
        now = yield from Now()
        kept = self._kept
        if kept is not None and now < kept.expires_at - RENEW_SECONDS:
            return kept.token
        renewed = None
        try:
            renewed = yield from self._ask()
        except UnicodeEncodeError:  # which holds what could not be written, so that it ends here
            pass
        except StoreError:
            if kept is None or now >= kept.expires_at:
                raise
            return kept.token
        if renewed is None:
            raise ConfigurationError(NOT_TEXT)
        self._kept = renewed
        return renewed.token

    def forget(self) -> None:
        """Ask anew next time: the service refused this one."""
        self._kept = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def _ask(self) -> WireOp[AccessToken]:
        raise NotImplementedError


def ask_for_token(
    request: Request, reach: Reach, *, who: str, advice: str, passing: tuple[int, ...] = (429,)
) -> WireOp[AccessToken]:
    """The token that the endpoint gives, asked again where a failure may pass. Raises StoreError.

    who: how errors name the endpoint; advice: what to do about a refusal.
    passing: statuses below 500 that may be gone a moment later.
    """
    answer = yield from answer_of(
        request, reach, passing=lambda refused: refused.status in passing, seconds=REQUEST_SECONDS
    )
    if answer is not None and answer.response.status == 200:
        return read_token(answer.response, int(answer.asked_at), who=who)
    word = "no answer" if answer is None else _error_word(answer.response)
    message = f"{who} gave no access token ({word}): {advice}"
    raise StoreError(message)


@value
class Asked:
    """The last answer of an endpoint. asked_at: Unix seconds."""

    response: Response
    asked_at: float


def answer_of(
    request: Request, reach: Reach, *, passing: Callable[[Response], bool], seconds: float
) -> WireOp[Asked | None]:
    """A success, a refusal that stays one, or the last of a few that might have passed; None where none came at all.

    passing: whether a refusal below 500 may be gone a moment later. seconds: how long one attempt may take.
    """
    last = None
    for attempt in range(MAX_ATTEMPTS):
        if attempt:
            chance = int.from_bytes((yield from Random(4)), "big") / 2**32
            yield from Sleep(MAX_DELAY_SECONDS * chance)
        now, remaining = (yield from Now()), (yield from Remaining())
        if remaining < LEAST_SECONDS:
            break
        try:
            response = yield from Send(request, reach, not_after=now + min(seconds, remaining))
        except TransportError:
            continue
        last = Asked(response, now)
        if response.status == 200 or (response.status < 500 and not passing(response)):
            break
    return last


def read_token(response: Response, now: int, *, who: str) -> AccessToken:
    """The token of an answer (RFC 6749 section 5.1, and Azure's `expires_on`). Raises StoreError."""
    try:
        answer = read_json(response.body)
        token, kind = answer["access_token"], answer.get("token_type", "Bearer")
        # Azure's platform endpoints write numbers as texts
        expires_at = int(answer["expires_on"]) if "expires_on" in answer else now + int(answer["expires_in"])
        good = isinstance(token, str) and token and token.isascii() and token.isprintable() and " " not in token
        if not good or not isinstance(kind, str) or kind.lower() != "bearer":
            raise ValueError  # noqa: TRY301 - one message for all that is not an answer
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):  # the last for a number that is infinite
        message = f"{who} answered with something that is not an access token"
        raise StoreError(message) from None
    return AccessToken(Secret(token), min(expires_at, now + MAX_LIFE_SECONDS))


def read_file(path: str, variable: str) -> str:
    """The text of a small file that an environment variable names. Raises StoreError."""
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs a cold start more
            return file.read(MAX_FILE_OCTETS).strip()
    except (OSError, ValueError):  # what is not UTF-8 is held by its error
        message = f"{variable} names a file that cannot be read"
    raise StoreError(message)


def _error_word(response: Response) -> str:
    """The registered code of an error (RFC 6749 section 5.2), or the status."""
    try:
        word = read_json(response.body)["error"]
    except (KeyError, TypeError):
        word = None
    if isinstance(word, str) and 0 < len(word) <= MAX_WORD and WORD.issuperset(word):
        return word
    return f"status {response.status}"
