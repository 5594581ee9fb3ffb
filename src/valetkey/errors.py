"""The tree of errors. The class says who must act, the attributes what a program needs, the message what to do.

    ValetkeyError
      ConfigurationError         the developer, at start: every problem at once
        ServerUnusable           ... or while it runs: what the server says of itself by now cannot be used
        TargetRefused            a request that these credentials do not go with
      RequestRefused             the browser asked for something that is not served: answer its `status`
        CallbackError            the browser came back wrong: answer 400
          AuthorizationDenied    the resource owner said no (error=access_denied)
          AuthorizationExpired   too late, or used twice
      ReauthorizationRequired    the resource owner must connect again
      ProviderError              the provider answered with an error (6749 s5.2)
        MalformedResponse        ... or with something that is not an answer
      TransportError             no answer; `maybe_received` says whether it may have acted
      StoreError                 the store or the key service failed
        KeyUnavailable           a row is sealed with a key that is not here or is refused; the row is kept
        SealBroken               a sealed value was altered or stands in another place
          KeyMismatch            ... or the key of its id is not the one that sealed it (KeyUnavailable too)
      RefreshInProgress          another caller is at it; try after `retry_after` seconds

The one rule: no secret, no body of a message and no object that holds either ever goes into an error.
"""

from __future__ import annotations

from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_EXPLAINED_TEXT = 4096


@value
class Explanation:
    """What a provider means by one of its error codes, from its entry in the catalog.

    code: the provider's own word. means: what happened. advice: what to do about it.
    source: the vendor's page. verified_on: the day it was read.
    in_text: the code is no error code but words that stand in what the provider says about its error.
    stands_for: the registered code that such words amount to, where the provider's own code says something else.
    """

    code: str
    means: str
    advice: str
    source: str
    verified_on: str
    in_text: bool = False
    stands_for: str = ""


class ValetkeyError(Exception):
    """The root: everything that valetkey raises on purpose."""


class ConfigurationError(ValetkeyError):
    """The developer must change the configuration; `problems` has one sentence for each thing that is wrong."""

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class ServerUnusable(ConfigurationError):
    """What an authorization server says of itself cannot be used, or not by this registration; nothing was sent.

    The server can have said otherwise when the configuration was read: the browser is answered with a status below 500.
    """


class TargetRefused(ConfigurationError):
    """A request to somewhere that the registration's credentials do not go; nothing was sent."""


class RequestRefused(ValetkeyError):
    """A request that is not served.

    reason: a word from the closed list of `web.pages.REASONS`, such as `state_mismatch`.
    status: the HTTP status to answer with, always below 500.
    set_cookies: Set-Cookie values that go with the answer, such as the removal of a finished flow's cookie.
    explanation: what the provider means by its error, where the catalog knows.
    """

    status = 400
    set_cookies: tuple[str, ...] = ()
    explanation: Explanation | None = None

    def __init__(self, reason: str, message: str, *, status: int | None = None) -> None:
        self.reason = reason
        if status is not None:
            self.status = status
        super().__init__(message)


class CallbackError(RequestRefused):
    """The browser came back wrong: nothing was exchanged, nothing was stored."""


class AuthorizationDenied(CallbackError):
    """The resource owner, or the provider for them, said no (RFC 6749 section 4.1.2.1)."""


class AuthorizationExpired(CallbackError):
    """The authorization took too long or was used before. Start again."""


class ReauthorizationRequired(ValetkeyError):
    """The resource owner must connect again, at `connect_url` where the vault knows it.

    registration: as the program named it, which may be a server's URL; the message leaves out what looks like a key
    there, and `connect_url` holds it sealed.
    explanation: what the provider means by having refused, where the catalog knows.
    """

    def __init__(
        self, registration: str, reason: str, *, connect_url: str = "", explanation: Explanation | None = None
    ) -> None:
        self.registration = registration
        self.reason = reason
        self.connect_url = connect_url
        self.explanation = explanation
        if "://" in registration:  # a server's URL, which may hold a key
            from valetkey.http import shown_address

            registration = shown_address(registration)
        where = f" at {connect_url}" if connect_url else ""
        again = "" if reason == "not_connected" else " again"
        why = "" if explanation is None else f": {in_words(explanation)}"
        super().__init__(f"{registration}: the resource owner must connect{again}{where} ({reason}){why}")


