"""Events on their way to the webhook: sent at the end of an invocation, and kept in the store where that fails.

    told --> end of the invocation --2xx--> gone
                 | failed, or nobody said when the invocation ends
                 v
             a row, sealed, for three days --> the next delivery claims it, sends it, deletes it

A function may be frozen or killed when it has answered, so nothing is left running behind it. The one rule: telling
never fails what it tells of, and takes at most two seconds of an invocation; a delivery claims a row by `Swap` before
it sends, so that two at once rarely send the same event, and an event that was sent twice carries the same id.
Not here: what is told (`events`), how it is signed (`webhook`).
"""

from __future__ import annotations

from valetkey.connections.codec import number
from valetkey.connections.records import swap_settled
from valetkey.connections.seal import event_place
from valetkey.connections.webhook import webhook_request, write_body
from valetkey.digest import sha256_hex
from valetkey.effects import Key, List, Now, Open, Random, Remaining, Row, Seal, Send
from valetkey.errors import KeyUnavailable, SealBroken, StoreError, TransportError, ValetkeyError
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from valetkey.connections.settings import Settings
    from valetkey.connections.webhook import Webhook
    from valetkey.effects import Event, Op

PARTITION = sha256_hex("outbox")
TOLD = "event/"
KEPT_SECONDS = 3 * 86_400
SEND_SECONDS = 2.0
DELIVERY_SECONDS = 10.0
RESERVE_SECONDS = 0.5
AFTER_SUCCESS = 5
"""How many kept events an invocation sends besides its own, once the receiver has shown that it is there."""
PAUSES = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000)
"""Seconds from one attempt to the next; the last one again and again, until the event has been kept for three days."""
MAX_PAGES = 1_000
MAX_ATTEMPTS = 1_000_000  # far more than three days hold


@value
class Delivery:
    """What became of the kept events: sent, kept for later (not due, or failed again), given up after three days."""

    sent: int = 0
    kept: int = 0
    given_up: int = 0


def send_events(settings: Settings, events: Sequence[Event]) -> Op[None]:
    """Send what an invocation has told of, within two seconds; keep what cannot be sent. Never fails."""
    webhook = settings.webhook
    if webhook is None:
        return
    started = yield from Now()
    not_after = started + min(SEND_SECONDS, (yield from Remaining()) - RESERVE_SECONDS)
    answered = True
    for event in events:
        event_id = (yield from Random(16)).hex()
        body = write_body(event, told_at=int(started))
        if answered and (yield from _sent(webhook, body, event_id, not_after)):
            continue
        answered = False  # who did not answer one is not waited for again
        yield from _keep(settings, body, event_id)
    if events and answered and (yield from Now()) < not_after:
        try:
            _ = yield from deliver_events(settings, limit=AFTER_SUCCESS, seconds=not_after - (yield from Now()))
        except ValetkeyError:
            return  # they stay kept


def keep_events(settings: Settings, events: Sequence[Event]) -> Op[None]:
    """Keep events for a later delivery: where nobody said when the invocation ends. Never fails."""
    for event in events:
        event_id, now = (yield from Random(16)).hex(), (yield from Now())
        yield from _keep(settings, write_body(event, told_at=int(now)), event_id)


def deliver_events(settings: Settings, *, limit: int = 1_000, seconds: float = DELIVERY_SECONDS) -> Op[Delivery]:
    """Send the kept events that are due, oldest first, at most `limit` of them and for so many seconds.

    seconds: of one exchange too. Raises StoreError.
    """
    webhook = settings.webhook
    sent = kept = given_up = 0
    cursor = ""
    ends = (yield from Now()) + (yield from Remaining()) - RESERVE_SECONDS
    for _ in range(MAX_PAGES):
        page = yield from List(PARTITION, cursor)
        for row in page.rows:
            now = yield from Now()
            if not _is_event(row):
                kept += 1
            elif row.expires_at <= now:
                given_up += yield from swap_settled(row.key, row.version, None)
            elif webhook is None or number(row.clear, "next_at") > now or sent >= limit or now + 1 > ends:
                kept += 1
            elif (yield from _deliver(settings, webhook, row, min(now + seconds, ends))):
                sent += 1
            else:
                kept += 1
        cursor = page.cursor
        if not cursor:
            break
    return Delivery(sent, kept, given_up)


def _is_event(row: Row) -> bool:
    """Whether the row is as `_keep` writes it; what is not is somebody else's, and holds up nobody."""
    at, attempts = row.clear.get("next_at"), row.clear.get("attempts")
    named = row.key.name.startswith(TOLD) and isinstance(row.clear.get("event_id"), str)
    return named and isinstance(at, int) and isinstance(attempts, int) and 0 <= attempts < MAX_ATTEMPTS


def _deliver(settings: Settings, webhook: Webhook, row: Row, not_after: float) -> Op[bool]:
    """Whether this caller has claimed the row, sent its event and deleted it."""
    now, attempts = (yield from Now()), number(row.clear, "attempts") + 1
    pause = PAUSES[min(attempts, len(PAUSES)) - 1]
    clear = {**row.clear, "attempts": attempts, "next_at": int(now) + pause}
    claimed = Row(row.key, (yield from Random(16)), clear, row.sealed, row.expires_at)
    if not (yield from swap_settled(row.key, row.version, claimed)):
        return False
    event_id = str(row.clear["event_id"])
    try:
        body = yield from Open(event_place(settings.environment, row.key), row.sealed)
    except (KeyUnavailable, SealBroken):
        return False
    if not (yield from _sent(webhook, body, event_id, not_after)):
        return False
    _ = yield from swap_settled(claimed.key, claimed.version, None)
    return True


def _sent(webhook: Webhook, body: bytes, event_id: str, not_after: float) -> Op[bool]:
    now = yield from Now()
    if now >= not_after:
        return False
    request = webhook_request(webhook, body, event_id=event_id, now=int(now))
    try:
        response = yield from Send(request, webhook.reach, not_after, kept=True)
    except TransportError:
        return False
    return 200 <= response.status < 300


def _keep(settings: Settings, body: bytes, event_id: str) -> Op[None]:
    now = int((yield from Now()))
    key = Key(PARTITION, f"{TOLD}{now:012}-{event_id}")
    try:
        sealed = yield from Seal(event_place(settings.environment, key), body)
        clear: dict[str, str | int] = {"state": "event", "event_id": event_id, "attempts": 0, "next_at": now}
        row = Row(key, (yield from Random(16)), clear, sealed, now + KEPT_SECONDS)
        _ = yield from swap_settled(key, None, row)
    except (StoreError, ValueError):
        return  # the log has it: a store that is out of reach must not fail what is told of
