"""A code challenge of the S256 kind is there."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal

CHALLENGE_LENGTH = 43  # base64url of a SHA-256
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def pkce_required(exchange: Exchange) -> None:
    """RFC 7636 section 4.4.1 and RFC 9700 section 2.1.1. Sets `code_challenge`, empty for a client that may go without.

    A method of `plain`, or none, which means plain, is refused: it proves nothing to who reads the request.
    """
    challenge, method = exchange.parameter("code_challenge"), exchange.parameter("code_challenge_method")
    exchange.code_challenge = ""
    if exchange.response_type != "code":  # there is no code to protect
        return
    if challenge is None:
        if exchange.client.pkce_required or method is not None:
            raise Refusal("invalid_request", "A code_challenge is required.")
        return
    if method != "S256":
        raise Refusal("invalid_request", "The only code_challenge_method is S256.")
    if len(challenge) != CHALLENGE_LENGTH or not _LETTERS.issuperset(challenge):
        raise Refusal("invalid_request", "A code_challenge of S256 has 43 base64url characters.")
    exchange.code_challenge = challenge
