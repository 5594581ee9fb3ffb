"""The prompt is one that the sandbox understands."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def prompt_known(exchange: Exchange) -> None:
    """OpenID Connect Core section 3.1.2.1: `none` stands alone."""
    words = (exchange.parameter("prompt") or "").split()
    if not {"none", "login", "consent", "select_account"}.issuperset(words):
        raise Refusal("invalid_request", "A prompt is none, login, consent or select_account.")
    if "none" in words and len(words) > 1:
        raise Refusal("invalid_request", "A prompt of none stands alone.")
