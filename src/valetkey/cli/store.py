"""`valetkey store create|check|restored`: of the deployment that the environment configures."""

from __future__ import annotations

import sys
from contextlib import contextmanager

import click

from valetkey.cli.output import json_option, print_fields, print_json, say
from valetkey.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from valetkey.stores import Answer, Store

STATUS_FAILED = 1
MAX_PAGES = 1_000_000
HOLD_SECONDS = 60  # `restored.HOLD_SECONDS`, which is not imported for every command
COUNTS = ("marked", "already", "leased", "busy", "unreadable")


@click.group()
def store() -> None:
    """The place where connections are kept."""


@store.command()
@json_option
def create(*, as_json: bool) -> None:
    """Make the table where it is missing, with expiry and backups where the engine has them.

    Run it again after an upgrade: what is there is kept.
    """
    with opened() as found:
        perform(found, found.create())
        missing = perform(found, found.check())
    if as_json:
        print_json({"store": found.description, "missing": missing})
    else:
        say(f"{found.description} is there.")
        tell(missing)


@store.command()
@json_option
def check(*, as_json: bool) -> None:
    """Say what is missing or unsafe: table, permissions, expiry, consistency, persistence.

    The status is 1 where anything is.
    """
    with opened() as found:
        missing = perform(found, found.check())
    if as_json:
        print_json({"store": found.description, "missing": missing})
    elif missing:
        tell(missing)
    else:
        say(f"{found.description}: nothing is missing.")
    if missing:
        sys.exit(STATUS_FAILED)


@store.command()
@click.option("--wait", default=HOLD_SECONDS, show_default=True, type=click.IntRange(1), help="Seconds: see above.")
@click.option("--cursor", default="", help="Where a run before this one stopped.")
@click.option(
    "--pages", default=MAX_PAGES, type=click.IntRange(1), show_default=False, help="Stop after so many pages."
)
@json_option
def restored(wait: int, cursor: str, pages: int, *, as_json: bool) -> None:
    """Say that a backup was put back: mark every connection, so that no old refresh token is used blindly.

    A marked connection uses its access token while it lives. Then the provider is asked whether the refresh token is
    still the living one; where it cannot be asked or does not say so, nothing is sent for --wait seconds, in which
    functions that hold newer tokens put them back and `valetkey rescue import` can bring others.

    Functions may go on meanwhile; a connection that is just being refreshed is left alone. After every page the cursor
    is printed from which a run that was interrupted goes on; starting anew does no harm. The status is 1 where
    connections are left that are not marked: run it again.
    """
    from valetkey.cli.connections import opened as opened_vault
    from valetkey.connections.restored import Marked, mark_page
    from valetkey.value import replace

    total = Marked()
    with opened_vault() as vault:
        for _ in range(pages):
            try:
                page = vault.run(mark_page(vault.settings, cursor=cursor, wait=wait))
            except StoreError as error:
                message = f"{error}; go on with: valetkey store restored" + (f" --cursor {cursor}" if cursor else "")
                raise StoreError(message) from None
            counts = {name: getattr(total, name) + getattr(page, name) for name in COUNTS}
            total, cursor = replace(page, **counts), page.cursor
            if not cursor:
                break
            if not as_json:
                click.echo(f"{total.marked + total.already} connections; --cursor {cursor}", err=True)
    if as_json:
        print_json({**{name: getattr(total, name) for name in COUNTS}, "cursor": total.cursor, "left": total.left})
    else:
        shown = {
            "marked": total.marked,
            "marked before": total.already,
            "being refreshed": total.leased or "",
            "written all the time": total.busy or "",
            "not readable": total.unreadable or "",
            "go on with": f"--cursor {total.cursor}" if total.cursor else "",
        }
        print_fields(shown)
    if total.left:
        sys.exit(STATUS_FAILED)


@contextmanager
def opened() -> Iterator[Store]:
    """The store of VALETKEY_STORE or valetkey.toml, closed afterwards. Nothing else has to be configured."""
    import os

    from valetkey.config import read_store
    from valetkey.stores.open import open_store

    url, platform = read_store(os.environ)
    found = open_store(url.reveal(), environ=os.environ, serverless=platform)
    try:
        yield found
    finally:
        found.close()


def perform(store: Store, reply: Answer[Any]) -> Any:
    """What the store answers: at once, or by a program over HTTP."""
    from types import GeneratorType

    if not isinstance(reply, GeneratorType):
        return reply
    import os

    from valetkey.drivers.defaults import LazyTransport, build_ports
    from valetkey.drivers.drive import drive
    from valetkey.keys.local import LocalKeyRing, generate_key

    keys = LocalKeyRing.from_text(generate_key(os.urandom), random=os.urandom)  # nothing is sealed with it
    transport = LazyTransport()
    try:
        ports = build_ports(
            awaited=False, store=store, keys=keys, transport=transport, signer=None, clock=None, events=None
        )
        return drive(reply, ports.answer)
    finally:
        transport.close()


def tell(missing: tuple[str, ...]) -> None:
    """Print each sentence on a line of its own."""
    for sentence in missing:
        say(f"- {sentence}")
