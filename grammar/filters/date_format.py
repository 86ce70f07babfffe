"""Formats of dates and times: the subset of strftime that templates may use, both ways.

Ours and not the C library's, so that the same format prints the same text on every machine. Source: ours;
the directives' meaning is strftime's.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from grammar.value import JAPAN

_DIRECTIVES: Final[Mapping[str, Callable[[datetime], str]]] = MappingProxyType(
    {
        "%Y": lambda moment: f"{moment.year:04}",
        "%y": lambda moment: f"{moment.year % 100:02}",
        "%m": lambda moment: f"{moment.month:02}",
        "%-m": lambda moment: str(moment.month),
        "%d": lambda moment: f"{moment.day:02}",
        "%-d": lambda moment: str(moment.day),
        "%H": lambda moment: f"{moment.hour:02}",
        "%-H": lambda moment: str(moment.hour),
        "%M": lambda moment: f"{moment.minute:02}",
        "%-M": lambda moment: str(moment.minute),
        "%S": lambda moment: f"{moment.second:02}",
    }
)
_TIMES: Final = frozenset({"%H", "%-H", "%M", "%-M", "%S"})
_PART: Final = re.compile(r"%-?.?|[^%]+", re.DOTALL)
_PERCENT: Final = "%%"
KNOWN: Final = " ".join((*_DIRECTIVES, _PERCENT))


class DateFormat:
    """A format such as `%Y年%-m月%-d日`.

    Attributes:
        text: the format as it is written.
        has_time: whether it prints any part of a time of day.
    """

    def __init__(self, text: str) -> None:
        """Read the format.

        Raises:
            ValueError: it holds an unknown directive or none at all; the text says which are known.
        """
        self.text: Final = text
        self._parts: Final = tuple(_PART.findall(text))
        for part in self._parts:
            if part.startswith("%") and part != _PERCENT and part not in _DIRECTIVES:
                raise ValueError(f"{part} is not a part of a date: known are {KNOWN}")
        if not any(part in _DIRECTIVES for part in self._parts):
            raise ValueError(f"no part of a date stands in it: known are {KNOWN}")
        self.has_time: Final = any(part in _TIMES for part in self._parts)

    def printed(self, moment: datetime) -> str:
        """The text for this moment.

        >>> DateFormat("%-m月%-d日 %H:%M (100%%)").printed(datetime(2026, 11, 1, 9, 5))
        '11月1日 09:05 (100%)'
        """
        return "".join([self._part(part, moment) for part in self._parts])

    def read(self, text: str) -> datetime | None:
        """The moment that is printed so, or None when the text is not of this format.

        Only the parts that the format `tells` are to be believed: what it does not print is that of 1 January
        2000, 00:00:00. Linear in the text, for any format.

        >>> str(DateFormat("%Y年%-m月%-d日").read("2026年11月1日"))
        '2026-11-01 00:00:00+09:00'
        """
        pattern = "".join(map(self._pattern, self._parts))
        found = re.fullmatch(pattern, text)
        if found is None:
            return None
        numbers = iter(map(int, found.groups()))
        by_letter = {part[-1]: next(numbers) for part in self._parts if part in _DIRECTIVES}
        try:
            moment = datetime(
                by_letter.get("Y", 2000 + by_letter.get("y", 0)),
                by_letter.get("m", 1),
                by_letter.get("d", 1),
                by_letter.get("H", 0),
                by_letter.get("M", 0),
                by_letter.get("S", 0),
                tzinfo=JAPAN,
            )
        except ValueError:
            return None
        return moment if self.printed(moment) == text else None

    def tells(self, letters: str) -> bool:
        """Whether a text of this format gives each of these parts (`YmdHMS`) back without doubt.

        There is doubt where a number of one or two digits is followed by another digit: 11 January and
        1 November are both printed as 111 by `%-m%-d`.

        >>> DateFormat("%Y年%-m月").tells("Ym"), DateFormat("%Y年%-m月").tells("Ymd")
        (True, False)
        >>> DateFormat("%Y%-m%-d").tells("Ymd")
        False
        """
        for part, following in zip(self._parts, (*self._parts[1:], ""), strict=True):
            if part.startswith("%-") and (following in _DIRECTIVES or following[:1] in tuple("0123456789")):
                return False
        return set(letters) <= {part[-1] for part in self._parts if part in _DIRECTIVES}

    @staticmethod
    def _part(part: str, moment: datetime) -> str:
        if part == _PERCENT:
            return "%"
        directive = _DIRECTIVES.get(part)
        return part if directive is None else directive(moment)

    @staticmethod
    def _pattern(part: str) -> str:
        if part == _PERCENT:
            return "%"
        if part not in _DIRECTIVES:
            return re.escape(part)
        return "([0-9]{1,2}+)" if part.startswith("%-") else "([0-9]{4})" if part == "%Y" else "([0-9]{2})"
