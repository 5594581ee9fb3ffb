"""A connection and its credentials to the columns and octets of a row, and back.

The one rule: whatever was written by this or an older schema is read; what a newer one wrote is refused, never guessed.
Not here: sealing (`records` asks for it), keys and places (`seal`).
"""

from __future__ import annotations

from valetkey.connections.connection import NEXT, Connection, Credentials, Doubt, Tokens
from valetkey.digest import sha256_hex
from valetkey.effects import Key
from valetkey.errors import ConfigurationError, MalformedResponse, StoreError
from valetkey.http import percent_decode, percent_encode
from valetkey.secret import Secret
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.connection import State
    from valetkey.connections.grant import Grant
    from valetkey.effects import Clear

SCHEMA = 1
MAX_ACCOUNT_OCTETS = 200
MAX_CONTENT_OCTETS = 48_000  # sealed and in base64 it still fits into every store's row
MAX_GRANT_OCTETS = 40_000  # of these, for tokens and scope: the rest is for whose they are
CONNECTION = "connection/"
APPLICATION = "urn:valetkey:application"
"""The owner of the client's own connections (`connections.client`); no caller can name it."""

_TEXTS = ("incarnation", "attempt", "last_error", "authorized_by")
_NUMBERS = (
    "generation",
    "lease_until",
    "cool_until",
    "access_expires_at",
    "refresh_due_at",
    "previous_until",
    "created_at",
    "authorized_at",
    "refreshed_at",
    "verify_first",
)
_RARE = ("verify_first",)  # columns that are left out where they are 0


def partition_of(resource_owner: str) -> str:
    """The partition of a resource owner's rows: SHA-256 in hexadecimal, byte-exact, no folding of any kind.

    Raises ConfigurationError for what names nobody: an application that passes "" for everyone who is not signed in
    would give them all one connection.
    """
    if not isinstance(resource_owner, str) or not resource_owner:
        message = f"a resource owner is named by a non-empty str, not by {_said(resource_owner)}"
        raise ConfigurationError(message)
    return sha256_hex(resource_owner)


def _said(found: object) -> str:
    return "an empty one" if isinstance(found, str) else f"{type(found).__name__}: write str(...) around it"


def refuse_reserved(resource_owner: str | None) -> None:
    """Refuse a caller who names the application itself as a resource owner. Raises ConfigurationError."""
    if resource_owner == APPLICATION:
        message = f"no resource owner can be called {APPLICATION!r}: the application's own connections are kept there"
        raise ConfigurationError(message)


def connection_key(registration: str, resource_owner: str, account: str = "") -> Key:
    """Where a connection stands. Raises ConfigurationError for an account label over 200 octets of UTF-8."""
    try:
        too_long = len(account.encode()) > MAX_ACCOUNT_OCTETS
    except UnicodeEncodeError:
        too_long = True
    if too_long:
        message = f"an account label has at most {MAX_ACCOUNT_OCTETS} octets of UTF-8: pass a shorter one"
        raise ConfigurationError(message)
    return Key(partition_of(resource_owner), f"{CONNECTION}{registration}/{percent_encode(account)}")


def read_connection_name(name: str) -> tuple[str, str] | None:
    """The registration and account in a row's name, or None where the row is not a connection. Raises ValueError."""
    if not name.startswith(CONNECTION):
        return None
    registration, _, label = name.removeprefix(CONNECTION).partition("/")
    return registration, percent_decode(label)


def rescue_name(name: str, attempt: str) -> str:
    """The name of the rescue record that an attempt left beside a connection of that name."""
    return f"rescue/{name.removeprefix(CONNECTION)}/{attempt}"


def write_clear(connection: Connection) -> Clear:
    """The clear columns of the connection's row."""
    clear: dict[str, str | int] = {
        "schema": SCHEMA,
        "registration": connection.registration,
        "state": connection.state,
        "key_id": connection.key_id,
        "doubts": ",".join(f"{doubt.attempt}:{doubt.claimed_at}:{doubt.deadline}" for doubt in connection.doubts),
    }
    for column in _TEXTS + _NUMBERS:
        clear[column] = getattr(connection, column)
    for column in _RARE:
        if not clear[column]:
            del clear[column]
    return clear


def read_clear(clear: Clear, key: Key, *, resource_owner: str = "") -> Connection:
    """The connection behind a row's clear columns; its scope is inside the seal. Raises StoreError."""
    schema = clear.get("schema")
    if not isinstance(schema, int) or schema > SCHEMA:
        message = "a stored connection was written by a newer valetkey: upgrade this deployment"
        raise StoreError(message)
    try:
        named = read_connection_name(key.name)
        registration, account = named if named is not None else (str(clear["registration"]), "")
        texts = {column: str(clear.get(column, "")) for column in (*_TEXTS, "key_id")}
        numbers = {column: int(clear.get(column, 0)) for column in _NUMBERS}
        return Connection(
            registration=registration,
            resource_owner=resource_owner,
            account=account,
            state=_read_state(str(clear["state"])),
            doubts=_read_doubts(str(clear.get("doubts", ""))),
            **texts,  # type: ignore[arg-type]
            **numbers,  # type: ignore[arg-type]
        )
    except (KeyError, ValueError):
        message = "a stored connection has columns that valetkey did not write; the row is kept as it is"
        raise StoreError(message) from None


