"""Who the connected account is: the id_token, whatever grant it comes with, and userinfo (OpenID Connect Core 1.0).

The one rule: the keys are at hand before anything is spent, and tokens whose id_token fails a check are not kept.
"""

from __future__ import annotations

from valetkey.connections.issuer_keys import fetch_keys, signature_problem
from valetkey.effects import Now
from valetkey.errors import (
    ConfigurationError,
    MalformedResponse,
    ProviderError,
    ReauthorizationRequired,
    TransportError,
)
from valetkey.http import Headers, Request
from valetkey.oauth2.id_token import (
    MAX_SUBJECT,
    Identity,
    check_bindings,
    check_header,
    check_identity,
    check_moment,
    refuse,
    require_at_hash,
)
from valetkey.oauth2.jwks import key_set
from valetkey.oauth2.jws import header_problem, read_jws
from valetkey.oauth2.kept import KeptKeys
from valetkey.oauth2.server import AuthorizationServer
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from valetkey.connections.grant import Grant
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op, WireOp
    from valetkey.http import Response
    from valetkey.oauth2.client import Client
    from valetkey.oauth2.jws import Jws
    from valetkey.oauth2.token_response import TokenResponse
    from valetkey.providers.registration import Registration
    from valetkey.secret import Secret

OPENID = "openid"
MAX_USERINFO_OCTETS = 64 * 1024


def identifies(server: AuthorizationServer, scope: tuple[str, ...]) -> bool:
    """Whether an id_token is expected and can be checked: scope has `openid`, and the issuer and its keys are known."""
    return OPENID in scope and bool(server.issuer and server.jwks_uri)


def keys_for(
    registration: Registration, server: AuthorizationServer, scope: tuple[str, ...], *, not_after: float
) -> WireOp[KeptKeys | None]:
    """The issuer's keys, before a grant is spent that an id_token may come with; None where it is not looked at.

    Raises TransportError of something that was never sent.
    """
    if not identifies(server, scope):
        return None
    return (yield from fetch_keys(registration, server, not_after=not_after))


def identified(
    server: AuthorizationServer,
    client: Client,
    grant: Grant,
    response: TokenResponse,
    *,
    kept: KeptKeys | None,
    not_after: float,
) -> WireOp[Grant]:
    """The grant with whose account it is, where an id_token came with tokens that no authorization request led to.

    Nothing promises one there, so none is demanded, and no nonce was sent. kept: from `keys_for`.
    Raises CallbackError `id_token_...`: the tokens are then not to be kept.
    """
    if kept is None or response.id_token is None:
        return grant
    token = response.access_token
    who = yield from check_id_token(
        server, client, response.id_token, kept=kept, nonce=None, access_token=token, not_after=not_after
    )
    return replace(grant, subject=who.subject, issuer=who.issuer)


def check_id_token(
    server: AuthorizationServer,
    client: Client,
    id_token: Secret | None,
    *,
    kept: KeptKeys,
    nonce: str | None,
    access_token: Secret | None,
    not_after: float,
) -> WireOp[Identity]:
    """Who it was, from an id_token that passed every check of section 3.1.3.7. Raises CallbackError `id_token_...`.

    nonce: None where there was no authorization request that could carry one. access_token: what it came with; None
      where it came alone.
    """
    jws = _read(id_token)
    check_header(jws, algorithms=server.id_token_algorithms)
    yield from _check_signature(server, jws, kept, not_after)
    identity = check_identity(jws, issuer=server.issuer or "", client_id=client.client_id)
    check_moment(jws, now=(yield from Now()))
    check_bindings(jws, nonce=nonce, access_token=access_token)
    return identity


