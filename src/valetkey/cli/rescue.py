"""`valetkey rescue import|list`: fresh tokens that the store did not take when they came."""

from __future__ import annotations

import sys

import click

from valetkey.cli.connections import opened
from valetkey.cli.output import json_option, moment, print_json, print_table, say
from valetkey.connections.rescue_import import FATES, import_rescue, rescues

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from valetkey.connections.rescue_import import Rescue

MAX_PAGES = 10_000
STATUS_FAILED = 1
DONE = ("adopted", "kept", "superseded", "no_connection", "nothing")  # nothing is left to do for these


@click.group()
def rescue() -> None:
    """Fresh tokens that came too late to be stored, sealed."""


@rescue.command("import")
@click.argument("file", type=click.File(), default="-")
@json_option
def import_lines(file: TextIO, *, as_json: bool) -> None:
    """Read lines that `on_unsaved` or the log kept (vkr1....), from a file or standard input.

    Lines of a log may be given as they are. What was imported before changes nothing.
    """
    found: list[dict[str, object]] = []
    with opened() as vault:
        for number, line in enumerate(file, 1):
            fate = vault.run(import_rescue(vault.settings, line))
            if fate != "nothing":
                found.append({"line": number, "fate": fate})
    if as_json:
        print_json({"imported": found})
    elif not found:
        say("There is no rescue record in these lines.")
    else:
        for item in found:
            say(f"line {item['line']}: {item['fate']}: {FATES[item['fate']]}")  # type: ignore[index]
    if any(item["fate"] not in DONE for item in found):
        sys.exit(STATUS_FAILED)


@rescue.command("list")
@json_option
def list_rescues(*, as_json: bool) -> None:
    """The rescue records in the store; the next caller adopts one that waits, without being asked."""
    found: list[Rescue] = []
    cursor = ""
    with opened() as vault:
        for _ in range(MAX_PAGES):
            page = vault.run(rescues(vault.settings, cursor=cursor))
            found += page.rescues
            cursor = page.cursor
            if not cursor:
                break
    if as_json:
        print_json({"rescues": found})
    elif not found:
        say("There are no rescue records.")
    else:
        print_table(
            ("registration", "partition", "generation", "waiting", "kept until"),
            (
                (
                    item.registration,
                    item.partition,
                    item.generation,
                    "yes" if item.waiting else "no",
                    moment(item.expires_at),
                )
                for item in found
            ),
        )
