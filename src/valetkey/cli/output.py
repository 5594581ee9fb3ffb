"""Printing: tables and sentences for people, JSON for programs; never a secret, never a control character."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from valetkey.errors import ConfigurationError, ProviderError, ReauthorizationRequired, RefreshInProgress, ValetkeyError
from valetkey.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, TypeVar

    from valetkey.errors import Explanation

    F = TypeVar("F", bound=Callable[..., Any])

WIDTH_OF_A_FILE = 200  # where there is no terminal to fit into

STATUS_FAILED = 1
STATUS_WRONG_USE = 2


def json_option(command: F) -> F:
    """The command with `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, errors too.")(command)


def console(*, stderr: bool = False) -> Console:
    """Where people read; without colours and without wrapping where it is not a terminal."""
    stream = sys.stderr if stderr else sys.stdout
    terminal = stream.isatty()
    return Console(
        file=stream,
        width=None if terminal else WIDTH_OF_A_FILE,
        no_color=None if terminal else True,
        force_terminal=terminal,
        highlight=False,
        emoji=False,
        markup=False,
    )


def plain(found: object) -> str:
    """The text of a value for a line of a terminal: what is not printable would act on the terminal."""
    if isinstance(found, (tuple, list)):
        return " ".join(plain(item) for item in found)
    text = "" if found is None else str(found)
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def print_json(found: object) -> None:
    """The value as JSON, a Secret in it as `***`."""
    click.echo(json.dumps(found, indent=2, ensure_ascii=True, default=_as_json))


def _as_json(found: object) -> object:
    if isinstance(found, Secret):
        return str(found)
    fields: tuple[str, ...] = getattr(type(found), "__match_args__", ())
    if fields:
        return {name: getattr(found, name) for name in fields}
    return plain(found)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table for people."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(plain(item)) for item in row))
    console().print(table)


def print_fields(fields: Mapping[str, object]) -> None:
    """Names and values, one on a line; what is empty is left out."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, found in fields.items():
        if found not in ("", (), None):
            table.add_row(Text(name), Text(plain(found)))
    console().print(table)


def say(sentence: str, *, style: str = "") -> None:
    """A sentence for people."""
    console().print(Text(plain(sentence), style=style))


def moment(seconds: int) -> str:
    """A time for people, in UTC; empty for 0."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if seconds else ""


def report(error: BaseException, *, as_json: bool) -> int:
    """Tell of the error on standard error; the status to end with."""
    kind, problems, more, status = _described(error)
    if as_json:
        click.echo(json.dumps({"error": kind, "problems": problems, **more}, indent=2), err=True)
        return status
    out = console(stderr=True)
    head = "Error: " if len(problems) == 1 else f"{len(problems)} problems:"
    if len(problems) == 1:
        out.print(Text.assemble((head, "bold red"), plain(problems[0])))
    else:
        out.print(Text(head, style="bold red"))
        for problem in problems:
            out.print(Text(f"  - {plain(problem)}"))
    return status


def _described(error: BaseException) -> tuple[str, list[str], dict[str, object], int]:
    if isinstance(error, click.ClickException):
        return "usage", [error.format_message()], {}, STATUS_WRONG_USE
    if isinstance(error, ConfigurationError):
        return "ConfigurationError", list(error.problems), {}, STATUS_WRONG_USE
    if isinstance(error, ValetkeyError):
        more: dict[str, object] = {}
        if isinstance(error, ReauthorizationRequired):
            more = {"reason": error.reason, "connect_url": error.connect_url}
        elif isinstance(error, ProviderError):
            more = {"provider_error": error.error, "status": error.status, "retry_after": error.retry_after}
        elif isinstance(error, RefreshInProgress):
            more = {"retry_after": error.retry_after}
        known: Explanation | None = getattr(error, "explanation", None)
        if known is not None:
            more["explanation"] = {name: getattr(known, name) for name in known.__match_args__}
        return type(error).__name__, [str(error)], more, STATUS_FAILED
    # Its text is withheld: only our own errors are known to hold no secret.
    trace, place = error.__traceback__, ""
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    problem = f"a bug of valetkey, please report it: {type(error).__name__} at {place} (its text is withheld)"
    return "bug", [problem], {}, STATUS_FAILED
