from __future__ import annotations

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


@pytest.mark.parametrize(
    "text",
    [
        "",
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
