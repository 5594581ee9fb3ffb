"""Read what the token endpoint said (RFC 6749 section 5.1): liberal in its shapes, strict in its values."""

from __future__ import annotations

from valetkey.errors import MalformedResponse
from valetkey.oauth2.error_response import error_response, read_answer
from valetkey.secret import Secret
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from valetkey.http import Pairs, Response
    from valetkey.oauth2.server import AuthorizationServer

MAX_LIFETIME = 10 * 365 * 86400
MAX_TOKEN_LENGTH = 64 * 1024
MAX_EXTRA_FIELDS = 32
MAX_EXTRA_LENGTH = 512
MAX_DETAILS_LENGTH = 8192
_READ = frozenset(("access_token", "token_type", "expires_in", "refresh_token", "scope", "id_token"))


@value
class TokenResponse:
    """Tokens, and what is known about them.

    token_type: in lower case.
    expires_at: Unix seconds; None where the provider did not say, so that only a 401 tells.
    refresh_token: None where none was given; at a refresh the earlier one then stays in use (RFC 6749 section 6).
    scope: () for an access token that may do nothing, None where the answer left it out: then it is what was asked for.
    extra: other members of the answer that are short texts or numbers, such as an account's number; and
      `authorization_details` as granted, as JSON (RFC 9396 section 7).
    """

    access_token: Secret
    token_type: str
    expires_at: int | None
    refresh_token: Secret | None
    scope: tuple[str, ...] | None
    id_token: Secret | None = None
    extra: Pairs = ()

    def __repr__(self) -> str:
        names = ", ".join(name for name, _ in self.extra)
        return f"TokenResponse({self.token_type}, expires_at={self.expires_at}, scope={self.scope}, extra=[{names}])"


def read_token_response(
    response: Response, *, server: AuthorizationServer, received_at: float, bound: bool = False
) -> TokenResponse:
    """The tokens in an answer; ProviderError for an error, MalformedResponse for what is neither.

    bound: a proof of possession was sent: anything but tokens that are bound to its key is refused (9449 section 5).
    """
    status = response.status
    if not 200 <= status < 300:
        raise error_response(server, response, received_at=received_at)
    try:
        whole = read_answer(response)
    except ValueError as why:
        message = f"the token endpoint answered {status} with a body that is {why} ({len(response.body)} octets)"
        raise MalformedResponse(f"{message}: check its URL", status=status) from None
    if _is_error(whole, server):  # some answer 200 with an error
        raise error_response(server, response, received_at=received_at, fields=whole)
    return read_token_fields(
        _inner(whole, server, status), server=server, received_at=received_at, status=status, bound=bound
    )


def read_token_fields(
    fields: dict[str, Any], *, server: AuthorizationServer, received_at: float, status: int, bound: bool = False
) -> TokenResponse:
    """The tokens in the members of an answer that is no error. Raises MalformedResponse."""
    expires_in = read_lifetime(fields.get("expires_in"))
    if expires_in is None:
        expires_in = server.default_expires_in
    access_token = _token(fields, "access_token", status)
    if access_token is None:
        raise _malformed("access_token", status)
    return TokenResponse(
        access_token=access_token,
        token_type=_token_type(fields.get("token_type"), server, status, bound=bound),
        expires_at=None if expires_in is None else int(received_at) + expires_in,
        refresh_token=_token(fields, "refresh_token", status),
        scope=_scope(fields.get("scope"), server, status),
        id_token=_token(fields, "id_token", status),
        extra=_extra(fields),
    )


def _is_error(whole: dict[str, Any], server: AuthorizationServer) -> bool:
    if whole.get("error") or whole.get("errors") or whole.get("ok") is False:
        return True
    return server.error_with_status_200 and not _dig(whole, server).get("access_token")


def _dig(whole: dict[str, Any], server: AuthorizationServer) -> dict[str, Any]:
    inner: Any = whole
    for name in server.token_path:
        inner = inner.get(name)
        if not isinstance(inner, dict):
            return {}
    return inner if isinstance(inner, dict) else {}


