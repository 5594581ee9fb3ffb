"""One request to a protected resource, and what its answers lead to (RFC 6749 section 7, RFC 5849 section 3).

    attempt --signed--> answer --next_attempt--> None: the answer stands
                                                 a proof with the nonce that it named, once for each token (9449 s9)
                                                 signed at the server's own time, once (5849 s3.3)
                                                 another token than the one that was refused, once (6750 s3.1)
                                                 ReauthorizationRequired: more scope than there is (6750 s3.1)

The one rule: whether and how a request is tried again is decided here, for `call` and for other HTTP clients alike.
Not here: sending (`call`, `valetkey.integrations`).
"""

from __future__ import annotations

from valetkey.connections.grant import speaker
from valetkey.connections.refresh import current_tokens
from valetkey.connections.registrations import registered_lately
from valetkey.connections.sign import check_target, refuse_certificate_bound
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from valetkey.connections.connection import Tokens
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op, WireOp
    from valetkey.http import Request, Response
    from valetkey.providers.registration import Registration
    from valetkey.secret import Secret

    Change: TypeAlias = Literal["nonce", "clock", "token"]

MAX_ATTEMPTS = 4  # at most: the first, one with a nonce, one with another token, one with a nonce for that


@value
class Attempt:
    """A request that is authorized and ready to be sent: `signed`. request: as its caller means it.

    resource_owner: None where the client speaks for itself. tokens: None where it signs without any.
    changed: what was changed after each answer so far.
    """

    registration: Registration
    request: Request
    signed: Request
    tokens: Tokens | None = None
    resource_owner: str | None = None
    account: str = ""
    changed: tuple[Change, ...] = ()

    def __repr__(self) -> str:
        return f"Attempt({self.request!r}, changed={self.changed})"

    def asks_about(self, status: int) -> bool:
        """Whether an answer with that status is for `next_attempt` to look at."""
        return status in (400, 401, 403) or self._is_bound

    def reads_body(self, status: int) -> bool:
        """Whether `next_attempt` needs the body of such an answer, too: some servers say there what they refuse."""
        return status in (400, 401) and (self._is_bound or self.registration.provider.protocol == "oauth1")

    @property
    def _is_bound(self) -> bool:
        return self.tokens is not None and self.tokens.proof_key is not None


def attempt(
    settings: Settings, request: Request, *, registration: str, resource_owner: str, account: str = ""
) -> Op[Attempt]:
    """The request, authorized for the resource owner and an HTTP client that is not ours. Raises what `sign` raises."""
    at = yield from registered_lately(settings, registration, owner=resource_owner)
    refuse_certificate_bound(at)
    return (yield from first_attempt(settings, at, request, resource_owner=resource_owner, account=account))


def attempt_as_client(
    settings: Settings, request: Request, *, registration: str, scope: tuple[str, ...] | None = None
) -> Op[Attempt]:
    """The request, authorized for the client alone. Raises what `sign_as_client` raises."""
    at = yield from registered_lately(settings, registration)
    refuse_certificate_bound(at)
    return (yield from first_attempt_as_client(settings, at, request, scope=scope))


def next_attempt(settings: Settings, attempt: Attempt, response: Response) -> Op[Attempt | None]:
    """What to send after this answer; None where the answer stands. Raises what asking for a token anew raises.

    Raises ProviderError (`clock_skew`, with both times) where no time that may be learned helps a refused timestamp;
    ReauthorizationRequired (`insufficient_scope`) where a 403 asks for scope that the connection lacks (6750 s3.1).

    A proof is made with the nonce that the answer named (RFC 9449 section 9), a signature at the server's own time
    (RFC 5849 section 3.3); a token that was refused is replaced if it is still the stored one (RFC 6750 section 3.1).
    """
    following = yield from proved_again(attempt, response)
    if following is None and attempt.registration.provider.protocol == "oauth1" and response.status in (400, 401):
        following = yield from _at_their_time(attempt, response)
    if following is None and response.status == 401 and "token" not in attempt.changed:
        following = yield from _with_another_token(settings, attempt)
    if following is None and response.status == 403:
        yield from _check_scope(settings, attempt, response)
    return following


