"""More scope for a connection that is there: asked for when it is needed, all of it in one consent.

    require, or a 403 insufficient_scope --> ReauthorizationRequired(connect_url) --> our page --> the provider

The one rule: what to ask for travels sealed, bound to the registration and the resource owner; a browser cannot add to
it. What was granted before is asked for again, so that a new grant is never a smaller one.
"""

from __future__ import annotations

from valetkey.connections.asked_scope import asked_scope
from valetkey.connections.codec import partition_of
from valetkey.connections.connection import USABLE
from valetkey.connections.manage import connection as load_connection
from valetkey.connections.records import load_record, open_record
from valetkey.connections.registrations import registered
from valetkey.connections.seal import ask_place, open_given
from valetkey.effects import Now, Seal
from valetkey.errors import ConfigurationError, ReauthorizationRequired, RequestRefused, StoreError
from valetkey.http import with_query
from valetkey.oauth2.requested import is_scope
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.connection import Connection
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.http import Response
    from valetkey.providers.registration import Registration

ASK_SECONDS = 86_400
AGAIN_SECONDS = 3600
MAX_ASK = 2048
MAX_SCOPES = 50
INSUFFICIENT = "insufficient_scope"


@value
class Ask:
    """What a page is to ask the provider for: a scope, for one account label."""

    scope: tuple[str, ...]
    account: str


def require(
    settings: Settings, registration: str, *, resource_owner: str, scope: tuple[str, ...], account: str = ""
) -> Op[Connection]:
    """The connection, if it is usable and was granted at least that scope; nothing is sent to anybody.

    Raises ReauthorizationRequired, whose `connect_url` asks for what is missing together with what is there (RFC 6749
    section 3.3); ConfigurationError for OAuth 1.0a, which has no scope, and for what is none.
    """
    at = yield from registered(settings, registration, owner=resource_owner)
    if at.provider.protocol != "oauth2":
        message = f"{registration} speaks OAuth 1.0a, which has no scope: what it grants is set at the provider"
        raise ConfigurationError(message)
    if len(asked_scope(scope)) > MAX_SCOPES:
        message = f"scope is at most {MAX_SCOPES} words at once: require what this step needs"
        raise ConfigurationError(message)
    found = yield from load_connection(settings, at.name, resource_owner=resource_owner, account=account)
    if found is not None and found.problem:
        message = f"the connection cannot be read ({found.problem}): it is kept, see the key ring"
        raise StoreError(message)
    granted = () if found is None else found.scope
    if found is not None and found.state in USABLE and set(scope) <= set(granted):
        return found
    reason = INSUFFICIENT
    if found is None:
        reason = "not_connected"
    elif found.state not in USABLE:
        reason = found.last_error or found.state
    url = yield from ask_url(settings, at, (*granted, *scope), resource_owner=resource_owner, account=account)
    raise ReauthorizationRequired(at.name, reason, connect_url=url)


def check_scope(
    settings: Settings, registration: Registration, response: Response, *, resource_owner: str, account: str
) -> Op[None]:
    """Raise ReauthorizationRequired where the answer asks for scope that the connection lacks (RFC 6750 section 3.1).

    An answer that does not say which, or that names what was granted already, or more than a link can hold, or what was
    asked for within the last hour and withheld, is left to the caller: to connect again would not mend it.
    """
    needed = needed_scope(response)
    if not needed or (yield from _was_withheld(settings, registration, needed, resource_owner, account)):
        return
    found = yield from load_connection(settings, registration.name, resource_owner=resource_owner, account=account)
    if found is None or set(needed) <= set(found.scope):
        return
    union = (*found.scope, *needed)
    try:
        url = yield from ask_url(settings, registration, union, resource_owner=resource_owner, account=account)
    except ConfigurationError:
        return
    raise ReauthorizationRequired(registration.name, INSUFFICIENT, connect_url=url)


def _was_withheld(
    settings: Settings, registration: Registration, needed: tuple[str, ...], resource_owner: str, account: str
) -> Op[bool]:
    """Whether asking would only repeat what was asked a moment ago: nobody is sent to and fro for ever."""
    record = yield from load_record(registration.name, resource_owner=resource_owner, account=account)
    if record is None or (yield from Now()) > record.connection.authorized_at + AGAIN_SECONDS:
        return False
    try:
        held = yield from open_record(settings, record)
    except StoreError:
        return False
    return bool(held.withheld) and set(needed) <= {*held.scope, *held.withheld}


def needed_scope(response: Response) -> tuple[str, ...]:
    """The scope that a 403 says is needed; empty where it does not say, or not in scope's letters."""
    from valetkey.oauth2.bearer import read_challenges

    for challenge in read_challenges(response.headers):
        if challenge.scheme in ("bearer", "dpop") and challenge.get("error") == INSUFFICIENT:
            words = (challenge.get("scope") or "").split(" ")
            return tuple(words) if len(words) <= MAX_SCOPES and all(is_scope(word) for word in words) else ()
    return ()


def ask_url(
    settings: Settings, registration: Registration, scope: tuple[str, ...], *, resource_owner: str, account: str
) -> Op[str]:
    """Our page that asks for that scope and the registration's own, for this resource owner, within a day."""
    import json

    if not settings.base_url:
        return ""
    union = [*dict.fromkeys((*registration.scope, *scope))]
    content = json.dumps([int((yield from Now())), account, union], separators=(",", ":")).encode()
    place = ask_place(settings.environment, registration.name, partition_of(resource_owner))
    sealed = yield from Seal(place, content)
    if len(sealed) > MAX_ASK:
        message = f"the scope to ask for makes a link of {len(sealed)} characters, over {MAX_ASK}: require less at once"
        raise ConfigurationError(message)
    page = settings.connect_page(registration.name)
    return with_query(page, ((("account", account),) if account else ()) + (("ask", sealed.decode()),))


def read_ask(settings: Settings, registration: Registration, text: str, *, resource_owner: str) -> Op[Ask]:
    """What such a page is to ask for. Raises RequestRefused: `link_invalid` (404), `link_expired` (410)."""
    import json

    invalid = RequestRefused("link_invalid", "this link is not complete, or somebody else's", status=404)
    if len(text) > MAX_ASK:
        raise invalid
    place = ask_place(settings.environment, registration.name, partition_of(resource_owner))
    plaintext = yield from open_given(place, text)
    if plaintext is None:
        raise invalid
    issued_at, account, scope = json.loads(plaintext)
    if (yield from Now()) - issued_at > ASK_SECONDS:
        raise RequestRefused("link_expired", "this link was made too long ago: go back to the application", status=410)
    return Ask(tuple(scope), account)
