"""Finding a provider and reading its file. Nothing is read before it is asked for."""

from __future__ import annotations

from valetkey.errors import ConfigurationError, Explanation
from valetkey.http import read_url
from valetkey.providers import schema
from valetkey.providers.provider import Provider, Rotation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from valetkey.oauth1.credentials import Server
    from valetkey.oauth2.server import AuthorizationServer

BASE_URL = "{base_url}"
BASE_HOST = "{base_host}"


def load_provider(name: str, *, base_url: str = "", directory: str = "") -> Provider:
    """The provider of that name, from the user's own directory of TOML files or else from the catalog.

    base_url: for entries that have one (a wiki, a sandbox); credentials then go to that host only, unless the entry
      says `api_hosts_apart`: then the base URL is who authorizes, and the API stays where it is.
    Raises ConfigurationError with every problem of the file, or with the names that are near an unknown one.
    """
    if not schema.is_name(name):
        message = "the name of a provider has 1 to 63 characters from a-z, 0-9 and -, and does not start with -"
        raise ConfigurationError(message)
    table, where = _read_table(name, directory)
    return read_provider(table, name=name, where=where, base_url=base_url)


def provider_names(directory: str = "") -> tuple[str, ...]:
    """Every name that `load_provider` knows, sorted."""
    from importlib.resources import files

    entries = (entry.name for entry in (files("valetkey.providers") / "catalog").iterdir())
    names = {entry.removesuffix(".toml") for entry in entries if entry.endswith(".toml")}
    if directory:
        from pathlib import Path

        try:
            names |= {entry.stem for entry in Path(directory).iterdir() if entry.suffix == ".toml"}
        except OSError as problem:
            message = f"the directory of providers cannot be read: {problem.strerror}"
            raise ConfigurationError(message) from None
    return tuple(sorted(name for name in names if schema.is_name(name)))


def read_provider(
    table: Mapping[str, object], *, name: str = "", where: str = "provider", base_url: str = "", tenant: str = ""
) -> Provider:
    """The provider that a mapping describes, such as a parsed TOML file. Raises ConfigurationError: all problems.

    name: what it must be called; where: how errors name its source.
    tenant: whose hosts the URLs are to have, for an entry with tenants; without it, they have an example's.
    """
    problems: list[str] = []
    written = table
    table = _substituted(table, base_url, where=where, problems=problems)
    more: dict[str, Any] = {}
    if tenant or "tenants" in table:
        from valetkey.providers.tenanted import read_tenants

        def for_tenant(other: str) -> Provider:
            return read_provider(written, name=name, where=where, base_url=base_url, tenant=other)

        table, more = read_tenants(table, tenant, for_tenant=for_tenant, where=where, problems=problems)
    loopback = table.get("loopback_allowed") is True
    reading: dict[str, Any] = {"where": where, "problems": problems, "loopback_allowed": loopback}
    found: dict[str, Any] = schema.read_table(table, schema.PROVIDER, required=schema.PROVIDER_REQUIRED, **reading)
    if name and found.get("name", name) != name:
        problems.append(f"{where}: name must be {name!r}, as the file or table is called")
    if found.get("tried", "never") != "never" and not schema.is_date(found["tried"]):
        problems.append(f"{where}: tried: it must be a date, or never")
    rotation = schema.read_table(
        found.get("rotation", {}),
        schema.ROTATION,
        required=("kind",) if "rotation" in found else (),
        **{**reading, "where": f"{where}: rotation"},
    )
    if rotation.get("kind") == "window" and not rotation.get("window_seconds"):
        problems.append(f"{where}: rotation: kind window needs window_seconds")
    server = _read_server(found, reading)
    if problems or server is None:
        raise ConfigurationError(problems)
    for word in ("base_url", "api_hosts_apart"):
        found.pop(word, None)
    return Provider(**{**found, **more, "server": server, "rotation": Rotation(**_loose(rotation))})


def _loose(fields: Mapping[str, object]) -> dict[str, Any]:
    return dict(fields)


def _read_server(found: Mapping[str, Any], reading: Mapping[str, Any]) -> Server | AuthorizationServer | None:
    table, protocol = found.get("server"), found.get("protocol")
    where, problems = f"{reading['where']}: server", reading["problems"]
    reading = {**reading, "where": where}
    if table is None or protocol is None:
        return None
    if protocol == "oauth1":
        required = () if table.get("client_only") is True else schema.OAUTH1_REQUIRED
        read = _loose(schema.read_table(table, schema.OAUTH1, required=required, **reading))
        read |= _read_errors(read, reading)
        if any(one.stands_for for one in read.get("errors", ())):
            problems.append(f"{where}: errors: stands_for is a word of OAuth 2.0")
        if read.get("verifier_typed") and read.get("state_in_callback") is False:
            problems.append(
                f"{where}: a verifier that is typed in comes back by our own form: remove state_in_callback"
            )
        if problems:
            return None
        from valetkey.oauth1.credentials import Server
        from valetkey.providers.oauth1_server import contradictions

        server = Server(**read)
        problems += [f"{where}: {problem}" for problem in contradictions(server)]
        return server
    needed = ("issuer",) if "discovery" in table else schema.OAUTH2_REQUIRED
    read = _loose(schema.read_table(table, schema.OAUTH2, required=needed, **reading))
    read |= _read_errors(read, reading)
    refused = read.get("pkce") == schema.PKCE_REFUSED
    note = found.get("pkce_note", "")
    if refused and not (schema.is_date(note[:10]) and note[10:].strip(": ")):
        problems.append(f"{where}: pkce may be refused only with a pkce_note that begins with the date it was seen")
    if problems:
        return None
    from valetkey.oauth2.server import PKCE_REFUSED_BY_PROVIDER, AuthorizationServer

    if refused:
        read["pkce"] = PKCE_REFUSED_BY_PROVIDER
    try:
        return AuthorizationServer(**{"issuer": None, "authorization_endpoint": "", "token_endpoint": "", **read})
    except ConfigurationError as error:
        problems += [f"{where}: {problem}" for problem in error.problems]
        return None


