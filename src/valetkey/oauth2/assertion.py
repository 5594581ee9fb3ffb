"""Trade an assertion that somebody else made for a token: JWT (RFC 7523) and SAML (RFC 7522), both of RFC 7521.

The one rule: an assertion is sent once, to the token endpoint, and kept nowhere. Not here: making one, and assertions
that authenticate the client (`client_authentication`).
"""

from __future__ import annotations

from valetkey.errors import ConfigurationError
from valetkey.oauth2.requested import requested
from valetkey.oauth2.token import ask_for_tokens

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.effects import WireOp
    from valetkey.oauth2.client import Client
    from valetkey.oauth2.dpop import ProofKey
    from valetkey.oauth2.server import AuthorizationServer
    from valetkey.oauth2.token_response import TokenResponse
    from valetkey.secret import Secret

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SAML_BEARER = "urn:ietf:params:oauth:grant-type:saml2-bearer"
MAX_ASSERTION = 64 * 1024
BASE64URL = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def jwt_bearer_grant(
    server: AuthorizationServer,
    client: Client,
    *,
    assertion: Secret,
    scope: tuple[str, ...] = (),
    proof_key: ProofKey | None = None,
    not_after: float,
) -> WireOp[TokenResponse]:
    """Tokens for a JWT in compact serialization (RFC 7523 section 2.1).

    Raises ConfigurationError for what is no such JWT, ProviderError, MalformedResponse, TransportError.
    """
    parts = assertion.reveal()[: MAX_ASSERTION + 1].split(".")
    if len(parts) != 3 or not all(part and BASE64URL.issuperset(part) for part in parts) or _too_long(assertion):
        message = f"a JWT assertion is three parts of base64url with dots between, at most {MAX_ASSERTION} characters"
        raise ConfigurationError(message)
    return (yield from _grant(server, client, JWT_BEARER, assertion, scope, proof_key, not_after))


def saml_bearer_grant(
    server: AuthorizationServer,
    client: Client,
    *,
    assertion: Secret,
    scope: tuple[str, ...] = (),
    proof_key: ProofKey | None = None,
    not_after: float,
) -> WireOp[TokenResponse]:
    """Tokens for a SAML 2.0 assertion, its XML in base64url (RFC 7522 section 2.1).

    Raises ConfigurationError for what is not base64url, ProviderError, MalformedResponse, TransportError.
    """
    text = assertion.reveal()
    if _too_long(assertion) or not text or not BASE64URL.issuperset(text.rstrip("=")):
        message = f"a SAML assertion is sent as base64url of its XML, at most {MAX_ASSERTION} characters: encode it"
        raise ConfigurationError(message)
    return (yield from _grant(server, client, SAML_BEARER, assertion, scope, proof_key, not_after))


def _too_long(assertion: Secret) -> bool:
    return len(assertion.reveal()) > MAX_ASSERTION


def _grant(
    server: AuthorizationServer,
    client: Client,
    grant_type: str,
    assertion: Secret,
    scope: tuple[str, ...],
    proof_key: ProofKey | None,
    not_after: float,
) -> WireOp[TokenResponse]:
    grant = [("grant_type", grant_type), ("assertion", assertion.reveal()), *requested(server, scope)]
    return (yield from ask_for_tokens(server, client, grant=tuple(grant), proof_key=proof_key, not_after=not_after))
