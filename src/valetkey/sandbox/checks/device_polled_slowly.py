"""The client keeps to the interval."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.value import replace

SLOWER = 5  # seconds


def device_polled_slowly(exchange: Exchange) -> None:
    """RFC 8628 section 3.5: slow_down adds five seconds to the interval, for good."""
    grant, grants = exchange.device_grant, exchange.sandbox.state.device_grants
    too_soon = bool(grant.polled_at) and exchange.now < grant.polled_at + grant.interval
    interval = grant.interval + SLOWER if too_soon else grant.interval
    grants[exchange.device] = replace(grant, polled_at=exchange.now, interval=interval)
    if too_soon:
        raise Refusal("slow_down", "Ask less often: the interval is five seconds longer from now on.")
