"""`valetkey registrations list|update|forget`: clients that were registered while the application ran."""

from __future__ import annotations

import sys

import click

from valetkey.cli.connections import opened
from valetkey.cli.output import json_option, moment, print_json, print_table, say
from valetkey.connections.reenrol import update_enrolled
from valetkey.connections.unenrol import enrolled_page, forget_enrolled
from valetkey.errors import ConfigurationError
from valetkey.http import shown_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_PAGES = 10_000
AT_SERVER = {
    "deleted": "Deleted at the server and here.",
    "unsupported": "Deleted here. The server lets nobody delete it there, or there is nothing to delete.",
    "failed": "Deleted here. The server could not be told: the client stays there, unused.",
}


@click.group()
def registrations() -> None:
    """Clients that were registered at run time, of the configuration or for servers connected by their URL."""


@registrations.command("list")
@json_option
def list_registrations(*, as_json: bool) -> None:
    """Resource, issuer and client of each; those whose client is configured are in the configuration."""
    found: list[dict[str, Any]] = []
    unreadable, cursor = 0, ""
    with opened() as vault:
        for _ in range(MAX_PAGES):
            page = vault.run(enrolled_page(vault.settings, cursor=cursor))
            unreadable += page.unreadable
            for row in page.rows:
                found += [
                    {
                        "registration": row.name_of(client),
                        "resource": row.resource if row.by_url else "",
                        "issuer": client.issuer,
                        "present": (client.issuer, client.seat) == (row.issuer, row.seat),
                        "enrolment": client.enrolment,
                        "client_id": client.client_id,
                        "registered_at": client.registered_at,
                        "client_secret_expires_at": client.secret_expires_at,
                        "refused": client.refused,
                    }
                    for client in row.clients
                ]
            cursor = page.cursor
            if not cursor:
                break
    if as_json:
        print_json({"registrations": found, "unreadable": unreadable})
        return
    if not found:
        say("Nothing was registered at run time.")
    else:
        print_table(
            ("registration", "resource", "issuer", "by", "since"),
            (
                (
                    item["registration"],
                    shown_address(item["resource"]),
                    item["issuer"],
                    item["enrolment"],
                    moment(item["registered_at"]),
                )
                for item in found
            ),
        )
    if unreadable:
        say(f"{unreadable} could not be opened here: see valetkey keys check.")


@registrations.command("update")
@click.argument("name")
@json_option
def update_registration(name: str, *, as_json: bool) -> None:
    """Tell the issuer of NAME what its client is by now (RFC 7592): redirect URI, grant types, key, scope.

    It stays the same client, and its connections go on. Its server must have said where it is managed.
    """
    with opened() as vault:
        vault.run(update_enrolled(vault.settings, name))
    if as_json:
        print_json({"registration": name, "at_server": "updated"})
        return
    say("The issuer knows it now.")


@registrations.command("forget")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def forget_registration(name: str, *, yes: bool, as_json: bool) -> None:
    """Delete the client of NAME, a registration or the URL of its resource, at the server (RFC 7592) and here.

    Its connections can be neither refreshed nor revoked any more.
    """
    with opened() as vault:
        if not yes:
            if as_json or not sys.stdin.isatty():
                message = "nobody is there to be asked: add --yes"
                raise ConfigurationError(message)
            click.confirm("Its connections must be made anew. Delete the client?", abort=True)
        at_server = vault.run(forget_enrolled(vault.settings, name))
    if as_json:
        print_json({"registration": name, "at_server": at_server})
        return
    say(AT_SERVER[at_server])