def number(clear: Clear, column: str, *, otherwise: int = 0) -> int:
    """The column's number, and that one where there is none or something else wrote it."""
    found = clear.get(column, otherwise)
    return found if isinstance(found, int) else otherwise


def _read_state(text: str) -> State:
    for state in NEXT:
        if state == text:
            return state
    raise ValueError(text)


def _read_doubts(text: str) -> tuple[Doubt, ...]:
    doubts = []
    for part in filter(None, text.split(",")):
        attempt, claimed_at, deadline = part.split(":")
        doubts.append(Doubt(attempt, int(claimed_at), int(deadline)))
    return tuple(doubts)


def keepable(grant: Grant) -> Grant:
    """The grant, if a row can hold it: its tokens and scope, as they are written. Raises MalformedResponse.

    Asked of every answer as it is read, while what was there before is still there.
    """
    import json

    written = json.dumps([_write_tokens(grant.tokens), grant.scope, grant.withheld], separators=(",", ":"))
    if len(written) <= MAX_GRANT_OCTETS:
        return grant
    message = (
        f"the provider answered with tokens and scope of {len(written)} octets, and a row holds {MAX_GRANT_OCTETS} of "
        "them: they are not used; ask for less scope"
    )
    raise MalformedResponse(message, status=200, error="grant_too_large")


def write_credentials(credentials: Credentials) -> bytes:
    """The octets that go inside the seal; where they are too many, without the tokens and fields that can be missed.

    Raises StoreError where the tokens alone are too long.
    """
    lean = replace(credentials, previous=None)
    for fitting in (credentials, lean, replace(lean, extra=(), callback_parameters=())):
        octets = _write_content(fitting)
        if len(octets) <= MAX_CONTENT_OCTETS:
            return octets
    message = f"the tokens take more than {MAX_CONTENT_OCTETS} octets, which no row holds: ask for less scope"
    raise StoreError(message)


def _write_content(credentials: Credentials) -> bytes:
    import json

    content: dict[str, object] = {
        "v": SCHEMA,
        "owner": credentials.resource_owner,
        "now": _write_tokens(credentials.current),
        "scope": list(credentials.scope),
    }
    if credentials.previous is not None:
        content["before"] = _write_tokens(credentials.previous)
    if credentials.subject:
        content["who"] = [credentials.issuer, credentials.subject]
    if credentials.extra:
        content["extra"] = [list(pair) for pair in credentials.extra]
    if credentials.callback_parameters:
        content["brought"] = [list(pair) for pair in credentials.callback_parameters]
    if credentials.withheld:
        content["withheld"] = list(credentials.withheld)
    if credentials.client[0]:
        content["client"] = list(credentials.client)
    return json.dumps(content, separators=(",", ":")).encode()


def _write_tokens(tokens: Tokens) -> list[str | None]:
    parts = [tokens.access_token, tokens.refresh_token, tokens.token_secret]
    if tokens.proof_key is not None:  # left out otherwise, so that an older valetkey reads what it knows
        parts.append(tokens.proof_key)
    return [None if part is None else part.reveal() for part in parts]


def read_credentials(plaintext: bytes) -> Credentials:
    """The credentials behind the octets. Raises StoreError where a newer valetkey wrote them."""
    import json

    content = json.loads(plaintext)
    if content.get("v", 0) > SCHEMA:
        message = "stored credentials were written by a newer valetkey: upgrade this deployment"
        raise StoreError(message)
    issuer, subject = content.get("who", ("", ""))
    at, client_id = content.get("client", ("", ""))
    return Credentials(
        resource_owner=content["owner"],
        current=_read_tokens(content["now"]),
        previous=_read_tokens(content["before"]) if "before" in content else None,
        scope=tuple(content["scope"]),
        extra=tuple((name, text) for name, text in content.get("extra", ())),
        issuer=issuer,
        subject=subject,
        withheld=tuple(content.get("withheld", ())),
        callback_parameters=tuple((name, text) for name, text in content.get("brought", ())),
        client=(at, client_id),
    )


def _read_tokens(parts: list[str | None]) -> Tokens:
    access, refresh, secret, *more = (None if part is None else Secret(part) for part in parts)
    return Tokens(access or Secret(""), refresh, secret, more[0] if more else None)
