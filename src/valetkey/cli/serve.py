"""`valetkey serve module:handler`."""

from __future__ import annotations

import sys
import time

import click

from valetkey.cli.output import json_option, print_json, say
from valetkey.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

DEFAULT_PORT = 8300


@click.command()
@click.argument("handler")
@click.option("--host", default="localhost", show_default=True, help="A loopback address.")
@click.option("--port", default=DEFAULT_PORT, show_default=True, type=click.IntRange(0, 65535))
@json_option
def serve(handler: str, host: str, port: int, *, as_json: bool) -> None:
    """Put a Lambda HANDLER, written module:name, behind a local API gateway until Ctrl-C.

    It gets the events that it would get from an HTTP API (payload format 2.0), one at a time.
    """
    from valetkey.testing.front import Front

    with Front(find_handler(handler), host=host, port=port) as front:
        if as_json:
            print_json({"url": front.url, "handler": handler})
        else:
            say(f"{handler} answers at {front.url} until Ctrl-C.", style="bold")
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            pass


def find_handler(named: str) -> Callable[..., Any]:
    """The function that `module:name` names, looked for in this folder first. Raises ConfigurationError."""
    from importlib import import_module

    module, colon, name = named.partition(":")
    if not colon or not module or not name.isidentifier():
        message = f"{named!r} names no handler: write module:name, such as connect:handler"
        raise ConfigurationError(message)
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found = getattr(import_module(module), name, None)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        message = f"there is no module {module!r} here: run this in the folder that holds {module.replace('.', '/')}.py"
        raise ConfigurationError(message) from None
    if not callable(found):
        message = f"{module} has no function {name!r}: name the handler that it defines"
        raise ConfigurationError(message)
    return found  # type: ignore[no-any-return]