def check_implicit_id_token(
    server: AuthorizationServer,
    client: Client,
    response: TokenResponse,
    *,
    kept: KeptKeys,
    nonce: str,
    not_after: float,
) -> WireOp[Identity]:
    """The same for one that came through the browser beside an access token, whose hash it must hold (3.2.2.11)."""
    require_at_hash(_read(response.id_token))
    return (
        yield from check_id_token(
            server,
            client,
            response.id_token,
            kept=kept,
            nonce=nonce,
            access_token=response.access_token,
            not_after=not_after,
        )
    )


def refreshed_subject(server: AuthorizationServer, client: Client, response: TokenResponse) -> str:
    """The subject of a refreshed id_token (section 12.2); empty where there is none. Raises CallbackError.

    Its signature is not looked at: it came straight from the token endpoint over TLS, which section 3.1.3.7 step 6
    lets stand in for it. A key set that cannot be fetched must not cost a refresh token that was just replaced.
    """
    if response.id_token is None:
        return ""
    return check_identity(_read(response.id_token), issuer=server.issuer or "", client_id=client.client_id).subject


def _read(id_token: Secret | None) -> Jws:
    if id_token is None:
        raise refuse("missing", "there is none, although openid was asked for")
    try:
        return read_jws(id_token.reveal())
    except ValueError as why:
        raise refuse("malformed", str(why)) from None


def _check_signature(server: AuthorizationServer, jws: Jws, kept: KeptKeys, not_after: float) -> WireOp[None]:
    try:
        problem = yield from signature_problem(server, jws, kept, not_after=not_after)
    except (ProviderError, TransportError):  # the code is spent already: nothing could be tried again
        problem = "unknown_key"
    if problem == "unknown_key":
        raise refuse(problem, "the provider's key set has no key that it names")
    if problem:
        raise refuse(problem, "its signature is wrong")


@value
class UserInfo:
    """What the provider's userinfo endpoint says of the connected account (section 5.3). claims: as they came."""

    subject: str
    claims: Mapping[str, Any]


def userinfo(settings: Settings, registration: str, *, resource_owner: str, account: str = "") -> Op[UserInfo]:
    """The claims about the account; its `sub` must be the one of the connection's id_token (section 5.3.2).

    A connection that came without an id_token has nothing that could be compared, and section 5.3.2 asks for nothing
    more than a `sub` then: the token came from the token endpoint, or was shown to be this client's, and no browser
    could put another's in its place. What is said is the word of the userinfo endpoint alone.
    What is sent after a refusal is `attempt`'s to say, as for every protected resource (section 5.3.1).
    Raises ConfigurationError where the provider has no userinfo endpoint; ReauthorizationRequired
    (`insufficient_scope`) where a 403 asks for scope that the connection lacks; ProviderError, with `retry_after`;
    MalformedResponse, and what `access_token` of a vault raises.
    """
    from valetkey.connections.attempt import attempt_at_server
    from valetkey.connections.by_oauth2 import bound_certificate
    from valetkey.connections.call import answer_of_server
    from valetkey.connections.discovery import described
    from valetkey.connections.grant import exchange_deadline
    from valetkey.connections.manage import connection
    from valetkey.connections.registrations import refuse_oauth1, registered

    named = yield from registered(settings, registration, owner=resource_owner)
    refuse_oauth1(named, "userinfo endpoint")
    at = yield from described(settings, named)
    server = at.provider.server
    if not isinstance(server, AuthorizationServer) or not server.userinfo_endpoint:
        message = f"{at.name} has no userinfo endpoint: add userinfo_endpoint to its provider's entry"
        raise ConfigurationError(message)
    endpoint = server.userinfo_endpoint
    if at.registered_at:  # a client that was made at run time: the token may be another's, of another issuer
        before = yield from connection(settings, registration, resource_owner=resource_owner, account=account)
        if before is not None and at.is_newer_than(before.authorized_at):
            page = settings.connect_page(at.name)
            raise ReauthorizationRequired(at.name, "client_ended", connect_url=page)
    if bound_certificate(at) is not None:
        from valetkey.oauth2.mutual_tls import alias_of

        endpoint = alias_of(server, endpoint)
    asked = Request("GET", endpoint, Headers((("Accept", "application/json, application/jwt"),)))
    first = yield from attempt_at_server(settings, at, asked, resource_owner=resource_owner, account=account)
    response = yield from answer_of_server(settings, first, server.reach)
    if response.status != 200:
        raise _refused(response, now=(yield from Now()))
    if _media_type(response) == "application/jwt":
        claims = yield from _read_signed_claims(at, response.body, not_after=(yield from exchange_deadline()))
    else:
        claims = _read_claims(response.body)
    known = yield from connection(settings, registration, resource_owner=resource_owner, account=account)
    return UserInfo(_checked_subject(claims.get("sub"), "" if known is None else known.subject), claims)


