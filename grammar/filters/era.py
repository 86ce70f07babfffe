"""Days by the Japanese eras and days of the week.

Source: the ordinances that changed the era; the calendar of the country, which is Gregorian since 1 January
of Meiji 6.
"""

import re
from datetime import date
from typing import Final

_ERAS: Final = (  # the name, its first day, and the year that counts as its first
    ("令和", date(2019, 5, 1), 2019),
    ("平成", date(1989, 1, 8), 1989),
    ("昭和", date(1926, 12, 25), 1926),
    ("大正", date(1912, 7, 30), 1912),
    # Meiji began in 1868, but its first five years were counted by the moon: their days had other dates.
    ("明治", date(1873, 1, 1), 1868),
)
_FIRST: Final = "元"
_PRINTED: Final = re.compile("(令和|平成|昭和|大正|明治)(元|[1-9][0-9]{0,3})年([1-9][0-9]?)月([1-9][0-9]?)日")
WEEKDAYS: Final = "月火水木金土日"  # from Monday


def in_era(day: date) -> str:
    """The day as 令和8年11月21日; nothing for a day before Meiji 6.

    >>> in_era(date(2026, 11, 21)), in_era(date(2019, 5, 1)), in_era(date(1872, 12, 31))
    ('令和8年11月21日', '令和元年5月1日', '')
    """
    for name, first_day, first_year in _ERAS:
        if day >= first_day:
            year = day.year - first_year + 1
            return f"{name}{_FIRST if year == 1 else year}年{day.month}月{day.day}日"
    return ""


def from_era(text: str) -> date | None:
    """The day that is printed so, if there is one.

    >>> from_era("昭和64年1月7日"), from_era("昭和64年1月8日")
    (datetime.date(1989, 1, 7), None)
    """
    found = _PRINTED.fullmatch(text)
    if found is None:
        return None
    first_year = next(first_year for name, _, first_year in _ERAS if name == found[1])
    year = 1 if found[2] == _FIRST else int(found[2])
    try:
        day = date(first_year + year - 1, int(found[3]), int(found[4]))
    except ValueError:
        return None
    return day if in_era(day) == text else None


def weekday(day: date) -> str:
    """The day of the week, one character.

    >>> weekday(date(2026, 11, 21))
    '土'
    """
    return WEEKDAYS[day.weekday()]
