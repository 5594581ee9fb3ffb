"""The client's own connection: what `by_oauth2` does for a resource owner, for nobody (RFC 6749 section 4.4).

The one rule: there is no refresh token, so to refresh is to ask again; nothing of a resource owner's comes near it.
"""

from __future__ import annotations

from valetkey.connections.by_oauth2 import authorize, granted, new_key, parts, proof_key
from valetkey.errors import ConfigurationError, MalformedResponse, ProviderError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from valetkey.connections.connection import Tokens
    from valetkey.connections.grant import AtProvider, Grant
    from valetkey.connections.pending import Pending
    from valetkey.effects import WireOp
    from valetkey.http import Pairs
    from valetkey.providers.registration import Registration
    from valetkey.secret import Secret

__all__ = ["authorize", "begin", "read_callback", "redeem", "refresh", "revoke"]


def begin(
    registration: Registration, pending: Pending, *, state: str, scope: tuple[str, ...], not_after: float
) -> WireOp[tuple[str, Pending]]:
    """Nobody is asked. Raises ConfigurationError."""
    del pending, state, scope, not_after
    yield from ()
    _refuse(registration)


def read_callback(registration: Registration, pending: Pending, pairs: Pairs) -> tuple[Secret | None, Pairs]:
    """Nobody comes back. Raises ConfigurationError."""
    del pending, pairs
    _refuse(registration)


def redeem(registration: Registration, pending: Pending, answer: Secret | None, *, not_after: float) -> WireOp[Grant]:
    """There is no code. Raises ConfigurationError."""
    del pending, answer, not_after
    yield from ()
    _refuse(registration)


def _refuse(registration: Registration) -> NoReturn:
    message = f"{registration.name}: the client's own token has no resource owner who could be asked"
    raise ConfigurationError(message)


def refresh(registration: Registration, tokens: Tokens, *, scope: tuple[str, ...], not_after: float) -> WireOp[Grant]:
    """A new token for the client; the scope asked for is the registration's, whatever the last one was given."""
    from valetkey.oauth2.client_credentials import client_credentials_grant

    del scope
    server, client = parts(registration)
    asked = registration.scope
    key = tokens.proof_key or (yield from new_key(server))
    bound = proof_key(registration, key)
    try:
        response = yield from client_credentials_grant(
            server, client, scope=asked, proof_key=bound, not_after=not_after
        )
    except MalformedResponse:
        raise
    except ProviderError as error:
        if error.error != "invalid_grant":
            raise
        # 6749 s5.2: no grant was sent that could be invalid; nobody could connect again, so it is a refusal like others
        message = f"the provider answered {error.status} invalid_grant to the client's own credentials: check them"
        raise ProviderError(message, error="unauthorized_client", status=error.status) from None
    return granted(response, asked=asked, before=None, key=key)


def revoke(registration: Registration, tokens: Tokens, *, not_after: float) -> WireOp[AtProvider]:
    """End the access token (RFC 7009 section 2.1)."""
    from valetkey.connections.by_oauth2 import revoke as revoke_any

    return (yield from revoke_any(registration, tokens, not_after=not_after))
