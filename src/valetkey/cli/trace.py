"""`valetkey trace`: what passed between a browser, the deployment and a provider, as HAR files without secrets."""

from __future__ import annotations

import json
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from valetkey.cli.output import json_option, moment, print_json, print_table, say
from valetkey.config import settings
from valetkey.errors import ConfigurationError, ValetkeyError
from valetkey.http import is_loopback, read_url
from valetkey.trace.har import traces, write_har
from valetkey.trace.lines import read_lines
from valetkey.trace.sinks import LOG, SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from valetkey.config import Configuration
    from valetkey.trace.har import Trace
    from valetkey.vault import Vault

OWNER = "valetkey-trace"
PAUSE_SECONDS = 0.2
MAX_LINE = 1_000_000

sources_argument = click.argument("sources", nargs=-1, type=click.Path(exists=True, allow_dash=True))
folder_option = click.option(
    "--to", "folder", default=".", show_default=True, type=click.Path(file_okay=False), help="Where files are written."
)


@click.group()
def trace() -> None:
    """What passed between a browser, the deployment and a provider, without secrets.

    A deployment writes traces where VALETKEY_TRACE says: `log` (one line for each step, on standard error, which every
    platform keeps as the function's log) or a folder.
    """


@trace.command("list")
@sources_argument
@json_option
def list_traces(sources: tuple[str, ...], *, as_json: bool) -> None:
    """The flows in SOURCES: folders, saved logs, or - for standard input.

    Without any, in the folder that VALETKEY_TRACE names.
    """
    found, damaged = _read(sources)
    if as_json:
        print_json({"traces": [_summary(one) for one in found], "damaged_lines": damaged})
        return
    _print(found, damaged)


@trace.command("har")
@sources_argument
@folder_option
@click.option("--only", default="", help="The id of one flow, as `trace list` shows it.")
@json_option
def har(sources: tuple[str, ...], folder: str, only: str, *, as_json: bool) -> None:
    """Write one HAR 1.2 file for each flow in SOURCES: folders, saved logs, or - for standard input."""
    found, damaged = _read(sources)
    wanted = [one for one in found if only in ("", one.id)]
    if only and not wanted:
        message = f"no flow {only!r} is in these traces: `valetkey trace list` shows those that are"
        raise ConfigurationError(message)
    files = _write(wanted, folder)
    if as_json:
        print_json({"files": files, "traces": [_summary(one) for one in wanted], "damaged_lines": damaged})
        return
    _print(wanted, damaged)
    for name in files:
        say(f"wrote {name}")


@trace.command("connect")
@click.argument("registration")
@folder_option
@json_option
def connect(registration: str, folder: str, *, as_json: bool) -> None:
    """Connect to REGISTRATION on this machine, and write the HAR file of it.

    Serves the pages at VALETKEY_BASE_URL, which must be http on localhost, until the provider's answer has come or
    Ctrl-C. Nothing is stored: what was granted is revoked at the end, where the provider can do that.
    """
    from valetkey.config import read_configuration
    from valetkey.gateways.aws import lambda_handler
    from valetkey.testing.front import Front

    found = read_configuration(os.environ)
    host, port = _listening(found, registration)
    with tempfile.TemporaryDirectory(prefix="valetkey-trace-") as kept:
        vault = _vault(found, kept)
        handler = lambda_handler(vault, resource_owner=lambda _: OWNER)
        with Front(handler, host=host, port=port):
            if not as_json:
                say(f"Open {found.base_url}/connect/{registration} in a browser.", style="bold")
            try:
                while not _over(kept):
                    time.sleep(PAUSE_SECONDS)
            except KeyboardInterrupt:
                pass
        with suppress(ValetkeyError):  # there is nothing to revoke, or the trace says why it failed
            _ = vault.revoke(registration, OWNER)
        vault.close()
        seen = traces(record for record in _records([kept]) if record is not None)
        files = _write(seen, folder)
    if as_json:
        print_json({"files": files, "traces": [_summary(one) for one in seen]})
        return
    _print(seen, 0)
    for name in files:
        say(f"wrote {name}")


