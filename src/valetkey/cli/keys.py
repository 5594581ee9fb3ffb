"""`valetkey keys generate`."""

from __future__ import annotations

import os

import click

from valetkey.cli.output import json_option, print_json, say
from valetkey.errors import ConfigurationError
from valetkey.keys.local import generate_key


@click.group()
def keys() -> None:
    """Sealing keys."""


@keys.command()
@click.option("--key-id", default="", help="Its name; made up where it is left out.")
@click.option("--file", "path", default="", help="Write it to a new file that only you can read, and print its name.")
@json_option
def generate(key_id: str, path: str, *, as_json: bool) -> None:
    """Make a new key for VALETKEY_KEY, or with --file for VALETKEY_KEY_FILE.

    Keep it where your other secrets are: whoever has it and the store has every token, and without it every
    connection is lost.
    """
    line = generate_key(os.urandom, key_id=key_id)
    name, _, key = line.partition(":")
    if not path:
        if as_json:
            print_json({"key_id": name, "key": line})
        else:
            click.echo(line)
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as problem:
        message = f"--file: the file cannot be made ({problem.strerror}); an existing one is never overwritten"
        raise ConfigurationError(message) from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{name}:{key}\n")
    if as_json:
        print_json({"key_id": name, "file": path})
    else:
        say(f"Key {name} is in {path}. Set VALETKEY_KEY_FILE to it.")
