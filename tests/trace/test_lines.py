"""A line survives every log, and a hostile one is nothing but a damaged line."""

from __future__ import annotations

import base64
import csv
import io
import json
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.connections.steps import world_of
from tests.trace.recording import watch

from valetkey.trace.har import MAX_NAME, traces, write_har
from valetkey.trace.lines import MARK, MAX_LINE, read_lines, write_line

if TYPE_CHECKING:
    from collections.abc import Callable


def some_lines() -> list[str]:
    world = world_of()
    sink = watch(world)
    _ = world.connect()
    return sink.lines


LINES = some_lines()
RECORDS: list[Any] = list(read_lines(LINES))


def as_csv(line: str) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(["2026-11-27", "INFO", line])
    return out.getvalue()


LOGS: dict[str, Callable[[str], str]] = {
    "as it is": lambda line: line,
    "CloudWatch": lambda line: f"2026-11-27T10:00:00.123Z\t8d5a\tWARNING\t{line}\n",
    "JSON in JSON": lambda line: json.dumps({"message": json.dumps({"text": line})}),
    "CSV": as_csv,
    "journald": lambda line: f"Nov 27 10:00:00 host python[7]: {line}\r\n",
    "colours": lambda line: f"\x1b[31m{line}\x1b[0m",
}


@pytest.mark.parametrize("log", LOGS)
def test_a_line_survives_what_a_log_makes_of_it(log: str) -> None:
    read = list(read_lines(LOGS[log](line) for line in LINES))

    assert read == RECORDS
    assert len(read) == 6


def test_lines_without_a_record_are_passed_over() -> None:
    assert list(read_lines(["START RequestId", "", "REPORT"])) == []


def packed(found: Any) -> str:
    octets = found if isinstance(found, bytes) else json.dumps(found).encode()
    return MARK + base64.urlsafe_b64encode(zlib.compress(octets)).decode().rstrip("=")


SENT: dict[str, Any] = next(record for record in RECORDS if record["kind"] == "sent")
HOSTILE: dict[str, str] = {
    "nothing": MARK,
    "cut short": LINES[0][:-9],
    "altered": LINES[0][:40] + "AAAA" + LINES[0][44:],
    "no JSON": packed(b"{"),
    "a list": packed([]),
    "deep": packed(b"[" * 100_000),
    "a bomb": packed(b"0" * 50_000_000),
    "an unknown member": packed({**SENT, "more": 1}),
    "a missing member": packed({name: found for name, found in SENT.items() if name != "said"}),
    "another kind": packed({**SENT, "kind": "made up"}),
    "an id that is a path": packed({**SENT, "flow": "../../etc/passwd"}),
    "an id that no file can bear": packed({**SENT, "flow": "a" * 300}),
    "a number that is a text": packed({**SENT, "number": "1"}),
    "a number that is true": packed({**SENT, "number": True}),
    "a moment that is none": packed({**SENT, "at": None}),
    "an entry where there is none": packed({**SENT, "kind": "ended"}),
    "no entry": packed({name: found for name, found in SENT.items() if name != "entry"}),
    "an unknown member in the entry": packed({**SENT, "entry": {**SENT["entry"], "_x": 1}}),
    "a header that is no pair": packed(
        {**SENT, "entry": {**SENT["entry"], "request": {**SENT["entry"]["request"], "headers": [["a", "b"]]}}}
    ),
    "a text without end": packed({**SENT, "said": "a" * 100_000}),
}


@pytest.mark.parametrize("line", HOSTILE)
def test_a_hostile_line_is_a_damaged_one(line: str) -> None:
    assert list(read_lines([HOSTILE[line]])) == [None]


@given(
    at=st.floats(allow_nan=True, allow_infinity=True) | st.floats(0, 1e11),
    seconds=st.floats() | st.floats(0, 100),
    registration=st.text(max_size=200),
    said=st.text(max_size=50),
)
def test_whatever_a_sound_line_says_makes_a_file(at: float, seconds: float, registration: str, said: str) -> None:
    record = {**SENT, "at": at, "seconds": seconds, "registration": registration, "said": said}

    read = [one for one in read_lines([packed(record)]) if one is not None]

    for trace in traces(read):
        har = write_har(trace, version="test")
        assert json.loads(json.dumps(har, allow_nan=False)) == har
        assert "/" not in trace.file_name
        assert trace.file_name.endswith(".har")
        assert len(trace.file_name) < MAX_NAME + 40


def test_a_body_that_is_too_long_for_a_log_is_left_out() -> None:
    import os

    entry = SENT["entry"]
    content = {**entry["response"]["content"], "text": os.urandom(30_000).hex()}
    long = {**SENT, "entry": {**entry, "response": {**entry["response"], "content": content}}}

    line = write_line(long)

    assert len(line) <= MAX_LINE
    (read,) = read_lines([line])
    assert read is not None
    assert "left out" in read["entry"]["response"]["content"]["text"]


def test_lines_of_many_processes_in_any_order_and_twice_make_the_same_file() -> None:
    forwards = traces(RECORDS)
    backwards = traces([*reversed(RECORDS), *RECORDS])

    assert [write_har(one, version="t") for one in forwards] == [write_har(one, version="t") for one in backwards]
