"""Trade the resource owner's user name and password for tokens (RFC 6749 section 4.3).

The one rule: who calls this has an opt-in for it. RFC 9700 section 2.4 says that the grant must not be used: the client
sees the password, and people learn to type it in anywhere. The password is sent to the token endpoint and kept nowhere.
"""

from __future__ import annotations

from valetkey.errors import ProviderError, RequestRefused
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

MAX_CHARACTERS = 1024


def password_grant(
    server: AuthorizationServer,
    client: Client,
    *,
    username: str,
    password: Secret,
    scope: tuple[str, ...] = (),
    proof_key: ProofKey | None = None,
    not_after: float,
) -> WireOp[TokenResponse]:
    """Tokens for a user name and a password (RFC 6749 sections 4.3.2 and 4.3.3).

    scope: empty leaves the parameter out, which asks for what the provider gives by default.
    Raises RequestRefused for what a person may have typed and nobody can send; ProviderError, with error
    `invalid_grant` where the user name or the password is wrong; MalformedResponse, TransportError.
    """
    if not _sendable(username) or not _sendable(password.reveal()):
        message = f"a user name and a password have 1 to {MAX_CHARACTERS} characters, none of them a control character"
        raise RequestRefused("malformed_request", message)
    grant = [
        ("grant_type", "password"),
        ("username", username),
        ("password", password.reveal()),
        *requested(server, scope),
    ]
    try:
        return (yield from ask_for_tokens(server, client, grant=tuple(grant), proof_key=proof_key, not_after=not_after))
    except ProviderError as refused:
        if refused.error != "invalid_grant":
            raise
        status, retry_after = refused.status, refused.retry_after
    message = f"the provider answered {status} invalid_grant: the user name or the password is wrong, ask again"
    raise ProviderError(message, error="invalid_grant", status=status, retry_after=retry_after)


def _sendable(text: str) -> bool:
    """RFC 6749 appendix A, UNICODECHARNOCRLF: a tab, and everything but controls and halves of surrogate pairs."""
    return 0 < len(text) <= MAX_CHARACTERS and not any(
        (character < " " and character != "\t") or character == "\x7f" or "\ud800" <= character <= "\udfff"
        for character in text
    )
