"""What a client says of itself: to a server that registers it (RFC 7591 section 2), or in a document in its place.

The one rule: it asks for the grants that it will use and no other, and shows of a key the public half.
Not here: registering (`registration`).
"""

from __future__ import annotations

from valetkey.effects import PublicKey
from valetkey.http import is_loopback, read_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from valetkey.effects import PrivateKey, WireOp
    from valetkey.oauth2.server import AuthMethod

CODE_GRANT = "authorization_code"
REFRESH = "refresh_token"
GRANT_TYPES = (CODE_GRANT, REFRESH)
SOFTWARE_ID = "valetkey"
NOTHING: Mapping[str, Any] = {}


def client_metadata(
    *,
    redirect_uri: str,
    application: str,
    home: str,
    method: AuthMethod,
    scope: tuple[str, ...] = (),
    grant_types: tuple[str, ...] = GRANT_TYPES,
    more: Mapping[str, Any] = NOTHING,
) -> dict[str, Any]:
    """What the client says of itself (RFC 7591 section 2; application_type: OpenID Connect Registration section 2).

    application: its name; empty: the host of the redirect URI. home: a URL of it; left out where it is not https.
    scope: empty leaves the choice to the server. more: members that not every client has.
    """
    by_browser = CODE_GRANT in grant_types
    metadata: dict[str, Any] = {
        "redirect_uris": [redirect_uri] if by_browser else [],
        "client_name": application or read_url(redirect_uri).host,
        "token_endpoint_auth_method": method,
        "grant_types": list(grant_types),
        "response_types": ["code"] if by_browser else [],
        "application_type": "native" if is_loopback(read_url(redirect_uri).host) else "web",
        "software_id": SOFTWARE_ID,
    }
    if home.startswith("https://"):
        metadata["client_uri"] = home
    if scope:
        metadata["scope"] = " ".join(scope)
    return {**metadata, **more}


def client_document(
    client_id: str,
    *,
    redirect_uri: str,
    application: str,
    home: str,
    method: AuthMethod = "none",
    grant_types: tuple[str, ...] = GRANT_TYPES,
    more: Mapping[str, Any] = NOTHING,
) -> dict[str, Any]:
    """The document behind a client identifier that is a URL (draft-ietf-oauth-client-id-metadata-document section 4).

    A shared secret cannot be agreed on this way: the client is a public one, and PKCE protects its codes, or it proves
    itself by a key whose public half stands there.
    """
    said = client_metadata(
        redirect_uri=redirect_uri,
        application=application,
        home=home,
        method=method,
        grant_types=grant_types,
        more=more,
    )
    return {"client_id": client_id, **said}


def client_keys(key: PrivateKey) -> WireOp[dict[str, Any]]:
    """The `jwks` of a client that signs with this key: its public half (RFC 7591 section 2).

    Raises ConfigurationError where the key is unusable, or only its signer is here.
    """
    from valetkey.oauth2.signed_jwt import thumbprint

    members = yield from PublicKey(key)
    return {"keys": [{**dict(members), "kid": key.key_id or thumbprint(members), "use": "sig"}]}
