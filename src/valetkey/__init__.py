"""valetkey: OAuth 1.0a and OAuth 2.0 for serverless Python.

A function connects its users' accounts, keeps their tokens sealed, refreshes them once for all concurrent invocations,
signs or authorizes every request and revokes. `Vault` (or `AsyncVault`) is the front door, `valetkey.gateways` has the
handlers, `valetkey.errors` the errors. The one rule: importing valetkey imports almost nothing; names load when used.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.async_vault import AsyncVault
    from valetkey.connections.settings import Settings
    from valetkey.errors import (
        AuthorizationDenied,
        AuthorizationExpired,
        CallbackError,
        ConfigurationError,
        KeyUnavailable,
        MalformedResponse,
        ProviderError,
        ReauthorizationRequired,
        RefreshInProgress,
        RequestRefused,
        SealBroken,
        ServerUnusable,
        StoreError,
        TargetRefused,
        TransportError,
        ValetkeyError,
    )
    from valetkey.http import Headers, Request, Response
    from valetkey.secret import Secret
    from valetkey.vault import Vault

__version__ = "0.1.0"

_HOMES = {
    "AsyncVault": "async_vault",
    "AuthorizationDenied": "errors",
    "AuthorizationExpired": "errors",
    "CallbackError": "errors",
    "ConfigurationError": "errors",
    "Headers": "http",
    "KeyUnavailable": "errors",
    "MalformedResponse": "errors",
    "ProviderError": "errors",
    "ReauthorizationRequired": "errors",
    "RefreshInProgress": "errors",
    "Request": "http",
    "RequestRefused": "errors",
    "Response": "http",
    "SealBroken": "errors",
    "Secret": "secret",
    "ServerUnusable": "errors",
    "Settings": "connections.settings",
    "StoreError": "errors",
    "TargetRefused": "errors",
    "TransportError": "errors",
    "ValetkeyError": "errors",
    "Vault": "vault",
}

__all__ = [
    "AsyncVault",
    "AuthorizationDenied",
    "AuthorizationExpired",
    "CallbackError",
    "ConfigurationError",
    "Headers",
    "KeyUnavailable",
    "MalformedResponse",
    "ProviderError",
    "ReauthorizationRequired",
    "RefreshInProgress",
    "Request",
    "RequestRefused",
    "Response",
    "SealBroken",
    "Secret",
    "ServerUnusable",
    "Settings",
    "StoreError",
    "TargetRefused",
    "TransportError",
    "ValetkeyError",
    "Vault",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        message = f"module 'valetkey' has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    found = getattr(import_module(f"valetkey.{home}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
