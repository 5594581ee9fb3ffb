from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valetkey.oauth1.dates import read_http_date, write_date

SECONDS = st.integers(0, 4_102_444_800)


@given(SECONDS)
def test_a_date_of_the_standard_library_is_read(seconds: int) -> None:
    text = format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)

    assert read_http_date(text) == seconds


@given(SECONDS)
def test_a_date_is_written_as_the_standard_library_does(seconds: int) -> None:
    assert write_date(seconds) == datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize("year", [1970, 1972, 1999, 2000, 2024, 2099, 2100, 2101, 2399, 2400, 2401, 9999])
def test_the_first_and_last_second_of_every_month_are_those_of_the_calendar(year: int) -> None:
    for month in range(1, 13):
        days = monthrange(year, month)[1]
        for day in (1, 28, days):
            for clock in ((0, 0, 0), (23, 0, 0), (23, 59, 59)):
                moment = datetime(year, month, day, *clock, tzinfo=UTC)
                seconds = int(moment.timestamp())

                assert read_http_date(format_datetime(moment, usegmt=True)) == seconds
                assert write_date(seconds) == moment.isoformat().replace("+00:00", "Z")


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
