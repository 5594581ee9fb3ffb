"""A connection's steps in the words of OAuth 1.0a (RFC 5849 section 2)."""

from __future__ import annotations

from valetkey.connections.codec import keepable
from valetkey.connections.connection import Tokens
from valetkey.connections.grant import Grant, refuse_foreign
from valetkey.connections.pending import flow_of_temporary
from valetkey.connections.settings import single_valued
from valetkey.effects import Now
from valetkey.errors import AuthorizationDenied, CallbackError, ConfigurationError, ProviderError
from valetkey.http import read_url, with_query
from valetkey.oauth1.credentials import ClientCredentials, Server, TemporaryCredentials, TokenCredentials
from valetkey.secret import Secret, constant_time_equal
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.grant import AtProvider
    from valetkey.connections.pending import Pending
    from valetkey.effects import WireOp
    from valetkey.http import Pairs, Request, Response
    from valetkey.providers.registration import Registration

MAX_VERIFIER = 512
DEFINED = ("oauth_token", "oauth_verifier")  # of the callback, by section 2.2
DENIALS = ("denied", "error", "oauth_problem")  # what providers say for want of a word in RFC 5849

NOT_RENEWED = (
    "token_rejected",
    "token_revoked",
    "token_expired",
    "permission_denied",
    "additional_authorization_required",
)
MAX_LIFETIME_DIGITS = 10
ENDED = ("token_rejected", "token_revoked", "token_expired")  # said of a token that was revoked before


def parts(registration: Registration) -> tuple[Server, ClientCredentials]:
    """The server and client of a registration that speaks OAuth 1.0a."""
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

    server, client = parts(registration)
    del scope
    if server.client_only:
        message = f"nobody authorizes anything at {registration.provider.title}: use sign_as_client"
        raise ConfigurationError(message)
    callback = pending.redirect_uri
    if server.state_in_callback:
        callback = with_query(callback, (("state", state),))
    temporary = yield from request_temporary_credentials(
        server, client, callback=callback, not_after=not_after, clocks=registration.clocks
    )
    kept = replace(pending, temporary=temporary.identifier, secret=temporary.secret)
    if not server.state_in_callback:
        kept = replace(kept, flow=flow_of_temporary(temporary.identifier))
    return authorization_url(server, temporary, callback=callback), kept


def read_callback(registration: Registration, pending: Pending, pairs: Pairs) -> tuple[Secret | None, Pairs]:
    """The verifier (section 2.2); None only where the registration accepts a provider that sends none."""
    answer = single_valued(pairs)
    identifier = answer.get("oauth_token", "")
    # `denied` carries the identifier in place of oauth_token
    if not constant_time_equal(identifier or answer.get("denied", "") or pending.temporary, pending.temporary):
        raise CallbackError("temporary_credentials_mismatch", "the callback is of another authorization: start again")
    if any(name in answer for name in DENIALS):
        raise AuthorizationDenied("access_denied", "the resource owner did not allow the access")
    if not identifier and not parts(registration)[0].verifier_typed:
        raise CallbackError("malformed_callback", "the callback has no oauth_token: start again")
    verifier = answer.get("oauth_verifier", "")
    if len(verifier) > MAX_VERIFIER or not verifier.isprintable():
        raise CallbackError("malformed_callback", "the verifier is not one that a provider gives out: start again")
    if not verifier and not registration.accept_missing_verifier:
        message = "the callback has no verifier, without which anybody's authorization could be taken: start again"
        raise CallbackError("verifier_missing", message)
    brought = tuple(pair for pair in pairs if pair[0] not in DEFINED)
    return (Secret(verifier) if verifier else None), brought


def redeem(registration: Registration, pending: Pending, answer: Secret | None, *, not_after: float) -> WireOp[Grant]:
    """Token credentials for the temporary ones (section 2.3). They expire where the provider or its entry says so."""
    from valetkey.oauth1.authorize import request_token_credentials

    server, client = parts(registration)
    token = yield from request_token_credentials(
        server,
        client,
        temporary=TemporaryCredentials(pending.temporary, pending.secret or Secret("")),
        verifier=answer.reveal() if answer else None,
        not_after=not_after,
        clocks=registration.clocks,
    )
    return (yield from granted(registration, token, before=None))


