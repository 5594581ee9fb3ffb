"""`valetkey doctor`: what is wrong, and what to do about it."""

from __future__ import annotations

import sys

import click

from valetkey.cli.doctor_oauth1 import oauth1
from valetkey.cli.output import json_option, print_json, say

STATUS_FAILED = 1
SECONDS = 120
STYLES = {"problem": "bold red", "warning": "yellow", "note": ""}


@click.group(invoke_without_command=True)
@json_option
@click.option("--tenant", "tenants", multiple=True, metavar="REGISTRATION:TENANT", help="Ask this tenant's hosts, too.")
@click.option("--probe", multiple=True, metavar="REGISTRATION", help="Begin a flow at its provider, to see its answer.")
@click.pass_context
def doctor(ctx: click.Context, *, as_json: bool, tenants: tuple[str, ...], probe: tuple[str, ...]) -> None:
    """What is wrong with this deployment, and what to do about it.

    Looks at the base URL, redirect URIs, clocks, discovery documents, scopes, cookies, keys and the store of the
    deployment that the environment configures, and changes nothing. The status is 1 where there is a problem, 2 where
    the configuration itself is wrong. With --probe a provider is asked as a flow would ask it, to see whether it takes
    the redirect URI: it keeps what it was asked for a while, and in its logs.
    """
    if ctx.invoked_subcommand is not None:
        return
    from valetkey.cli.connections import opened

    with opened() as vault, vault.invocation(SECONDS):
        diagnosis = vault.doctor(tenants=tenants, probe=probe)
    if as_json:
        print_json({"problems": len(diagnosis.problems), "findings": diagnosis.findings})
    else:
        for finding in diagnosis.findings:
            say(f"{finding.level}: {finding.about}: {finding.what}", style=STYLES[finding.level])
            if finding.advice:
                say(f"    {finding.advice}")
        if not diagnosis.problems:
            say("No problem was found.")
    if diagnosis.problems:
        sys.exit(STATUS_FAILED)


doctor.add_command(oauth1)
