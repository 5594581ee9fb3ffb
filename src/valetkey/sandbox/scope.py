"""Reading a scope (RFC 6749 section 3.3)."""

from __future__ import annotations

from valetkey.sandbox.exchange import Refusal

_REFUSED = frozenset('"\\')
MAX_SCOPES = 50


def read_scope(text: str) -> tuple[str, ...]:
    """The scope tokens, each once, in order; anything but printable ASCII separated by single spaces is refused."""
    tokens = text.split(" ")
    good = text.isascii() and text.isprintable() and not _REFUSED.intersection(text) and len(tokens) <= MAX_SCOPES
    if not good or not all(tokens):
        raise Refusal("invalid_scope", "A scope is a list of words, separated by single spaces.")
    return tuple(dict.fromkeys(tokens))
