"""Authorization requests that do not travel as they are: signed (RFC 9101) and pushed (RFC 9126).

The one rule: what the browser carries then is who asks, and the request by value or by reference; nothing beside it.
"""

from __future__ import annotations

from valetkey.effects import Now, Random
from valetkey.errors import ConfigurationError, MalformedResponse
from valetkey.http import base64url, with_query
from valetkey.oauth2.endpoint import ask
from valetkey.oauth2.error_response import MAX_ANSWER_OCTETS, error_response
from valetkey.oauth2.strict_json import read_json_object
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from valetkey.effects import WireOp
    from valetkey.http import Response
    from valetkey.oauth2.client import Client
    from valetkey.oauth2.server import AuthorizationServer

REQUEST_SECONDS = 300
MAX_REQUEST_URI = 1024
MAX_PUSHED_SECONDS = 3600
JTI_OCTETS = 16
_LISTS = ("resource",)  # 8707 s2: in a request object several of them are a JSON array
_JSON = ("authorization_details",)  # 9396 s3: in a request object it is JSON itself


@value
class PushedRequest:
    """A reference to a pushed request. expires_at: Unix seconds; it is used at once, and once."""

    request_uri: str
    expires_at: int


def request_authorization(
    server: AuthorizationServer, client: Client, *, parameters: Sequence[tuple[str, str]], not_after: float
) -> WireOp[str]:
    """Where to send the browser with these parameters, signed and pushed first as the server wants it.

    Raises ConfigurationError, ProviderError, MalformedResponse, TransportError.
    """
    pairs = tuple(parameters)
    if server.request_object_signing_alg:
        pairs = (("client_id", client.client_id), ("request", (yield from sign_request_object(server, client, pairs))))
    if server.pushed_authorization_request_endpoint:
        pushed = yield from push_request(server, client, parameters=pairs, not_after=not_after)
        pairs = (("client_id", client.client_id), ("request_uri", pushed.request_uri))
    return with_query(server.authorization_endpoint, pairs)


def sign_request_object(
    server: AuthorizationServer, client: Client, parameters: Sequence[tuple[str, str]]
) -> WireOp[str]:
    """The parameters as a signed JWT, good for five minutes (RFC 9101 sections 4 and 6.1)."""
    from valetkey.oauth2.signed_jwt import key_id, sign_jwt

    if client.private_key is None or not server.request_object_signing_alg:
        raise ConfigurationError("signed authorization requests need the client's private key: configure it")
    now = int((yield from Now()))
    claims = {
        **_claims(parameters),
        "iss": client.client_id,
        "aud": server.issuer,
        "jti": base64url((yield from Random(JTI_OCTETS))),
        "iat": now,
        "nbf": now,
        "exp": now + REQUEST_SECONDS,
    }
    header = {"typ": "oauth-authz-req+jwt", "kid": (yield from key_id(client.private_key))}
    return (yield from sign_jwt(client.private_key, server.request_object_signing_alg, header=header, claims=claims))


def _claims(parameters: Sequence[tuple[str, str]]) -> dict[str, object]:
    import json

    claims: dict[str, object] = {}
    for name, text in parameters:
        several = [other for key, other in parameters if key == name]
        if name in _JSON:
            claims[name] = json.loads(text)
        else:
            claims[name] = several if name in _LISTS and len(several) > 1 else text
    return claims


def push_request(
    server: AuthorizationServer, client: Client, *, parameters: Sequence[tuple[str, str]], not_after: float
) -> WireOp[PushedRequest]:
    """A reference to the parameters, which the server now has from the client itself (RFC 9126 section 2)."""
    if not server.pushed_authorization_request_endpoint:
        raise ConfigurationError("this authorization server has no endpoint to push authorization requests to")
    fields = tuple(parameters)
    if not _only_in_header(server, client):  # 6749 s3.1: no parameter twice, and client authentication brings it
        fields = tuple(pair for pair in fields if pair[0] != "client_id")
    response = yield from ask(
        server,
        client,
        endpoint=server.pushed_authorization_request_endpoint,
        fields=fields,
        not_after=not_after,
    )
    return read_pushed_response(response, server=server, received_at=(yield from Now()))


def _only_in_header(server: AuthorizationServer, client: Client) -> bool:
    """Whether client authentication says the client's identifier in the header alone (RFC 6749 section 2.3.1)."""
    basic = server.token_endpoint_auth_method == "client_secret_basic"  # noqa: S105 - a method, not a secret
    return basic and client.client_secret is not None


def read_pushed_response(response: Response, *, server: AuthorizationServer, received_at: float) -> PushedRequest:
    """The reference in an answer (RFC 9126 section 2.2); ProviderError for a refusal."""
    if response.status not in (200, 201):  # 9126 s2.2 says 201; some say 200
        raise error_response(server, response, received_at=received_at)
    try:
        members = read_json_object(response.body, limit=MAX_ANSWER_OCTETS)
    except ValueError as why:
        message = f"the pushed authorization request was answered with a body that is {why}"
        raise MalformedResponse(message, status=response.status) from None
    uri, seconds = members.get("request_uri"), members.get("expires_in")
    if not isinstance(uri, str) or not 0 < len(uri) <= MAX_REQUEST_URI or not uri.isascii() or not uri.isprintable():
        message = "the pushed authorization request was answered without a request_uri that can be used"
        raise MalformedResponse(message, status=response.status)
    if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds < 1:
        message = "the pushed authorization request was answered without a positive expires_in"
        raise MalformedResponse(message, status=response.status)
    return PushedRequest(uri, int(received_at) + min(seconds, MAX_PUSHED_SECONDS))
