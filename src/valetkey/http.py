"""Requests, responses, headers and the encodings of RFC 3986 and of HTML forms.

The one rule: what comes from outside is decoded strictly, once, and what is refused raises `ValueError` with a reason
that holds none of the input. Only built-in C modules are imported: this file is on every cold start's path.
Not here: sending (`drivers.transports`), cookies (`web.cookies`).
"""

from __future__ import annotations

from binascii import a2b_base64, a2b_qp, b2a_base64

from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TypeAlias

    Pairs: TypeAlias = tuple[tuple[str, str], ...]

UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
MAX_FORM_FIELDS = 1000
MAX_SHOWN_PATH = 64
MIN_KEY_RUN, MIN_KEY, MIN_KEY_CHANGES = 16, 12, 3  # letters and digits in a row; characters of all; changes of kind
FORM = "application/x-www-form-urlencoded"
DEFAULT_PORTS = {"http": 80, "https": 443}

_ENCODED = [chr(octet) if octet in UNRESERVED else f"%{octet:02X}" for octet in range(256)]
_UNRESERVED_TEXT = frozenset(UNRESERVED.decode())
_HOST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")
_ADDRESS = frozenset("0123456789abcdefABCDEF:.")


@value
class Headers:
    """Header fields in order; names compare without case. Values are latin-1 without CR, LF and NUL."""

    pairs: Pairs = ()

    def __post_init__(self) -> None:
        for name, text in self.pairs:
            if not name or not TOKEN.issuperset(name):
                message = "a header name holds a character that HTTP does not allow"
                raise ValueError(message)
            if "\r" in text or "\n" in text or "\0" in text or not _is_latin1(text):
                message = f"header {name}: CR, LF, NUL and characters outside latin-1 are refused"
                raise ValueError(message)

    def __repr__(self) -> str:
        """Without the values: credentials and cookies are among them."""
        return f"Headers({', '.join([name for name, _ in self.pairs])})"

    def get(self, name: str) -> str | None:
        """The first value of that name, or None."""
        return next(iter(self.all(name)), None)

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of that name, in order."""
        wanted = name.lower()
        return tuple(text for key, text in self.pairs if key.lower() == wanted)

    def with_added(self, name: str, text: str) -> Headers:
        """A copy with one more field."""
        return Headers((*self.pairs, (name, text)))

    def with_set(self, name: str, text: str) -> Headers:
        """A copy in which the name has this one value."""
        wanted = name.lower()
        return Headers((*(pair for pair in self.pairs if pair[0].lower() != wanted), (name, text)))


def _is_latin1(text: str) -> bool:
    return text.isascii() or max(text) <= "\xff"


@value
class Request:
    """An HTTP request, either way.

    url: absolute for one that we send; for one that a browser sent, the raw target (`/callback/github?code=...`).
    platform: what the platform said of an incoming request (a Lambda event, an ASGI scope, a WSGI environ).
    """

    method: str
    url: str
    headers: Headers = Headers()
    body: bytes = b""
    platform: Mapping[str, object] | None = None

    def __repr__(self) -> str:
        """Without what may hold a token: the query, the path of a provider's endpoint, a link in our own path."""
        scheme, absolute, rest = self.url.partition("?")[0].partition("://")
        shown = f"{scheme}://{rest.partition('/')[0].rpartition('@')[2]}" if absolute else scheme[:MAX_SHOWN_PATH]
        return f"Request({self.method} {shown})"


@value
class Response:
    """An HTTP response, either way.

    concluded: of a page of ours, what came of it, or why it refuses; for traces (`valetkey.trace`), never sent.
    """

    status: int
    headers: Headers = Headers()
    body: bytes = b""
    concluded: str = ""

    def __repr__(self) -> str:
        return f"Response({self.status}, {len(self.body)} octets)"


@value
class Url:
    """An absolute http(s) URL in its parts; host in lower case, port as written or None, path and query undecoded."""

    scheme: str
    host: str
    port: int | None
    path: str
    query: str

    @property
    def origin(self) -> str:
        """Scheme, host and port, the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.port is None or self.port == DEFAULT_PORTS[self.scheme]:
            return f"{self.scheme}://{host}"
        return f"{self.scheme}://{host}:{self.port}"


def read_url(url: str) -> Url:
    """The parts of an absolute http or https URL; userinfo, fragments, white space and non-ASCII are refused."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        message = "a URL holds only printable ASCII without spaces and backslashes"
        raise ValueError(message)
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in DEFAULT_PORTS:
        message = "a URL starts with https:// (or http:// on loopback)"
        raise ValueError(message)
    if "#" in rest:
        message = "a URL that is requested has no fragment"
        raise ValueError(message)
    rest, _, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    host, port = _read_authority(authority)
    return Url(scheme, host, port, slash + path or "/", query)


