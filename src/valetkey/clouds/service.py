"""What all services of a cloud have in common: where they are, how they name an error, how one waits for them.

The one rule: nothing of an error is taken but its code, and only if it looks like one; texts may quote what was sent.
Not here: what is asked (`stores`, `keys`), and what is sent again (each knows that for itself).
"""

from __future__ import annotations

from valetkey.effects import Random, Remaining, Sleep
from valetkey.errors import ConfigurationError
from valetkey.http import is_loopback, read_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from valetkey.effects import WireOp

LEAST_SECONDS = 0.2  # with less left, nothing is sent
MAX_CODE_CHARACTERS = 64
NO_CODE = "an error without a code"


def read_endpoint(text: str, *, what: str) -> str:
    """The origin of another address than the service's own, such as a private endpoint or a test's server.

    what: how an error names it. Raises ConfigurationError.
    """
    try:
        url = read_url(text)
    except ValueError as error:
        message = f"{what}: {error}"
        raise ConfigurationError(message) from None
    if url.path != "/" or url.query or (url.scheme == "http" and not is_loopback(url.host)):
        message = f"{what} is https://host (http only on loopback), without a path or a query"
        raise ConfigurationError(message)
    return url.origin


def read_json(body: bytes | str) -> Any:
    """What the JSON says, None where it is none: the parser's error, which holds the whole of it, ends here."""
    from json import loads

    try:
        return loads(body)
    except (ValueError, RecursionError):
        return None


def error_code(code: object) -> str:
    """The code of an error, without the namespace that AWS puts before it; `NO_CODE` where it is none."""
    code = code.rpartition("#")[2] if isinstance(code, str) else ""
    plain = code.isascii() and code.replace("_", "").isalnum() and len(code) <= MAX_CODE_CHARACTERS
    return code if plain else NO_CODE


def pause(attempt: int, *, first_seconds: float, most_seconds: float) -> WireOp[bool]:
    """Whether there was time to wait before this attempt: with full jitter, longer each time, within the time left."""
    chance = int.from_bytes((yield from Random(4)), "big") / 2**32
    delay = chance * min(most_seconds, first_seconds * 2**attempt)
    if (yield from Remaining()) < delay + LEAST_SECONDS:
        return False
    yield from Sleep(delay)
    return True