def _inner(whole: dict[str, Any], server: AuthorizationServer, status: int) -> dict[str, Any]:
    inner = _dig(whole, server)
    if not inner:
        path = ".".join(server.token_path) or "anything"
        raise MalformedResponse(f"the token endpoint answered {status} without {path}: see token_path", status=status)
    return inner


def _malformed(name: str, status: int) -> MalformedResponse:
    return MalformedResponse(f"the token endpoint answered {status} without a usable {name}", status=status)


def _token(fields: dict[str, Any], name: str, status: int) -> Secret | None:
    text = fields.get(name)
    if text is None or (text == "" and name != "access_token"):
        return None
    if isinstance(text, str) and len(text) > MAX_TOKEN_LENGTH:
        message = f"the token endpoint answered {status} with an unusable {name}: {len(text)} characters, over"
        raise MalformedResponse(f"{message} {MAX_TOKEN_LENGTH}", status=status)
    # 6749 A.12, A.17: printable ASCII. A line break in a token would be one in a header.
    usable = isinstance(text, str) and text != "" and text.isascii() and text.isprintable()
    if not usable or (name == "access_token" and " " in text):  # 6750 s2.1: a bearer token holds no blank
        raise _malformed(name, status)
    return Secret(text)


def _token_type(text: object, server: AuthorizationServer, status: int, *, bound: bool) -> str:
    """6749 s7.1: a client does not use a token whose type it does not know; the case does not matter."""
    if bound:
        if isinstance(text, str) and text.lower() == "dpop":
            return "dpop"
        message = "the provider was asked for a token that is bound to a key and gave another: it is not used"
        raise MalformedResponse(message, status=status, error="dpop_downgrade")
    if text is None and server.token_type_optional:
        return "bearer"
    if isinstance(text, str) and text.lower() in server.token_types:
        return text.lower()
    raise _malformed("token_type", status)


def read_lifetime(expires_in: object) -> int | None:
    """Whole seconds of life from any spelling of `expires_in`; None where it does not tell.

    Zero and less do not tell either: there are providers that mean "never", and a refresh for every request is worse
    than a 401. So do more than ten years.
    """
    if isinstance(expires_in, str):
        whole, point, fraction = expires_in.partition(".")
        # float() alone would take "1_000", " 60 ", "1e3" and digits of other scripts
        if not _is_digits(whole) or (point and not _is_digits(fraction)):
            return None
        expires_in = float(expires_in)
    if isinstance(expires_in, bool) or not isinstance(expires_in, int | float):
        return None
    return int(expires_in) if 1 <= expires_in <= MAX_LIFETIME else None


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _scope(scope: object, server: AuthorizationServer, status: int) -> tuple[str, ...] | None:
    """The granted scope, each once and in order; an empty one is nothing, not everything that was asked for."""
    if scope is None:
        return None
    texts = scope if isinstance(scope, list) else [scope]
    found: dict[str, None] = {}
    for text in texts:
        if not isinstance(text, str) or not text.isascii():  # 6749 A.4
            raise _malformed("scope", status)
        for separator in (",", server.scope_separator):
            text = text.replace(separator, " ")  # noqa: PLW2901 - the same text, one separator fewer
        found.update(dict.fromkeys(text.split()))
    return tuple(found)


def _extra(fields: dict[str, Any]) -> Pairs:
    pairs: list[tuple[str, str]] = []
    for name, member in fields.items():
        if name in _READ or isinstance(member, bool) or not isinstance(member, str | int):
            continue
        if len(name) + len(str(member)) <= MAX_EXTRA_LENGTH and len(pairs) < MAX_EXTRA_FIELDS:
            pairs.append((name, str(member)))
    if isinstance(details := fields.get("authorization_details"), list):  # 9396 s7
        import json

        text = json.dumps(details, separators=(",", ":"))
        if len(text) <= MAX_DETAILS_LENGTH:
            pairs.append(("authorization_details", text))
    return tuple(pairs)
