"""Records to HAR 1.2 files: one for each flow, with the refreshes and calls of the connection that it made.

A page of a HAR is one run of a program: an invocation that began the flow, another that finished it, later ones. The
one rule: nothing is put in that was not in a record. Not here: redaction, which is done before anything is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from valetkey.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Record = Mapping[str, Any]

MAX_RECORDS = 200_000
MAX_NAME = 80
MAX_MOMENT = 253_402_300_799.0  # the end of the year 9999
_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
NO_END = "no end was recorded: the process was killed, or the run is not over"
COMMENT = (
    "Made by valetkey trace. Secrets are fingerprints (fp-...): equal ones stand for equal values, and only who has "
    "the deployment's key could try out what they stand for."
)


@value
class Trace:
    """The runs of one flow, in order of time, or what belongs to no flow that was seen.

    kind: `flow`, `connection` for what happened with a connection whose flow was not traced, `run` for the rest.
    """

    kind: str
    id: str
    registration: str
    runs: tuple[tuple[Record, ...], ...]

    @property
    def file_name(self) -> str:
        """`<registration>-<kind>-<id>.har`."""
        plain = "".join(mark if mark in _NAME else "-" for mark in self.registration)[:MAX_NAME]
        return f"{plain or 'unknown'}-{self.kind}-{self.id}.har"

    @property
    def began_at(self) -> float:
        """Unix seconds."""
        return float(self.runs[0][0]["at"])

    @property
    def outcome(self) -> str:
        """What valetkey concluded last."""
        return conclusion(self.runs[-1])


def conclusion(run: Iterable[Record]) -> str:
    """How a run ended."""
    return next((str(record["said"]) for record in run if record["kind"] == "ended"), NO_END)


def traces(records: Iterable[Record]) -> tuple[Trace, ...]:
    """The records as traces, the oldest first; a record that is there twice counts once."""
    runs: dict[str, dict[int, Record]] = {}
    for count, record in enumerate(records):
        if count >= MAX_RECORDS:
            break
        runs.setdefault(record["run"], {})[record["number"]] = record
    ordered = [part for run in runs.values() for part in _parts(tuple(run[number] for number in sorted(run)))]
    ordered.sort(key=_first)
    made: dict[tuple[str, str], list[tuple[Record, ...]]] = {}
    flow_of_connection: dict[str, str] = {}
    for run in ordered:
        flow, connection = _last(run, "flow"), _last(run, "connection")
        if flow and connection and _kept(run):
            flow_of_connection[connection] = flow
        flow = flow or flow_of_connection.get(connection, "")
        kind = ("flow", flow) if flow else ("connection", connection) if connection else ("run", run[0]["run"])
        made.setdefault(kind, []).append(run)
    found = (Trace(kind, name, _name(runs), tuple(runs)) for (kind, name), runs in made.items())
    return tuple(sorted(found, key=lambda trace: trace.began_at))


def _parts(run: tuple[Record, ...]) -> list[tuple[Record, ...]]:
    """The run, or where it was about several connections (a sweep), the part of each with the end of all."""
    connections = dict.fromkeys(record["connection"] for record in run if record["connection"])
    if len(connections) < 2:
        return [run]
    return [
        tuple(record for record in run if record["connection"] == wanted or record["kind"] == "ended")
        for wanted in connections
    ]


def _first(run: tuple[Record, ...]) -> tuple[float, bool, str]:
    """When a run began; at the same moment, the one that sends a browser away comes before its return."""
    return min(float(record["at"]) for record in run), all(record["kind"] != "left" for record in run), run[0]["run"]


def _kept(run: tuple[Record, ...]) -> bool:
    return any(record["kind"] == "noted" and record["said"].startswith("connected") for record in run)


def _last(run: tuple[Record, ...], name: str) -> str:
    """What the last record says, those of the end excepted: a sweep ends with another connection than it began with."""
    named = [record for record in run if record[name] and record["kind"] != "ended"] or [*run]
    return next((str(record[name]) for record in reversed(named) if record[name]), "")


def _name(runs: list[tuple[Record, ...]]) -> str:
    return next((name for run in runs if (name := _last(run, "registration"))), "")


def write_har(trace: Trace, *, version: str) -> dict[str, Any]:
    """The HAR's content (http://www.softwareishard.com/blog/har-12-spec/)."""
    pages, entries = [], []
    for number, run in enumerate(trace.runs, start=1):
        page = f"run-{number}"
        began = min(float(record["at"]) for record in run)
        title = f"{_title(run)}: {conclusion(run)}"
        pages.append({"startedDateTime": _moment(began), "id": page, "title": title, "pageTimings": {}})
        entries += _entries(run, page)
    creator = {"name": "valetkey", "version": version}
    return {"log": {"version": "1.2", "creator": creator, "pages": pages, "entries": entries, "comment": COMMENT}}


def _title(run: tuple[Record, ...]) -> str:
    for record in run:
        if record["kind"] in ("arrived", "left"):
            request = record["entry"]["request"]
            return f"{request['method']} {request['url'].partition('?')[0]}"
    return f"{_last(run, 'registration') or 'valetkey'}, without a browser"


def _entries(run: tuple[Record, ...], page: str) -> list[dict[str, Any]]:
    """The browser's request first, then what was sent on its behalf; each with its reason, the last with the end."""
    made: list[dict[str, Any]] = []
    for record in sorted(run, key=_order):
        if "entry" in record:
            made.append(_entry(record, page))
        elif record["kind"] == "noted" and made:
            made[-1]["comment"] += f"; then: {record['said']}"
    if made:
        made[-1]["comment"] += f"; concluded: {conclusion(run)}"
    return made


def _order(record: Record) -> tuple[bool, int]:
    """In the order in which things happened; the browser's request is written last and came first."""
    return record["kind"] != "arrived", int(record["number"])


def _entry(record: Record, page: str) -> dict[str, Any]:
    milliseconds = round(float(record["seconds"]) * 1000, 3)
    return {
        "pageref": page,
        "startedDateTime": _moment(float(record["at"])),
        "time": milliseconds,
        **record["entry"],
        "cache": {},
        "timings": {"send": 0, "wait": milliseconds, "receive": 0},
        "comment": record["said"],
    }


def _moment(seconds: float) -> str:
    from valetkey.dates import write_time

    milliseconds = int(min(max(seconds, 0.0), MAX_MOMENT) * 1000)
    return f"{write_time(milliseconds // 1000)[:-1]}.{milliseconds % 1000:03}Z"
