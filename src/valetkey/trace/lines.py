"""An entry as one line of text, fit for a log: `vktr1.` and base64url of its JSON, deflated. It holds no secret.

Logs add prefixes, put quotation marks around and escape what stands in them; base64url survives all of that. The one
rule: a line is read strictly and believed in nothing, since anybody whose text gets into a log can write one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from valetkey.http import base64url, base64url_decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MARK = "vktr1."
MAX_LINE = 12_000  # several platforms cut a line at 16 KiB
MAX_CONTENT = 262_144
MAX_TEXT = 65_536
MAX_AMOUNT = 1e12
MAX_ID = 32
_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
_HEX = frozenset("0123456789abcdef")
KINDS = ("sent", "arrived", "left", "noted", "ended")
EXCHANGES = ("sent", "arrived", "left")

_PAIR = {"name": str, "value": str}
_SIZES = {"headersSize": int, "bodySize": int}
_ENTRY: Mapping[str, Any] = {
    "request": {
        "method": str,
        "url": str,
        "httpVersion": str,
        "cookies": [_PAIR],
        "headers": [_PAIR],
        "queryString": [_PAIR],
        "postData": {"mimeType": str, "text": str, "params": [_PAIR]},
        "comment": str,
        **_SIZES,
    },
    "response": {
        "status": int,
        "statusText": str,
        "httpVersion": str,
        "cookies": [_PAIR],
        "headers": [_PAIR],
        "content": {"size": int, "mimeType": str, "text": str, "comment": str},
        "redirectURL": str,
        "comment": str,
        **_SIZES,
    },
}
_OPTIONAL = frozenset(("postData", "comment", "text", "params"))
RECORD: Mapping[str, Any] = {
    "kind": str,
    "run": str,
    "number": int,
    "at": float,
    "seconds": float,
    "registration": str,
    "flow": str,
    "connection": str,
    "said": str,
}


def write_line(record: Mapping[str, Any]) -> str:
    """The record as a line; bodies are left out of one that would be too long."""
    line = _write(record)
    if len(line) > MAX_LINE and "entry" in record:
        entry = record["entry"]
        content = {**entry["response"]["content"], "text": "(left out: the entry is too long for a line of a log)"}
        request = {name: found for name, found in entry["request"].items() if name != "postData"}
        line = _write({**record, "entry": {"request": request, "response": {**entry["response"], "content": content}}})
    return line


def _write(record: Mapping[str, Any]) -> str:
    import json
    import zlib

    octets = json.dumps(record, separators=(",", ":"), sort_keys=True).encode()
    return MARK + base64url(zlib.compress(octets, 9))


def read_lines(texts: Iterable[str]) -> Iterator[Mapping[str, Any] | None]:
    """The record in each line that has one, whatever a log put around it; None for one that was cut or altered."""
    for text in texts:
        _, mark, rest = text.partition(MARK)
        if mark:
            end = next((index for index, character in enumerate(rest) if character not in _ALPHABET), len(rest))
            yield _read(rest[:end])


def _read(text: str) -> Mapping[str, Any] | None:
    import json
    import zlib

    try:
        inflating = zlib.decompressobj()
        octets = inflating.decompress(base64url_decode(text), MAX_CONTENT)
        if not inflating.eof:
            return None
        record = json.loads(octets)
        entry = record.pop("entry", None)
        read: dict[str, Any] = _sound(record, RECORD)
        if entry is not None:
            read["entry"] = _sound(entry, _ENTRY)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, zlib.error):
        return None
    ids = [read[name] for name in ("run", "flow", "connection")]  # they name files
    named = read["kind"] in KINDS and all(_HEX.issuperset(one) and len(one) <= MAX_ID for one in ids)
    return read if named and (read["kind"] in EXCHANGES) == ("entry" in read) else None


def _sound(found: Any, shape: Any) -> Any:
    """The value, made anew in that shape. Raises ValueError where it has another."""
    if isinstance(shape, dict):
        if not isinstance(found, dict) or found.keys() - shape.keys() or shape.keys() - found.keys() - _OPTIONAL:
            raise ValueError
        return {name: _sound(item, shape[name]) for name, item in found.items()}
    if isinstance(shape, list):
        if not isinstance(found, list):
            raise TypeError
        return [_sound(item, shape[0]) for item in found]
    if shape is float and type(found) is int:
        return float(found)
    if type(found) is not shape or (shape is str and len(found) > MAX_TEXT):
        raise TypeError
    if shape in (int, float) and not -MAX_AMOUNT < found < MAX_AMOUNT:  # NaN is not either
        raise ValueError
    return found
