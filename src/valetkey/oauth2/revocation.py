"""Give a token back (RFC 7009)."""

from __future__ import annotations

from valetkey.effects import Now
from valetkey.errors import ConfigurationError
from valetkey.oauth2.endpoint import ask
from valetkey.oauth2.error_response import error_response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from valetkey.effects import WireOp
    from valetkey.http import Response
    from valetkey.oauth2.client import Client
    from valetkey.oauth2.server import AuthorizationServer
    from valetkey.secret import Secret


def revoke_token(
    server: AuthorizationServer,
    client: Client,
    *,
    token: Secret,
    token_type_hint: Literal["access_token", "refresh_token"] | None,
    not_after: float,
) -> WireOp[None]:
    """Ensures that the provider does not accept the token any more (RFC 7009 section 2).

    Raises ConfigurationError without a revocation endpoint, ProviderError (`unsupported_token_type`; `retry_after` of
    a 503), MalformedResponse, TransportError.
    """
    if server.revocation_endpoint is None:
        raise ConfigurationError("this authorization server has no revocation endpoint: ask its owner to disconnect")
    fields = [("token", token.reveal())]
    if token_type_hint is not None:
        fields.append(("token_type_hint", token_type_hint))
    response = yield from ask(
        server, client, endpoint=server.revocation_endpoint, fields=tuple(fields), not_after=not_after
    )
    read_revocation_response(response, server=server, received_at=(yield from Now()))


def read_revocation_response(response: Response, *, server: AuthorizationServer, received_at: float) -> None:
    """Returns for a token that is revoked or was not known (RFC 7009 section 2.2), else raises ProviderError."""
    if 200 <= response.status < 300:
        return  # 7009 s2.2: the body does not matter
    error = error_response(server, response, received_at=received_at)
    if error.error != "invalid_token":  # against 7009 s2.2, some say so of a token that is gone already
        raise error
