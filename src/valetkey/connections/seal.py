"""Places: what each sealed value is bound to. A value that stands anywhere else does not open.

The one rule: a place names what it is for (purpose), the environment, and where it stands, never a write version.
"""

from __future__ import annotations

from valetkey.effects import Open, Place
from valetkey.errors import KeyUnavailable, SealBroken

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.effects import Key, Op


def connection_place(environment: str, key: Key, incarnation: str, generation: int) -> Place:
    """Of the tokens in a connection's row."""
    return Place("connection", (environment, key.partition, key.name, incarnation, str(generation)))


def rescue_place(environment: str, key: Key, incarnation: str, generation: int) -> Place:
    """Of tokens that could not be committed; generation is the one that they replace."""
    return Place("rescue", (environment, key.partition, key.name, incarnation, str(generation)))


def event_place(environment: str, key: Key) -> Place:
    """Of an event that waits for the webhook."""
    return Place("event", (environment, key.partition, key.name))


def flow_place(environment: str, context: str, flow: str) -> Place:
    """Of a pending authorization in its cookie."""
    return Place("flow", (environment, context, flow))


def lean_flow_place(environment: str, context: str, flow: str) -> Place:
    """Of one that is carried without what the registration says again."""
    return Place("lean-flow", (environment, context, flow))


def done_place(environment: str, context: str, flow: str) -> Place:
    """Of the marker that a finished flow's cookie becomes."""
    return Place("done", (environment, context, flow))


def claim_place(environment: str, context: str, flow: str) -> Place:
    """Of a code that waits in its claim for the application to name the resource owner."""
    return Place("claim", (environment, context, flow))


def device_place(environment: str, context: str, flow: str) -> Place:
    """Of a device code that is polled with (RFC 8628)."""
    return Place("device", (environment, context, flow))


def ask_place(environment: str, context: str, partition: str) -> Place:
    """Of the scope that a page is to ask for, for one resource owner."""
    return Place("ask", (environment, context, partition))


def server_place(environment: str, partition: str) -> Place:
    """Of the address that the page for servers is to show, to one resource owner."""
    return Place("server", (environment, partition))


def doctor_place(environment: str) -> Place:
    """Of what shows our own pages that a doctor asks."""
    return Place("doctor", (environment,))


def link_place(environment: str) -> Place:
    """Of a connect link."""
    return Place("link", (environment,))


def discovery_place(environment: str, issuer: str) -> Place:
    """Of an issuer's metadata as it was fetched last."""
    return Place("discovery", (environment, issuer))


def registration_place(environment: str, name: str) -> Place:
    """Of the clients that were registered at run time for one resource. name: of its row."""
    return Place("registration", (environment, name))


def open_given(place: Place, text: str) -> Op[bytes | None]:
    """What a browser brought, opened; None where it was not sealed for that place, by a key that is here.

    Raises StoreError where a key service is out of reach: that says nothing of what was brought.
    """
    try:
        return (yield from Open(place, text.encode("ascii", "replace")))
    except (SealBroken, KeyUnavailable):
        return None


def key_id_of(sealed: bytes) -> str:
    """The id of the key that a value was sealed with: `vk1.<key id>.<...>`; empty where it is not a sealed value."""
    parts = sealed[:64].split(b".", 2)
    return parts[1].decode("ascii", "replace") if len(parts) == 3 and parts[0] == b"vk1" else ""
