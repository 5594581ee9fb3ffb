"""From a store's URL to the store: a table with one row for each scheme.

The one rule: a problem never shows the URL, which may hold a password. Each store's module is imported only when its
URL is met. A new store is a new row of `SCHEMES`: how its URL is written, which options it takes, and what opens it.
"""

from __future__ import annotations

from valetkey.errors import ConfigurationError
from valetkey.http import percent_decode, read_form
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from valetkey.stores import Store


@value
class StoreUrl:
    """A store's URL, taken apart.

    place: what stands between the scheme and the query, such as `//table`, as it was written.
    options: the query, decoded.
    environ: where a platform puts its region, addresses and credentials.
    awaited: whether the async class is wanted, where an engine has one for each colour.
    """

    scheme: str
    place: str
    options: Mapping[str, str]
    environ: Mapping[str, str]
    awaited: bool = False


@value
class Scheme:
    """A row of the table.

    form: how such a URL is written, for people; empty for another spelling of one that is told already.
    options: what its query may say.
    open: the store; raises ConfigurationError where the URL is wrong.
    find: raises the same without touching anything; None where `open` only builds a value and touches nothing itself.
    local: whether such a store is lost with the machine.
    """

    form: str
    options: tuple[str, ...]
    open: Callable[[StoreUrl], Store]
    find: Callable[[StoreUrl], object] | None = None
    local: bool = False


def open_store(url: str, *, environ: Mapping[str, str], serverless: str = "", awaited: bool = False) -> Store:
    """The store that the URL names. Raises ConfigurationError with everything that is wrong about it.

    environ: where a platform puts its region, addresses and credentials.
    serverless: the platform's name where functions come and go; stores that are lost with the machine are refused
    there unless the URL says `?ephemeral=accepted`.
    awaited: whether the caller awaits; an engine with one class for each colour gives the async one.
    """
    read, problems = _read(url, environ=environ, serverless=serverless, awaited=awaited)
    if read is None or problems:
        raise ConfigurationError(problems)
    return SCHEMES[read.scheme].open(read)


def check_store_url(url: str, *, environ: Mapping[str, str] | None = None, serverless: str = "") -> tuple[str, ...]:
    """Everything that is wrong about the URL, without opening, making or asking anything; empty where nothing is."""
    read, problems = _read(url, environ=environ or {}, serverless=serverless)
    if read is not None and not problems:
        scheme = SCHEMES[read.scheme]
        try:
            _ = (scheme.find or scheme.open)(read)
        except ConfigurationError as error:
            return error.problems
    return tuple(problems)


def _read(
    url: str, *, environ: Mapping[str, str], serverless: str, awaited: bool = False
) -> tuple[StoreUrl | None, list[str]]:
    name, colon, rest = url.partition(":")
    scheme = SCHEMES.get(name)
    if not colon or scheme is None:
        return None, [f"this store URL is not understood: write {_forms()}"]
    place, _, query = rest.partition("?")
    options, problems = _read_options(name, query)
    if serverless and scheme.local and options.get("ephemeral") != "accepted":
        problems.append(
            f"on {serverless} each instance has its own memory and files and loses them when it stops: connections"
            " would vanish and tokens be refreshed twice. Use a shared store, or add ?ephemeral=accepted to the URL"
        )
    return StoreUrl(name, place, options, environ, awaited), problems


def _read_options(name: str, query: str) -> tuple[dict[str, str], list[str]]:
    try:
        pairs = read_form(query)
    except ValueError as error:
        return {}, [f"the store URL's query: {error}"]
    known = SCHEMES[name].options
    has = f"it has {', '.join(sorted(known))}" if known else "it has none"
    cut = "@" in query  # a password with a bare ? in it: what follows is no option and must not be shown
    shown = [
        ("that its URL names (write ? as %3F)" if cut else repr(option)) for option, _ in pairs if option not in known
    ]
    problems = [f"a {name} store has no option {option}: {has}" for option in shown]
    if len({option for option, _ in pairs}) < len(pairs):
        problems.append("the store URL gives an option twice")
    options = dict(pairs)
    if options.get("ephemeral", "accepted") != "accepted":
        problems.append("the option ephemeral has one value: accepted")
    return options, problems


def _forms() -> str:
    forms = [scheme.form for scheme in SCHEMES.values() if scheme.form]
    return f"{', '.join(forms[:-1])} or {forms[-1]}"


def _open_memory(url: StoreUrl) -> Store:
    from valetkey.stores.memory import MemoryStore

    if url.place:
        message = "a memory store has no path: write memory:"
        raise ConfigurationError(message)
    return MemoryStore()


