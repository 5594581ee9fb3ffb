"""The authorization request, and the browser's way back (RFC 6749 section 4.1, RFC 9207).

Everything here is pure. Not here: `state`, which is made and compared where flows are kept (`connections`).
"""

from __future__ import annotations

from valetkey.errors import (
    AuthorizationDenied,
    CallbackError,
    ConfigurationError,
    ServerUnusable,
    find_explanation,
    in_words,
)
from valetkey.http import read_form, with_query
from valetkey.oauth2.server import OURS_TO_AUTHORIZE
from valetkey.secret import Secret
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Pairs
    from valetkey.oauth2.client import Client
    from valetkey.oauth2.server import AuthorizationServer

MAX_CODE_LENGTH = 2048
MAX_ERROR_LENGTH = 64
MAX_EXTRA_LENGTH = 512
_CODE_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz_")
_UNAVAILABLE = ("server_error", "temporarily_unavailable")
_ADVICE = {"invalid_target": "it gives no tokens for that resource: check the URL, or RESOURCES (RFC 8707 section 2)"}
_USUAL = "check the registration's scope and redirect URI"
# Tokens have no business in a callback (9700 s2.1.2): they are dropped, so that nobody logs or uses them.
_DROPPED = frozenset(("state", "iss", "access_token", "id_token", "refresh_token", "token_type", "expires_in"))


def authorization_url(
    server: AuthorizationServer,
    client: Client,
    *,
    state: str,
    scope: tuple[str, ...],
    code_challenge: str | None,
    nonce: str | None = None,
    extra: Pairs = (),
) -> str:
    """Where to send the browser (RFC 6749 section 4.1.1, RFC 7636 section 4.3).

    See `authorization_parameters`. Not for servers that want the request pushed or signed: see `authorization_request`.
    """
    pairs = authorization_parameters(
        server, client, state=state, scope=scope, code_challenge=code_challenge, nonce=nonce, extra=extra
    )
    return with_query(server.authorization_endpoint, pairs)


def authorization_parameters(
    server: AuthorizationServer,
    client: Client,
    *,
    state: str,
    scope: tuple[str, ...],
    code_challenge: str | None,
    nonce: str | None = None,
    extra: Pairs = (),
) -> list[tuple[str, str]]:
    """What the authorization request says (RFC 6749 section 4.1.1, RFC 7636 section 4.3).

    code_challenge: of the S256 kind; None only where the provider refuses PKCE, or gives no code out.
    extra: parameters of this one authorization; a name that is already set raises ConfigurationError.
    """
    if (code_challenge is None) != (server.pkce != "S256" or server.gives_tokens_out):
        raise ConfigurationError(
            "this authorization server needs a code challenge: make one with valetkey.oauth2.pkce"
            if code_challenge is None
            else "this authorization server is said to refuse PKCE: leave the code challenge out"
        )
    pairs = [
        ("response_type", server.response_type),
        ("client_id", client.client_id),
        ("redirect_uri", client.redirect_uri),
    ]
    if scope:
        pairs.append((server.scope_parameter, server.scope_separator.join(scope)))
    pairs.append(("state", state))
    if code_challenge is not None:
        pairs += [("code_challenge", code_challenge), ("code_challenge_method", "S256")]
    if nonce is not None:
        pairs.append(("nonce", nonce))
    if server.response_mode != "query":
        pairs.append(("response_mode", server.response_mode))
    pairs += [("resource", resource) for resource in server.resources]  # 8707 s2.1
    if server.authorization_details:  # 9396 s3
        pairs.append(("authorization_details", server.authorization_details))
    if server.authorization_parameters or extra or "?" in server.authorization_endpoint:
        _refuse_collisions(server, extra, pairs)
        pairs += [*server.authorization_parameters, *extra]
    return pairs


