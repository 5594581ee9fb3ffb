"""`valetkey doctor`: what is wrong, and what to do about it."""

from __future__ import annotations

import click

from valetkey.cli.doctor_oauth1 import oauth1


@click.group()
def doctor() -> None:
    """What is wrong, and what to do about it."""


doctor.add_command(oauth1)
