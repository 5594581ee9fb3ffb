"""A provider of which only the issuer is known: the rest is what it publishes (RFC 8414, OpenID Connect Discovery).

    oidc               it speaks OpenID Connect: whose account it is comes from its id_token
    oauth2-discovery   it does not: then it must say that it takes S256 code challenges

The one rule: the issuer is an https URL that the operator wrote down, and credentials go to hosts that they named.
"""

from __future__ import annotations

from valetkey.errors import ConfigurationError
from valetkey.http import is_loopback, read_url
from valetkey.oauth2.server import AuthorizationServer
from valetkey.providers import schema
from valetkey.providers.provider import Provider, Rotation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from valetkey.oauth2.server import Discovery

KINDS: Mapping[str, Discovery] = {"oidc": "oidc", "oauth2-discovery": "oauth2"}


def discovered_provider(kind: str, *, issuer: str, api_hosts: tuple[str, ...] = ()) -> Provider:
    """The provider behind an issuer. Raises ConfigurationError.

    kind: a key of KINDS. api_hosts: where its tokens may be sent; the issuer's own host where it is left out.
    """
    problems = []
    problem = "an issuer has no query" if "?" in issuer else schema.url_problem(issuer, loopback_allowed=True)
    if problem:
        problems.append(f"`issuer`: {problem}")
    wrong = [host for host in api_hosts if not schema.is_host(host)]
    if wrong:
        problems.append(f"`api_hosts`: not a host: {', '.join(wrong)}")
    if problems:
        raise ConfigurationError(problems)
    host = read_url(issuer).host
    discovery = KINDS[kind]
    return Provider(
        name=kind,
        title=host,
        protocol="oauth2",
        server=AuthorizationServer(issuer, "", "", discovery=discovery),
        api_hosts=api_hosts or (host,),
        rotation=Rotation("unknown"),
        source=issuer,
        verified_on="",
        scope=("openid",) if discovery == "oidc" else (),
        loopback_allowed=is_loopback(host),
    )
