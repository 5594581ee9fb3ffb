"""Calendar arithmetic against the standard library's."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valetkey.clouds.times import basic_time, read_time

seconds = st.integers(-62_135_596_800, 253_402_300_799)  # the years 1 to 9999


@given(seconds)
def test_a_time_is_written_as_the_calendar_has_it(now: int) -> None:
    moment = datetime.fromtimestamp(now, UTC)

    assert basic_time(now) == f"{moment.year:04}{moment:%m%dT%H%M%SZ}"


@given(seconds, st.sampled_from(["", ".5", ".123456"]))
def test_a_time_is_read_as_the_calendar_has_it(now: int, fraction: str) -> None:
    text = datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", f"{fraction}Z")

    assert read_time(text) == now


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2015-08-30",
        "2015-08-30T12:36:00",
        "2015-08-30T12:36:00+02:00",
        "2015-02-29T00:00:00Z",
        "2015-13-01T00:00:00Z",
        "2015-00-01T00:00:00Z",
        "2015-01-00T00:00:00Z",
        "2015-08-30T24:00:00Z",
        "2015-08-30T12:60:00Z",
        "2015-08-30T12:36:00.Z",
        "2015-08-30T12:36:00.xZ",
        "2015-8-30T12:36:00Z",
        "+015-08-30T12:36:00Z",
        "\u0662015-08-30T12:36:00Z",
        "2015-08-30T12:36:00Z ",
    ],
)
def test_what_is_not_a_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a time"):
        read_time(text)
