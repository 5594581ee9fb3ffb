"""HTTP dates to Unix seconds and back, without `datetime`.

The one rule: only the one form of date that RFC 9110 section 5.6.7 lets a server send is read; anything else is None.
"""

from __future__ import annotations

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS_BEFORE_1970 = 719_468  # from the first of March of the year 0, where leap days end their year


def read_http_date(text: str) -> int | None:
    """Unix seconds of `Sun, 06 Nov 1994 08:49:37 GMT`, or None."""
    parts = text.strip().split(" ")
    if not text.isascii() or len(parts) != 6 or len(parts[0]) != 4 or parts[2] not in MONTHS or parts[5] != "GMT":
        return None
    clock = parts[4].split(":")
    numbers = (parts[1], parts[3], *clock)
    if len(clock) != 3 or not all(number.isdigit() for number in numbers):
        return None
    if [len(number) for number in numbers] != [2, 4, 2, 2, 2]:
        return None
    day, year, hour, minute, second = (int(number) for number in numbers)
    if not 1 <= day <= 31 or hour > 23 or minute > 59 or second > 60:
        return None
    return _days(year, MONTHS.index(parts[2]) + 1, day) * 86_400 + hour * 3600 + minute * 60 + second


def write_date(seconds: int) -> str:
    """`1994-11-06T08:49:37Z` for people to read."""
    days, rest = divmod(seconds, 86_400)
    year, month, day = _civil(days)
    return f"{year:04}-{month:02}-{day:02}T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}Z"


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the Gregorian calendar."""
    year -= month <= 2
    day_of_year = (153 * ((month - 3) % 12) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + day_of_year - _DAYS_BEFORE_1970


def _civil(days: int) -> tuple[int, int, int]:
    """Year, month and day of that many days since 1970-01-01."""
    era, day_of_era = divmod(days + _DAYS_BEFORE_1970, 146_097)
    year = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year + year // 4 - year // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    month = month_from_march + 3 if month_from_march < 10 else month_from_march - 9
    return era * 400 + year + (month <= 2), month, day_of_year - (153 * month_from_march + 2) // 5 + 1
