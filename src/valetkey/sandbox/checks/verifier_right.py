"""The verifier is the one that went through the resource owner's browser."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.sandbox.state import fingerprint
from valetkey.secret import constant_time_equal
from valetkey.value import replace

MAX_WRONG_VERIFIERS = 3


def verifier_right(exchange: Exchange) -> None:
    """RFC 5849 section 2.3; three wrong ones end the temporary credentials (section 4.12: brute force)."""
    text = exchange.signed.parameter("oauth_verifier")
    if not text:
        raise Refusal("parameter_absent", "The oauth_verifier is missing.")
    temporary = exchange.temporary
    if constant_time_equal(fingerprint(text), temporary.verifier):
        return
    rows, name = exchange.sandbox.state.temporary, fingerprint(exchange.signed.token_identifier or "")
    rows[name] = replace(temporary, wrong_verifiers=temporary.wrong_verifiers + 1)
    if rows[name].wrong_verifiers >= MAX_WRONG_VERIFIERS:
        del rows[name]
    raise Refusal("verifier_invalid", "The oauth_verifier is wrong.", status=401)
