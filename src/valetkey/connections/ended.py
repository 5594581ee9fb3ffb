"""A connection that only its resource owner can bring back, though no refresh was refused: written down, told once.

    its access token has ended, and there is no refresh token
    its client was replaced, and a refresh token is good with the client that it was given to (RFC 6749 section 6)

The one rule: a move of the state table like any other, by the version that was read; whoever loses it looks again.
Not here: refresh tokens that are refused (`refresh_commit`), access tokens that a resource server refuses before their
time: what it means by that is its own affair, and its answer is the caller's.
"""

from __future__ import annotations

from valetkey.connections.connection import ACTIVE, next_state
from valetkey.connections.records import emit, write_record
from valetkey.errors import ReauthorizationRequired, StoreError
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.records import Record
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op


def end(settings: Settings, record: Record, reason: str, *, certain: bool = True) -> Op[None]:
    """Raise ReauthorizationRequired; return where somebody else has just written the row: it is to be read again.

    certain: False leaves the row as it is. A store that cannot be written to does so too: the next caller comes to it.
    """
    found = record.connection
    if certain and found.state == ACTIVE:
        ended = replace(found, state=next_state(found.state, "ended"), last_error=reason)
        try:
            written = yield from write_record(record.key, record.version, ended, record.sealed)
        except StoreError:
            written = record
        else:
            if written is not None:
                yield from emit("needs_reauthorization", ended, reason=reason)
        if written is None:
            return
    connect_url = settings.connect_page(found.registration)
    raise ReauthorizationRequired(found.registration, reason, connect_url=connect_url)
