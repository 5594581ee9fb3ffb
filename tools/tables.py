"""Writes what is made from the code: tables in docs/, between `<!-- begin NAME -->` and `<!-- end NAME -->`, and the
catalog's TOML files as JSON.

python tools/tables.py docs          writes them
python tools/tables.py docs --check  ends with 1 where one is out of date
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script it stands in tools/

from tools import conformance, costs
from valetkey.connections.connection import NEXT
from valetkey.connections.events import COMMON, EVENTS
from valetkey.connections.rescue_import import FATES
from valetkey.providers.catalog import load_provider, provider_names


def states() -> str:
    """The state table of a connection."""
    lines = ["| state | what happens | becomes |", "|---|---|---|"]
    for state, moves in NEXT.items():
        for happening, following in moves.items():
            lines.append(f"| {state} | {happening.replace('_', ' ')} | {following} |")
    return "\n".join(lines)


def providers() -> str:
    """What the catalog has."""
    lines = ["| name | protocol | refresh tokens | read on | tried |", "|---|---|---|---|---|"]
    for name in provider_names():
        entry = load_provider(name)
        lines.append(
            f"| `{name}` ({entry.title}) | {entry.protocol} | {entry.rotation.kind} | "
            f"[{entry.verified_on}]({entry.source}) | {entry.tried} |"
        )
    return "\n".join(lines)


def events() -> str:
    """What is told of connections."""
    lines = ["| event | told when | fields | log |", "|---|---|---|---|"]
    for name, kind in EVENTS.items():
        fields = "; ".join(f"`{field}`: {meaning}" for field, meaning in kind.fields.items())
        lines.append(f"| `{name}` | {kind.meaning} | {fields} | {kind.level} |")
    return "\n".join(lines)


def event_fields() -> str:
    """The fields that every event has."""
    lines = ["| field | |", "|---|---|"]
    return "\n".join(lines + [f"| `{name}` | {meaning} |" for name, meaning in COMMON.items()])


def fates() -> str:
    """What can become of a rescue line."""
    lines = ["| fate | |", "|---|---|"]
    return "\n".join(lines + [f"| `{name}` | {sentence} |" for name, sentence in FATES.items()])


CATALOG = Path(__file__).parents[1] / "src" / "valetkey" / "providers" / "catalog"

TABLES = {
    "states": states,
    "providers": providers,
    "events": events,
    "event fields": event_fields,
    "fates": fates,
    "costs": costs.costs,
    "capacity": costs.capacities,
    "costs of a million": costs.million,
    "conformance summary": conformance.summary,
    "conformance of clients": conformance.clients,
    "conformance of servers": conformance.servers,
}


def compiled(path: Path) -> str:
    """A provider's file as JSON, which a cold start reads faster."""
    return json.dumps(tomllib.loads(path.read_text()), ensure_ascii=False, indent=1) + "\n"


def stale_catalog(*, write: bool) -> list[str]:
    """The compiled entries of the catalog that are not what their TOML file says."""
    stale = []
    wanted = {CATALOG / "compiled" / f"{path.stem}.json": compiled(path) for path in sorted(CATALOG.glob("*.toml"))}
    for path, text in wanted.items():
        if not path.is_file() or path.read_text() != text:
            stale.append(str(path))
            if write:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text)
    for path in set((CATALOG / "compiled").glob("*.json")) - set(wanted):
        stale.append(str(path))
        if write:
            path.unlink()
    return stale


def with_tables(page: str) -> str:
    """The page with every table in it made anew."""
    for name, make in TABLES.items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        before, found, rest = page.partition(begin)
        if found:
            page = f"{before}{begin}\n{make()}\n{end}{rest.partition(end)[2]}"
    return page


def main(folder: str, *, check: bool) -> int:
    """Write, or say which pages are out of date."""
    stale = stale_catalog(write=not check)
    for path in sorted(Path(folder).glob("*.md")):
        page = path.read_text()
        made = with_tables(page)
        if made != page:
            stale.append(str(path))
            if not check:
                path.write_text(made)
    print("\n".join(stale) or "every table is up to date")
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], check="--check" in sys.argv))
