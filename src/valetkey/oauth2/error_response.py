"""Read what an endpoint said when it refused: RFC 6749 section 5.2, and the other shapes there are.

The one rule: of the provider's text only an error code ever reaches one of our errors, and only if it looks like one.
Its descriptions are looked through for the catalog's own words, and never shown.
"""

from __future__ import annotations

from valetkey.dates import read_retry_after
from valetkey.errors import MAX_EXPLAINED_TEXT, MalformedResponse, ProviderError, find_explanation, in_words
from valetkey.http import decode_utf8, read_form
from valetkey.oauth2.strict_json import BOM, read_json_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from valetkey.errors import Explanation
    from valetkey.http import Response
    from valetkey.oauth2.server import AuthorizationServer

MAX_ANSWER_OCTETS = 1 << 20
MAX_CODE_LENGTH = 64
MAX_ERRORS = 8
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz_")
_CODE_FIELDS = ("error", "errorType", "error_type", "type", "errorCode", "error_code", "errcode", "code")
_TEXT_FIELDS = ("error_description", "message", "detail", "reason")
# What to do next, by registered code: 6749 s5.2, 7009 s2.2.1.
_ADVICE = {
    "invalid_client": "check the registration's client identifier, secret and token_endpoint_auth_method",
    "unauthorized_client": "allow this grant type in the registration at the provider",
    "invalid_grant": "the code or token is spent, expired, revoked or somebody else's: connect again",
    "invalid_scope": "ask for a scope that the provider knows",
    "unsupported_grant_type": "this provider does not offer the grant",
    "unsupported_token_type": "this provider does not revoke tokens of this type",
    "server_error": "the provider has difficulties: try again later",
    "temporarily_unavailable": "the provider asks to slow down: try again later",
}


def error_response(
    server: AuthorizationServer, response: Response, *, received_at: float, fields: dict[str, Any] | None = None
) -> ProviderError:
    """The error behind an answer that is not the one that was hoped for.

    fields: the answer's body where it has been read already.
    """
    status = response.status
    if status >= 500:
        return _provider_error("server_error", response, received_at)
    if status == 429:  # 6585 s4: a limit; whatever the body says, the request was not processed
        return _provider_error("temporarily_unavailable", response, received_at)
    if 300 <= status < 400:
        message = f"the provider answered {status}, a redirect, which is not followed: check the endpoint's URL"
        return MalformedResponse(message, status=status)
    if fields is None:
        try:
            fields = read_answer(response)
        except ValueError as why:
            return MalformedResponse(f"the provider answered {status} with a body that is {why}", status=status)
    shapes = _shapes(fields)
    codes = _possible_codes(shapes)
    explained = find_explanation(server.errors, codes, text=_description(shapes))
    code = _error_code(codes, dict(server.error_aliases))
    if explained is not None and explained.stands_for:
        code = explained.stands_for
    return _provider_error(code, response, received_at, explained)


def _provider_error(
    code: str, response: Response, received_at: float, explained: Explanation | None = None
) -> ProviderError:
    advice = _ADVICE.get(code, "see the provider's documentation for this code")
    said = code
    if explained is not None:
        advice = in_words(explained)
        said = code if explained.code == code else f"{code} ({explained.code})"
    message = f"the provider answered {response.status} {said}: {advice}"
    retry_after = read_retry_after(response.headers.get("Retry-After"), now=received_at)
    return ProviderError(message, error=code, status=response.status, retry_after=retry_after, explanation=explained)


def read_answer(response: Response) -> dict[str, Any]:
    """The members of an answer's body: JSON whatever its content type, or a form; ValueError that quotes nothing."""
    body = response.body.removeprefix(BOM)
    if not body.strip(b" \t\r\n"):
        message = "empty"
        raise ValueError(message)
    media_type = (response.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
    form = media_type in ("application/x-www-form-urlencoded", "text/plain", "")
    if form and body.lstrip(b" \t\r\n")[:1] not in (b"{", b"[", b'"'):
        return _read_form_answer(body)
    return read_json_object(body, limit=MAX_ANSWER_OCTETS)


def _read_form_answer(body: bytes) -> dict[str, Any]:
    message = "neither JSON nor a form"
    if len(body) > MAX_ANSWER_OCTETS:
        raise ValueError(message)
    try:
        pairs = read_form(decode_utf8(body).strip())
    except ValueError:
        raise ValueError(message) from None
    fields = dict(pairs)
    if len(fields) != len(pairs) or not fields.keys() & {"access_token", "error"}:
        raise ValueError(message)
    return fields


def _error_code(codes: list[str], aliases: dict[str, str]) -> str:
    """The first code that has an alias, else the first that can be shown, else a word of ours."""
    known = (aliases[code] for code in codes if code in aliases)
    shown = (code for code in codes if is_error_code(code))
    return next(known, None) or next(shown, "provider_error")


def _shapes(fields: dict[str, Any]) -> list[dict[str, Any]]:
    """Where an error is told: in the answer itself, in an error object (Facebook), in a list of errors (Fitbit)."""
    shapes = [fields]
    if isinstance(error := fields.get("error"), dict):
        shapes.insert(0, error)
    if isinstance(errors := fields.get("errors"), list):
        shapes += [entry for entry in errors[:MAX_ERRORS] if isinstance(entry, dict)]
    return shapes


def _possible_codes(shapes: list[dict[str, Any]]) -> list[str]:
    members = [shape.get(name) for shape in shapes for name in _CODE_FIELDS]
    return [str(member) for member in members if isinstance(member, str | int) and not isinstance(member, bool)]


def _description(shapes: list[dict[str, Any]]) -> str:
    members = [shape.get(name) for shape in shapes for name in _TEXT_FIELDS]
    return "\n".join(member[:MAX_EXPLAINED_TEXT] for member in members if isinstance(member, str))


def is_error_code(text: str) -> bool:
    """Whether a text may be shown as an error code: 1 to 64 letters in lower case and underscores."""
    return 0 < len(text) <= MAX_CODE_LENGTH and _LETTERS.issuperset(text)
