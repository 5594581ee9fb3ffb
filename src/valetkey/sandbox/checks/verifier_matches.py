"""The code verifier belongs to the code's challenge."""

from __future__ import annotations

from valetkey.oauth2.pkce import code_challenge, read_code_verifier
from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.secret import constant_time_equal


def verifier_matches(exchange: Exchange) -> None:
    """RFC 7636 section 4.6; a verifier without a challenge is refused too (RFC 9700 section 2.1.1, downgrade)."""
    verifier = exchange.parameter("code_verifier")
    if not exchange.code.code_challenge:
        if verifier is not None:
            raise Refusal("invalid_grant", "There is a code_verifier, but the authorization request had no challenge.")
        return
    if verifier is None:
        raise Refusal("invalid_grant", "The code_verifier is missing.")
    try:
        challenge = code_challenge(read_code_verifier(verifier))
    except ValueError:
        raise Refusal("invalid_grant", "A code_verifier has 43 to 128 unreserved characters.") from None
    if not constant_time_equal(challenge, exchange.code.code_challenge):
        raise Refusal("invalid_grant", "The code_verifier does not belong to the code_challenge.")
