"""What the integrations share: reading back which token was sent, and comparing origins.

The one rule: what cannot be read is another origin.
"""

from __future__ import annotations

from valetkey.http import read_url
from valetkey.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Protocol

    from valetkey.http import Pairs, Request

    class SigningVault(Protocol):
        """What the integrations need of a `Vault`."""

        def sign(
            self,
            request: Request,
            *,
            registration: str,
            resource_owner: str,
            account: str = "",
            rejected: Secret | None = None,
        ) -> Request:
            """The request, authorized. Raises ConfigurationError for another host."""
            ...

    class AsyncSigningVault(Protocol):
        """What the integrations need of an `AsyncVault`."""

        def sign(
            self,
            request: Request,
            *,
            registration: str,
            resource_owner: str,
            account: str = "",
            rejected: Secret | None = None,
        ) -> Awaitable[Request]:
            """The request, authorized. Raises ConfigurationError for another host."""
            ...


def bearer_token(request: Request) -> Secret | None:
    """The token of a Bearer Authorization header (RFC 6750 section 2.1), None where there is none."""
    scheme, _, token = (request.headers.get("authorization") or "").partition(" ")
    return Secret(token) if scheme.lower() == "bearer" and token else None


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
