r"""A part of a row's key as plain ASCII that sorts as the part does: for stores whose keys forbid characters.

    github/alice%20b#\U0001f511   ->   github.2falice!2520b!23~f0~9f~94~91
    what is too long              ->   its first characters, .h and its SHA-256

Letters, digits and hyphens stand for themselves. Every other octet of UTF-8 becomes a sign and two hexadecimal digits,
and the sign is one that sorts where the octet does: `!` before the hyphen, `.` before the digits, `:` before `A`, `_`
before `a`, `~` after `z`. No code is the beginning of another, so the text is injective and sorts by octets, which is
by code points. Texts that were cut sort by their first characters, then by their hash.
The one rule: what is written here is never written differently again, since rows stand under it.
"""

from __future__ import annotations

from valetkey.digest import sha256_hex

PLAIN = frozenset(b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
SIGNS = ((0x2C, "!"), (0x2F, "."), (0x40, ":"), (0x60, "_"), (0xFF, "~"))
CUT = ".h"  # no octet's code: "h" is not a hexadecimal digit
HASH_CHARACTERS = 64

_CODES = tuple(
    chr(octet) if octet in PLAIN else f"{next(sign for last, sign in SIGNS if octet <= last)}{octet:02x}"
    for octet in range(256)
)
_OCTETS = {code: octet for octet, code in enumerate(_CODES)}
_PLAIN_CHARACTERS = frozenset(map(chr, PLAIN))
_SIGNS = frozenset(sign for _, sign in SIGNS)


def write_key_text(part: str, most: int) -> str:
    """The text of a partition or a name, of at most that many characters."""
    text = "".join([_CODES[octet] for octet in part.encode()])
    if len(text) <= most:
        return text
    room = most - len(CUT) - HASH_CHARACTERS
    end = text[:room]
    while end and _breaks(end):
        end = end[:-1]
    return f"{end}{CUT}{sha256_hex(part)}"


def read_key_text(text: str) -> str | None:
    """The partition or name behind the text; None where it was cut. Raises ValueError for anything else."""
    if _PLAIN_CHARACTERS.issuperset(text):  # as a partition is, which is hexadecimal
        return text
    octets, at = bytearray(), 0
    while at < len(text):
        width = 3 if text[at] in _SIGNS else 1
        octet = _OCTETS.get(text[at : at + width])
        if octet is None:
            if len(text) - at == len(CUT) + HASH_CHARACTERS and text.startswith(CUT, at):
                return None
            message = "this is not the text of a row's key"
            raise ValueError(message)
        octets.append(octet)
        at += width
    return octets.decode()


def _breaks(text: str) -> bool:
    """Whether the text ends within a code."""
    return text[-1] in _SIGNS or text[-2:-1] in _SIGNS
