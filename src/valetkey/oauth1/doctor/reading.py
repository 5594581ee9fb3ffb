"""From what people have at hand to one signed request: a curl command, an entry of a HAR file, or loose fields.

The one rule: nothing is refused because it is not well signed; what cannot be understood at all raises
ConfigurationError, which quotes none of it.
"""

from __future__ import annotations

from valetkey.errors import ConfigurationError
from valetkey.http import FORM, Headers, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

DATA = ("-d", "--data", "--data-ascii", "--data-raw", "--data-binary", "--data-urlencode", "--json")
# Options of curl that take a value and do not matter here.
WITH_VALUE = (
    "-A", "--user-agent", "-b", "--cookie", "-c", "--cookie-jar", "-e", "--referer", "-m", "--max-time", "-o",
    "--output", "-u", "--user", "-x", "--proxy", "--connect-timeout", "--cacert", "--cert", "--key", "--resolve",
    "--retry", "-w", "--write-out",
)  # fmt: skip
TAKES_VALUE = frozenset(("-X", "-H", "-d", *(option for option in WITH_VALUE if len(option) == 2)))
SWITCHES = {"-G": "get", "--get": "get", "-I": "head", "--head": "head"}


def read_curl(command: str) -> Request:
    """The request that a curl command sends."""
    import shlex

    try:
        words = shlex.split(command.replace("\\\r\n", " ").replace("\\\n", " "))
    except ValueError:
        message = "the curl command cannot be read: its quotes do not match"
        raise ConfigurationError(message) from None
    if not words or words[0].rpartition("/")[2].removesuffix(".exe") != "curl":
        message = "the command does not start with curl"
        raise ConfigurationError(message)
    urls, methods, headers, data = [], [], list[tuple[str, str]](), list[str]()
    switches = set()
    rest = words[:0:-1]
    while rest:
        word = rest.pop()
        option, given = _option(word)
        if given and len(option) == 2 and option not in TAKES_VALUE:  # -sX POST is -s -X POST
            rest.append(f"-{given}")
        if option in ("-X", "--request"):
            methods.append(given or _next(rest))
        elif option in ("-H", "--header"):
            headers.append(_header(given or _next(rest)))
        elif option in DATA:
            data.append(_data(option, given or _next(rest), headers))
        elif option in ("--url", ""):
            urls.append(given or (option and _next(rest)))
        elif option in WITH_VALUE:
            _ = given or _next(rest)
        elif option in SWITCHES:
            switches.add(SWITCHES[option])
    url, body = urls[0] if urls else "", "&".join(data)
    if "get" in switches and body:
        url, body = f"{url}{'&' if '?' in url else '?'}{body}", ""
    if body and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", FORM))
    usual = "HEAD" if "head" in switches else "POST" if body else "GET"
    return build_request(methods[-1] if methods else usual, url, headers, body)


def _option(word: str) -> tuple[str, str]:
    """The option and what is glued to it; a word that is no option stands alone."""
    if word.startswith("--"):
        name, _, given = word.partition("=")
        return name, given
    return (word[:2], word[2:]) if word.startswith("-") else ("", word)


def _next(rest: list[str]) -> str:
    return rest.pop() if rest else ""


def _header(text: str) -> tuple[str, str]:
    name, colon, found = text.partition(":")
    if not colon:
        message = "a header of the curl command has no colon"
        raise ConfigurationError(message)
    return name.strip(), found.strip()


def _data(option: str, text: str, headers: list[tuple[str, str]]) -> str:
    if text.startswith("@") and option != "--data-raw":
        message = "the curl command reads its body from a file: put the body itself into the command"
        raise ConfigurationError(message)
    if option == "--json":
        headers.append(("Content-Type", "application/json"))
    if option != "--data-urlencode":
        return text
    from urllib.parse import quote_plus

    name, equals, found = text.partition("=")
    return f"{name}={quote_plus(found)}" if equals and name else quote_plus(found if equals else text)


def read_har(text: str, *, entry: int | None = None) -> Request:
    """The request of a HAR file (its only signed one, or the one of that number, from 0), or of a single entry."""
    import json

    unreadable = ConfigurationError("the file is not a HAR file, nor an entry of one")
    try:
        found: Any = json.loads(text)
        if "log" in found:
            found = _entry(found["log"]["entries"], entry)
        found = found.get("request", found)
        headers = [(pair["name"], pair["value"]) for pair in found.get("headers", ()) if pair["name"][:1] != ":"]
        posted = found.get("postData") or {}
        body = posted.get("text") or "&".join(
            f"{pair['name']}={pair.get('value', '')}" for pair in posted.get("params", ())
        )
        if posted.get("mimeType") and not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("Content-Type", posted["mimeType"]))
        if not isinstance(found["method"], str):
            raise unreadable
        return build_request(found["method"], found["url"], headers, body)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise unreadable from None


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


def build_request(method: str, url: str, headers: Iterable[tuple[str, str]], body: str) -> Request:
    """The request of loose fields."""
    if not url:
        message = "there is no URL: give the request as it was sent"
        raise ConfigurationError(message)
    if "://" not in url:
        url = f"http://{url}"
    try:
        return Request(method, url, Headers(tuple(headers)), body.encode("utf-8", "surrogateescape"))
    except ValueError as wrong:
        raise ConfigurationError(f"the request cannot be read: {wrong}") from None
