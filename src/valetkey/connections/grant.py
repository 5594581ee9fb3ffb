"""What both protocols bring back, so that the programs need not know which one spoke."""

from __future__ import annotations

from valetkey.effects import Now, Remaining
from valetkey.errors import ConfigurationError, TransportError
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, Protocol, TypeAlias

    from valetkey.connections.connection import Tokens
    from valetkey.connections.pending import Pending
    from valetkey.effects import WireOp
    from valetkey.http import Pairs, Request
    from valetkey.providers.registration import Registration
    from valetkey.secret import Secret

    AtProvider: TypeAlias = Literal["revoked", "unsupported"]

    class Speaker(Protocol):
        """One protocol, in the six things that a connection needs of it."""

        def begin(
            self, registration: Registration, pending: Pending, *, state: str, scope: tuple[str, ...], not_after: float
        ) -> WireOp[tuple[str, Pending]]:
            """Where to send the browser, and what must survive until it comes back."""
            ...

        def read_callback(
            self, registration: Registration, pending: Pending, pairs: Pairs
        ) -> tuple[Secret | None, Pairs]:
            """The code or verifier that came back, and what else did. Raises CallbackError."""
            ...

        def redeem(
            self, registration: Registration, pending: Pending, answer: Secret | None, *, not_after: float
        ) -> WireOp[Grant]:
            """The tokens for it. Raises ProviderError, TransportError."""
            ...

        def refresh(
            self, registration: Registration, tokens: Tokens, *, scope: tuple[str, ...], not_after: float
        ) -> WireOp[Grant]:
            """New tokens for old ones; ProviderError with error `invalid_grant` where the old ones are dead."""
            ...

        def authorize(self, registration: Registration, request: Request, tokens: Tokens) -> WireOp[Request]:
            """The request, signed or with its token."""
            ...

        def revoke(self, registration: Registration, tokens: Tokens, *, not_after: float) -> WireOp[AtProvider]:
            """End the tokens at the provider. Raises ProviderError, TransportError."""
            ...


@value
class Grant:
    """What the provider granted: tokens, their expiry (Unix seconds, 0 where unknown), scope and other fields.

    issuer, subject: whose account it is, from an id_token that passed every check; empty where there was none.
    refused: the reason why a refreshed id_token was not believed.
    withheld: scope that was asked for and not granted.
    callback_parameters: what the browser brought beside the code.
    """

    tokens: Tokens
    expires_at: int = 0
    scope: tuple[str, ...] = ()
    extra: Pairs = ()
    issuer: str = ""
    subject: str = ""
    refused: str = ""
    withheld: tuple[str, ...] = ()
    callback_parameters: Pairs = ()


def speaker(registration: Registration) -> Speaker:
    """The protocol of the registration's provider; the other one is not imported."""
    if registration.provider.protocol == "oauth1":
        from valetkey.connections import by_oauth1

        return by_oauth1
    if registration.grant == "client_credentials":
        from valetkey.connections import by_client

        return by_client
    if registration.takes_fragments:
        from valetkey.connections import by_implicit

        return by_implicit
    from valetkey.connections import by_oauth2

    return by_oauth2


def refuse_foreign(expected: str, registration: Registration) -> ConfigurationError:
    """The error for a registration whose parts belong to different protocols."""
    message = f"registration {registration.name!r} mixes the parts of two protocols: {expected} was expected"
    return ConfigurationError(message)


EXCHANGE_SECONDS = 10.0
RESERVE_SECONDS = 1.5  # for what follows the answer: sealing it and writing it down


def exchange_deadline() -> WireOp[float]:
    """Unix seconds until which one exchange with a provider may take. Raises TransportError where no time is left."""
    limit = min(EXCHANGE_SECONDS, (yield from Remaining()) - RESERVE_SECONDS)
    if limit < 1:
        message = "the invocation has too little time left to ask the provider: give the function a longer timeout"
        raise TransportError(message, maybe_received=False)
    return (yield from Now()) + limit
