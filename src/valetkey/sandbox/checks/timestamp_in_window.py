"""The timestamp is now, more or less."""

from __future__ import annotations

from valetkey.oauth1.verify import check_timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.sandbox.exchange import Exchange


def timestamp_in_window(exchange: Exchange) -> None:
    """RFC 5849 section 3.3: within the window, so that nonces need not be remembered for ever."""
    check_timestamp(exchange.signed, now=exchange.now, window_seconds=exchange.sandbox.timestamp_window)
