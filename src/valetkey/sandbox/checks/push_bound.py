"""The key that a pushed request names is the one that it was proved with, where it is proved."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.sandbox.proofs import proved_key


def push_bound(exchange: Exchange) -> None:
    """RFC 9449 section 10.1: a proof says the same as `dpop_jkt`. Sets `form`."""
    proved, named = proved_key(exchange), exchange.parameter("dpop_jkt")
    if not proved:
        return
    if named not in (None, proved):
        raise Refusal("invalid_dpop_proof", "The dpop_jkt is another key than the proof's.")
    exchange.form = (*(pair for pair in exchange.form if pair[0] != "dpop_jkt"), ("dpop_jkt", proved))
