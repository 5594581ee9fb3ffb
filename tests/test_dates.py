"""Calendar arithmetic against the standard library's."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valetkey.dates import basic_time, http_date, read_http_date, read_time, write_time

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


SECONDS = st.integers(0, 4_102_444_800)


@given(SECONDS)
def test_a_date_of_the_standard_library_is_read(seconds: int) -> None:
    text = format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)

    assert read_http_date(text) == seconds
    assert http_date(seconds) == text


@given(SECONDS)
def test_a_date_is_written_as_the_standard_library_does(seconds: int) -> None:
    assert write_time(seconds) == datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize("year", [1970, 1972, 1999, 2000, 2024, 2099, 2100, 2101, 2399, 2400, 2401, 9999])
def test_the_first_and_last_second_of_every_month_are_those_of_the_calendar(year: int) -> None:
    for month in range(1, 13):
        days = monthrange(year, month)[1]
        for day in (1, 28, days):
            for clock in ((0, 0, 0), (23, 0, 0), (23, 59, 59)):
                moment = datetime(year, month, day, *clock, tzinfo=UTC)
                seconds = int(moment.timestamp())

                assert read_http_date(format_datetime(moment, usegmt=True)) == seconds
                assert write_time(seconds) == moment.isoformat().replace("+00:00", "Z")


def test_a_leap_second_is_the_first_one_of_the_next_minute() -> None:
    assert read_http_date("Sat, 31 Dec 2016 23:59:60 GMT") == read_http_date("Sun, 01 Jan 2017 00:00:00 GMT")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sun, 06 Nov 1994 08:49:37 GMT again",
        "Sun, 06 Nov 1994 08:49:37  GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 08:49 GMT",
        "Sun, 06 Nov 1994 08:49:-7 GMT",
        "Sun, ٠٦ Nov 1994 08:49:37 GMT",
    ],
)
def test_another_form_of_date_is_not_guessed(text: str) -> None:
    assert read_http_date(text) is None