def _read_errors(read: Mapping[str, Any], reading: Mapping[str, Any]) -> dict[str, Any]:
    """The explanations in `[server.errors.CODE]` tables."""
    found = []
    for code, table in read.get("errors", {}).items():
        where = f"{reading['where']}: errors.{code}"
        if not isinstance(table, dict) or not 0 < len(code) <= schema.MAX_CODE or not code.isprintable():
            reading["problems"].append(
                f"{where}: it must be a table under a code of at most {schema.MAX_CODE} characters"
            )
            continue
        required = schema.EXPLANATION_REQUIRED
        sound = schema.read_table(table, schema.EXPLANATION, required=required, **{**reading, "where": where})
        if any(len(str(text)) > schema.MAX_EXPLANATION for text in sound.values()):
            reading["problems"].append(f"{where}: it must be short: at most {schema.MAX_EXPLANATION} characters each")
        elif "stands_for" in sound and not sound.get("in_text"):
            reading["problems"].append(
                f"{where}: stands_for is for words in_text; a code has its alias in error_aliases"
            )
        elif sound.keys() >= set(required):
            found.append(Explanation(code=code, **_loose(sound)))
    return {"errors": tuple(found)} if found else {}


def _read_table(name: str, directory: str) -> tuple[Mapping[str, object], str]:
    """What a file says, and how errors call the file: one of the user's own, else the catalog's."""
    if directory:
        path = f"{directory}/{name}.toml"
        try:
            with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs a cold start
                return _parsed(file.read(), path), path
        except FileNotFoundError:
            pass
        except (OSError, ValueError):
            message = f"{path}: it cannot be read as UTF-8 text"
            raise ConfigurationError(message) from None
    import json

    # The same table as in catalog/<name>.toml, made from it by `make docs`: tomllib and what it imports are a fifth of
    # a cold start, and JSON is loaded there anyway.
    folder = __file__.removesuffix("catalog.py")
    try:
        compiled = __spec__.loader.get_data(f"{folder}catalog/compiled/{name}.json")  # type: ignore[union-attr]
    except OSError:
        raise ConfigurationError(_unknown(name, directory)) from None
    return json.loads(compiled), f"{name}.toml"


def _parsed(text: str, where: str) -> Mapping[str, object]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise ConfigurationError(f"{where}: not TOML: {problem}") from None
    except RecursionError:
        raise ConfigurationError(f"{where}: not TOML that can be read: it is nested too deep") from None


def _unknown(name: str, directory: str) -> str:
    from difflib import get_close_matches

    names = provider_names(directory)
    near = get_close_matches(name, names, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}."
    return f"no provider is called {name!r}: {hint} Others are described in a [providers.{name}] table of valetkey.toml"


def _substituted(
    table: Mapping[str, object], base_url: str, *, where: str, problems: list[str]
) -> Mapping[str, object]:
    """The table with `{base_url}` and `{base_host}` filled in."""
    usual = table.get("base_url")
    if not isinstance(usual, str):
        if base_url:
            problems.append(f"{where}: this provider has no base URL to choose")
        if table.get("api_hosts_apart") is True:
            problems.append(f"{where}: api_hosts_apart belongs to an entry with a base_url")
        return table
    chosen = (base_url or usual).rstrip("/")
    problem = schema.url_problem(chosen, loopback_allowed=table.get("loopback_allowed") is True)
    if problem or "?" in chosen:
        problems.append(f"{where}: base_url: {problem or 'it must not have a query'}")
        return table
    host = read_url(chosen).host
    filled: dict[str, object] = {key: _fill(item, chosen, host) for key, item in table.items()}
    if chosen != usual.rstrip("/") and table.get("api_hosts_apart") is not True:
        filled["api_hosts"] = [host]  # the hosts of the entry belong to the base URL of the entry
    return filled


def _fill(item: object, base_url: str, host: str) -> object:
    if isinstance(item, str):
        return item.replace(BASE_URL, base_url).replace(BASE_HOST, host)
    if isinstance(item, list):
        return [_fill(part, base_url, host) for part in item]
    if isinstance(item, dict):
        return {key: _fill(part, base_url, host) for key, part in item.items()}
    return item
