"""Issuing: codes, tokens and what goes with them.

The one rule: what is issued is written down as its SHA-256 before it leaves.
"""

from __future__ import annotations

from hmac import digest
from json import loads

from valetkey.http import base64url
from valetkey.sandbox.state import AccessToken, Code, Family, RefreshToken, fingerprint
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.sandbox.exchange import Exchange
    from valetkey.sandbox.sandbox import Sandbox
    from valetkey.sandbox.state import PendingConsent

CODE_SECONDS = 60
TEMPORARY_SECONDS = 600
REFRESH_TOKEN_SECONDS = 90 * 86_400


def new_text(sandbox: Sandbox, kind: str) -> str:
    """An unguessable text of 256 bits; its kind in front helps whoever finds one in a log."""
    return f"sandbox-{kind}-{base64url(sandbox.random(32))}"


def oauth1_secret(sandbox: Sandbox, identifier: str) -> str:
    """The shared secret of an OAuth 1.0a identifier: derived, so that it is nowhere stored (RFC 5849 section 4.5)."""
    return base64url(digest(sandbox.key, b"oauth1 secret:" + identifier.encode("utf-8", "surrogatepass"), "sha256"))


def issue_code(sandbox: Sandbox, consent: PendingConsent, *, now: float) -> str:
    """An authorization code for what was consented to (RFC 6749 section 4.1.2)."""
    code = new_text(sandbox, "code")
    sandbox.state.codes[fingerprint(code)] = Code(
        client_id=consent.client_id,
        account=consent.account,
        scope=consent.scope,
        redirect_uri=consent.redirect_uri,
        redirect_uri_given=consent.redirect_uri_given,
        code_challenge=consent.code_challenge,
        expires_at=now + CODE_SECONDS,
        nonce=consent.nonce,
        resource=consent.resource,
        details=consent.details,
        bound_to=consent.bound_to,
    )
    return code


def issue_family(
    sandbox: Sandbox, client_id: str, account: str, scope: tuple[str, ...], *, resource: str = "", details: str = ""
) -> str:
    """A new grant; account is empty for one of the client's own. Its name is public inside, never outside."""
    family = base64url(sandbox.random(16))
    sandbox.state.families[family] = Family(client_id, account, scope, resource=resource, details=details)
    return family


def issue_access_token(exchange: Exchange, family: str, *, scope: tuple[str, ...]) -> dict[str, object]:
    """The fields of RFC 6749 section 5.1 that every token response has, for the exchange's client.

    The token is bound to the key that was proved, where one was (RFC 9449 section 5).
    """
    token, seconds = new_text(exchange.sandbox, "access"), exchange.client.access_token_seconds
    issued = AccessToken(family, scope, exchange.now, exchange.now + seconds, exchange.bound_to)
    exchange.sandbox.state.access_tokens[fingerprint(token)] = issued
    fields: dict[str, object] = {
        "access_token": token,
        "token_type": "DPoP" if issued.bound_to else "Bearer",
        "expires_in": seconds,
        "scope": " ".join(scope),
    }
    if details := exchange.sandbox.state.families[family].details:  # 9396 s7
        fields["authorization_details"] = loads(details)
    return fields


def issue_refresh_token(sandbox: Sandbox, family: str, *, parent: str = "", now: float) -> str:
    """A refresh token of the family."""
    token = new_text(sandbox, "refresh")
    sandbox.state.refresh_tokens[fingerprint(token)] = RefreshToken(family, now, parent)
    return token


def revoke_family(sandbox: Sandbox, family: str) -> None:
    """End everything that came out of one code."""
    if family in sandbox.state.families:
        sandbox.state.families[family] = replace(sandbox.state.families[family], revoked=True)
