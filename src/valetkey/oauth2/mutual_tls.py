"""Mutual TLS: the client's certificate proves who it is, and tokens are bound to it (RFC 8705).

The one rule: the certificate goes to the server's own endpoints and the provider's own API, and only where the
registration says that it is used. Not here: presenting it (`drivers.transports`), reading it (`pem`).
"""

from __future__ import annotations

from valetkey.errors import ConfigurationError
from valetkey.http import read_url
from valetkey.oauth2.server import ALIASED, TLS_METHODS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.effects import ClientCertificate
    from valetkey.http import Pairs
    from valetkey.oauth2.client import Client
    from valetkey.oauth2.server import AuthorizationServer


def presented(server: AuthorizationServer, client: Client) -> ClientCertificate:
    """What the client presents to a server that has `mutual_tls`. Raises ConfigurationError where it has none."""
    if client.certificate is None:
        proves = server.token_endpoint_auth_method in TLS_METHODS
        why = server.token_endpoint_auth_method if proves else "tls_client_certificate_bound_access_tokens"
        raise ConfigurationError(f"{why} needs the client's certificate: configure it")
    return client.certificate


def alias_of(server: AuthorizationServer, endpoint: str) -> str:
    """Where a client with a certificate finds the endpoint (RFC 8705 section 5)."""
    for name, alias in server.mtls_endpoint_aliases:
        if getattr(server, name) == endpoint:
            return alias
    return endpoint


def alias_problems(aliases: Pairs) -> list[str]:
    """What is wrong with them. A certificate is for https, on loopback as well."""
    problems = []
    for name, alias in aliases:
        if name not in ALIASED:
            problems.append(f"mtls_endpoint_aliases: {name} is not one of {', '.join(sorted(ALIASED))}")
            continue
        try:
            secure = read_url(alias).scheme == "https"
        except ValueError as problem:
            problems.append(f"mtls_endpoint_aliases: {name}: {problem}")
            continue
        if not secure:
            problems.append(f"mtls_endpoint_aliases: {name}: it must start with https://")
    return problems
