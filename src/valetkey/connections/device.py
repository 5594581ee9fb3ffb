"""Connect an account from where there is no browser, or none at hand (RFC 8628).

    begin --codes--> row: POLLED, device code sealed     the person types the code at the provider's page
    poll  --now or wait? take the turn--ask--.
                authorization_pending         wait the interval
                slow_down                     wait 5 s more, from now on
                no answer, 429, 5xx           wait twice as long, from now on
                access_denied, expired_token  over
                tokens                        connection saved, then the row DONE

The one rule: one caller asks at a time, for the turn is taken by `Swap` before the provider is asked; so a thousand
functions that poll for one page stay within the interval.
"""

from __future__ import annotations

from valetkey.connections.by_oauth2 import check_same_issuer, granted, new_key, parts, proof_key
from valetkey.connections.claims import DONE, FAILED, POLLED, Claim, load_claim, move_claim, take_claim
from valetkey.connections.codec import connection_key, number, partition_of
from valetkey.connections.discovery import described, heeded, ready
from valetkey.connections.establish import flow_mark, save_grant, settle
from valetkey.connections.grant import exchange_deadline
from valetkey.connections.identity import identified, keys_for
from valetkey.connections.links import read_handle
from valetkey.connections.records import describe_record, load_record, sealing_key, swap_settled
from valetkey.connections.registrations import refuse_by_url, refuse_oauth1, registered
from valetkey.connections.seal import device_place
from valetkey.digest import sha256_hex
from valetkey.effects import Now, Open, Random, Row, Seal
from valetkey.errors import (
    AuthorizationDenied,
    AuthorizationExpired,
    CallbackError,
    MalformedResponse,
    ProviderError,
    StoreError,
    TransportError,
)
from valetkey.http import base64url
from valetkey.secret import Secret, constant_time_equal
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from valetkey.connections.connection import Connection
    from valetkey.connections.grant import Grant
    from valetkey.connections.settings import Settings
    from valetkey.effects import Clear, Op
    from valetkey.oauth2.server import AuthorizationServer
    from valetkey.providers.registration import Registration

SLOW_DOWN_SECONDS = 5  # 8628 s3.5
MAX_INTERVAL = 300
KEPT_SECONDS = 900  # after the codes have expired, so that a late poll learns why
OVER = {"access_denied": "access_denied", "expired_token": "flow_expired", "invalid_grant": "flow_expired"}


@value
class DeviceAuthorization:
    """What to show the resource owner, and how to go on.

    user_code: to be typed in at verification_uri. verification_uri_complete: has the code in it, for a QR code; empty
      where the provider has none. expires_at: Unix seconds. interval: seconds between two polls.
    handle: for `poll_device_authorization`; only with this resource owner.
    """

    handle: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_at: int
    interval: int


@value
class DeviceStep:
    """Where a device authorization stands: the connection, or None and the seconds until asking again makes sense."""

    connection: Connection | None
    retry_after: float = 0.0


def begin_device_authorization(
    settings: Settings,
    registration: str,
    *,
    resource_owner: str,
    scope: tuple[str, ...] | None = None,
    account: str = "",
) -> Op[DeviceAuthorization]:
    """The codes for connecting an account of this resource owner (RFC 8628 section 3.1).

    Raises ConfigurationError where the provider does not offer it, ProviderError, TransportError, StoreError.
    """
    from valetkey.oauth2.device import DEVICE_CODE, request_device_codes

    named = yield from registered(settings, registration, owner=resource_owner)
    refuse_by_url(named)
    refuse_oauth1(named, "device authorization")
    at = yield from ready(settings, named, DEVICE_CODE)
    _ = connection_key(at.name, resource_owner, account)  # what cannot be stored is refused before anybody consents
    server, client = parts(at)
    asked = at.scope if scope is None else scope
    not_after = yield from exchange_deadline()
    codes = yield from heeded(settings, at, request_device_codes(server, client, scope=asked, not_after=not_after))
    flow, half = (yield from Random(16)).hex(), (yield from Random(16))
    place = device_place(settings.environment, at.name, flow)
    sealed = yield from Seal(place, _pack(codes.device_code, asked, server.issuer or ""))
    now = int((yield from Now()))
    fields: dict[str, str | int] = {
        "account": account,
        "owner": partition_of(resource_owner),
        "handle": sha256_hex(half.hex()),
        "complete_by": codes.expires_at,
        "interval": codes.interval,
        "next_poll_at": now + codes.interval,
        "in_doubt": 0,
    }
    lifetime = codes.expires_at - now + KEPT_SECONDS
    taken = yield from take_claim(flow, context=at.name, state=POLLED, sealed=sealed, fields=fields, lifetime=lifetime)
    if taken is None:
        message = "the device authorization could not be written down: begin again"
        raise StoreError(message)
    return DeviceAuthorization(
        base64url(bytes.fromhex(flow) + half),
        codes.user_code,
        codes.verification_uri,
        codes.verification_uri_complete,
        codes.expires_at,
        codes.interval,
    )


