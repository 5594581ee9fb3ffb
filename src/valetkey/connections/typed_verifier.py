"""Verifiers that the resource owner types in, for providers that show them (`oob`, RFC 5849 section 2.1).

    connect --> our page, with a link to the provider --> the provider shows a verifier
                our page's form <-- typed in ----------------'
                    | finish_with_verifier: the same checks as at any callback

The one rule: it is the same flow, with the same sealed cookie and the same claim; only the way of the verifier differs.
A wrong verifier ends the flow, for a verifier is short enough to be guessed.
"""

from __future__ import annotations

from valetkey.connections.authorize import finish_authorization
from valetkey.connections.pending import cookie_name, find_pending, read_state
from valetkey.connections.registrations import requested
from valetkey.errors import AuthorizationExpired, CallbackError, RequestRefused
from valetkey.http import Headers, Request, with_query
from valetkey.oauth1.credentials import Server, TemporaryCredentials
from valetkey.secret import Secret, constant_time_equal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.authorize import Finished
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.http import Pairs
    from valetkey.providers.registration import Registration

MAX_VERIFIER = 512


def is_typed(registration: Registration) -> bool:
    """Whether the provider shows the verifier to the resource owner."""
    return getattr(registration.provider.server, "verifier_typed", False) is True


def verifier_page(settings: Settings, registration: Registration, state: str) -> str:
    """Our page that takes the verifier of the flow."""
    return with_query(f"{settings.base_url}/verifier/{registration.name}", (("state", state),))


def provider_page(settings: Settings, registration: str, *, state: str, cookies: Pairs) -> Op[str]:
    """The provider's page that shows the verifier, for a flow of this browser. Raises CallbackError."""
    from valetkey.oauth1.authorize import authorization_url

    at = yield from requested(settings, registration)
    server = at.provider.server
    if not isinstance(server, Server) or not server.verifier_typed:
        raise RequestRefused("not_found", "this provider's verifiers are not typed in", status=404)
    flow, half = read_state(state)
    pending = yield from find_pending(settings, cookies, flow=flow)
    if pending is None:
        raise AuthorizationExpired("already_used", "this authorization was used before: start again")
    if not constant_time_equal(pending.half, half) or pending.context != at.name:
        raise CallbackError("state_mismatch", "the state is not the one that this browser was given: start again")
    return authorization_url(server, TemporaryCredentials(pending.temporary, Secret("")))


def finish_with_verifier(
    settings: Settings,
    registration: str,
    *,
    verifier: str,
    state: str,
    cookies: Pairs,
    resource_owner: str | None,
) -> Op[Finished]:
    """The connection for the verifier that was typed in. state: the one in the page's address.

    Raises what `finish_authorization` raises; where the verifier is wrong, ProviderError, and the flow is over.
    """
    at = yield from requested(settings, registration)
    if not is_typed(at):
        raise RequestRefused("not_found", "this provider's verifiers are not typed in", status=404)
    flow, _ = read_state(state)
    name = cookie_name(settings, flow)
    jar = "; ".join(f"{name}={text}" for key, text in cookies if key == name and text.isascii() and text.isprintable())
    answer = (("state", state), ("oauth_verifier", verifier.strip()[: MAX_VERIFIER + 1]))
    target = with_query(f"{settings.path}/callback/{at.name}", answer)
    request = Request("GET", target, Headers((("Cookie", jar),) if jar else ()))
    return (yield from finish_authorization(settings, request, resource_owner=resource_owner))
