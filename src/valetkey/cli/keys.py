"""`valetkey keys generate|rotate|reseal`."""

from __future__ import annotations

import os
import sys

import click

from valetkey.cli.output import json_option, print_fields, print_json, say
from valetkey.errors import ConfigurationError, StoreError
from valetkey.keys.local import generate_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from valetkey.connections.reseal import Resealed
    from valetkey.effects import AnyEffect, WireOp
    from valetkey.keys.key_service import WrappedKey
    from valetkey.keys.open import RingKey

MAX_PAGES = 1_000_000
STATUS_LEFT = 1
STEPS = (
    ("open-only", "Give every instance this ring. It opens what the new key seals, and still seals with the old one:"),
    ("promoted", "When no instance runs with an older ring, give them this one. It seals with the new key:"),
    ("retired", "A day later, and when `valetkey keys reseal` leaves no row behind, give them this one:"),
)


@click.group()
def keys() -> None:
    """Sealing keys."""


def kms_option(command: Any) -> Any:
    """The command with `--kms`."""
    text = "A key service and its key, such as aws-kms:arn:aws:kms:...: the new key is wrapped by it."
    return click.option("--kms", default="", metavar="SERVICE:NAME", help=text)(command)


@keys.command()
@click.option("--key-id", default="", help="Its name; made up where it is left out.")
@click.option("--file", "path", default="", help="Write it to a new file that only you can read, and print its name.")
@kms_option
@json_option
def generate(key_id: str, path: str, kms: str, *, as_json: bool) -> None:
    """Make a new key for VALETKEY_KEY, or with --file for VALETKEY_KEY_FILE.

    Keep it where your other secrets are: whoever has it and the store has every token, and without it every
    connection is lost.

    With --kms the key is wrapped for VALETKEY_ENVIRONMENT by AWS KMS (aws-kms:ARN), Google Cloud KMS
    (gcp-kms:projects/...) or Azure Key Vault (azure-key-vault:https://...). It is then no secret, and of no use to
    whoever may not ask that service.
    """
    line = _wrapped_line(kms, key_id) if kms else generate_key(os.urandom, key_id=key_id)
    name = line.partition(":")[0]
    if path:
        _write_new(path, line)
    if as_json:
        print_json({"key_id": name, "file": path} if path else {"key_id": name, "key": line})
    elif path:
        say(f"Key {name} is in {path}. Set VALETKEY_KEY_FILE to it.")
    else:
        click.echo(line)


@keys.command()
@click.option("--key-id", default="", help="The new key's name; made up where it is left out.")
@click.option("--file", "path", default="", help="Write the rings of the three steps to PATH.1, PATH.2 and PATH.3.")
@kms_option
@json_option
def rotate(key_id: str, path: str, kms: str, *, as_json: bool) -> None:
    """Make a new key and the rings of the three steps that bring it in. Nothing is changed.

    The new key is of the kind of the first one, wrapped by the same key of the same service, unless --kms names
    another.
    """
    from valetkey.config import read_key
    from valetkey.keys.open import read_key_ring, write_key

    text, environment = read_key(os.environ)
    ring = read_key_ring(text.reveal())
    new = _new_key(ring, kms, key_id, environment)
    name = new[0] if isinstance(new, tuple) else new.key_id
    rings = [",".join(write_key(key) for key in step) for step in ((*ring, new), (new, *ring), (new,))]
    for each in rings:  # before anybody deploys them: the id may be there already
        _ = read_key_ring(each, source="the new ring")
    if path:
        for number, each in enumerate(rings, start=1):
            _write_new(f"{path}.{number}", each.replace(",", "\n"))
    if as_json:
        steps = [
            {"step": step, "what": what, **({"file": f"{path}.{number}"} if path else {"key": rings[number - 1]})}
            for number, (step, what) in enumerate(STEPS, start=1)
        ]
        print_json({"key_id": name, "steps": steps})
        return
    say(f"The new key is {name}.")
    for number, (_, what) in enumerate(STEPS, start=1):
        say(f"\n{number}. {what}")
        click.echo(f"VALETKEY_KEY_FILE={path}.{number}" if path else f"VALETKEY_KEY={rings[number - 1]}")


