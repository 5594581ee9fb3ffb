"""Token credentials that end, renewed without the resource owner; and those that a password buys (xAuth).

RFC 5849 has neither. Session handles are from OAuth Session 1.0 (draft 1), where `oauth_session_handle` comes with the
token and is sent to the token endpoint; other providers have an endpoint that prolongs the same token.

The one rule: what a provider answers is read as strictly as in `authorize`, unless its entry says that the answer to a
renewal says nothing.
"""

from __future__ import annotations

from valetkey.oauth1 import answers
from valetkey.oauth1.authorize import exchange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.effects import WireOp
    from valetkey.oauth1.clocks import ClockOffsets
    from valetkey.oauth1.credentials import ClientCredentials, Server, TokenCredentials
    from valetkey.secret import Secret


def renew_token_credentials(
    server: Server,
    client: ClientCredentials,
    *,
    token: TokenCredentials,
    session_handle: Secret | None,
    not_after: float,
    clocks: ClockOffsets | None = None,
) -> WireOp[TokenCredentials]:
    """The token credentials that follow, or the same ones where the provider prolongs them.

    Raises ProviderError, MalformedResponse, TransportError, ConfigurationError.
    """
    response = yield from exchange(
        server,
        client,
        method=server.renewal_method,
        url=server.renewal_endpoint or server.token_endpoint,
        token=token,
        extra_parameters=() if session_handle is None else (("oauth_session_handle", session_handle.reveal()),),
        not_after=not_after,
        clocks=clocks,
    )
    if server.renewal_keeps_token:
        answers.check_success(response, errors=server.errors)
        return token
    return answers.read_token_credentials(response, errors=server.errors)


def request_token_by_password(
    server: Server,
    client: ClientCredentials,
    *,
    username: str,
    password: Secret,
    not_after: float,
    clocks: ClockOffsets | None = None,
) -> WireOp[TokenCredentials]:
    """Token credentials for a user name and a password (xAuth): the resource owner's password passes through here.

    Raises ProviderError, MalformedResponse, TransportError, ConfigurationError.
    """
    response = yield from exchange(
        server,
        client,
        method="POST",
        url=server.token_endpoint,
        token=None,
        extra_parameters=(),
        form=(
            ("x_auth_mode", "client_auth"),
            ("x_auth_username", username),
            ("x_auth_password", password.reveal()),
        ),
        not_after=not_after,
        clocks=clocks,
    )
    return answers.read_token_credentials(response, errors=server.errors)
