"""What the integrations share: asking the vault, telling it what was answered, and comparing origins.

The one rule: what cannot be read is another origin. Not here: whether a request is tried again
(`connections.attempt`).
"""

from __future__ import annotations

from valetkey.errors import ConfigurationError
from valetkey.http import Headers, Response, read_url
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable
    from typing import Any, Protocol, Self

    from valetkey.connections.attempt import Attempt
    from valetkey.http import Pairs, Request

    class SigningVault(Protocol):
        """What the integrations need of a `Vault`."""

        def attempt(self, request: Request, *, registration: str, resource_owner: str, account: str = "") -> Attempt:
            """The request, authorized. Raises ConfigurationError for another host."""
            ...

        def attempt_as_client(
            self, request: Request, *, registration: str, scope: tuple[str, ...] | None = None
        ) -> Attempt:
            """The same for the client alone."""
            ...

        def next_attempt(self, attempt: Attempt, response: Response) -> Attempt | None:
            """What to send after that answer, None where it stands."""
            ...

    class AsyncSigningVault(Protocol):
        """What the integrations need of an `AsyncVault`."""

        def attempt(
            self, request: Request, *, registration: str, resource_owner: str, account: str = ""
        ) -> Awaitable[Attempt]:
            """The request, authorized. Raises ConfigurationError for another host."""
            ...

        def attempt_as_client(
            self, request: Request, *, registration: str, scope: tuple[str, ...] | None = None
        ) -> Awaitable[Attempt]:
            """The same for the client alone."""
            ...

        def next_attempt(self, attempt: Attempt, response: Response) -> Awaitable[Attempt | None]:
            """What to send after that answer, None where it stands."""
            ...


_TELLING = ("date", "dpop-nonce", "www-authenticate", "content-type")  # what a refusal's reason is read from


@value
class Authorizer:
    """Whose credentials, out of which vault. alone: the client's own, and nobody's for want of a resource owner.

    Its replies are those of the vault: an AsyncVault's are awaited.
    """

    vault: Any
    registration: str
    resource_owner: str = ""
    account: str = ""
    scope: tuple[str, ...] | None = None
    alone: bool = False

    def attempt(self, request: Request) -> Any:
        """The first attempt."""
        if self.alone:
            return self.vault.attempt_as_client(request, registration=self.registration, scope=self.scope)
        owner, account = self.resource_owner, self.account
        return self.vault.attempt(request, registration=self.registration, resource_owner=owner, account=account)

    def next_attempt(self, attempt: Attempt, status: int, fields: Iterable[tuple[str, str]], body: bytes) -> Any:
        """The attempt after an answer, None where it stands."""
        return self.vault.next_attempt(attempt, Response(status, _telling(fields), body))


class Authorizing:
    """What every `VaultAuth` is."""

    _authorizer: Authorizer

    @classmethod
    def as_client(
        cls,
        vault: SigningVault | AsyncSigningVault,
        registration: str,
        *,
        scope: tuple[str, ...] | None = None,
    ) -> Self:
        """The same for the client alone, for no resource owner; see `Vault.sign_as_client`."""
        auth = cls.__new__(cls)
        auth._authorizer = Authorizer(vault, registration, scope=scope, alone=True)  # noqa: SLF001 - its own
        return auth


def _telling(fields: Iterable[tuple[str, str]]) -> Headers:
    """The fields of an answer that say why it is a refusal, as far as HTTP allows them."""
    found = Headers()
    for name, text in fields:
        if name.lower() in _TELLING:
            try:
                found = found.with_added(name, text)
            except ValueError:
                continue
    return found


def at_once(reply: Any) -> Any:
    """The vault's reply, where nobody can wait. Raises ConfigurationError for an AsyncVault's."""
    if not hasattr(reply, "__await__"):
        return reply
    reply.close()
    message = "an AsyncVault authorizes an AsyncClient or an aiohttp session: use a Vault with a blocking client"
    raise ConfigurationError(message)


async def awaited(reply: Any) -> Any:
    """The reply of either vault."""
    return await reply if hasattr(reply, "__await__") else reply


def added_headers(request: Request, signed: Request) -> Pairs:
    """The header fields that authorizing added or changed."""
    return tuple(pair for pair in signed.headers.pairs if pair not in request.headers.pairs)


def same_origin(one: str, other: str) -> bool:
    """Whether both URLs have scheme, host and port in common (RFC 6454 section 4)."""
    try:
        return read_url(without_fragment(one)).origin == read_url(without_fragment(other)).origin
    except ValueError:
        return False


def without_fragment(url: str) -> str:
    """The URL as it is requested: the fragment stays with who asks (RFC 9110 section 7.1)."""
    return url.partition("#")[0]
