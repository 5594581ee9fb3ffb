"""Register a client while the program runs (RFC 7591), tell what it is by now, and give it back (RFC 7592).

The one rule: what the server made of our metadata is read, and refused where it is not the client that was asked for:
another redirect URI, another way to authenticate, a grant that is missing.
Not here: what a client says of itself (`client_metadata`), who registers, and where the result is kept
(`connections.enrolment`).
"""

from __future__ import annotations

from valetkey.dates import read_retry_after
from valetkey.effects import Now, Send
from valetkey.errors import MalformedResponse, ProviderError
from valetkey.http import Headers, Request, is_loopback, read_url
from valetkey.oauth2.client_metadata import REFRESH
from valetkey.oauth2.error_response import is_error_code
from valetkey.oauth2.strict_json import read_json_object
from valetkey.secret import Secret
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

    from valetkey.effects import Reach, WireOp
    from valetkey.http import Response
    from valetkey.oauth2.server import AuthMethod

MAX_ANSWER_OCTETS = 64 * 1024
MAX_CLIENT_ID = 1024
MAX_SECRET = 2048
MAX_SCOPE = 2048
LEAST_SECRET_SECONDS = 60
SECRET_METHODS = ("client_secret_post", "client_secret_basic", "client_secret_jwt")
# In the body first: servers made with MCP's own SDKs look for client_id there, and nowhere else (2026-11-27).
METHODS: tuple[AuthMethod, ...] = ("client_secret_post", "client_secret_basic", "none")
"""How a client that was registered a moment ago can authenticate; the first that the server offers is asked for."""
_ADVICE = {  # 7591 s3.2.2
    "invalid_redirect_uri": "the server does not take the redirect URI: it wants https, or another application_type",
    "invalid_client_metadata": "the server does not take the client's metadata",
    "invalid_software_statement": "the server takes no software statement, or another one than it was sent",
    "unapproved_software_statement": "the server wants a software statement that it has approved",
    "invalid_token": "the server wants an initial access token: set INITIAL_ACCESS_TOKEN to the one that it gave out",
}


@value
class RegisteredClient:
    """A client as the server registered it (RFC 7591 section 3.2.1).

    secret_expires_at: Unix seconds; 0: never. scope: None where the server did not say.
    configuration_uri, registration_token: where and with what the client can be read and deleted (RFC 7592 section 3).
    """

    client_id: str
    client_secret: Secret | None
    token_endpoint_auth_method: AuthMethod
    secret_expires_at: int = 0
    scope: tuple[str, ...] | None = None
    configuration_uri: str = ""
    registration_token: Secret | None = None


def chosen_method(offered: tuple[str, ...], methods: tuple[AuthMethod, ...] = METHODS) -> AuthMethod | None:
    """How the client is to authenticate, of what the server offers; None where there is no way."""
    return next((method for method in methods if method in offered), None)


def register_client(
    endpoint: str,
    metadata: Mapping[str, Any],
    *,
    methods: tuple[AuthMethod, ...] = METHODS,
    initial_access_token: Secret | None = None,
    reach: Reach,
    not_after: float,
) -> WireOp[RegisteredClient]:
    """The client that the server made of the metadata (RFC 7591 section 3).

    methods: what the server may make of token_endpoint_auth_method.
    Raises ProviderError (`invalid_redirect_uri`, `invalid_client_metadata`, `invalid_token`, ...), MalformedResponse
    where the answer is not the client that was asked for, TransportError.
    """
    response = yield from Send(_request(endpoint, metadata, initial_access_token), reach, not_after)
    now = yield from Now()
    return read_registration(response, metadata=metadata, methods=methods, reach=reach, received_at=now)


def read_registration(
    response: Response,
    *,
    metadata: Mapping[str, Any],
    methods: tuple[AuthMethod, ...] = METHODS,
    reach: Reach,
    received_at: float,
    before: RegisteredClient | None = None,
) -> RegisteredClient:
    """The client in an answer to that metadata. Raises ProviderError, MalformedResponse.

    before: the client that it must still be, whose secret goes on where the answer has none.
    """
    if response.status not in (200, 201):  # 7591 s3.2.1 says 201
        raise _refusal(response, received_at)
    try:
        members = read_json_object(response.body, limit=MAX_ANSWER_OCTETS)
        _check_kept(members, metadata)
        if before is not None:
            _check_same(members, before)
        return _read_client(members, metadata, methods, reach, received_at)
    except ValueError as why:
        message = f"the server registered a client that cannot be used: {why}"
        raise MalformedResponse(message, status=response.status) from None


def update_client(
    before: RegisteredClient,
    metadata: Mapping[str, Any],
    *,
    methods: tuple[AuthMethod, ...],
    reach: Reach,
    not_after: float,
) -> WireOp[RegisteredClient]:
    """The same client as the server has it after being told all of its metadata anew (RFC 7592 section 2.2).

    before: as it was, with where and with what it is managed; both may be other ones afterwards.
    Raises what `register_client` raises.
    """
    said = {**metadata, "client_id": before.client_id}
    if before.client_secret is not None:
        said["client_secret"] = before.client_secret
    request = _request(before.configuration_uri, said, before.registration_token)
    response = yield from Send(replace(request, method="PUT"), reach, not_after)
    found = read_registration(
        response, metadata=said, methods=methods, reach=reach, received_at=(yield from Now()), before=before
    )
    if found.registration_token is not None:
        return found
    return replace(found, configuration_uri=before.configuration_uri, registration_token=before.registration_token)