def _sqlite_path(url: StoreUrl) -> str:
    place = url.place
    if place.startswith("//"):
        if not place.startswith("///"):
            message = "a SQLite store has no host: write sqlite:///absolute/path.db with three slashes"
            raise ConfigurationError(message)
        place = place[2:]
    try:
        path = percent_decode(place)
    except ValueError as error:
        message = f"the SQLite store's path: {error}"
        raise ConfigurationError(message) from None
    if not path or "\0" in path or path == ":memory:":
        message = "a SQLite store names a file: sqlite:///absolute/path.db or sqlite:relative.db (memory: has none)"
        raise ConfigurationError(message)
    return path


def _open_sqlite(url: StoreUrl) -> Store:
    from valetkey.stores.sqlite import SqliteStore

    return SqliteStore(_sqlite_path(url))


def _open_dynamodb(url: StoreUrl) -> Store:
    from valetkey.clouds.aws_credentials import AwsCredentialSource
    from valetkey.stores.dynamodb import DynamoDBStore

    if not url.place.startswith("//"):
        message = "a DynamoDB store is written dynamodb://table?region=eu-central-1"
        raise ConfigurationError(message)
    environ = url.environ
    return DynamoDBStore(
        url.place[2:].removesuffix("/"),
        region=url.options.get("region") or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "",
        credentials=AwsCredentialSource(environ),
        endpoint=url.options.get("endpoint")
        or environ.get("AWS_ENDPOINT_URL_DYNAMODB")
        or environ.get("AWS_ENDPOINT_URL")
        or "",
    )


def _open_postgres(url: StoreUrl) -> Store:
    from valetkey.stores.postgres_url import open_postgres

    return open_postgres(url)


def _open_redis(url: StoreUrl) -> Store:
    from valetkey.stores.redis_url import open_redis

    return open_redis(url)


def _open_aztables(url: StoreUrl) -> Store:
    from valetkey.clouds.azure_credentials import AzureTokenSource, storage_account_key, storage_table_endpoint
    from valetkey.stores.azure_tables import AzureTablesStore

    account, _, table = url.place.removeprefix("//").removesuffix("/").partition("/")
    if not url.place.startswith("//") or not table:
        message = "an Azure Tables store is written aztables://account/table"
        raise ConfigurationError(message)
    return AzureTablesStore(
        table,
        account=account,
        key=storage_account_key(url.environ, account),
        tokens=AzureTokenSource(url.environ, resource="https://storage.azure.com"),
        endpoint=url.options.get("endpoint", "") or storage_table_endpoint(url.environ, account),
    )


def _open_firestore(url: StoreUrl) -> Store:
    from valetkey.clouds.google_credentials import GoogleTokenSource
    from valetkey.stores.firestore import FirestoreStore
    from valetkey.stores.firestore_wire import SCOPE

    project, _, database = url.place.removeprefix("//").removesuffix("/").partition("/")
    if not url.place.startswith("//"):
        message = "a Firestore store is written firestore://project/database"
        raise ConfigurationError(message)
    return FirestoreStore(
        project,
        tokens=GoogleTokenSource(url.environ, scope=SCOPE),
        database=database or "(default)",
        collection=url.options.get("collection", "valetkey"),
        emulator=url.environ.get("FIRESTORE_EMULATOR_HOST", ""),
    )


LIBPQ_OPTIONS = (
    "host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslnegotiation", "channel_binding", "gssencmode",
    "connect_timeout", "application_name", "service", "passfile", "options",
)  # fmt: skip
POSTGRES = Scheme("postgresql://user:password@host/database", ("table", "connections", *LIBPQ_OPTIONS), _open_postgres)
REDIS_OPTIONS = ("prefix", "cafile", "connections")

SCHEMES = {
    "memory": Scheme("memory:", ("ephemeral",), _open_memory, local=True),
    "sqlite": Scheme(
        "sqlite:///absolute/path.db, sqlite:relative.db", ("ephemeral",), _open_sqlite, find=_sqlite_path, local=True
    ),
    "dynamodb": Scheme("dynamodb://table?region=eu-central-1", ("region", "endpoint"), _open_dynamodb),
    "postgresql": POSTGRES,
    "postgres": replace(POSTGRES, form=""),
    "rediss": Scheme("rediss://user:password@host:6379/0", REDIS_OPTIONS, _open_redis),
    "redis": Scheme("", REDIS_OPTIONS, _open_redis),
    "firestore": Scheme("firestore://project/database", ("collection",), _open_firestore),
    "aztables": Scheme("aztables://account/table", ("endpoint",), _open_aztables),
}