def _refused(response: Response, *, now: float) -> ProviderError:
    from valetkey.dates import read_retry_after

    status = response.status
    advice = "check userinfo_endpoint of the provider's entry"
    if status == 429 or status >= 500:
        advice = "try again later"
    elif status in (401, 403):
        advice = "look at the connection's scope"
    retry_after = read_retry_after(response.headers.get("Retry-After"), now=now)
    message = f"the userinfo endpoint answered {status}: {advice}"
    return ProviderError(message, error="userinfo_refused", status=status, retry_after=retry_after)


def _checked_subject(found: object, known: str) -> str:
    """The subject of a userinfo answer. known: the id_token's; empty where none came with the tokens."""
    if known and found != known:  # s5.3.2: the claims are those of the id_token's subject, or they must not be used
        message = "the userinfo endpoint speaks of another account than the connection's id_token: it is not used"
        raise ProviderError(message, error="subject_mismatch", status=200)
    if not isinstance(found, str) or not 0 < len(found) <= MAX_SUBJECT:
        message = f"the userinfo endpoint does not say of whom it speaks (a `sub` of 1 to {MAX_SUBJECT} characters)"
        raise ProviderError(message, error="subject_missing", status=200)
    return found


def _read_claims(body: bytes) -> dict[str, Any]:
    from valetkey.oauth2.strict_json import read_json_object

    try:
        return read_json_object(body, limit=MAX_USERINFO_OCTETS)
    except ValueError as why:
        raise _unreadable(str(why)) from None


def _read_signed_claims(at: Registration, body: bytes, *, not_after: float) -> WireOp[dict[str, Any]]:
    """The claims of a signed answer, for this client and by the issuer's key (section 5.3.2).

    Raises MalformedResponse; ProviderError and TransportError where the issuer's keys cannot be had.
    """
    from valetkey.connections.by_oauth2 import parts

    server, client = parts(at)
    try:
        jws = read_jws(body.decode("ascii", "replace").strip())
    except ValueError as why:
        raise _unreadable(str(why)) from None
    problem: str = header_problem(jws, algorithms=server.id_token_algorithms)
    if not (server.jwks_uri and server.issuer):
        problem = "the server's issuer and jwks_uri are not configured"
    # Both may be left out; where they stand, they are the issuer and this client.
    audience = jws.claims.get("aud", client.client_id)
    if jws.claims.get("iss", server.issuer) != server.issuer:
        problem = problem or "issuer"
    if client.client_id not in (audience if isinstance(audience, list) else [audience]):
        problem = problem or "audience"
    if not problem:
        kept = at.kept_keys or KeptKeys()
        _ = yield from key_set(kept, server.jwks_uri or "", reach=server.reach, not_after=not_after)
        problem = yield from signature_problem(server, jws, kept, not_after=not_after)
    if problem:
        raise _unreadable(f"it is signed, and refused ({problem})")
    return jws.claims


def _media_type(response: Response) -> str:
    return (response.headers.get("Content-Type") or "").partition(";")[0].strip().lower()


def _unreadable(why: str) -> MalformedResponse:
    return MalformedResponse(f"the userinfo endpoint's answer cannot be read: {why}", status=200)
