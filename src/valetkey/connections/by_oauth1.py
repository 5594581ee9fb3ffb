"""A connection's steps in the words of OAuth 1.0a (RFC 5849 section 2)."""

from __future__ import annotations

from valetkey.connections.connection import Tokens
from valetkey.connections.grant import Grant, refuse_foreign
from valetkey.connections.pending import flow_of_temporary
from valetkey.connections.settings import single_valued
from valetkey.errors import AuthorizationDenied, CallbackError, ProviderError
from valetkey.http import with_query
from valetkey.oauth1.credentials import ClientCredentials, Server, TemporaryCredentials, TokenCredentials
from valetkey.secret import Secret, constant_time_equal
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.grant import AtProvider
    from valetkey.connections.pending import Pending
    from valetkey.effects import WireOp
    from valetkey.http import Pairs, Request
    from valetkey.providers.registration import Registration

MAX_VERIFIER = 512
DENIALS = ("denied", "error", "oauth_problem")  # what providers say for want of a word in RFC 5849

ENDED = ("token_rejected", "token_revoked", "token_expired")  # said of a token that was revoked before


def _parts(registration: Registration) -> tuple[Server, ClientCredentials]:
    server, client = registration.provider.server, registration.client
    if not isinstance(server, Server) or not isinstance(client, ClientCredentials):
        raise refuse_foreign("OAuth 1.0a", registration)
    return server, client


def begin(
    registration: Registration, pending: Pending, *, state: str, scope: tuple[str, ...], not_after: float
) -> WireOp[tuple[str, Pending]]:
    """Temporary credentials and the page to send the browser to (sections 2.1 and 2.2).

    scope: OAuth 1.0a has no words for it; what the provider calls it stands in the registration.
    """
    from valetkey.oauth1.authorize import authorization_url, request_temporary_credentials

    server, client = _parts(registration)
    del scope
    callback = pending.redirect_uri
    if server.state_in_callback:
        callback = with_query(callback, (("state", state),))
    temporary = yield from request_temporary_credentials(server, client, callback=callback, not_after=not_after)
    kept = replace(pending, temporary=temporary.identifier, secret=temporary.secret)
    if not server.state_in_callback:
        kept = replace(kept, flow=flow_of_temporary(temporary.identifier))
    return authorization_url(server, temporary), kept


def read_callback(registration: Registration, pending: Pending, pairs: Pairs) -> Secret | None:
    """The verifier (section 2.2); None only where the registration accepts a provider that sends none."""
    answer = single_valued(pairs)
    identifier = answer.get("oauth_token", "")
    # `denied` carries the identifier in place of oauth_token
    if not constant_time_equal(identifier or answer.get("denied", "") or pending.temporary, pending.temporary):
        raise CallbackError("temporary_credentials_mismatch", "the callback is of another authorization: start again")
    if any(name in answer for name in DENIALS):
        raise AuthorizationDenied("access_denied", "the resource owner did not allow the access")
    if not identifier:
        raise CallbackError("malformed_callback", "the callback has no oauth_token: start again")
    verifier = answer.get("oauth_verifier", "")
    if len(verifier) > MAX_VERIFIER or not verifier.isprintable():
        raise CallbackError("malformed_callback", "the verifier is not one that a provider gives out: start again")
    if not verifier and not registration.accept_missing_verifier:
        message = "the callback has no verifier, without which anybody's authorization could be taken: start again"
        raise CallbackError("verifier_missing", message)
    return Secret(verifier) if verifier else None


def redeem(registration: Registration, pending: Pending, answer: Secret | None, *, not_after: float) -> WireOp[Grant]:
    """Token credentials for the temporary ones (section 2.3). They do not expire by themselves."""
    from valetkey.oauth1.authorize import request_token_credentials

    server, client = _parts(registration)
    token = yield from request_token_credentials(
        server,
        client,
        temporary=TemporaryCredentials(pending.temporary, pending.secret or Secret("")),
        verifier=answer.reveal() if answer else None,
        not_after=not_after,
    )
    tokens = Tokens(access_token=Secret(token.identifier), token_secret=token.secret)
    return Grant(tokens, scope=registration.scope, extra=token.extra)


def authorize(registration: Registration, request: Request, tokens: Tokens) -> WireOp[Request]:
    """The request, signed with both sets of credentials (section 3)."""
    from valetkey.oauth1.sign import sign

    server, client = _parts(registration)
    return (
        yield from sign(
            request,
            client,
            token=_token(tokens),
            signature_method=server.signature_method,
            placement=server.placement,
            realm=server.realm,
            body_hash=server.body_hash,
        )
    )


def revoke(registration: Registration, tokens: Tokens, *, not_after: float) -> WireOp[AtProvider]:
    """End the token credentials, where the provider has an endpoint for it: RFC 5849 has none."""
    from valetkey.oauth1.authorize import revoke_token_credentials

    server, client = _parts(registration)
    if not server.revocation_endpoint:
        return "unsupported"
    try:
        _ = yield from revoke_token_credentials(server, client, token=_token(tokens), not_after=not_after)
    except ProviderError as error:
        if error.error not in ENDED:
            raise
    return "revoked"


def _token(tokens: Tokens) -> TokenCredentials:
    return TokenCredentials(tokens.access_token.reveal(), tokens.token_secret or Secret(""))
