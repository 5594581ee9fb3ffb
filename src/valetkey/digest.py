"""Hash functions from the interpreter's own C modules: `hashlib` loads OpenSSL, which a cold start need not pay for.

The one rule: constructors only, by their names in FIPS 180-4. Where an interpreter lacks them, `hashlib` serves.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from hashlib import sha1, sha256, sha512
else:
    try:
        from _sha1 import sha1

        try:
            from _sha2 import sha256, sha512
        except ImportError:  # before 3.12 each had a module of its own
            from _sha256 import sha256
            from _sha512 import sha512
    except ImportError:
        from hashlib import sha1, sha256, sha512

__all__ = ["hmac_sha256", "keyed_sha256", "sha1", "sha256", "sha256_hex", "sha512"]


def sha256_hex(text: str) -> str:
    """SHA-256 of the text's UTF-8 octets in hexadecimal; unpaired surrogates hash too, byte for byte."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104) without the module `hmac`, which loads OpenSSL."""
    return keyed_sha256(key)(message)


def keyed_sha256(key: bytes) -> Callable[[bytes], bytes]:
    """HMAC-SHA256 under that key, for more than one message."""
    if len(key) > 64:
        key = sha256(key).digest()
    key = key.ljust(64, b"\0")
    inside, outside = key.translate(_INNER_PAD), key.translate(_OUTER_PAD)
    return lambda message: sha256(outside + sha256(inside + message).digest()).digest()


_INNER_PAD = bytes(octet ^ 0x36 for octet in range(256))
_OUTER_PAD = bytes(octet ^ 0x5C for octet in range(256))
