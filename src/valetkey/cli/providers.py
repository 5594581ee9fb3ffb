"""`valetkey providers list` and `show`."""

from __future__ import annotations

import os

import click

from valetkey.cli.output import json_option, print_fields, print_json, print_table
from valetkey.providers.catalog import load_provider, provider_names
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.providers.provider import Provider


@click.group()
def providers() -> None:
    """What the catalog of providers knows; VALETKEY_PROVIDERS_DIR adds your own."""


@providers.command("list")
@json_option
def list_providers(*, as_json: bool) -> None:
    """Every provider."""
    directory = os.environ.get("VALETKEY_PROVIDERS_DIR", "")
    found = [load_provider(name, directory=directory) for name in provider_names(directory)]
    if as_json:
        print_json([_summary(provider) for provider in found])
        return
    print_table(
        ("name", "protocol", "refresh tokens", "facts checked", "tried live", "title"),
        (
            (entry.name, entry.protocol, entry.rotation.kind, entry.verified_on, entry.tried, entry.title)
            for entry in found
        ),
    )


@providers.command()
@click.argument("name")
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Everything that is known of one provider, and where that is from."""
    provider = load_provider(name, directory=os.environ.get("VALETKEY_PROVIDERS_DIR", ""))
    if as_json:
        print_json(provider)
        return
    names: tuple[str, ...] = provider.__match_args__
    fields: dict[str, object] = {name: getattr(provider, name) for name in names if name != "server"}
    fields["rotation"] = _changed(provider.rotation)
    fields["tried"] = "never against the live provider" if provider.tried == "never" else provider.tried
    plain = replace(provider.server, errors=())
    fields |= {f"server: {text.split(' = ')[0]}": text.partition(" = ")[2] for text in _changed(plain)}
    for one in provider.server.errors:
        fields[f"error: {one.code}"] = f"{one.means}; {one.advice} ({one.source}, {one.verified_on})"
    print_fields(fields)


def _summary(provider: Provider) -> dict[str, object]:
    return {
        "name": provider.name,
        "title": provider.title,
        "protocol": provider.protocol,
        "rotation": provider.rotation.kind,
        "source": provider.source,
        "verified_on": provider.verified_on,
        "tried": provider.tried,
    }


def _changed(found: object) -> tuple[str, ...]:
    """The fields that are not at their default, as `name = value`."""
    defaults: dict[str, object] = getattr(type(found), "__field_defaults__", {})
    fields: tuple[str, ...] = getattr(type(found), "__match_args__", ())
    pairs = ((name, getattr(found, name)) for name in fields)
    return tuple(f"{name} = {_written(item)}" for name, item in pairs if item not in (defaults.get(name, ""), None))


def _written(found: object) -> str:
    if isinstance(found, tuple):
        return ", ".join("=".join(item) if isinstance(item, tuple) else str(item) for item in found)
    return str(found)
