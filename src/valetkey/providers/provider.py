"""A provider: an authorization server together with the API that it protects."""

from __future__ import annotations

from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal, TypeAlias

    from valetkey.effects import Reach
    from valetkey.http import Pairs
    from valetkey.oauth1.credentials import Server
    from valetkey.oauth2.server import AuthorizationServer

    Protocol: TypeAlias = Literal["oauth1", "oauth2"]
    RotationKind: TypeAlias = Literal["none", "stable", "window", "until_new_used", "strict", "unknown"]

ROTATION_KINDS: tuple[RotationKind, ...] = ("none", "stable", "window", "until_new_used", "strict", "unknown")


@value
class Rotation:
    """What happens to a refresh token when it is used (RFC 6749 section 6, RFC 9700 section 4.14.2).

        none            there is no refresh token
        stable          the same refresh token goes on
        window          replaced; the old one works `window_seconds` longer
        until_new_used  replaced; the old one works until the new one is first used
        strict          replaced; the old one is dead at once
        unknown         nobody has written it down: scheduled as strict, recovered as window

    reuse_kills_family: using a dead refresh token ends the whole grant.
    old_access_dies: a refresh ends the previous access token at once.
    """

    kind: RotationKind
    window_seconds: int = 0
    reuse_kills_family: bool = False
    old_access_dies: bool = False


@value
class TenantRules:
    """What the tenants of a provider are.

    allowed: all there are, such as regions; empty: whatever is one label of a host name.
    shared_redirect_uri: the provider takes one redirect URI for all tenants, and only the sealed flow tells them apart.
    """

    allowed: tuple[str, ...] = ()
    shared_redirect_uri: bool = False


@value
class Provider:
    """An authorization server and its API.

    api_hosts: the hosts that get the credentials, exact (`api.example.com`) or one level of wild card and below
      (`*.example.com`); nothing else ever does.
    scope: what is asked for where the registration does not say.
    code_lifetime: seconds in which an authorization code must be exchanged.
    refresh_token_idle_seconds: how long a refresh token lives after it was last used or issued; 0 where nobody knows.
    refresh_token_seconds: how long the grant lives from the resource owner's consent, whatever is done; 0: no end.
    refresh_token_scopes, refresh_token_parameters: one of these scopes, and all of these authorization parameters, are
      needed for a refresh token; empty where nothing special is.
    shared_grant_revocation: revoking one token ends every connection of this resource owner with the application.
    api_url: where somebody else named the API: the one URL that gets the credentials, and what lies below it.
    api_reach: how far the API may lie, see `effects`.
    loopback_allowed: plain http is accepted on loopback: for sandboxes.
    scope_parameter, application_parameter, client_identifier_parameter: OAuth 1.0a has no words for these, so the
      provider has its own names for them in the query of its authorization page; empty: it has none.
    tenants, for_tenant: where every tenant has a host of its own, and the provider of one; its URLs are an example's.
    tenant: whose hosts these are.
    tried: when somebody used the entry against the live provider, or `never`.
    """

    name: str
    title: str
    protocol: Protocol
    server: Server | AuthorizationServer
    api_hosts: tuple[str, ...]
    rotation: Rotation
    source: str
    verified_on: str
    scope: tuple[str, ...] = ()
    sunset: str = ""
    successor: str = ""
    tried: str = "never"
    note: str = ""
    pkce_note: str = ""
    code_lifetime: int = 60
    refresh_token_idle_seconds: int = 0
    refresh_token_seconds: int = 0
    shared_grant_revocation: bool = False
    loopback_allowed: bool = False
    scope_parameter: str = ""
    scope_separator: str = ","
    application_parameter: str = ""
    client_identifier_parameter: str = ""
    refresh_token_scopes: tuple[str, ...] = ()
    refresh_token_parameters: Pairs = ()
    api_url: str = ""
    api_reach: Reach = "configured"
    tenants: TenantRules | None = None
    for_tenant: Callable[[str], Provider] | None = None
    tenant: str = ""
