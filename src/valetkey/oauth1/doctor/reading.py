"""From what people have at hand to one signed request: an entry of a HAR file, or loose fields; `curl` has commands.

The one rule: nothing is refused because it is not well signed; what cannot be understood at all raises
ConfigurationError, which quotes none of it.
"""

from __future__ import annotations

from valetkey.errors import ConfigurationError
from valetkey.http import Headers, Request
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from valetkey.http import Pairs


BYTE_ORDER_MARK = "\ufeff"  # HAR 1.2 has readers ignore it; editors put it before any text


@value
class Reading:
    """A request, and what had to be guessed or passed over.

    body_is_known: False where it stands in a file. fields: those of a form of several parts that is not the body here.
    """

    request: Request
    remarks: tuple[str, ...] = ()
    body_is_known: bool = True
    fields: Pairs = ()

    def __repr__(self) -> str:
        return f"Reading({self.request!r})"


def with_remarks(wrong: ConfigurationError, remarks: Iterable[str]) -> ConfigurationError:
    """The same error with what was remarked until then, which may be why."""
    return ConfigurationError((*wrong.problems, *dict.fromkeys(f"remark: {remark}" for remark in remarks)))


def read_har(text: str, *, entry: int | None = None) -> Request:
    """The request of a HAR file (its only signed one, or the one of that number, from 0), or of a single entry."""
    import json

    unreadable = ConfigurationError("the file is not a HAR file, nor an entry of one")
    try:
        found: Any = json.loads(text.removeprefix(BYTE_ORDER_MARK))
        if "log" in found:
            found = _entry(found["log"]["entries"], entry)
        found = found.get("request", found)
        headers = [(pair["name"], pair["value"]) for pair in found.get("headers", ()) if pair["name"][:1] != ":"]
        posted = found.get("postData") or {}
        if posted.get("mimeType") and not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("Content-Type", posted["mimeType"]))
        if not isinstance(found["method"], str):
            raise unreadable
        return build_request(found["method"], found["url"], headers, _posted(posted))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise unreadable from None


def _posted(posted: Any) -> bytes:
    """The body. Not HAR 1.2, but written by some: encoding, as a response's content has it."""
    text = posted.get("text") or "&".join(
        f"{pair['name']}={pair.get('value', '')}" for pair in posted.get("params", ())
    )
    if posted.get("encoding") == "base64":
        from binascii import a2b_base64

        return a2b_base64(text)
    return bytes(text.encode("utf-8", "surrogateescape"))


def _entry(entries: list[Any], number: int | None) -> Any:
    if number is not None:
        if not 0 <= number < len(entries):
            message = f"the HAR file has {len(entries)} entries, counted from 0"
            raise ConfigurationError(message)
        return entries[number]
    signed = [entry for entry in entries if "oauth_signature" in str(entry.get("request"))]
    if len(signed) != 1:
        message = f"the HAR file has {len(signed)} signed requests: name one by its number, counted from 0"
        raise ConfigurationError(message)
    return signed[0]


def build_request(method: str, url: str, headers: Iterable[tuple[str, str]], body: bytes) -> Request:
    """The request of loose fields."""
    if not url:
        message = "there is no URL: give the request as it was sent"
        raise ConfigurationError(message)
    if "://" not in url:
        url = f"http://{url}"
    try:
        _ = url.encode()
    except UnicodeEncodeError:
        message = "the request cannot be read: its URL is not UTF-8 text"
        raise ConfigurationError(message) from None
    try:
        return Request(method, url, Headers(tuple(headers)), body)
    except ValueError as wrong:
        raise ConfigurationError(f"the request cannot be read: {wrong}") from None
