"""`valetkey connections list|show|refresh|revoke|forget`: of the deployment that the environment configures."""

from __future__ import annotations

import sys
from contextlib import contextmanager

import click

from valetkey.cli.output import json_option, moment, print_fields, print_json, print_table, say
from valetkey.connections.registrations import registered
from valetkey.errors import ConfigurationError, ProviderError, RequestRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeVar

    from valetkey.connections.connection import Connection
    from valetkey.secret import Secret
    from valetkey.vault import Vault

    F = TypeVar("F", bound=Callable[..., Any])

MAX_PAGES = 10_000
STATUS_FAILED = 1
AT_PROVIDER = {
    "revoked": "Revoked at the provider and deleted here.",
    "unsupported": "Deleted here. The provider has no revocation: the resource owner can end it in its settings.",
    "failed": "The provider could not be told: the connection is not used any more. Run this again later.",
}
TIMES = (
    *("created_at", "authorized_at", "refreshed_at", "access_expires_at", "refresh_due_at", "previous_until"),
    *("cool_until", "lease_until", "verify_first"),
)
UNREAD = "{} of them cannot be read: {}."
WHY_UNREAD = {
    "key_unavailable": "the key that sealed them is not in VALETKEY_KEY, or its key service refuses it",
    "seal_broken": "their seal is broken: another key stands under its id, another VALETKEY_ENVIRONMENT sealed them, "
    "or they were altered",
    "unreadable": "the key service is out of reach, or a newer valetkey wrote them",
}


@click.group()
def connections() -> None:
    """What the vault holds, without tokens."""


def one_connection(command: F) -> F:
    """The command with the three things that name a connection."""
    command = click.option("--account", default="", help="For people with two accounts at one provider.")(command)
    command = click.argument("resource_owner")(command)
    return click.argument("registration")(command)


@contextmanager
def opened() -> Iterator[Vault]:
    """The vault of the environment, closed afterwards."""
    from valetkey.vault import Vault

    vault = Vault.from_env()
    try:
        yield vault
    finally:
        vault.close()


@connections.command("list")
@click.option("--resource-owner", default=None, help="Of one resource owner only.")
@click.option("--registration", default="", help="Of one registration only.")
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(1))
@json_option
def list_connections(resource_owner: str | None, registration: str, limit: int, *, as_json: bool) -> None:
    """Connections, in the store's order."""
    found: list[Connection] = []
    with opened() as vault:
        if registration:
            _ = vault.run(registered(vault.settings, registration))
        for connection in _all(vault, resource_owner):
            if registration in ("", connection.registration):
                found.append(connection)
            if len(found) > limit:
                break
    more = len(found) > limit
    found = found[:limit]
    if as_json:
        print_json({"connections": [described(connection) for connection in found], "more": more})
        return
    if not found:
        say("There are no connections.")
        return
    columns = ("registration", "resource owner", "account", "state", "scope", "access expires")
    print_table(
        columns,
        (
            (
                item.registration,
                item.resource_owner,
                item.account,
                f"{item.state} ({item.problem})" if item.problem else item.state,
                item.scope,
                moment(item.access_expires_at),
            )
            for item in found
        ),
    )
    for problem, why in WHY_UNREAD.items():
        if count := sum(item.problem == problem for item in found):
            say(UNREAD.format(count, why))
    if more:
        say(f"There are more than {limit}; raise --limit to see them.")


@connections.command()
@one_connection
@json_option
def show(registration: str, resource_owner: str, account: str, *, as_json: bool) -> None:
    """Everything that is known of one connection without opening its tokens."""
    with opened() as vault:
        connection = _found(vault, registration, resource_owner, account)
    fields = described(connection)
    if as_json:
        print_json(fields)
        return
    print_fields(
        {name: moment(item) if name in TIMES and isinstance(item, int) else item for name, item in fields.items()}
    )


@connections.command()
@one_connection
@click.option("--force", is_flag=True, help="Refresh even where the access token is still good.")
@json_option
def refresh(registration: str, resource_owner: str, account: str, *, force: bool, as_json: bool) -> None:
    """Refresh the access token of an OAuth 2.0 connection where it is due."""
    with opened() as vault:
        before = _found(vault, registration, resource_owner, account)
        token = vault.access_token(registration, resource_owner, account)
        if force and _found(vault, registration, resource_owner, account).generation == before.generation:
            _force(vault, before, token)
        after = _found(vault, registration, resource_owner, account)
    refreshed = after.generation != before.generation
    if as_json:
        print_json({"refreshed": refreshed, "connection": described(after)})
    elif refreshed:
        say(f"Refreshed; the new access token is good until {moment(after.access_expires_at) or 'it is refused'}.")
    else:
        say("Nothing to do: the access token is still good. --force refreshes it all the same.")


@connections.command()
@one_connection
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def revoke(registration: str, resource_owner: str, account: str, *, yes: bool, as_json: bool) -> None:
    """End one connection, at the provider too."""
    with opened() as vault:
        _found(vault, registration, resource_owner, account)
        _confirm(f"Revoke the connection of {resource_owner} with {registration}?", yes=yes, as_json=as_json)
        outcome = vault.revoke(registration, resource_owner, account)
    if as_json:
        print_json({"at_provider": outcome.at_provider, "reason": outcome.reason, "shared": outcome.shared})
    else:
        say(AT_PROVIDER[outcome.at_provider] + (f" ({outcome.reason})" if outcome.reason else ""))
        if outcome.shared:
            say("This provider ends every connection of the resource owner with the application.")
    if outcome.at_provider == "failed":
        sys.exit(STATUS_FAILED)


@connections.command()
@one_connection
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def forget(registration: str, resource_owner: str, account: str, *, yes: bool, as_json: bool) -> None:
    """Delete one connection here only; the provider is not told and the grant goes on there."""
    with opened() as vault:
        _found(vault, registration, resource_owner, account)
        _confirm(f"Delete the connection of {resource_owner} with {registration} here?", yes=yes, as_json=as_json)
        vault.forget(registration, resource_owner, account)
    if as_json:
        print_json({"forgotten": True})
    else:
        say("Forgotten here. The provider was not told.")


def _force(vault: Vault, connection: Connection, token: Secret) -> None:
    """Refresh as if the provider had refused the token."""
    try:
        vault.access_token(connection.registration, connection.resource_owner, connection.account, rejected=token)
    except ProviderError as error:
        if error.error != "access_token_rejected":
            raise
        message = "the access token is less than 30 seconds old: try again when it is older"
        raise ProviderError(message, error=error.error, status=error.status) from None


def described(connection: Connection) -> dict[str, object]:
    """The connection's fields; there are no tokens among them."""
    return {name: getattr(connection, name) for name in connection.__match_args__}


def _all(vault: Vault, resource_owner: str | None) -> Iterator[Connection]:
    cursor = ""
    for _ in range(MAX_PAGES):
        page = vault.connections(resource_owner, cursor=cursor)
        yield from page.connections
        cursor = page.cursor
        if not cursor:
            return


def _found(vault: Vault, registration: str, resource_owner: str, account: str) -> Connection:
    _ = vault.run(registered(vault.settings, registration))
    found = vault.connection(registration, resource_owner, account)
    if found is not None:
        return found
    message = f"there is no connection of {resource_owner} with {registration}" + (f" ({account})" if account else "")
    raise RequestRefused("not_connected", message, status=404)


def _confirm(question: str, *, yes: bool, as_json: bool) -> None:
    if yes:
        return
    if as_json or not sys.stdin.isatty():
        message = "nobody is there to be asked: add --yes"
        raise ConfigurationError(message)
    click.confirm(question, abort=True)
