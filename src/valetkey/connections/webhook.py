"""A signed webhook, after Standard Webhooks (standardwebhooks.com): what is sent, to whom, under which secrets.

    webhook-id         the event's id: the same at every attempt, so that a receiver can drop what it has
    webhook-timestamp  Unix seconds of this attempt
    webhook-signature  v1,<base64 of HMAC-SHA256 over id.timestamp.body>, one for each secret, separated by blanks

The one rule: everything here is pure; the URL is reached as one that somebody else chose (https, public addresses
only), unless it is on loopback.
Not here: when it is sent and what is kept where it cannot be (`outbox`).
"""

from __future__ import annotations

from valetkey.dates import write_time
from valetkey.digest import hmac_sha256
from valetkey.effects import CONFIGURED, PUBLIC
from valetkey.http import Headers, Request, is_loopback, read_url
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.effects import Event, Reach
    from valetkey.secret import Secret

SECRET_MARK = "whsec_"  # noqa: S105 - what every secret begins with
MIN_SECRET_OCTETS = 24
MAX_SECRET_OCTETS = 64


@value
class Webhook:
    """Where events are sent.

    secrets: `whsec_...`; every one of them signs, so that a receiver can be moved from one to the next.
    events: the names of those that are sent; empty means all.
    """

    url: str
    secrets: tuple[Secret, ...]
    events: tuple[str, ...] = ()

    @property
    def reach(self) -> Reach:
        """Public addresses only, unless the URL says loopback."""
        return CONFIGURED if is_loopback(read_url(self.url).host) else PUBLIC

    def wants(self, name: str) -> bool:
        """Whether events of that name are sent."""
        return not self.events or name in self.events


def secret_problem(text: str) -> str:
    """Why this is no signing secret; empty where it is one. The secret itself is unsaid."""
    try:
        octets = _octets(text)
    except ValueError:
        return "it is whsec_ and base64; make one with: valetkey events secret"
    if not MIN_SECRET_OCTETS <= len(octets) <= MAX_SECRET_OCTETS:
        return f"it holds {MIN_SECRET_OCTETS} to {MAX_SECRET_OCTETS} octets; make one with: valetkey events secret"
    return ""


def write_secret(octets: bytes) -> str:
    """A signing secret from random octets."""
    from binascii import b2a_base64

    return SECRET_MARK + b2a_base64(octets, newline=False).decode()


def write_body(event: Event, *, told_at: int) -> bytes:
    """The event as JSON: type, timestamp (RFC 3339) and data."""
    import json

    data = {"registration": event.registration, "resource_owner": event.resource_owner, **event.fields}
    content = {"type": f"connection.{event.name}", "timestamp": write_time(told_at), "data": data}
    return json.dumps(content, separators=(",", ":")).encode()


def webhook_request(webhook: Webhook, body: bytes, *, event_id: str, now: int) -> Request:
    """The POST, signed."""
    message = f"{event_id}.{now}.".encode() + body
    headers = (
        ("Content-Type", "application/json"),
        ("webhook-id", event_id),
        ("webhook-timestamp", str(now)),
        ("webhook-signature", " ".join(_signature(secret, message) for secret in webhook.secrets)),
    )
    return Request("POST", webhook.url, Headers(headers), body)


def _signature(secret: Secret, message: bytes) -> str:
    from binascii import b2a_base64

    return "v1," + b2a_base64(hmac_sha256(_octets(secret.reveal()), message), newline=False).decode()


def _octets(text: str) -> bytes:
    from binascii import a2b_base64

    if not text.startswith(SECRET_MARK):
        raise ValueError(SECRET_MARK)
    return a2b_base64(text.removeprefix(SECRET_MARK).encode(), strict_mode=True)