def poll_device_authorization(settings: Settings, handle: str, *, resource_owner: str) -> Op[DeviceStep]:
    """The connection, if the resource owner has allowed it meanwhile (RFC 8628 sections 3.4 and 3.5).

    Polled too early it asks nobody and says how long to wait; an outage of the provider is a longer wait.
    Raises CallbackError: `handle_unknown`, `user_changed`, `issuer_mismatch` where another issuer is configured by now,
    `id_token_...`; AuthorizationDenied; AuthorizationExpired: `flow_expired`, or `in_doubt` where an answer was lost;
    ProviderError where waiting does not help; StoreError.
    """
    unknown = CallbackError("handle_unknown", "the handle is not one of a device authorization: begin again")
    flow, half = read_handle(handle, unknown)
    claim = yield from load_claim(flow)
    if claim is None or not constant_time_equal(str(claim.clear.get("handle", "")), sha256_hex(half)):
        raise unknown
    if not constant_time_equal(str(claim.clear.get("owner", "")), partition_of(resource_owner)):
        raise CallbackError("user_changed", "another person began this device authorization: begin again")
    at = yield from described(settings, (yield from registered(settings, str(claim.clear.get("registration", "")))))
    account = str(claim.clear.get("account", ""))
    if claim.state == FAILED:
        _raise_over(str(claim.clear.get("reason", "flow_expired")))
    if claim.state != POLLED:
        connection = yield from settle(settings, at, flow, resource_owner=resource_owner, account=account)
        return DeviceStep(connection)
    record = yield from load_record(at.name, resource_owner=resource_owner, account=account)
    if record is not None and record.connection.authorized_by == flow_mark(flow):  # saved, and then nobody was left
        _ = yield from move_claim(claim, DONE)
        return DeviceStep((yield from describe_record(settings, record)))
    now = yield from Now()
    if now >= number(claim.clear, "complete_by"):
        yield from _end(claim, "in_doubt" if claim.clear.get("in_doubt") else "flow_expired")
    wait = number(claim.clear, "next_poll_at") - now
    if wait > 0:
        return DeviceStep(None, wait)
    return (yield from _ask(settings, at, claim, flow=flow, resource_owner=resource_owner))


def _ask(settings: Settings, at: Registration, claim: Claim, *, flow: str, resource_owner: str) -> Op[DeviceStep]:
    """Take the turn, ask once, and write down what came of it."""
    from valetkey.oauth2.device import device_token

    _ = yield from sealing_key(settings)  # tokens that could not be kept are not fetched
    place = device_place(settings.environment, at.name, flow)
    server, client = parts(at)
    device_code, asked = _unpack((yield from Open(place, claim.sealed)), server)
    not_after = yield from exchange_deadline()
    turn = yield from _write(claim, {"next_poll_at": int(not_after) + 2, "in_doubt": 1})
    if turn is None:
        return DeviceStep(None, float(claim.clear.get("interval", SLOW_DOWN_SECONDS)))
    try:
        kept = yield from keys_for(at, server, asked, not_after=not_after)
        key = yield from new_key(server)  # a code that is not yet good is bound to nothing: each poll may have its own
        response = yield from heeded(
            settings,
            at,
            device_token(server, client, device_code=device_code, proof_key=proof_key(at, key), not_after=not_after),
        )
    except (ProviderError, TransportError) as error:
        return (yield from _not_yet(turn, error, doubted=bool(claim.clear.get("in_doubt"))))
    found = granted(response, asked=asked, before=None, key=key), response
    try:
        grant = yield from identified(server, client, *found, kept=kept, not_after=not_after)
    except CallbackError as refused:  # its tokens are discarded, and the device code is spent
        return (yield from _end(turn, refused.reason))
    connection = yield from _keep(settings, at, grant, flow, resource_owner, str(claim.clear.get("account", "")))
    try:
        _ = yield from move_claim(turn, DONE)
    except StoreError:  # the connection says by which flow: the next poll sees it
        return DeviceStep(connection)
    return DeviceStep(connection)