@keys.command()
@click.option("--cursor", default="", help="Where a sweep before this one stopped.")
@click.option(
    "--pages", default=MAX_PAGES, type=click.IntRange(1), show_default=False, help="Stop after so many pages."
)
@json_option
def reseal(cursor: str, pages: int, *, as_json: bool) -> None:
    """Seal every row anew with the first key of the ring, so that older keys can be retired.

    Functions may go on refreshing meanwhile. After every page the cursor is printed from which a sweep that was
    interrupted goes on; starting anew does no harm. The status is 1 where rows are left that are not sealed by that
    key.
    """
    from valetkey.cli.connections import opened
    from valetkey.connections.reseal import Resealed, reseal_page, together

    total = Resealed("")
    with opened() as vault:
        for _ in range(pages):
            try:
                total = together(total, vault.run(reseal_page(vault.settings, cursor=cursor)))
            except StoreError as error:
                message = f"{error}; go on with: valetkey keys reseal" + (f" --cursor {cursor}" if cursor else "")
                raise StoreError(message) from None
            cursor = total.cursor
            if not cursor:
                break
            if not as_json:
                click.echo(f"{total.resealed + total.already} rows; --cursor {cursor}", err=True)
    _report(total, as_json=as_json)
    if total.left:
        sys.exit(STATUS_LEFT)


def _report(total: Resealed, *, as_json: bool) -> None:
    if as_json:
        counts: dict[str, object] = {name: getattr(total, name) for name in total.__match_args__}
        counts["missing"] = {key_id: count for key_id, count in total.missing}  # noqa: C416 - dict() has no type here
        print_json({**counts, "left": total.left})
        return
    fields: dict[str, object] = {
        "sealed anew": total.resealed,
        f"sealed by {total.key_id} before": total.already,
        "being refreshed": total.leased or "",
        "written by others": total.busy or "",
        "altered": total.broken or "",
        "not valetkey's": total.unreadable or "",
    }
    for key_id, count in total.missing:
        fields[f"key {key_id} is missing, or is another, for"] = count
    print_fields(fields)
    if total.cursor:
        say(f"There is more: valetkey keys reseal --cursor {total.cursor}")
    if total.leased or total.busy:
        say("Run it again for the rows that were being refreshed.")


def _wrapped_line(kms: str, key_id: str) -> str:
    from valetkey.config.sources import Sources
    from valetkey.keys.open import write_key

    environment = Sources(os.environ, None).text("environment") or "default"
    return write_key(_new_key((), kms, key_id, environment))


def _new_key(ring: tuple[RingKey, ...], kms: str, key_id: str, environment: str) -> RingKey:
    """A key of the kind that was asked for, or of the kind of the ring's first."""
    from valetkey.keys.local import read_local_entry
    from valetkey.keys.open import open_service

    service, _, name = kms.partition(":")
    if not kms and ring and not isinstance(ring[0], tuple):
        service, name = ring[0].service, ring[0].name
    line = generate_key(os.urandom, key_id=key_id)
    if not service:
        found = read_local_entry(line, 1)
        assert isinstance(found, tuple)
        return found
    program = open_service(service, name, environ=os.environ).wrap(
        name, key_id=line.partition(":")[0], environment=environment
    )
    return _run(program)


def _run(program: WireOp[WrappedKey]) -> WrappedKey:
    """The program's result, with the clock, chance and network of this machine."""
    from valetkey import effects as e
    from valetkey.drivers.clock import SystemClock
    from valetkey.drivers.defaults import LazySigner, LazyTransport
    from valetkey.drivers.drive import drive

    clock, transport, signer = SystemClock(), LazyTransport(), LazySigner()

    def answer(effect: AnyEffect) -> object:
        match effect:
            case e.Now():
                return clock.now()
            case e.Remaining():
                return clock.remaining()
            case e.Sleep():
                return clock.sleep(effect.seconds)
            case e.Random():
                return clock.random(effect.octets)
            case e.Sign():
                return signer.sign(effect.key, effect.algorithm, effect.message)
            case e.Send():
                return transport.send(effect)
        raise NotImplementedError(type(effect).__name__)  # a program of wire effects asks for nothing else

    try:
        return drive(program, answer)
    finally:
        transport.close()


def _write_new(path: str, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as problem:
        message = f"--file: the file cannot be made ({problem.strerror}); an existing one is never overwritten"
        raise ConfigurationError(message) from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{text}\n")
