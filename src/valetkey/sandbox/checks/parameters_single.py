"""No parameter comes twice."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def parameters_single(exchange: Exchange) -> None:
    """RFC 6749 sections 3.1 and 3.2: parameters must not be included more than once."""
    names = [name for name, _ in exchange.query + exchange.form]
    if len(names) != len(set(names)):
        raise Refusal("invalid_request", "A parameter is included more than once.")