def _read_authority(authority: str) -> tuple[str, int | None]:
    if "@" in authority:
        message = "a URL with a user name in it is refused"
        raise ValueError(message)
    if authority.startswith("["):
        host, bracket, after = authority[1:].partition("]")
        if not bracket or ":" not in host or not _ADDRESS.issuperset(host):
            message = "an IPv6 host is written in brackets"
            raise ValueError(message)
    else:
        host, colon, digits = authority.partition(":")
        after = colon + digits
        if not host or not _HOST.issuperset(host):
            message = "the host of a URL is a name or an address"
            raise ValueError(message)
    if after in ("", ":"):
        return host.lower(), None
    digits = after[1:]
    if not after.startswith(":") or len(digits) > 5 or not digits.isdigit() or not 0 < int(digits) < 65536:
        message = "the port of a URL is a number from 1 to 65535"
        raise ValueError(message)
    return host.lower(), int(digits)


def shown_address(text: str) -> str:
    """The URL as people and logs may see it: without user name and query, and with … for what looks like a key.

    Some servers are reached by a path that whoever has it may use. What is no URL is shown as it is.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        return text
    authority, slash, path = rest.partition("#")[0].partition("?")[0].partition("/")
    shown = "/".join("…" if _looks_like_key(segment) else segment for segment in path.split("/"))
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{shown}"


def _looks_like_key(segment: str) -> bool:
    """Whether it is as long as no word, or changes between letters, capitals and digits as no name does."""
    kinds = "".join(
        "d" if one.isdigit() else "u" if one.isupper() else "l" if one.isalpha() else " " for one in segment
    )
    run = max(map(len, kinds.split(" ")))
    changes = sum(kinds[at : at + 2] in ("lu", "ld", "ud", "dl", "du") for at in range(len(kinds)))
    return run >= MIN_KEY_RUN or (len(kinds) >= MIN_KEY and changes >= MIN_KEY_CHANGES)


def is_loopback(host: str) -> bool:
    """Whether the host is this machine by name or address, without asking DNS."""
    return host in ("localhost", "127.0.0.1", "::1") or host.endswith(".localhost")


def percent_encode(text: str) -> str:
    """All but the unreserved characters as %XX of their UTF-8 octets (RFC 5849 section 3.6, RFC 3986 section 2.1)."""
    if (text.isidentifier() and text.isascii()) or _UNRESERVED_TEXT.issuperset(text):
        return text
    return "".join([_ENCODED[octet] for octet in text.encode()])


def percent_decode(text: str, *, plus_is_space: bool = False) -> str:
    """The text behind %XX escapes; a broken escape or octets that are not UTF-8 raise ValueError."""
    if plus_is_space and "+" in text:
        text = text.replace("+", " ")
    if "%" not in text:
        return text
    # The C decoder of quoted-printable (RFC 2045 section 6.7) reads our escapes once "%" and "=" have changed roles.
    # It leaves a broken escape longer than a whole one would be, which the length then shows.
    raw = text.encode()
    quoted = raw.replace(b"=", b"=3D").replace(b"\r", b"=0D").replace(b"\n", b"=0A").replace(b"%", b"=")
    octets = a2b_qp(quoted)
    if len(octets) != len(raw) - 2 * raw.count(b"%"):
        message = "a percent sign is followed by two hexadecimal digits"
        raise ValueError(message)
    return decode_utf8(octets)


def decode_utf8(octets: bytes) -> str:
    """The text behind the octets; where they are not UTF-8, a ValueError that holds none of them, as Python's does."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        pass
    message = "the octets are not UTF-8"
    raise ValueError(message)  # outside of `except`: the error may not bring the octets along as its context


def read_form(text: str) -> Pairs:
    """The name-value pairs of a query or form body (application/x-www-form-urlencoded), strictly, in order."""
    if not text:
        return ()
    fields = text.split("&")
    if len(fields) > MAX_FORM_FIELDS:
        message = f"a form has at most {MAX_FORM_FIELDS} fields"
        raise ValueError(message)
    pairs = []
    for field in fields:
        if not field:
            continue
        name, _, text = field.partition("=")
        if "%" in field or "+" in field:
            name, text = percent_decode(name, plus_is_space=True), percent_decode(text, plus_is_space=True)
        pairs.append((name, text))
    return tuple(pairs)


def write_form(pairs: Iterable[tuple[str, str]]) -> str:
    """The pairs as a query or form body; a space becomes %20, which every decoder takes."""
    return "&".join([f"{percent_encode(name)}={percent_encode(text)}" for name, text in pairs])


def with_query(url: str, pairs: Iterable[tuple[str, str]]) -> str:
    """The URL with the pairs added to its query."""
    added = write_form(pairs)
    if not added:
        return url
    if "?" not in url:
        return f"{url}?{added}"
    return f"{url}{added}" if url.endswith(("?", "&")) else f"{url}&{added}"


def base64url(octets: bytes) -> str:
    """Base64 for URLs without padding (RFC 4648 section 5)."""
    return b2a_base64(octets, newline=False).translate(_TO_URL, b"=").decode()


def base64url_decode(text: str) -> bytes:
    """The octets behind unpadded base64url; any other spelling of the same octets raises ValueError."""
    if not text.isascii() or len(text) % 4 == 1:
        message = "not base64url"
        raise ValueError(message)
    octets = a2b_base64(text.encode().translate(_FROM_URL) + b"=" * (-len(text) % 4))
    if base64url(octets) != text:  # the decoder skips what it does not know and ignores trailing bits
        message = "not base64url"
        raise ValueError(message)
    return octets


_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")