class ProviderError(ValetkeyError):
    """The provider answered with an error.

    error: the registered code (RFC 6749 section 5.2), or a word of ours where the provider gave none.
    status: the HTTP status of the answer.
    retry_after: seconds, where the provider said (RFC 9110 section 10.2.3), else None.
    explanation: what this provider means by its error, where the catalog knows.
    """

    def __init__(
        self,
        message: str,
        *,
        error: str,
        status: int,
        retry_after: float | None = None,
        explanation: Explanation | None = None,
    ) -> None:
        self.error = error
        self.status = status
        self.retry_after = retry_after
        self.explanation = explanation
        super().__init__(message)


class MalformedResponse(ProviderError):
    """The provider sent something that is not an answer: it may or may not have acted."""

    def __init__(self, message: str, *, status: int, error: str = "malformed_response") -> None:
        super().__init__(message, error=error, status=status)


class TransportError(ValetkeyError):
    """No answer came. `maybe_received` says whether the request may have reached the other side."""

    def __init__(self, message: str, *, maybe_received: bool) -> None:
        self.maybe_received = maybe_received
        super().__init__(message)


class StoreError(ValetkeyError):
    """The store or the key service failed; what was stored is untouched."""


class KeyUnavailable(StoreError):
    """A row is sealed with a key that is not in the key ring, or that its key service refuses to unwrap.

    Bring `key_id` back and it opens again.
    """

    def __init__(self, key_id: str, problem: str = "") -> None:
        self.key_id = key_id
        super().__init__(
            problem or f"sealing key {key_id!r} is not in the key ring: add it back, last; the row is kept"
        )


class SealBroken(StoreError):
    """A sealed value was altered, or stands in a place it was not sealed for. The row is kept for inspection."""


class KeyMismatch(KeyUnavailable, SealBroken):
    """The key ring has a key of that id, and it is not the one that sealed this value here.

    Bring back the octets that `key_id` stood for, or the VALETKEY_ENVIRONMENT that sealed, and it opens again.
    """


class RefreshInProgress(ValetkeyError):
    """The token is being refreshed elsewhere, or is cooling down; try again after `retry_after` seconds."""

    def __init__(self, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(f"a refresh is under way or cooling down: try again in {retry_after:.1f} s")


def in_words(explained: Explanation) -> str:
    """What it means, what to do, and where that is from, for a message."""
    return f"{explained.means}; {explained.advice} ({explained.source})"


def find_explanation(errors: tuple[Explanation, ...], codes: Sequence[str], *, text: str = "") -> Explanation | None:
    """The one whose words stand in the provider's text, else the one of the first of its codes that is known.

    Nothing of the text is kept: what is shown is the catalog's.
    """
    text = text[:MAX_EXPLAINED_TEXT].lower()
    told = (one for one in errors if one.in_text and _stands_in(one.code.lower(), text))
    coded = (one for code in codes for one in errors if one.code == code and not one.in_text)
    return next(told, None) or next(coded, None)


def _stands_in(words: str, text: str) -> bool:
    """Whether the words stand in the text whole: AADSTS70008 is not AADSTS700082."""
    at = text.find(words)
    while at >= 0:
        if not (text[at - 1 : at] if at else "").isalnum() and not text[at + len(words) :][:1].isalnum():
            return True
        at = text.find(words, at + 1)
    return False


def describe_error(error: Exception) -> str:
    """The error's kind, its word and its text; the text only where the error is ours, and so holds no secret."""
    kind = type(error).__name__
    if not isinstance(error, ValetkeyError):
        return f"{kind} (its text is withheld)"
    word = getattr(error, "reason", "") or getattr(error, "error", "")
    if isinstance(error, TransportError):
        word = "maybe received" if error.maybe_received else "not received"
    return f"{kind} {word}: {error}" if word else f"{kind}: {error}"
