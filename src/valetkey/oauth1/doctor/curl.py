"""The request that a curl command sends, read as curl reads it (curl's manual, curl(1)).

The one rule: what curl would do and cannot be done here (read a file, send a second request) is said in `remarks`, and
so is every word that was not understood. Not here: the shell's quotes (`shell`), the list of options (`curl_options`).
"""

from __future__ import annotations

import re
from urllib.parse import quote, quote_plus

from valetkey.errors import ConfigurationError
from valetkey.http import FORM
from valetkey.oauth1.doctor.curl_options import LETTERS, SWITCHES, TAKE_A_VALUE
from valetkey.oauth1.doctor.reading import BYTE_ORDER_MARK, Reading, build_request, with_remarks
from valetkey.oauth1.doctor.shell import split_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = ("data", "data-ascii", "data-binary", "data-raw", "data-urlencode", "json")
GLOB = re.compile(r"\{[^}]*,[^}]*\}|\[\w+-\w+(?::\d+)?\]")
QUOTED = re.compile(r'\s*"((?:[^"\\]|\\.)*)"\s*(?:;|$)', re.DOTALL)
NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,40}")


class _Told:
    """What the options say, in their order."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.method = ""
        self.scheme = "http"
        self.headers: list[tuple[str, str]] = []
        self.taken_away: set[str] = set()
        self.data: str | None = None
        self.fields: list[tuple[str, str]] = []
        self.query: list[str] = []
        self.switches: set[str] = set()
        self.upload: str | None = None
        self.from_file = False
        self.remarks: list[str] = []

    def has_header(self, name: str) -> bool:
        return any(given.lower() == name for given, _ in self.headers) or name in self.taken_away


def read_curl(command: str, *, body: bytes | None = None) -> Reading:
    """The request that a curl command sends.

    body: the whole body as it was sent, for a command that reads it from a file or sends a form of several parts.
    Raises ConfigurationError.
    """
    told = _Told()
    try:
        return _read(command, body, told)
    except ConfigurationError as wrong:
        raise with_remarks(wrong, told.remarks) from None


def _read(command: str, body: bytes | None, told: _Told) -> Reading:
    words = split_command(command.removeprefix(BYTE_ORDER_MARK), told.remarks)
    if not words or words[0].replace("\\", "/").rpartition("/")[2].removesuffix(".exe") != "curl":
        message = "the command does not start with curl"
        raise ConfigurationError(message)
    for option, text in _options(words[1:], told):
        _told_by(told, option, text)
    is_multipart = "form" in told.switches
    unread = told.from_file or told.upload is not None or is_multipart
    if body is not None and not unread:
        message = "the curl command holds its body itself: give it without a body file"
        raise ConfigurationError(message)
    if told.from_file and body is None:
        message = "the curl command reads its body from a file: put the body itself into the command, or give the file"
        raise ConfigurationError(message)
    url = _url(told, "" if body is None else body.decode("utf-8", "surrogateescape"))
    method, sent = _method_and_body(told, body)
    if unread and body is None:
        what = "parts of the form are not signed, and were" if is_multipart else "file that it sends was"
        told.remarks.append(f"the {what} not read: a hash of the body can only be checked with the body as it was sent")
    request = build_request(told.method or method, url, told.headers, sent)
    is_known = body is not None or not unread
    return Reading(request, tuple(dict.fromkeys(told.remarks)), body_is_known=is_known, fields=tuple(told.fields))


def _options(words: list[str], told: _Told) -> Iterator[tuple[str, str]]:
    """Each option by its long name, with its value; a URL comes as the option `url`."""
    rest, only_urls = words[::-1], False
    while rest:
        word = rest.pop()
        if only_urls or not word.startswith("-") or word == "-":
            yield "url", word
        elif word == "--":
            only_urls = True
        elif word.startswith("--"):
            yield from _long(word[2:], rest, told)
        else:
            yield from _letters(word[1:], rest, told)


def _long(word: str, rest: list[str], told: _Told) -> Iterator[tuple[str, str]]:
    name, equals, given = word.partition("=")
    if name.startswith("expand-"):
        told.remarks.append("variables of curl (--expand-...) were not put in: put in what they stand for")
        name = name.removeprefix("expand-")
    if equals and name in TAKE_A_VALUE:
        told.remarks.append(f"curl does not take --{name}=..., but --{name} ...: it was read as if it did")
        yield name, given
    elif name in TAKE_A_VALUE and not equals:
        yield name, _next(rest)
    elif not equals and (name in SWITCHES or name.removeprefix("no-") in SWITCHES):
        yield name, ""
    else:
        shown = f"--{name}" if NAME.fullmatch(name) else "an option"
        told.remarks.append(f"curl has no {shown}, as far as is known here: it was passed over")


def _letters(word: str, rest: list[str], told: _Told) -> Iterator[tuple[str, str]]:
    """-sX POST, -sXPOST: switches, and at most one option with a value at the end."""
    for place, letter in enumerate(word):
        name = LETTERS.get(letter)
        if name is None:
            shown = f"-{letter}" if letter.isascii() and letter.isalnum() else "an option of one letter"
            told.remarks.append(f"curl has no {shown}, as far as is known here: it was passed over")
        elif name in TAKE_A_VALUE:
            yield name, word[place + 1 :] or _next(rest)
            return
        else:
            yield name, ""


def _next(rest: list[str]) -> str:
    return rest.pop() if rest else ""


def _told_by(told: _Told, option: str, text: str) -> None:
    if "next" in told.switches:
        return
    if option in ("next", "config", "request-target", "variable"):
        _remark(told, option)
    if option == "url":
        told.urls.append(text)
    elif option == "request":
        told.method = text
    elif option == "proto-default":
        told.scheme = text
    elif option == "header":
        _header(told, text)
    elif option in DATA:
        _data(told, option, text)
    elif option == "url-query":
        told.query.append(text[1:] if text.startswith("+") else _encoded(told, text, "query"))
    elif option == "upload-file":
        told.upload = text
    elif option in ("form", "form-string"):
        told.switches.add("form")
        told.fields += _field(option, text)
    elif option.startswith("no-"):
        told.switches.discard(option.removeprefix("no-"))
    else:
        told.switches.add(option)


def _remark(told: _Told, option: str) -> None:
    told.remarks.append(
        {
            "next": "the command sends several requests (--next): only the first was read",
            "config": "the file of options that the command names (-K) was not read",
            "request-target": "the path that the command asks for (--request-target) was not read, but that of its URL",
            "variable": "variables of curl (--variable) were not put in",
        }[option]
    )


def _header(told: _Told, text: str) -> None:
    if text.startswith("@"):
        told.remarks.append("headers in a file (-H @...) were not read: put them into the command")
        return
    name, colon, found = text.partition(":")
    if not colon and text.endswith(";"):  # sent without a value
        told.headers.append((text[:-1].strip(), ""))
    elif not colon:
        message = "a header of the curl command has no colon"
        raise ConfigurationError(message)
    elif found.strip():
        told.headers.append((name.strip(), found.strip()))
    else:
        told.taken_away.add(name.strip().lower())


def _data(told: _Told, option: str, text: str) -> None:
    if option == "json":
        told.switches.add(option)
    if option == "data-urlencode":
        text = _encoded(told, text, "body")
    elif text.startswith("@") and option != "data-raw":
        told.from_file = True
    told.data = text if not told.data else f"{told.data}{'' if option == 'json' else '&'}{text}"


def _field(option: str, text: str) -> list[tuple[str, str]]:
    """A part of a form as name and text; a file is none. What follows a ; says more of the part, but not in quotes."""
    name, _, content = text.partition("=")
    if option == "form-string":
        return [(name, content)]
    if content.startswith(("@", "<")):
        return []
    quoted = QUOTED.match(content)
    return [(name, re.sub(r'\\([\\"])', r"\1", quoted[1]) if quoted else content.partition(";")[0].strip())]


def _encoded(told: _Told, text: str, where: str) -> str:
    """What --data-urlencode makes of content, =content, name=content, and of @file and name@file."""
    name, separator, content = text.partition("=")
    if not separator:
        name, separator, content = text.partition("@")
        if separator and where == "query":
            message = "the curl command reads its query from a file: put the query itself into the command"
            raise ConfigurationError(message)
        told.from_file = told.from_file or bool(separator)
        if not separator:
            name, content = "", text
    content = quote_plus(content, errors="surrogateescape")
    return f"{name}={content}" if name else content


def _url(told: _Told, given: str) -> str:
    urls = [url for url in told.urls if url]
    if not urls:
        return ""
    if len(urls) > 1:
        told.remarks.append(f"the command has {len(urls)} URLs, or words that are taken for them: one was read")
    url = next((one for one in urls if "://" in one), urls[0]) if told.remarks else urls[0]
    if "globoff" not in told.switches and GLOB.search(url):
        told.remarks.append("the URL has brackets or braces, which curl makes several URLs of: it was read as it is")
    url = url if "://" in url else f"{told.scheme}://{url}"
    if told.upload is not None:
        url = _with_file_name(url, told.upload)
    queries = [*told.query]
    if "get" in told.switches and told.data is not None:
        queries.append(given if told.from_file else told.data)
    for query in queries:
        url = _with_query(url, query)
    return url if "path-as-is" in told.switches else _without_dots(url, told)


def _with_query(url: str, query: str) -> str:
    if not query:
        return url
    url, hash_, fragment = url.partition("#")
    _, mark, there = url.partition("?")
    joint = "?" if not mark else "" if not there or there.endswith("&") else "&"
    return f"{url}{joint}{query}{hash_}{fragment}"


def _apart(url: str) -> tuple[str, str, str]:
    """What stands before the query or fragment, its mark, and the rest."""
    place = next((at for at, character in enumerate(url) if character in "?#"), len(url))
    return url[:place], url[place : place + 1], url[place + 1 :]


def _with_file_name(url: str, file: str) -> str:
    """A URL that ends in a slash is a folder, into which curl puts the file."""
    base, mark, after = _apart(url)
    if "/" not in base.partition("://")[2]:
        base += "/"
    if not base.endswith("/") or file in ("-", "."):
        return url
    name = file.replace("\\", "/").rpartition("/")[2]
    return f"{base}{quote(name, safe='', errors='surrogateescape')}{mark}{after}"


def _without_dots(url: str, told: _Told) -> str:
    base, mark, after = _apart(url)
    scheme, _, rest = base.partition("://")
    host, slash, path = rest.partition("/")
    kept = list[str]()
    parts = path.split("/")
    for part in parts:
        if part == "..":
            kept = kept[:-1]
        elif part != ".":
            kept.append(part)
    if parts[-1] in (".", ".."):
        kept.append("")
    if kept == parts:
        return url
    told.remarks.append("curl takes . and .. out of a path (but with --path-as-is)")
    return f"{scheme}://{host}{slash}{'/'.join(kept)}{mark}{after}"


def _method_and_body(told: _Told, body: bytes | None) -> tuple[str, bytes]:
    """The method where none is named, and the body; headers of the body's type are added."""
    asked = [name for name in ("head", "get", "form") if name in told.switches]
    sends = [told.upload is not None, told.data is not None and "get" not in asked, "form" in asked, "head" in asked]
    if sum(sends) > 1:
        told.remarks.append("curl itself refuses such a command: it asks for more than one method")
    if "form" in asked:
        _type(told, "multipart/form-data")
        return "POST", body or b""
    if told.upload is not None:
        return "PUT", body or b""
    if told.data is None or "get" in asked:
        return "HEAD" if "head" in asked else "GET", b""
    _type(told, "application/json" if "json" in told.switches else FORM)
    return "HEAD" if "head" in asked else "POST", told.data.encode("utf-8", "surrogateescape") if body is None else body


def _type(told: _Told, text: str) -> None:
    if not told.has_header("content-type"):
        told.headers.append(("Content-Type", text))