def first_attempt(
    settings: Settings, at: Registration, request: Request, *, resource_owner: str, account: str
) -> Op[Attempt]:
    """The request with the connection's tokens; whoever sends it presents the certificate that they may be bound to."""
    check_target(at, request)
    return (yield from attempt_at_server(settings, at, request, resource_owner=resource_owner, account=account))


def first_attempt_as_client(
    settings: Settings, at: Registration, request: Request, *, scope: tuple[str, ...] | None
) -> Op[Attempt]:
    """The request of the client alone (RFC 5849 section 3.1, RFC 6749 section 4.4)."""
    check_target(at, request)
    if at.provider.protocol == "oauth1":
        from valetkey.connections.by_oauth1 import authorize_as_client

        return Attempt(at, request, (yield from authorize_as_client(at, request)))
    from valetkey.connections.client import client_registration, client_tokens

    alone = client_registration(at, scope)
    tokens = yield from client_tokens(settings, alone)
    return Attempt(alone, request, (yield from speaker(alone).authorize(alone, request, tokens)), tokens)


def attempt_at_server(
    settings: Settings, at: Registration, request: Request, *, resource_owner: str, account: str
) -> Op[Attempt]:
    """The same for what needs no look at the list of API hosts: an endpoint that the server's own entry names."""
    tokens = yield from current_tokens(settings, at, resource_owner=resource_owner, account=account)
    signed = yield from speaker(at).authorize(at, request, tokens)
    return Attempt(at, request, signed, tokens, resource_owner, account)


def proved_again(attempt: Attempt, response: Response) -> WireOp[Attempt | None]:
    """The request with a proof that has the nonce, where the answer refused it only for want of that (9449 s9)."""
    if attempt.tokens is None or attempt.tokens.proof_key is None:
        return None
    from valetkey.connections.by_oauth2 import must_prove_again

    wanted = must_prove_again(attempt.registration, attempt.request, response)  # whichever: it may name the next one
    if not wanted or attempt.changed[-1:] == ("nonce",):
        return None
    return (yield from _changed(attempt, "nonce", attempt.tokens))


def _at_their_time(attempt: Attempt, response: Response) -> WireOp[Attempt | None]:
    """The request signed at the server's own time, if that may be why it was refused (5849 s3.3)."""
    from valetkey.connections.by_oauth1 import learn_clock, unlearn_clock

    at = attempt.registration
    if "clock" not in attempt.changed:
        if not (yield from learn_clock(at, attempt.request, response)):
            return None
        return (yield from _changed(attempt, "clock", attempt.tokens))
    if attempt.changed[-1] == "clock":
        yield from unlearn_clock(at, attempt.request, response)
    return None


def _check_scope(settings: Settings, attempt: Attempt, response: Response) -> Op[None]:
    at, owner = attempt.registration, attempt.resource_owner
    if owner is None or at.provider.protocol != "oauth2":
        return  # nobody could consent to more
    from valetkey.connections.scope import check_scope

    yield from check_scope(settings, at, response, resource_owner=owner, account=attempt.account)


def _with_another_token(settings: Settings, attempt: Attempt) -> Op[Attempt | None]:
    at, refused = attempt.registration, attempt.tokens
    if refused is None or (refused.refresh_token is None and not at.renews_alone):
        return None
    tokens = yield from _renewed(settings, attempt, refused.access_token)
    return (yield from _changed(attempt, "token", tokens))


def _renewed(settings: Settings, attempt: Attempt, rejected: Secret) -> Op[Tokens]:
    at = attempt.registration
    if attempt.resource_owner is None:
        from valetkey.connections.client import client_tokens

        return (yield from client_tokens(settings, at, rejected=rejected))
    owner, account = attempt.resource_owner, attempt.account
    return (yield from current_tokens(settings, at, resource_owner=owner, account=account, rejected=rejected))


def _changed(attempt: Attempt, change: Change, tokens: Tokens | None) -> WireOp[Attempt]:
    at, request = attempt.registration, attempt.request
    if tokens is None:
        from valetkey.connections.by_oauth1 import authorize_as_client

        signed = yield from authorize_as_client(at, request)
    else:
        signed = yield from speaker(at).authorize(at, request, tokens)
    return replace(attempt, signed=signed, tokens=tokens, changed=(*attempt.changed, change))