def _listening(found: Configuration, registration: str) -> tuple[str, int]:
    name, _, tenant = registration.partition(":")
    if name not in found.tenants or found.tenants[name].of(tenant) is None:
        _ = settings(found).registration(registration)  # says which are configured
    url = read_url(found.base_url)
    if url.scheme != "http" or not is_loopback(url.host):
        here = "http://localhost:8300/oauth"
        message = (
            f"the pages are served on this machine: set VALETKEY_BASE_URL={here}, and enter "
            f"{here}/callback/{registration} at the provider"
        )
        raise ConfigurationError(message)
    return url.host, url.port or 80


def _vault(found: Configuration, folder: str) -> Vault:
    from valetkey.drivers.defaults import system_random
    from valetkey.keys.open import open_key_ring
    from valetkey.stores.memory import MemoryStore
    from valetkey.vault import Vault

    keys = open_key_ring(found.key.reveal(), random=system_random, environ=os.environ, environment=found.environment)
    return Vault(settings(found), store=MemoryStore(now=time.time), keys=keys, trace=folder)


def _over(folder: str) -> bool:
    """Whether the provider's answer has come and was dealt with."""
    done = {record["run"] for record in _records([folder]) if record is not None and record["kind"] == "ended"}
    return any(
        record["run"] in done and "/callback/" in record["entry"]["request"]["url"]
        for record in _records([folder])
        if record is not None and record["kind"] == "arrived"
    )


def _read(sources: tuple[str, ...]) -> tuple[tuple[Trace, ...], int]:
    """The traces in the sources, and how many lines of them were damaged."""
    if not sources:
        configured = os.environ.get("VALETKEY_TRACE", "")
        if configured in ("", LOG):
            message = "name a folder or a saved log that has traces, or - for standard input"
            raise ConfigurationError(message)
        sources = (configured,)
    records = list(_records(sources))
    sound = [record for record in records if record is not None]
    return traces(sound), len(records) - len(sound)


def _records(sources: Iterable[str]) -> Iterator[Mapping[str, Any] | None]:
    for source in sources:
        yield from read_lines(_lines(source))


def _lines(source: str) -> Iterator[str]:
    path = Path(source)
    if source != "-" and path.is_dir():
        for file in sorted(path.glob(f"*{SUFFIX}")):
            yield from _lines(str(file))
        return
    try:
        with click.open_file(source, encoding="utf-8", errors="replace") as lines:
            while line := lines.readline(MAX_LINE):
                yield line
    except FileNotFoundError:  # of the folder that VALETKEY_TRACE names: the first flow makes it
        return
    except OSError as error:
        message = f"{source}: cannot be read ({error.strerror})"
        raise ConfigurationError(message) from None


def _write(found: Iterable[Trace], folder: str) -> list[str]:
    from importlib.metadata import version

    files = []
    for one in found:
        path = Path(folder) / one.file_name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(write_har(one, version=version("valetkey")), indent=1), encoding="utf-8")
        except OSError as error:
            message = f"{path}: cannot be written ({error.strerror})"
            raise ConfigurationError(message) from None
        files.append(str(path))
    return files


def _summary(one: Trace) -> dict[str, object]:
    return {
        "kind": one.kind,
        "id": one.id,
        "registration": one.registration,
        "began_at": int(one.began_at),
        "runs": len(one.runs),
        "outcome": one.outcome,
        "file": one.file_name,
    }


def _print(found: Iterable[Trace], damaged: int) -> None:
    found = tuple(found)
    if found:
        print_table(
            ("began", "registration", "id", "runs", "outcome"),
            (
                (moment(int(one.began_at)), one.registration, f"{one.kind} {one.id}", len(one.runs), one.outcome)
                for one in found
            ),
        )
    else:
        say("There are no traces in this: does the deployment run with VALETKEY_TRACE?")
    if damaged:
        say(f"{damaged} lines were cut short or altered, and are left out.", style="yellow")