def _refuse_collisions(server: AuthorizationServer, extra: Pairs, ours: list[tuple[str, str]]) -> None:
    """6749 s3.1: request parameters are not included more than once, the endpoint's own query among them."""
    query = read_form(server.authorization_endpoint.partition("?")[2])
    taken = {name for name, _ in ours} | OURS_TO_AUTHORIZE
    for name, _ in (*query, *server.authorization_parameters, *extra):
        if name in taken and any(name == theirs for theirs, _ in query):
            message = (
                f"the authorization parameter {name} is set twice: {server.issuer or 'the server'} has it in the query "
                "of its authorization_endpoint (RFC 6749 section 3.1): remove it here, or tell who runs the server"
            )
            raise ServerUnusable(message)
        if name in taken:
            raise ConfigurationError(f"the authorization parameter {name} is set twice: remove one of them")
        taken.add(name)


@value
class AuthorizationResponse:
    """What the browser brought back.

    extra: other parameters of the callback, such as an account's number; never a token.
    """

    code: Secret
    iss: str | None = None
    extra: Pairs = ()


def read_authorization_response(pairs: Pairs, *, server: AuthorizationServer) -> AuthorizationResponse:
    """The code in a callback's parameters, or an error with a `reason` (RFC 6749 sections 4.1.2 and 4.1.2.1).

    The issuer is checked first, for errors too (RFC 9207 section 2.4): what comes from somewhere else is not shown.
    """
    values = dict(read_values(pairs, server=server))
    code = values.get(server.code_parameter, "")
    if not code:
        raise CallbackError("malformed_callback", "the callback holds neither a code nor an error: start again")
    if len(code) > MAX_CODE_LENGTH or not code.isascii() or not code.isprintable():  # 6749 A.11
        raise CallbackError("malformed_callback", "the callback's code is not one: start again")
    left = (pair for pair in pairs if pair[0] not in _DROPPED and pair[0] != server.code_parameter)
    extra = tuple(pair for pair in left if len(pair[0]) + len(pair[1]) <= MAX_EXTRA_LENGTH)
    return AuthorizationResponse(Secret(code), values.get("iss"), extra)


def read_values(pairs: Pairs, *, server: AuthorizationServer) -> Pairs:
    """The parameters of an answer that is from the issuer that was asked, and no error. Raises CallbackError."""
    values: dict[str, str] = {}
    for name, text in pairs:
        if name in values:  # 6749 s3.1
            raise CallbackError("duplicate_parameter", "the callback holds a parameter twice: start again")
        values[name] = text
    _check_issuer(values.get("iss"), server)
    if error := values.get("error"):  # 6749 s3.1: without a value is as if omitted
        raise _authorization_error(error, server, description=values.get("error_description", ""))
    return pairs


def _check_issuer(iss: str | None, server: AuthorizationServer) -> None:
    if iss is None:
        if server.iss_required:
            raise CallbackError("issuer_missing", "the callback does not say which issuer it is from: start again")
        return
    # 9207 s2.4: simple string comparison, nothing is normalised. Without a known issuer there is nothing to compare.
    if not iss or (server.issuer is not None and iss != server.issuer):
        raise CallbackError("issuer_mismatch", "the callback is from another issuer than the one that was asked")


def _authorization_error(error: str, server: AuthorizationServer, *, description: str) -> CallbackError:
    """RFC 6749 section 4.1.2.1; of the description, somebody else's text, only the catalog's own words are heeded."""
    code = dict(server.error_aliases).get(error, error)
    explained = find_explanation(server.errors, (error,), text=description)
    if explained is not None and explained.stands_for:
        code = explained.stands_for
    if code == "access_denied":
        advice = "start again to ask anew" if explained is None else in_words(explained)
        refused: CallbackError = AuthorizationDenied(
            "access_denied", f"the resource owner did not allow access: {advice}"
        )
    elif code in _UNAVAILABLE:
        refused = CallbackError("provider_unavailable", f"the provider has difficulties ({code}): start again later")
    else:
        shown = f" ({code})" if len(code) <= MAX_ERROR_LENGTH and _CODE_LETTERS.issuperset(code) else ""
        advice = _ADVICE.get(code, _USUAL) if explained is None else in_words(explained)
        refused = CallbackError("provider_error", f"the provider refused the authorization{shown}: {advice}")
    refused.explanation = explained
    return refused
