"""The demonstration."""

from __future__ import annotations

import click

from valetkey.cli.output import json_option


@click.command()
@click.option("--once", is_flag=True, help="End after the last step instead of serving the pages.")
@click.option("--port", default=8300, show_default=True, type=click.IntRange(0, 65535))
@json_option
def demo(port: int, *, once: bool, as_json: bool) -> None:
    """Both protocols, end to end, on this machine."""
    raise NotImplementedError((port, once, as_json))
