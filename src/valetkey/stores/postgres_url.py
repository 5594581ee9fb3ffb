"""From a postgresql:// URL to what psycopg is given.

The one rule: no default that gives the password away. Without a word about it, a server on another machine must speak
TLS (`sslmode=require`); `sslmode=verify-full` with `sslrootcert` also makes sure which one it is.
"""

from __future__ import annotations

from valetkey.errors import ConfigurationError
from valetkey.http import is_loopback
from valetkey.stores.pool import read_limit
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    import psycopg

    from valetkey.stores import Store
    from valetkey.stores.open import StoreUrl

OURS = ("table", "connections")  # all other options are libpq's
TABLE = "valetkey_rows"
TABLE_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")
STATEMENT_SECONDS = 5
DEFAULTS: dict[str, str] = {
    "application_name": "valetkey",
    "connect_timeout": "5",
    "target_session_attrs": "read-write",
    "options": f"-c statement_timeout={STATEMENT_SECONDS}s",
    # A server that is gone without a word is noticed within some 15 seconds.
    "tcp_user_timeout": "10000",
    "keepalives_idle": "5",
    "keepalives_interval": "3",
    "keepalives_count": "3",
}
FORM = "postgresql://user:password@host:5432/database"


@value
class PostgresPlace:
    """A database and a table.

    description: how errors name it, without user and password.
    parameters: libpq's, the password among them.
    error: psycopg's class of errors, which is known only where psycopg is installed.
    unverified: a sentence where the server's certificate is not checked.
    """

    description: str
    table: str
    parameters: Mapping[str, Any]
    error: type[psycopg.Error]
    unverified: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"PostgresPlace({self.description})"


def open_postgres(url: StoreUrl) -> Store:
    """The store of the URL's colour; nothing is connected yet. Raises ConfigurationError."""
    from valetkey.stores.postgres import AsyncPostgresStore, PostgresStore

    place = read_place(url)
    try:
        limit = read_limit(url.options.get("connections", ""))
    except ValueError as error:
        message = f"the PostgreSQL store: {error}"
        raise ConfigurationError(message) from None
    return (AsyncPostgresStore if url.awaited else PostgresStore)(place, connections=limit)


def read_place(url: StoreUrl) -> PostgresPlace:
    """The database and table that the URL names. Raises ConfigurationError."""
    from valetkey.http import write_form

    try:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        message = "a PostgreSQL store needs psycopg: install valetkey[postgres]"
        raise ConfigurationError(message) from None
    table = url.options.get("table") or TABLE
    schema, dot, name = table.rpartition(".")
    if not all(_is_name(part) for part in ([schema, name] if dot else [name])):
        message = (
            "the PostgreSQL store's table is a name of a-z, 0-9 and _, with or without a schema: app.valetkey_rows"
        )
        raise ConfigurationError(message)
    found = None
    try:
        query = write_form(tuple((name, text) for name, text in url.options.items() if name not in OURS))
        found = conninfo_to_dict(f"postgresql:{url.place}{'?' if query else ''}{query.replace('+', '%20')}")
    except (psycopg.Error, UnicodeError):  # whose words hold the URL, so that they end here
        pass
    if found is None:
        message = f"the PostgreSQL store's URL cannot be read: write {FORM}, with percent escapes in user and password"
        raise ConfigurationError(message)
    if not url.place.startswith("//"):
        message = f"a PostgreSQL store is written {FORM}"
        raise ConfigurationError(message)
    if "@" in url.place.removeprefix("//").partition("/")[2]:  # ///user:password@host would be a database's name
        message = f"the PostgreSQL store's URL has an @ after its host: write {FORM}, and %40 in a database's name"
        raise ConfigurationError(message)
    parameters: dict[str, Any] = DEFAULTS | {key: str(text) for key, text in found.items() if text is not None}
    host = parameters.get("host") or url.environ.get("PGHOST", "")
    near = all(not each or each.startswith(("/", "@")) or is_loopback(each) for each in host.split(","))
    if not near and "sslmode" not in found and not url.environ.get("PGSSLMODE"):
        parameters["sslmode"] = "require"
    database = parameters.get("dbname") or url.environ.get("PGDATABASE", "")
    description = f"postgresql:{database or 'database'} at {host or 'this machine'}"
    checked = near or "verify-full" in (parameters.get("sslmode"), url.environ.get("PGSSLMODE"))
    sentence = f"{description}: the server's certificate is not checked: add sslmode=verify-full&sslrootcert=FILE"
    return PostgresPlace(description, table, parameters, psycopg.Error, () if checked else (sentence,))


def _is_name(text: str) -> bool:
    return 0 < len(text) <= 50 and TABLE_CHARACTERS.issuperset(text) and not text[0].isdigit()
