"""Ask an authorization server what a token is (RFC 7662)."""

from __future__ import annotations

from valetkey.effects import Now
from valetkey.errors import ConfigurationError, MalformedResponse
from valetkey.oauth2.endpoint import ask
from valetkey.oauth2.error_response import MAX_ANSWER_OCTETS, error_response
from valetkey.oauth2.strict_json import read_json_object
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    from valetkey.effects import WireOp
    from valetkey.http import Pairs, Response
    from valetkey.oauth2.client import Client
    from valetkey.oauth2.server import AuthorizationServer
    from valetkey.secret import Secret


@value
class Introspection:
    """What the server says of a token (RFC 7662 section 2.2). Of one that is not active, nothing else is known.

    expires_at, issued_at, not_before: Unix seconds.
    confirmation: what the token is bound to, by the names of `cnf`: `x5t#S256` is a certificate's thumbprint (RFC 8705
      section 3.2), `jkt` a key's (RFC 9449 section 6.2); empty for a bearer token.
    """

    active: bool
    scope: tuple[str, ...] | None = None
    client_id: str | None = None
    username: str | None = None
    token_type: str | None = None
    subject: str | None = None
    audience: tuple[str, ...] = ()
    issuer: str | None = None
    expires_at: int | None = None
    issued_at: int | None = None
    not_before: int | None = None
    confirmation: Pairs = ()


def introspect_token(
    server: AuthorizationServer,
    client: Client,
    *,
    token: Secret,
    token_type_hint: Literal["access_token", "refresh_token"] | None = None,
    not_after: float,
) -> WireOp[Introspection]:
    """What the token is good for (RFC 7662 section 2). Raises ProviderError, MalformedResponse, TransportError."""
    if server.introspection_endpoint is None:
        raise ConfigurationError("this authorization server has no introspection endpoint: try the token instead")
    fields = [("token", token.reveal())]
    if token_type_hint is not None:
        fields.append(("token_type_hint", token_type_hint))
    response = yield from ask(
        server, client, endpoint=server.introspection_endpoint, fields=tuple(fields), not_after=not_after
    )
    return read_introspection_response(response, server=server, received_at=(yield from Now()))


def read_introspection_response(
    response: Response, *, server: AuthorizationServer, received_at: float
) -> Introspection:
    """The answer's claims; `active` counts only as the JSON value true."""
    if not 200 <= response.status < 300:
        raise error_response(server, response, received_at=received_at)
    try:
        claims = read_json_object(response.body, limit=MAX_ANSWER_OCTETS)
        return _read_claims(claims)
    except ValueError as why:
        message = f"the introspection endpoint answered {response.status} with a body that is {why}"
        raise MalformedResponse(message, status=response.status) from None


def _read_claims(claims: dict[str, Any]) -> Introspection:
    active = claims.get("active")
    if not isinstance(active, bool):
        message = "without a boolean active"
        raise ValueError(message)  # noqa: TRY004 - what came from outside is a value, not a caller's type
    if not active:
        return Introspection(active=False)
    scope = _text(claims, "scope")
    audience = claims.get("aud")
    many = audience if isinstance(audience, list) else [] if audience is None else [audience]
    if not all(isinstance(one, str) for one in many):
        message = "with an aud that is neither a text nor a list of texts"
        raise ValueError(message)
    return Introspection(
        active=True,
        scope=None if scope is None else tuple(dict.fromkeys(scope.split())),
        client_id=_text(claims, "client_id"),
        username=_text(claims, "username"),
        token_type=_text(claims, "token_type"),
        subject=_text(claims, "sub"),
        audience=tuple(many),
        issuer=_text(claims, "iss"),
        expires_at=_moment(claims, "exp"),
        issued_at=_moment(claims, "iat"),
        not_before=_moment(claims, "nbf"),
        confirmation=_confirmation(claims),
    )


def _confirmation(claims: dict[str, Any]) -> Pairs:
    members = claims.get("cnf")
    if members is None:
        return ()
    if not isinstance(members, dict):
        message = "with a cnf that is not an object"
        raise ValueError(message)  # noqa: TRY004 - as above
    return tuple((name, text) for name, text in members.items() if isinstance(text, str))


def _text(claims: dict[str, Any], name: str) -> str | None:
    text = claims.get(name)
    if text is None or isinstance(text, str):
        return text
    message = f"with a {name} that is not a text"
    raise ValueError(message)


def _moment(claims: dict[str, Any], name: str) -> int | None:
    moment = claims.get(name)
    if moment is None:
        return None
    if isinstance(moment, bool) or not isinstance(moment, int | float) or not 0 <= moment < 1 << 40:
        message = f"with a {name} that is not a time in Unix seconds"
        raise ValueError(message)
    return int(moment)
