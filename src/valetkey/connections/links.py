"""Connect links: for applications whose own session the callback cannot see (bearer tokens, a link in a mail).

A link says for whom, never who. Opening it shows a page; only that page's same-origin POST consumes the link, so mail
robots are harmless. The callback exchanges nothing: it seals the code into the flow's claim and sends the browser to
the application with a one-time handle; the application, after its signed-in user has confirmed, names who it is.
The one rule: without a resource owner who is both meant and present, no code is exchanged.
"""

from __future__ import annotations

from valetkey.connections.authorize import begin_authorization
from valetkey.connections.claims import CLAIMED, WAITING, Claim, load_claim, release_claim, take_claim
from valetkey.connections.codec import connection_key, number, partition_of
from valetkey.connections.discovery import described
from valetkey.connections.establish import establish, settle
from valetkey.connections.pending import MAX_COMPLETION_SECONDS, SKEW_SECONDS, pack_pending, unpack_pending
from valetkey.connections.records import swap_settled
from valetkey.connections.registrations import registered
from valetkey.connections.seal import claim_place, link_place, open_given
from valetkey.connections.settings import read_return_to
from valetkey.digest import sha256_hex
from valetkey.effects import Now, Open, Random, Row, Seal
from valetkey.errors import (
    AuthorizationExpired,
    CallbackError,
    ConfigurationError,
    RequestRefused,
    ValetkeyError,
)
from valetkey.http import base64url, base64url_decode, with_query
from valetkey.secret import Secret, constant_time_equal
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.authorize import Redirect
    from valetkey.connections.connection import Connection
    from valetkey.connections.pending import Pending
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.http import Pairs
    from valetkey.providers.registration import Registration

LINK_SECONDS = 3600
MAX_LINK = 2048
MAX_HANDLE = 64


@value
class Link:
    """What a connect link says: which registration, for whom, and where to go afterwards."""

    id: str
    registration: str
    resource_owner: str
    account: str
    return_to: str
    issued_at: int


def connect_url(
    settings: Settings, registration: str, *, resource_owner: str, return_to: str | None = None, account: str = ""
) -> Op[str]:
    """A link that connects an account for this resource owner, once, within an hour. Nothing is stored."""
    import json

    at = yield from registered(settings, registration, owner=resource_owner)
    _ = connection_key(at.name, resource_owner, account)
    identity, now = (yield from Random(16)), (yield from Now())
    content = [identity.hex(), at.name, resource_owner, account, read_return_to(settings, return_to), int(now)]
    sealed = yield from Seal(link_place(settings.environment), json.dumps(content, separators=(",", ":")).encode())
    if len(sealed) > MAX_LINK:
        message = f"the link would have {len(sealed)} characters, over {MAX_LINK}: name the resource owner shorter"
        raise ConfigurationError(message)
    return f"{settings.base_url}/link/{sealed.decode()}"


def read_link(settings: Settings, text: str) -> Op[Link]:
    """What a link says. Raises RequestRefused: `link_invalid` (404) or `link_expired` (410)."""
    import json

    message = "this link is not complete: open it again from where it was sent"
    invalid = RequestRefused("link_invalid", message, status=404)
    if len(text) > MAX_LINK:
        raise invalid
    plaintext = yield from open_given(link_place(settings.environment), text)
    if plaintext is None:
        raise invalid
    link = Link(*json.loads(plaintext))
    if (yield from Now()) - link.issued_at > LINK_SECONDS:
        raise RequestRefused("link_expired", "this link was made too long ago: ask for a new one", status=410)
    return link


def begin_from_link(settings: Settings, text: str, *, resource_owner: str | None, cookies: Pairs) -> Op[Redirect]:
    """Start what the link is for, once; where the application's session is visible, only for the one it is for.

    Raises RequestRefused: `link_other_owner` (403), `link_used` (410), and what `read_link` raises.
    """
    link = yield from read_link(settings, text)
    if resource_owner is not None and resource_owner != link.resource_owner:
        message = "this link was made for somebody else: sign in as the person it was sent to"
        raise RequestRefused("link_other_owner", message, status=403)
    claim = yield from take_claim(f"link/{link.id}", context=link.registration, lifetime=LINK_SECONDS + SKEW_SECONDS)
    if claim is None and resource_owner is None:
        raise RequestRefused("link_used", "this link was used before: ask for a new one", status=410)
    try:
        return (
            yield from begin_authorization(
                settings,
                link.registration,
                resource_owner=link.resource_owner,
                cookies=cookies,
                return_to=link.return_to or None,
                account=link.account,
                link=resource_owner is None,
            )
        )
    except ValetkeyError:
        if claim is not None:
            yield from release_claim(claim)
        raise