def _keep(
    settings: Settings,
    at: Registration,
    grant: Grant,
    flow: str,
    resource_owner: str,
    account: str,
) -> Op[Connection]:
    return (
        yield from save_grant(
            settings,
            at,
            grant,
            resource_owner=resource_owner,
            account=account,
            authorized_by=flow_mark(flow),
        )
    )


def _not_yet(turn: Claim, error: ProviderError | TransportError, *, doubted: bool) -> Op[DeviceStep]:
    """What follows from an answer without tokens. doubted: whether an earlier answer was lost."""
    interval = number(turn.clear, "interval", otherwise=SLOW_DOWN_SECONDS)
    word = error.error if isinstance(error, ProviderError) else "no_answer"
    if word in OVER:
        # 6749 s5.2: a device code that worked once is an invalid grant. Whom it worked for is not known any more.
        yield from _end(turn, "in_doubt" if doubted and word != "access_denied" else OVER[word])
    in_doubt = int(doubted and word not in ("authorization_pending", "slow_down"))  # these prove that it is unspent
    if word == "slow_down":
        interval += SLOW_DOWN_SECONDS
    elif _is_outage(error):  # 8628 s3.5: back off exponentially
        interval *= 2
        in_doubt = int(doubted or _maybe_answered(error))
    interval = min(interval, MAX_INTERVAL)
    asked_for = error.retry_after if isinstance(error, ProviderError) and error.retry_after else 0.0
    wait = max(interval, min(asked_for, MAX_INTERVAL))
    now = yield from Now()
    fields: Clear = {"interval": interval, "next_poll_at": int(now + wait + 0.999), "in_doubt": in_doubt}
    _ = yield from _write(turn, fields)
    if word in ("authorization_pending", "slow_down") or _is_outage(error):
        return DeviceStep(None, wait)
    raise error


def _is_outage(error: ProviderError | TransportError) -> bool:
    if isinstance(error, TransportError | MalformedResponse):
        return True
    return error.status >= 500 or error.status == 429 or error.error == "temporarily_unavailable"


def _maybe_answered(error: ProviderError | TransportError) -> bool:
    """Whether the device code may have been spent for an answer that did not arrive."""
    if isinstance(error, TransportError):
        return error.maybe_received
    return isinstance(error, MalformedResponse) or error.status >= 500


def _end(claim: Claim, reason: str) -> Op[NoReturn]:
    """It is over: the device code is deleted, the reason is kept for whoever polls next."""
    _ = yield from _write(claim, {"state": FAILED, "reason": reason})
    _raise_over(reason)


def _raise_over(reason: str) -> NoReturn:
    if reason == "access_denied":
        raise AuthorizationDenied("access_denied", "the resource owner did not allow it")
    if reason.startswith("id_token_"):
        raise CallbackError(reason, "the provider's id_token was refused, and nothing was kept: begin again")
    if reason == "in_doubt":
        message = "the code was answered, and the answer was lost on its way: begin again"
        raise AuthorizationExpired(reason, message)
    raise AuthorizationExpired(reason, "the code was not typed in in time: begin again")


def _write(claim: Claim, fields: Clear) -> Op[Claim | None]:
    """The row with those columns, or None where another caller was faster."""
    version = yield from Random(16)
    clear: Clear = {**claim.clear, **fields}
    sealed = b"" if clear.get("state") == FAILED else claim.sealed
    expires_at = number(claim.clear, "complete_by") + KEPT_SECONDS
    won = yield from swap_settled(claim.key, claim.version, Row(claim.key, version, clear, sealed, expires_at))
    return Claim(claim.key, version, clear, sealed) if won else None


def _pack(device_code: Secret, scope: tuple[str, ...], issuer: str) -> bytes:
    import json

    return json.dumps([device_code.reveal(), list(scope), issuer], separators=(",", ":")).encode()


def _unpack(plaintext: bytes, server: AuthorizationServer) -> tuple[Secret, tuple[str, ...]]:
    """The device code, and the scope that was asked for. Raises CallbackError where another issuer gave the code."""
    import json

    device_code, scope, *asked = json.loads(plaintext)
    for issuer in asked:  # an older valetkey wrote none
        check_same_issuer(issuer, server)
    return Secret(device_code), tuple(scope)
