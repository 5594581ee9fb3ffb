"""Unix seconds as the dates and times of protocols and cloud APIs, and back, in UTC, without `datetime`.

The one rule: only arithmetic, no clock and no time zones; one form of each is read, and nothing else is guessed.
"""

from __future__ import annotations

DAY_SECONDS = 86_400
MAX_RETRY_AFTER = 3600.0  # seconds: nobody is made to wait longer by a header
DAYS_FROM_MARCH_OF_YEAR_0 = 719_468  # to 1970-01-01, in the proleptic Gregorian calendar
DAYS_IN_400_YEARS = 146_097
WEEKDAYS = ("Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed")  # 1970-01-01 was a Thursday
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def basic_time(unix_seconds: int) -> str:
    """`20150830T123600Z`, the basic form of ISO 8601."""
    days, seconds = divmod(unix_seconds, DAY_SECONDS)
    year, month, day = _date(days)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z"


def write_time(unix_seconds: int) -> str:
    """`2015-08-30T12:36:00Z`, the extended form (RFC 3339)."""
    text = basic_time(unix_seconds)
    return f"{text[:4]}-{text[4:6]}-{text[6:11]}:{text[11:13]}:{text[13:]}"


def http_date(unix_seconds: int) -> str:
    """`Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7)."""
    days, seconds = divmod(unix_seconds, DAY_SECONDS)
    year, month, day = _date(days)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    weekday, name = WEEKDAYS[days % 7], MONTHS[month - 1]
    return f"{weekday}, {day:02} {name} {year:04} {hour:02}:{minute:02}:{second:02} GMT"


def read_http_date(text: str) -> int | None:
    """Unix seconds of `Sun, 06 Nov 1994 08:49:37 GMT`, the one form that a server may send, or None."""
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
    return _days(year, MONTHS.index(parts[2]) + 1, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second


def read_retry_after(text: str | None, *, now: float) -> float | None:
    """Seconds to wait, at most an hour: from seconds or an HTTP date (RFC 9110 section 10.2.3), else None."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), MAX_RETRY_AFTER)  # a float has no limit of digits, an int has
    moment = read_http_date(text)
    return None if moment is None else min(max(moment - now, 0.0), MAX_RETRY_AFTER)


def read_retry_after_of(text: str | None, *, date: str | None) -> float | None:
    """The same from an answer with that Date: a moment counts from it, as its clock may not be ours; else None."""
    told = read_http_date(date or "")
    if told is None and read_http_date(text or "") is not None:
        return None
    return read_retry_after(text, now=told or 0)


def read_time(text: str) -> int:
    """Unix seconds of `2015-08-30T12:36:00Z`; a fraction of a second is dropped. Raises ValueError."""
    whole, dot, fraction = text.removesuffix("Z").partition(".")
    date, _, clock = whole.partition("T")
    digits = [*date.split("-"), *clock.split(":")]
    widths = [len(part) for part in digits]
    plain = text.isascii() and all(part.isdigit() for part in digits) and (fraction.isdigit() or not dot)
    if not text.endswith("Z") or widths != [4, 2, 2, 2, 2, 2] or not plain:
        message = "a time is written as 2015-08-30T12:36:00Z"
        raise ValueError(message)
    year, month, day, hour, minute, second = map(int, digits)
    days = _days(year, month, day)
    if _date(days) != (year, month, day) or hour > 23 or minute > 59 or second > 60:
        message = "a time names a day of the calendar and a time of that day"
        raise ValueError(message)
    return days * DAY_SECONDS + hour * 3600 + minute * 60 + second


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01. Years begin in March here, so that the leap day is the last one."""
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * DAYS_IN_400_YEARS + day_of_era - DAYS_FROM_MARCH_OF_YEAR_0


def _date(days: int) -> tuple[int, int, int]:
    """Year, month and day of a day since 1970-01-01."""
    era, day_of_era = divmod(days + DAYS_FROM_MARCH_OF_YEAR_0, DAYS_IN_400_YEARS)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    march_month = (5 * day_of_year + 2) // 153
    month = march_month + 3 if march_month < 10 else march_month - 9
    return era * 400 + year_of_era + (month <= 2), month, day_of_year - (153 * march_month + 2) // 5 + 1
