"""`valetkey demo`: everything that a deployment does, on this machine, in front of one's eyes.

    application.py   the sample application; its handler is the one that would be deployed on AWS Lambda
    deployment.py    that application behind a local front, SQLite and a new key in a temporary directory, a provider
    steps.py         what is shown: each step does something real and checks what came of it
    worker.py        one of the eight processes that want the same token at once
    narration.py     how it is told

The one rule: a claim that is printed was checked a moment before, by looking at what the provider saw or answered.
Not here: anything that a deployment would need; the handler, the vault and the pages are the ordinary ones.
"""

from __future__ import annotations

import sys
import time

import click

from valetkey.cli.output import json_option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


@click.command()
@click.option("--once", is_flag=True, help="End after the last step instead of serving the pages.")
@click.option("--port", default=8300, show_default=True, type=click.IntRange(0, 65535), help="Of the application.")
@click.option("--sandbox-port", default=8400, show_default=True, type=click.IntRange(0, 65535), help="Of the provider.")
@json_option
def demo(port: int, sandbox_port: int, *, once: bool, as_json: bool) -> None:
    """Both protocols, end to end, on this machine."""
    from valetkey.cli.demo.deployment import Deployment
    from valetkey.cli.demo.narration import Narrator
    from valetkey.cli.demo.steps import STEPS

    narrator = Narrator(len(STEPS), silent=as_json)
    with Deployment(port=port, sandbox_port=sandbox_port) as deployment:
        narrator.open(deployment)
        for title, step in STEPS:
            if not narrator.run(title, lambda step=step: step(deployment, narrator)):  # type: ignore[misc]
                break
        narrator.close(as_json=as_json)
        if not narrator.failed and not once and not as_json:
            _serve_until_interrupted(lambda: narrator.invite(deployment))
    if narrator.failed:
        sys.exit(1)


def _serve_until_interrupted(invite: Callable[[], None]) -> None:
    try:
        invite()
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return