def hand_over(settings: Settings, registration: Registration, pending: Pending, answer: Secret | None) -> Op[str]:
    """The application's URL with a one-time handle; code and verifier wait, sealed, in the flow's claim."""
    if not settings.completion_url:
        message = "sign in to the application in this browser, then start again"
        raise CallbackError("owner_unknown", message, status=401)
    half = yield from Random(16)
    place = claim_place(settings.environment, registration.name, pending.flow)
    sealed = yield from Seal(place, _pack_waiting(answer, pending))
    lifetime = min(MAX_COMPLETION_SECONDS, registration.provider.code_lifetime)
    fields: dict[str, str | int] = {
        "account": pending.account,
        "owner": pending.owner,
        "handle": sha256_hex(half.hex()),
        "complete_by": int((yield from Now())) + lifetime,
    }
    taken = yield from take_claim(pending.flow, context=registration.name, state=WAITING, sealed=sealed, fields=fields)
    if taken is None:
        raise AuthorizationExpired("already_used", "this authorization was used before: start again")
    handle = base64url(bytes.fromhex(pending.flow) + half)
    return with_query(settings.completion_url, (("handle", handle),))


def complete_authorization(settings: Settings, handle: str, *, resource_owner: str) -> Op[Connection]:
    """The connection, once the application says that this resource owner, signed in there, has confirmed it.

    Confirmed twice, it is the same connection.
    Raises CallbackError: `handle_unknown`, `user_changed`, `issuer_mismatch`; AuthorizationExpired: `flow_expired`,
    `already_used`.
    """
    unknown = CallbackError("handle_unknown", "the handle is not one that waits for completion: start again")
    flow, half = read_handle(handle, unknown)
    claim = yield from load_claim(flow)
    if claim is None or not constant_time_equal(str(claim.clear.get("handle", "")), sha256_hex(half)):
        raise unknown
    at = yield from described(settings, (yield from registered(settings, str(claim.clear.get("registration", "")))))
    if claim.state != WAITING:
        return (yield from settle(settings, at, flow, resource_owner=resource_owner, account=None))
    if (yield from Now()) > number(claim.clear, "complete_by"):
        raise AuthorizationExpired("flow_expired", "the authorization was not confirmed in time: start again")
    place = claim_place(settings.environment, at.name, flow)
    answer, pending = _unpack_waiting(at.name, flow, (yield from Open(place, claim.sealed)))
    if not constant_time_equal(pending.owner, partition_of(resource_owner)):
        raise CallbackError("user_changed", "another person is signed in than the link was made for")
    if at.provider.protocol == "oauth2":
        from valetkey.connections.by_oauth2 import check_same_issuer, parts

        check_same_issuer(pending.issuer, parts(at)[0])
    taken = yield from _take(claim)
    if taken is None:
        return (yield from settle(settings, at, flow, resource_owner=resource_owner, account=None))
    return (yield from establish(settings, at, pending, answer, claim=taken, resource_owner=resource_owner))


def _pack_waiting(answer: Secret | None, pending: Pending) -> bytes:
    import json

    content = [answer.reveal() if answer else "", pack_pending(pending).decode()]
    return json.dumps(content, separators=(",", ":")).encode()


def _unpack_waiting(context: str, flow: str, plaintext: bytes) -> tuple[Secret | None, Pending]:
    import json

    answer, packed = json.loads(plaintext)
    return Secret(answer) if answer else None, unpack_pending(context, flow, packed.encode())


def read_handle(handle: str, unknown: CallbackError) -> tuple[str, str]:
    """The flow and the secret half in a handle, in hexadecimal. Raises `unknown`."""
    try:
        octets = base64url_decode(handle[:MAX_HANDLE])
    except ValueError:
        raise unknown from None
    if len(octets) != 32:
        raise unknown
    return octets[:16].hex(), octets[16:].hex()


def _take(waiting: Claim) -> Op[Claim | None]:
    """The claim in this caller's hands, or None where another completed it first."""
    version = yield from Random(16)
    clear = {**waiting.clear, "state": CLAIMED}
    expires_at = number(waiting.clear, "claimed_at") + 900
    won = yield from swap_settled(waiting.key, waiting.version, Row(waiting.key, version, clear, b"", expires_at))
    return Claim(waiting.key, version, clear) if won else None
