"""A rescue record as one line of text, fit for a log or a queue: `vkr1.` and base64url. It is ciphertext.

The one rule: a line is read strictly and believed in nothing; what is sealed in it opens only where it belongs.
"""

from __future__ import annotations

from valetkey.effects import Key, Row
from valetkey.http import base64url, base64url_decode

MARK = "vkr1."
MAX_LINE = 200_000
COLUMNS = {
    "registration": str,
    "state": str,
    "incarnation": str,
    "generation": int,
    "access_expires_at": int,
    "refresh_due_at": int,
}
_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def write_rescue_line(row: Row) -> str:
    """The row as a line, but for its version, which is drawn anew where it is imported."""
    import json

    content = {
        "partition": row.key.partition,
        "name": row.key.name,
        "clear": dict(row.clear),
        "sealed": row.sealed.decode("ascii", "replace"),
        "expires_at": row.expires_at,
    }
    return MARK + base64url(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


def read_rescue_line(line: str, *, version: bytes) -> Row | None:
    """The row in a line, with that version; a log may have put other text around it. None where no line is in it.

    Raises ValueError where a line was cut short or altered.
    """
    _, mark, rest = line.partition(MARK)
    if not mark:
        return None
    if len(rest) > MAX_LINE:
        message = "the line is longer than any that valetkey writes"
        raise ValueError(message)
    end = next((index for index, character in enumerate(rest) if character not in _ALPHABET), len(rest))
    try:
        return _read(base64url_decode(rest[:end]), version)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        message = "the line was cut short or altered on its way: look for the whole of it"
        raise ValueError(message) from None


def _read(octets: bytes, version: bytes) -> Row:
    import json

    content = json.loads(octets)
    key = Key(content["partition"], content["name"])
    clear, sealed, expires_at = content["clear"], content["sealed"].encode("ascii"), content["expires_at"]
    texts = type(key.partition) is str and type(key.name) is str and key.name.startswith("rescue/")
    if not texts or {name: type(found) for name, found in clear.items()} != COLUMNS or type(expires_at) is not int:
        message = "not a rescue record"
        raise ValueError(message)
    return Row(key, version, clear, sealed, expires_at)
