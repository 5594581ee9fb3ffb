"""What a server's answers say: credentials, or which error (RFC 5849 sections 2.1, 2.3 and 3.2).

The one rule: nothing of an answer goes into an error but a code of `[a-z_]{1,64}`; its text is looked through for the
catalog's own words, and never shown. Every function is pure.
RFC 5849 names no error codes; `oauth_problem` (OAuth Problem Reporting) is what servers that say more use.
"""

from __future__ import annotations

from valetkey.dates import read_http_date, read_retry_after_of, write_time
from valetkey.errors import MAX_EXPLAINED_TEXT, MalformedResponse, ProviderError, find_explanation, in_words
from valetkey.http import read_form
from valetkey.oauth1.credentials import TemporaryCredentials, TokenCredentials
from valetkey.oauth1.transmission import read_quoted_list
from valetkey.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from valetkey.errors import Explanation
    from valetkey.http import Pairs, Response

    Explanations: TypeAlias = tuple[Explanation, ...]

MAX_ANSWER_OCTETS = 65_536
MAX_CLOCK_SKEW_SECONDS = 60  # nearer than this, a refusal has another reason than the clock
MAX_CLOCK_OFFSET_SECONDS = 86_400

_CODE = frozenset("abcdefghijklmnopqrstuvwxyz_")
_OUR_WORDS = {400: "request_refused", 401: "unauthorized", 403: "forbidden", 404: "not_found", 429: "rate_limited"}


def read_temporary_credentials(
    response: Response, *, callback_confirmed_required: bool = True, errors: Explanations = ()
) -> TemporaryCredentials:
    """The credentials of section 2.1.

    Without `oauth_callback_confirmed=true` the server follows OAuth 1.0, whose flow anybody may finish for anybody
    (session fixation, advisory 2009.1): refused unless the provider's entry says otherwise.
    errors: what the provider means by its error codes. Raises ProviderError, MalformedResponse.
    """
    pairs = _read_answer(response, errors)
    fields = dict(pairs)
    identifier, secret = _credentials(fields, response)
    # Authlib writes True, the RFC true.
    if callback_confirmed_required and fields.get("oauth_callback_confirmed", "").lower() != "true":
        message = "the provider did not confirm the callback: it follows the unsafe OAuth 1.0, not 1.0a"
        raise ProviderError(message, error="callback_not_confirmed", status=response.status)
    return TemporaryCredentials(identifier, secret)


def read_token_credentials(response: Response, *, errors: Explanations = ()) -> TokenCredentials:
    """The credentials of section 2.3, with what else the provider answered. Raises ProviderError, MalformedResponse."""
    pairs = _read_answer(response, errors)
    identifier, secret = _credentials(dict(pairs), response)
    extra = tuple(pair for pair in pairs if pair[0] not in ("oauth_token", "oauth_token_secret"))
    return TokenCredentials(identifier, secret, extra)


def check_success(response: Response, *, errors: Explanations = ()) -> None:
    """Raise ProviderError unless the status says that it went well."""
    if 200 <= response.status < 300:
        return
    error = problem(response)
    if 300 <= response.status < 400:
        # A signature is for one URL: following would send it to another.
        message = "the provider redirected a signed request: configure the address it redirects to"
        raise ProviderError(message, error="redirected", status=response.status)
    if error is None:
        error = _OUR_WORDS.get(response.status, "server_error" if response.status >= 500 else "request_refused")
    raise _refused(error, response, errors)


def _refused(error: str, response: Response, errors: Explanations) -> ProviderError:
    explained = find_explanation(errors, (error,), text=_text(response))
    said, advice = error, ""
    if explained is not None:
        said = error if explained.code == error else f"{error} ({explained.code})"
        advice = f": {in_words(explained)}"
    message = f"the provider refused the request: {said} (status {response.status}){advice}"
    retry_after = read_retry_after_of(response.headers.get("Retry-After"), date=response.headers.get("Date"))
    return ProviderError(message, error=error, status=response.status, retry_after=retry_after, explanation=explained)


def problem(response: Response) -> str | None:
    """The error code that the answer names, in its form body or its `WWW-Authenticate: OAuth` header, or None."""
    for pairs in (_challenge(response), _lenient_form(response)):
        for name in ("oauth_problem", "error"):
            for key, code in pairs:
                if key == name and 0 < len(code) <= 64 and _CODE.issuperset(code):
                    return code
    return None


def clock_offset(response: Response, *, now: int) -> int | None:
    """Seconds that the server's clock is ahead of ours, where that may be why it refused; else None.

    That is where it named `timestamp_refused`, or named nothing better than `invalid_request` (as oauthlib and Authlib
    do) while its Date is more than a minute away (section 3.3).
    """
    if response.status not in (400, 401):
        return None
    theirs = read_http_date(response.headers.get("Date") or "")
    if theirs is None:
        return None
    named = problem(response)
    if named == "timestamp_refused":
        return theirs - now
    could_be = (response.status == 401 and named is None) or named == "invalid_request"
    return theirs - now if could_be and abs(theirs - now) > MAX_CLOCK_SKEW_SECONDS else None


def clock_skew(*, now: int, offset: int, status: int) -> ProviderError:
    """The error that says that two clocks disagree, and by how much."""
    message = (
        f"the provider refused our timestamp: our clock says {write_time(now)}, "
        f"the provider's {write_time(now + offset)}; set this machine's clock"
    )
    return ProviderError(message, error="clock_skew", status=status)


def _read_answer(response: Response, errors: Explanations) -> Pairs:
    check_success(response, errors=errors)
    pairs = _strict_form(response)
    if not any(name == "oauth_token" for name, _ in pairs or ()):
        named = problem(response)  # some answer errors with status 200, MediaWiki in prose
        if named is not None or find_explanation(errors, (), text=_text(response)) is not None:
            raise _refused(named or "request_refused", response, errors)
    if pairs is None:
        message = "the provider's answer is not a form of name=value pairs: check the endpoint's address"
        raise MalformedResponse(message, status=response.status)
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        message = "the provider's answer repeats a name, so it has no one meaning"
        raise MalformedResponse(message, status=response.status)
    return pairs


def _credentials(fields: dict[str, str], response: Response) -> tuple[str, Secret]:
    identifier, secret = fields.get("oauth_token"), fields.get("oauth_token_secret")
    if not identifier or secret is None:
        message = "the provider's answer has no oauth_token and oauth_token_secret: check the endpoint's address"
        raise MalformedResponse(message, status=response.status)
    return identifier, Secret(secret)


def _text(response: Response) -> str:
    return response.body[:MAX_EXPLAINED_TEXT].decode("latin-1")


def _strict_form(response: Response) -> Pairs | None:
    # The Content-Type is not asked: form answers come as text/plain and text/html from half of the providers.
    if len(response.body) > MAX_ANSWER_OCTETS:
        return None
    try:
        text = response.body.decode("ascii").strip(" \t\r\n")
        return read_form(text) if text.isprintable() and text[:1] not in ("<", "{", "[") else None
    except ValueError:
        return None


def _lenient_form(response: Response) -> Pairs:
    return _strict_form(response) or ()


def _challenge(response: Response) -> Pairs:
    for header in response.headers.all("WWW-Authenticate"):
        scheme, _, rest = header.partition(" ")
        if scheme.lower() == "oauth":
            try:
                return read_quoted_list(rest)
            except ValueError:
                return ()
    return ()
