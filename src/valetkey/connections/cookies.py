"""Cookies: read them as browsers send them, write them as `__Host-` cookies (RFC 6265, RFC 6265bis section 4.1.3).

The one rule: reading never fails and never drops a good cookie because of a bad neighbour, as `http.cookies` does.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Headers, Pairs

MAX_COOKIE_HEADER = 16_384
MAX_COOKIES = 200


def read_cookies(headers: Headers) -> Pairs:
    """Every name and value of the Cookie fields, in order, duplicates kept; what is over the limits is left out."""
    pairs: list[tuple[str, str]] = []
    for field in headers.all("cookie"):
        for part in field[:MAX_COOKIE_HEADER].split(";"):
            name, equals, text = part.partition("=")
            if equals and len(pairs) < MAX_COOKIES:
                pairs.append((name.strip(" \t"), text.strip(" \t").removeprefix('"').removesuffix('"')))
    return tuple(pairs)


def write_cookie(name: str, text: str, *, max_age: int, secure: bool, same_site: str = "Lax") -> str:
    """A Set-Cookie value for the whole host, out of reach of scripts; max_age is in seconds, 0 removes it.

    With SameSite=None always Secure: browsers drop it otherwise (RFC 6265bis section 5.7), and most of them take it
    from http on loopback too, as from a secure context.
    """
    flags = "; Secure" if secure or same_site == "None" else ""
    return f"{name}={text}; Path=/; Max-Age={max_age}; HttpOnly; SameSite={same_site}{flags}"
