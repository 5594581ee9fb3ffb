"""From a store's URL to the store. Each store's module is imported only when its URL is met."""

from __future__ import annotations

from valetkey.errors import ConfigurationError
from valetkey.http import read_form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from valetkey.stores import Store

FORMS = (
    "memory:, sqlite:///absolute/path.db, sqlite:relative.db or dynamodb://table?region=eu-central-1,"
    " the first two with ?ephemeral=accepted where a function may forget its rows"
)
OPTIONS = {"memory": {"ephemeral"}, "sqlite": {"ephemeral"}, "dynamodb": {"region", "endpoint"}}


def open_store(url: str, *, environ: Mapping[str, str], serverless: str = "") -> Store:
    """The store that the URL names. Raises ConfigurationError with everything that is wrong about it.

    environ: where AWS puts its region, endpoint and credentials.
    serverless: the platform's name where functions come and go; stores that are lost with the machine are refused
    there unless the URL says `?ephemeral=accepted`.
    """
    kind, colon, rest = url.partition(":")
    if not colon or kind not in OPTIONS:
        message = f"this store URL is not understood: write {FORMS}"
        raise ConfigurationError(message)
    place, _, query = rest.partition("?")
    options, problems = _read_options(kind, query)
    if serverless and kind in ("memory", "sqlite") and options.get("ephemeral") != "accepted":
        problems.append(
            f"a {kind} store forgets its rows with the machine, and {serverless} takes machines away at any time:"
            " use dynamodb, or add ?ephemeral=accepted"
        )
    if problems:
        raise ConfigurationError(problems)
    if kind == "memory":
        return _open_memory(place)
    if kind == "sqlite":
        return _open_sqlite(place)
    return _open_dynamodb(place, options, environ)


def _read_options(kind: str, query: str) -> tuple[dict[str, str], list[str]]:
    try:
        pairs = read_form(query)
    except ValueError as error:
        return {}, [f"the store URL's query: {error}"]
    problems = [
        f"a {kind} store has no option {name!r}: it has {', '.join(sorted(OPTIONS[kind]))}"
        for name, _ in pairs
        if name not in OPTIONS[kind]
    ]
    if len({name for name, _ in pairs}) < len(pairs):
        problems.append("the store URL gives an option twice")
    options = dict(pairs)
    if options.get("ephemeral", "accepted") != "accepted":
        problems.append("the option ephemeral has one value: accepted")
    return options, problems


def _open_memory(place: str) -> Store:
    from valetkey.stores.memory import MemoryStore

    if place:
        message = "a memory store has no path: write memory:"
        raise ConfigurationError(message)
    return MemoryStore()


def _open_sqlite(place: str) -> Store:
    from valetkey.http import percent_decode
    from valetkey.stores.sqlite import SqliteStore

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
    return SqliteStore(path)


def _open_dynamodb(place: str, options: Mapping[str, str], environ: Mapping[str, str]) -> Store:
    from valetkey.clouds.aws_credentials import AwsCredentialSource
    from valetkey.stores.dynamodb import DynamoDBStore

    if not place.startswith("//"):
        message = "a DynamoDB store is written dynamodb://table?region=eu-central-1"
        raise ConfigurationError(message)
    return DynamoDBStore(
        place[2:].removesuffix("/"),
        region=options.get("region") or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "",
        credentials=AwsCredentialSource(environ),
        endpoint=options.get("endpoint")
        or environ.get("AWS_ENDPOINT_URL_DYNAMODB")
        or environ.get("AWS_ENDPOINT_URL")
        or "",
    )
