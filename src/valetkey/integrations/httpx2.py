"""`VaultAuth` for httpx2: `Client` with a `Vault`, `AsyncClient` with an `AsyncVault`.

    httpx2.Client(auth=VaultAuth(vault, "github", "alice")).get("https://api.github.com/user")

How it works is in `httpx_flow`, for httpx and httpx2 alike.
"""

from __future__ import annotations

import httpx2

from valetkey.integrations.httpx_flow import AuthFlow, Bodies, CarriedHeaders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar


class _Carried(CarriedHeaders, httpx2.Headers):
    _plain: ClassVar[Any] = httpx2.Headers


class _Bodies(Bodies, httpx2.SyncByteStream, httpx2.AsyncByteStream):
    pass


class VaultAuth(AuthFlow, httpx2.Auth):
    """Authorizes requests with a vault's connection. Raises in the call what `vault.sign` raises.

    An `AsyncVault` needs an `AsyncClient`; a `Vault` in an `AsyncClient` holds up the event loop while it refreshes.
    """

    _library: ClassVar[Any] = httpx2
    _carried: ClassVar[Any] = _Carried
    _bodies: ClassVar[Any] = _Bodies
