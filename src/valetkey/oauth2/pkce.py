"""Proof key for code exchange (RFC 7636): only whoever sent the browser away can use the code it comes back with.

S256 only; `plain` proves nothing to somebody who reads the authorization request, and is never sent.
"""

from __future__ import annotations

from valetkey.digest import sha256
from valetkey.http import UNRESERVED, base64url

VERIFIER_OCTETS = 32  # 7636 s4.1: 256 bits, which become 43 characters
SHORTEST, LONGEST = 43, 128  # 7636 s4.1
_VERIFIER_CHARACTERS = frozenset(UNRESERVED.decode())


def code_verifier(octets: bytes) -> str:
    """The code verifier made of 32 to 96 random octets (RFC 7636 section 4.1)."""
    return read_code_verifier(base64url(octets))


def code_challenge(verifier: str) -> str:
    """The S256 challenge of a code verifier (RFC 7636 section 4.2)."""
    return base64url(sha256(verifier.encode()).digest())


def read_code_verifier(text: str) -> str:
    """The text, which is a code verifier: 43 to 128 unreserved characters (RFC 7636 section 4.1), else ValueError."""
    if not SHORTEST <= len(text) <= LONGEST or not _VERIFIER_CHARACTERS.issuperset(text):
        message = f"a code verifier has {SHORTEST} to {LONGEST} letters, digits or -._~"
        raise ValueError(message)
    return text
