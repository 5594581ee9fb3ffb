"""`valetkey events deliver|list|secret`: what is told, and what still waits to be told."""

from __future__ import annotations

import os
import sys

import click

from valetkey.cli.connections import opened
from valetkey.cli.output import json_option, print_json, print_table, say
from valetkey.connections.events import COMMON, EVENTS
from valetkey.connections.outbox import deliver_events
from valetkey.connections.webhook import write_secret
from valetkey.errors import ConfigurationError

SECRET_OCTETS = 32
STATUS_FAILED = 1


@click.group()
def events() -> None:
    """What is told of connections, and to whom."""


@events.command()
@click.option("--seconds", default=60, show_default=True, type=click.IntRange(2), help="At most.")
@json_option
def deliver(seconds: int, *, as_json: bool) -> None:
    """Send the events that could not be sent, or that were told outside an invocation, to the webhook."""
    with opened() as vault, vault.invocation(seconds):
        if vault.settings.webhook is None:
            message = "no webhook is configured: set VALETKEY_WEBHOOK_URL and VALETKEY_WEBHOOK_SECRET"
            raise ConfigurationError(message)
        delivery = vault.run(deliver_events(vault.settings))
    if as_json:
        print_json(delivery)
    else:
        say(f"Delivered {delivery.sent}, kept {delivery.kept} for later, given up {delivery.given_up}.")
    if delivery.kept and not delivery.sent:
        sys.exit(STATUS_FAILED)


@events.command("list")
@json_option
def list_events(*, as_json: bool) -> None:
    """The events that there are."""
    if as_json:
        print_json({name: {"meaning": kind.meaning, "fields": fields_of(name)} for name, kind in EVENTS.items()})
        return
    print_table(
        ("event", "told when", "fields"),
        ((name, kind.meaning, " ".join(fields_of(name))) for name, kind in EVENTS.items()),
    )


@events.command()
@json_option
def secret(*, as_json: bool) -> None:
    """Make a new secret for VALETKEY_WEBHOOK_SECRET, and for whoever receives the webhook."""
    made = write_secret(os.urandom(SECRET_OCTETS))
    if as_json:
        print_json({"secret": made})
    else:
        click.echo(made)


def fields_of(name: str) -> dict[str, str]:
    """The fields of an event, with what they mean."""
    own = dict(EVENTS[name].fields)
    return own if name == "unsaved" else {**COMMON, **own}
