"""`valetkey keepalive`: refresh what is about to lapse; list what needs a person."""

from __future__ import annotations

import click

from valetkey.cli.connections import opened
from valetkey.cli.output import json_option, moment, print_json, print_table, say
from valetkey.connections.keepalive import STEP_SECONDS
from valetkey.connections.keepalive import keepalive as sweep
from valetkey.connections.outbox import deliver_events
from valetkey.gateways.scheduler import described


@click.command()
@click.option("--seconds", default=600, show_default=True, type=click.IntRange(int(STEP_SECONDS) + 1), help="At most.")
@click.option(
    "--restart", is_flag=True, help="Begin with the first connection instead of where the last sweep stopped."
)
@json_option
def keepalive(seconds: int, *, restart: bool, as_json: bool) -> None:
    """Refresh connections whose grant is about to lapse because nobody uses them, and deliver kept events.

    To be run every hour or so, by cron or a scheduler; it goes on where the last run stopped.
    """
    with opened() as vault, vault.invocation(seconds):
        delivery = vault.run(deliver_events(vault.settings))
        swept = vault.run(sweep(vault.settings, cursor="" if restart else None))
    if as_json:
        print_json({**described(swept), "events": delivery})
        return
    say(f"Looked at {swept.seen}, refreshed {swept.refreshed}, failed {swept.failed}, skipped {swept.skipped}.")
    if delivery.sent or delivery.kept or delivery.given_up:
        say(f"Events: delivered {delivery.sent}, kept {delivery.kept}, given up {delivery.given_up}.")
    if swept.waiting:
        say("These need their resource owner:")
        print_table(
            ("registration", "resource owner", "account", "reason", "ends"),
            (
                (item.registration, item.resource_owner, item.account, item.reason, moment(item.at))
                for item in swept.waiting
            ),
        )
    if swept.more:
        say(f"... and {swept.more} others.")
    if swept.cursor:
        say("There was no time for the rest: run it again, it goes on from here.")
