"""`valetkey store create|check`: of the deployment that the environment configures."""

from __future__ import annotations

import sys
from contextlib import contextmanager

import click

from valetkey.cli.output import json_option, print_json, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from valetkey.stores import Answer, Store

STATUS_FAILED = 1


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