def delete_client(configuration_uri: str, token: Secret, *, reach: Reach, not_after: float) -> WireOp[bool]:
    """Whether the client is gone at the server now (RFC 7592 section 2.3). Raises TransportError."""
    response = yield from Send(_deletion(configuration_uri, token), reach, not_after)
    return response.status in (204, 200, 401, 404)  # s2.3: 401 where it is gone, and its token with it


def _request(endpoint: str, metadata: Mapping[str, Any], token: Secret | None) -> Request:
    import json

    headers = [("Accept", "application/json"), ("Content-Type", "application/json")]
    if token is not None:
        headers.append(("Authorization", f"Bearer {token.reveal()}"))
    return Request("POST", endpoint, Headers(tuple(headers)), json.dumps(metadata, default=_revealed).encode())


def _revealed(secret: Secret) -> str:
    """What only the octets of the request may show: metadata stands in variables, and error reports show these."""
    return secret.reveal()


def _deletion(configuration_uri: str, token: Secret) -> Request:
    return Request("DELETE", configuration_uri, Headers((("Authorization", f"Bearer {token.reveal()}"),)))


def _refusal(response: Response, received_at: float) -> ProviderError:
    code = ""
    try:
        found = read_json_object(response.body, limit=MAX_ANSWER_OCTETS).get("error")
        code = found if isinstance(found, str) and is_error_code(found) else ""
    except ValueError:
        pass
    if not code:
        code = "invalid_token" if response.status in (401, 403) else "registration_refused"
    if response.status >= 500 or response.status == 429:
        code = "server_error" if response.status >= 500 else "temporarily_unavailable"
    advice = _ADVICE.get(code, "see what the server's documentation says of registration")
    message = f"the server answered {response.status} {code} to the registration: {advice}"
    retry_after = read_retry_after(response.headers.get("Retry-After"), now=received_at)
    return ProviderError(message, error=code, status=response.status, retry_after=retry_after)


def _check_kept(members: dict[str, Any], metadata: Mapping[str, Any]) -> None:
    """Refuse what the server may not change; what it leaves out is as it was asked for (7591 s3.2.1)."""
    if members.get("redirect_uris", metadata["redirect_uris"]) != metadata["redirect_uris"]:
        message = "with other redirect URIs than ours"
        raise ValueError(message)
    for name in ("grant_types", "response_types"):
        said = members.get(name)
        for needed in metadata[name]:
            # A server that gives no refresh tokens may say so.
            if needed != REFRESH and said is not None and (not isinstance(said, list) or needed not in said):
                message = f"with {name} that lack {needed}"
                raise ValueError(message)


def _check_same(members: dict[str, Any], before: RegisteredClient) -> None:
    """Refuse another client in its place; a secret that is left out is the one before, with its end."""
    if members.get("client_id") != before.client_id:
        message = "with another client_id than it had"
        raise ValueError(message)
    if members.get("client_secret") is None and before.client_secret is not None:
        members["client_secret"] = before.client_secret.reveal()
        _ = members.setdefault("client_secret_expires_at", before.secret_expires_at)


def _read_client(
    members: dict[str, Any],
    metadata: Mapping[str, Any],
    methods: tuple[AuthMethod, ...],
    reach: Reach,
    received_at: float,
) -> RegisteredClient:
    client_id = _text(members, "client_id", MAX_CLIENT_ID)
    secret = _text(members, "client_secret", MAX_SECRET)
    method = members.get("token_endpoint_auth_method", metadata["token_endpoint_auth_method"])
    if not client_id:
        _refuse("without client_id")
    if method not in methods:
        _refuse("with a token_endpoint_auth_method that was not asked for")
    if method in SECRET_METHODS and not secret:
        _refuse("without the client_secret that its token_endpoint_auth_method needs")
    if method not in SECRET_METHODS:
        secret = ""  # a public client has none to keep, and one with a key needs none
    expires_at = members.get("client_secret_expires_at", 0) if secret else 0
    if isinstance(expires_at, bool) or not isinstance(expires_at, int) or not 0 <= expires_at < 2**53:
        _refuse("with a client_secret_expires_at that is no number of seconds")
    if expires_at and expires_at <= received_at + LEAST_SECRET_SECONDS:
        _refuse("with a client_secret that has expired already")
    uri, token = _management(members, reach)
    return RegisteredClient(
        client_id,
        Secret(secret) if secret else None,
        method,
        expires_at,
        _scope(members),
        uri,
        token,
    )


def _management(members: dict[str, Any], reach: Reach) -> tuple[str, Secret | None]:
    """Where the client can be deleted, and with what; nothing where either is missing or not an https URL."""
    uri = _text(members, "registration_client_uri", MAX_SECRET)
    token = _text(members, "registration_access_token", MAX_SECRET)
    try:
        url = read_url(uri) if uri and token else None
    except ValueError:
        url = None
    if url is None or (url.scheme != "https" and not (reach == "configured" and is_loopback(url.host))):
        return "", None
    return uri, Secret(token)


def _scope(members: dict[str, Any]) -> tuple[str, ...] | None:
    scope = members.get("scope")
    if scope is None:
        return None
    if not isinstance(scope, str) or len(scope) > MAX_SCOPE or not scope.isascii() or not scope.isprintable():
        _refuse("with a scope that is none")
    return tuple(scope.split())


def _text(members: dict[str, Any], name: str, longest: int) -> str:
    text = members.get(name)
    if text is None:
        return ""
    if not isinstance(text, str) or len(text) > longest or not text.isascii() or not text.isprintable():
        _refuse(f"with a {name} that is not a text of at most {longest} characters in ASCII")
    return text


def _refuse(why: str) -> NoReturn:
    raise ValueError(why)
