"""From an error of a program to the page for it.

The one rule: what a person reads comes from `reasons` and the catalog, never from an exception's or a provider's text;
the one word of a provider that may be shown is its registered error code.
"""

from __future__ import annotations

from valetkey.errors import (
    ProviderError,
    ReauthorizationRequired,
    RefreshInProgress,
    RequestRefused,
    ServerUnusable,
    StoreError,
    TransportError,
)
from valetkey.value import replace, value
from valetkey.web.reasons import REASONS, reason_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.errors import ValetkeyError

MAX_RETRY_AFTER = 3600
CODE_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz_")
OURS = frozenset({"malformed_response", "grant_too_large"})
OWN_PAGES = frozenset({"invalid_grant", "resource_metadata_missing", "resource_metadata_unusable"})
NAMED_SERVER = {
    "provider_unavailable": "server_unavailable",
    "provider_refused": "resource_refused",
    "server_unusable": "resource_refused",
}

EXPECTED = (
    RequestRefused,
    ReauthorizationRequired,
    ProviderError,
    TransportError,
    StoreError,
    RefreshInProgress,
    ServerUnusable,
)


@value
class Refusal:
    """What the page says.

    code: the provider's error code where it may be shown. retry_after: seconds, 0 if unknown.
    means: what the provider means by it, where the catalog knows.
    """

    word: str
    status: int
    code: str = ""
    retry_after: int = 0
    means: str = ""


def describe(error: ValetkeyError) -> Refusal:
    """The refusal behind an error that is one of EXPECTED."""
    if isinstance(error, RequestRefused):
        return _describe_request(error)
    if isinstance(error, ReauthorizationRequired):
        word = error.reason if error.reason in ("not_connected", "needs_reauthorization") else "needs_reauthorization"
        return Refusal(word, reason_for(word).status, means=_meaning(error))
    if isinstance(error, ProviderError):
        return _describe_provider(error)
    if isinstance(error, RefreshInProgress):
        return Refusal("busy", 503, retry_after=_seconds(error.retry_after))
    if isinstance(error, ServerUnusable):
        return Refusal("server_unusable", reason_for("server_unusable").status)
    word = "provider_unavailable" if isinstance(error, TransportError) else "store_unavailable"
    return Refusal(word, reason_for(word).status)


def of_named_server(refusal: Refusal) -> Refusal:
    """The same where a person named the server by its URL: then the address may be what is wrong."""
    return replace(refusal, word=NAMED_SERVER.get(refusal.word, refusal.word))


def shown_code(code: object) -> str:
    """The provider's error code if it is made of a to z and `_` and has at most 64 of them, else nothing."""
    plain = isinstance(code, str) and len(code) <= 64 and CODE_CHARACTERS.issuperset(code) and code not in OURS
    return str(code) if plain else ""


def _describe_request(error: RequestRefused) -> Refusal:
    known = REASONS.get(error.reason)
    status = error.status
    if status == RequestRefused.status and known is not None and known.status < 500:
        status = known.status
    code = shown_code(getattr(error, "error", ""))
    return Refusal(error.reason, status, code="" if code == error.reason else code, means=_meaning(error))


def _describe_provider(error: ProviderError) -> Refusal:
    # A provider that says no to this request is not out of service; 429 and 5xx are.
    if error.status == 429 or error.status >= 500:
        status = 503 if error.retry_after else 502
        return Refusal("provider_unavailable", status, retry_after=_seconds(error.retry_after or 0))
    if error.error in OWN_PAGES:
        return Refusal(error.error, 400, means=_meaning(error))
    return Refusal("provider_refused", 400, code=shown_code(error.error), means=_meaning(error))


def _meaning(error: RequestRefused | ProviderError | ReauthorizationRequired) -> str:
    return "" if error.explanation is None else error.explanation.means


def _seconds(retry_after: float) -> int:
    return min(MAX_RETRY_AFTER, max(1, int(retry_after + 0.999))) if retry_after else 0
