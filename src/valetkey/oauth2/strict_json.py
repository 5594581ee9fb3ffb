"""A JSON reader that takes no liberties: what two readers could understand differently is refused.

The standard library's takes NaN, duplicate names, UTF-16 and unpaired surrogates, and lets RecursionError through.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

MAX_NUMBER_LENGTH = 40
BOM = b"\xef\xbb\xbf"
UNREADABLE = object()


def read_json_object(octets: bytes, *, limit: int) -> dict[str, Any]:
    """The members of a JSON object in UTF-8, of at most `limit` octets (RFC 8259); ValueError that quotes nothing.

    A byte order mark is skipped (RFC 8259 section 8.1 allows a reader to).
    """
    if len(octets) > limit:
        _refuse(f"longer than {limit} octets")
    found = _read(octets)
    if found is UNREADABLE:  # refused here: the parser's error has the whole document in it, even as a context
        _refuse("not JSON in UTF-8, or nested too deep, or with a member twice")
    if not isinstance(found, dict):
        _refuse("not a JSON object")
    return found


def _read(octets: bytes) -> object:
    import json

    try:
        text = octets.removeprefix(BOM).decode()
        found = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_int=_short_integer,
            parse_float=_finite_float,
        )
        if "\\u" in text:  # an escape can spell half of a surrogate pair, at any depth
            _ = json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return UNREADABLE
    return found


def _refuse(why: str) -> NoReturn:
    raise ValueError(why)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        _refuse("a member twice")
    return members


def _no_constant(_: str) -> NoReturn:
    _refuse("NaN and Infinity are not JSON")


def _short_integer(digits: str) -> int:
    if len(digits) > MAX_NUMBER_LENGTH:
        _refuse("a number too long")
    return int(digits)


def _finite_float(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        _refuse("a number too large")
    return number