def granted(registration: Registration, token: TokenCredentials, *, before: Tokens | None) -> WireOp[Grant]:
    """The grant behind an answer with token credentials.

    Its refresh token is the session handle, or the token's own identifier where the provider renews by that.
    Raises MalformedResponse for more than a row holds.
    """
    server, _ = parts(registration)
    fields = dict(token.extra)
    lifetime = _seconds(fields.pop("oauth_expires_in", "")) or server.token_lifetime_seconds
    expires_at = int((yield from Now())) + lifetime if lifetime else 0
    handle = fields.pop("oauth_session_handle", "")
    renewed_by: Secret | None = Secret(handle) if handle else None
    if renewed_by is None and server.renewal_endpoint:
        kept = before is not None and before.refresh_token != before.access_token
        renewed_by = before.refresh_token if before is not None and kept else Secret(token.identifier)
    tokens = Tokens(Secret(token.identifier), renewed_by, token.secret)
    return keepable(Grant(tokens, expires_at, registration.scope, tuple(fields.items())))


def refresh(registration: Registration, tokens: Tokens, *, scope: tuple[str, ...], not_after: float) -> WireOp[Grant]:
    """The renewed token credentials. What says that they are at their end is `invalid_grant`."""
    from valetkey.oauth1.renewal import renew_token_credentials

    del scope
    server, client = parts(registration)
    handle = None if tokens.refresh_token == tokens.access_token else tokens.refresh_token
    try:
        token = yield from renew_token_credentials(
            server,
            client,
            token=_token(tokens),
            session_handle=handle,
            not_after=not_after,
            clocks=registration.clocks,
        )
    except ProviderError as error:
        if error.error not in NOT_RENEWED and (error.error, error.status) != ("unauthorized", 401):
            raise
        message = "the provider does not renew this token any more: the resource owner must connect again"
        why = error.explanation
        raise ProviderError(message, error="invalid_grant", status=error.status, explanation=why) from None
    return (yield from granted(registration, token, before=tokens))


def authorize(registration: Registration, request: Request, tokens: Tokens) -> WireOp[Request]:
    """The request, signed with both sets of credentials (section 3)."""
    return (yield from _signed(registration, request, _token(tokens)))


def authorize_as_client(registration: Registration, request: Request) -> WireOp[Request]:
    """The request, signed with the client's credentials alone (section 3.1: oauth_token may be left out)."""
    return (yield from _signed(registration, request, None))


def _signed(registration: Registration, request: Request, token: TokenCredentials | None) -> WireOp[Request]:
    from valetkey.oauth1.sign import sign_for

    server, client = parts(registration)
    clocks = registration.clocks
    offset = clocks.of(read_url(request.url).host) if clocks is not None else 0
    return (yield from sign_for(server, request, client, token=token, clock_offset=offset))


def learn_clock(registration: Registration, request: Request, response: Response) -> WireOp[bool]:
    """Whether the answer is a refusal that another time may cure: the host's offset is then known (section 3.3).

    Raises ProviderError (`clock_skew`) where the clocks are more than a day apart: that is not believed.
    """
    from valetkey.oauth1.answers import MAX_CLOCK_OFFSET_SECONDS, clock_offset, clock_skew, problem

    now = int((yield from Now()))
    offset = clock_offset(response, now=now)
    if offset is None:
        return False
    if abs(offset) > MAX_CLOCK_OFFSET_SECONDS:
        raise clock_skew(now=now, offset=offset, status=response.status)
    clocks, host = registration.clocks, read_url(request.url).host
    if clocks is None or (abs(offset - clocks.of(host)) <= 1 and problem(response) != "timestamp_refused"):
        return False
    clocks.learn(host, offset)
    return True


def unlearn_clock(registration: Registration, request: Request, response: Response) -> WireOp[None]:
    """Forget the offset where it did not help.

    Raises ProviderError (`clock_skew`) where the server says that it refuses even its own time.
    """
    from valetkey.oauth1.answers import clock_offset, clock_skew, problem

    if response.status not in (400, 401):
        return
    if registration.clocks is not None:
        registration.clocks.forget(read_url(request.url).host)
    now = int((yield from Now()))
    offset = clock_offset(response, now=now)
    if offset is not None and problem(response) == "timestamp_refused":
        raise clock_skew(now=now, offset=offset, status=response.status)


def revoke(registration: Registration, tokens: Tokens, *, not_after: float) -> WireOp[AtProvider]:
    """End the token credentials, where the provider has an endpoint for it: RFC 5849 has none."""
    from valetkey.oauth1.authorize import revoke_token_credentials

    server, client = parts(registration)
    if not server.revocation_endpoint:
        return "unsupported"
    try:
        _ = yield from revoke_token_credentials(
            server, client, token=_token(tokens), not_after=not_after, clocks=registration.clocks
        )
    except ProviderError as error:
        if error.error not in ENDED:
            raise
    return "revoked"


def _seconds(text: str) -> int:
    """The lifetime that a provider wrote, 0 where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_LIFETIME_DIGITS else 0


def _token(tokens: Tokens) -> TokenCredentials:
    return TokenCredentials(tokens.access_token.reveal(), tokens.token_secret or Secret(""))
