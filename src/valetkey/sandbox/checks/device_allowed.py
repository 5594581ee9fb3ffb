"""The person has typed the code in and said yes."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def device_allowed(exchange: Exchange) -> None:
    """RFC 8628 section 3.5."""
    decision = exchange.device_grant.decision
    if not decision:
        raise Refusal("authorization_pending", "Nobody has typed the code in yet.")
    if decision != "allow":
        raise Refusal("access_denied", "The person said no.")
