"""Which addresses a URL may lead to.

The one rule: a name is resolved once, every address is checked, and only a checked address is connected to; so a name
that changes its address between check and use (DNS rebinding) changes nothing.
"""

from __future__ import annotations

from valetkey.drivers.addresses import is_metadata_address, is_public_address, packed_address
from valetkey.effects import PLATFORM, PUBLIC
from valetkey.http import is_loopback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from valetkey.effects import Reach
    from valetkey.http import Url

    Resolver: TypeAlias = Callable[[str, int], Sequence[str]]

MAX_ADDRESSES = 16


class NotReachable(Exception):
    """The URL leads to where this request may not go; the text says why, without the URL."""


def system_resolver(host: str, port: int) -> Sequence[str]:
    """Every address of the host, in the system's order of preference. Raises OSError, UnicodeError."""
    import socket

    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def check_url(url: Url, reach: Reach) -> None:
    """Refuse what needs no resolving: the scheme, the port, the host as it is written. Raises NotReachable."""
    if reach == PLATFORM:
        if url.scheme != "http" or not (is_metadata_address(url.host) or is_loopback(url.host)):
            message = "is not one of the fixed addresses of a cloud's metadata service"
            raise NotReachable(message)
    elif reach == PUBLIC:
        if url.scheme != "https" or url.port not in (None, 443):
            message = "is reached with https on its usual port only, because somebody else chose the URL"
            raise NotReachable(message)
    elif url.scheme != "https" and not is_loopback(url.host):
        message = "is reached with https only: plain http is for loopback"
        raise NotReachable(message)


def addresses(url: Url, reach: Reach, *, resolver: Resolver, port: int) -> Sequence[str]:
    """The addresses that may be connected to, each of them checked. Raises NotReachable, OSError, UnicodeError."""
    check_url(url, reach)
    if packed_address(url.host) is not None:
        found: Sequence[str] = (url.host,)
    elif is_loopback(url.host):
        found = ("127.0.0.1", "::1")  # RFC 6761 section 6.3: never ask DNS for localhost
    else:
        found = resolver(url.host, port)
    if not found:
        message = "has no address"
        raise NotReachable(message)
    if reach == PUBLIC and not all(map(is_public_address, found)):
        message = "has an address that is not on the public internet"
        raise NotReachable(message)
    return found[:MAX_ADDRESSES]
