"""From a redis:// or rediss:// URL to what redis-py is given. The one rule: no problem shows the URL."""

from __future__ import annotations

from valetkey.errors import ConfigurationError
from valetkey.http import is_loopback, percent_decode
from valetkey.stores.pool import read_limit
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from valetkey.stores import Store
    from valetkey.stores.open import StoreUrl

FORM = "rediss://user:password@host:6379/0"
PREFIX = "valetkey"
ANSWER_SECONDS = 5


@value
class RedisPlace:
    """A server, a database and a prefix of keys.

    description: how errors name it, without user and password.
    parameters: redis-py's, the password among them.
    exposed: a sentence where password and rows travel for all to read.
    """

    description: str
    prefix: str
    parameters: Mapping[str, Any]
    tls: bool
    exposed: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"RedisPlace({self.description})"


def open_redis(url: StoreUrl) -> Store:
    """The store of the URL's colour; nothing is connected yet. Raises ConfigurationError."""
    try:
        import redis.exceptions  # noqa: F401 - whether it is there
    except ImportError:
        message = "a Redis store needs redis-py: install valetkey[redis]"
        raise ConfigurationError(message) from None
    from valetkey.stores.redis import AsyncRedisStore, RedisStore

    try:
        place, limit = read_place(url), read_limit(url.options.get("connections", ""))
    except ValueError as error:
        message = f"the Redis store: {error}"
        raise ConfigurationError(message) from None
    return (AsyncRedisStore if url.awaited else RedisStore)(place, connections=limit)


def read_place(url: StoreUrl) -> RedisPlace:
    """The server that the URL names. Raises ValueError."""
    authority, _, database = url.place.removeprefix("//").partition("/")
    credentials, _, server = authority.rpartition("@")
    username, _, password = credentials.partition(":")
    host, port = _read_server(server)
    if not url.place.startswith("//") or not host:
        message = f"it is written {FORM}"
        raise ValueError(message)
    if database and not (database.isascii() and database.isdecimal() and len(database) < 6):
        message = "its database is a number: redis://host:6379/0"
        raise ValueError(message)
    prefix = url.options.get("prefix") or PREFIX
    if not prefix.isascii() or not prefix.isprintable() or len(prefix) > 100:
        message = "its prefix is 1 to 100 printable ASCII characters"
        raise ValueError(message)
    tls = url.scheme == "rediss"
    parameters: dict[str, Any] = {
        "host": host,
        "port": port,
        "db": int(database or 0),
        "username": percent_decode(username) or None,
        "password": percent_decode(password) or None,
        "socket_timeout": ANSWER_SECONDS,
        "socket_connect_timeout": ANSWER_SECONDS,
        "socket_keepalive": True,
    }
    if tls:
        parameters |= {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
        parameters |= {"ssl_ca_certs": url.options["cafile"]} if url.options.get("cafile") else {}
    elif url.options.get("cafile"):
        message = "cafile is for rediss://"
        raise ValueError(message)
    description = f"redis:{host}:{port}/{database or 0}"
    exposed = f"{description}: password and rows travel unencrypted: write rediss:// and switch TLS on at the server"
    return RedisPlace(description, prefix, parameters, tls, () if tls or is_loopback(host) else (exposed,))


def _read_server(server: str) -> tuple[str, int]:
    if server.startswith("["):
        host, _, rest = server[1:].partition("]")
        port = rest.removeprefix(":")
    else:
        host, _, port = server.partition(":")
    if port and not (port.isascii() and port.isdecimal() and 0 < int(port) < 65_536):
        message = "its port is a number"
        raise ValueError(message)
    return host, int(port or 6379)
