"""A token for the client itself, without any resource owner (RFC 6749 section 4.4)."""

from __future__ import annotations

from valetkey.errors import ConfigurationError
from valetkey.oauth2.requested import requested
from valetkey.oauth2.token import ask_for_tokens
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.effects import WireOp
    from valetkey.oauth2.client import Client
    from valetkey.oauth2.dpop import ProofKey
    from valetkey.oauth2.server import AuthorizationServer
    from valetkey.oauth2.token_response import TokenResponse


def client_credentials_grant(
    server: AuthorizationServer,
    client: Client,
    *,
    scope: tuple[str, ...] = (),
    proof_key: ProofKey | None = None,
    not_after: float,
) -> WireOp[TokenResponse]:
    """An access token that the client gets by proving who it is (RFC 6749 sections 4.4.2 and 4.4.3).

    scope: empty leaves the parameter out, which asks for what the provider gives by default.
    A refresh token in the answer is dropped: section 4.4.3 has none, and asking again needs none.
    Raises ConfigurationError for a public client, ProviderError, MalformedResponse, TransportError.
    """
    if server.token_endpoint_auth_method == "none":  # noqa: S105 - 6749 s4.4: confidential clients only
        message = "client credentials are for clients that can prove who they are: this one is public"
        raise ConfigurationError(message)
    grant = [("grant_type", "client_credentials"), *requested(server, scope)]
    tokens = yield from ask_for_tokens(server, client, grant=tuple(grant), proof_key=proof_key, not_after=not_after)
    return replace(tokens, refresh_token=None)
