"""The group of all commands, and what becomes of an error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

import click

from valetkey.cli.output import report

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

STATUS_INTERRUPTED = 130
LAZY = {
    "connections": "What the vault holds, without tokens.",
    "doctor": "What is wrong: with this deployment, or with a signature of OAuth 1.0a.",
    "demo": "Both protocols, end to end, on this machine.",
    "events": "What is told of connections, and to whom.",
    "keepalive": "Refresh what is about to lapse because nobody uses it.",
    "keys": "Sealing keys.",
    "providers": "What the catalog of providers knows.",
    "registrations": "Clients that were registered at run time.",
    "rescue": "Fresh tokens that came too late to be stored, sealed.",
    "serve": "Put a Lambda handler behind a local API gateway.",
    "store": "The place where connections are kept: make it, check it.",
    "trace": "What passed between a browser, the deployment and a provider, as HAR files without secrets.",
    "sandbox": "Serve a strict OAuth 1.0a and 2.0 provider to try things on.",
}


class Commands(click.Group):
    """A group whose commands are imported when they are called, and whose errors are sentences or JSON."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names of all commands."""
        return sorted(LAZY)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """The command of that name."""
        if cmd_name not in LAZY:
            return None
        from importlib import import_module

        command: click.Command = getattr(import_module(f"valetkey.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """Their list in the help, which imports none of them."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(LAZY.items()))

    def main(self, args: Sequence[str] | None = None, **extra: Any) -> NoReturn:  # type: ignore[override]
        """Run a command and end the process with its status."""
        arguments = list(sys.argv[1:] if args is None else args)
        extra = {**extra, "standalone_mode": False}
        try:
            status = super().main(arguments, **extra)
        except (click.Abort, KeyboardInterrupt):
            sys.exit(STATUS_INTERRUPTED)
        except click.exceptions.Exit as ended:
            sys.exit(ended.exit_code)
        except Exception as error:  # noqa: BLE001 - a sentence instead of a traceback, which may hold secrets
            sys.exit(report(error, as_json="--json" in arguments))
        sys.exit(status if isinstance(status, int) else 0)


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="valetkey", message="%(version)s")
def valetkey() -> None:
    """OAuth 1.0a and OAuth 2.0 for serverless Python: connections, kept sealed and refreshed once.

    Deployments are configured by VALETKEY_... variables or valetkey.toml.
    """
