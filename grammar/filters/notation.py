"""Notations: how amounts, telephone numbers and postal codes are written for people, and many texts as one.

Pure functions from text to text. A text that a function is not meant for comes out as it was. Source: ours;
telephone numbers after ITU-T E.164 and the national trunk prefix 0, postal codes after Japan Post's form.
"""

import re
from collections.abc import Callable, Sequence
from decimal import Context, Decimal
from typing import Final

from grammar.filters.width import half
from grammar.value import MAX_MAGNITUDE

_INTEGER = rf"-?(?:0|[1-9][0-9]{{0,{MAX_MAGNITUDE}}})"
NUMBER: Final = re.compile(rf"{_INTEGER}(?:\.[0-9]{{1,{MAX_MAGNITUDE}}})?")  # as `value` prints amounts
_SUM_DIGITS: Final = 2 * MAX_MAGNITUDE + 8  # exact for a million of the longest numbers there are
_PHONE: Final = re.compile(r"\+81[- .]?(?:\(0\)|0)?[- .]?([1-9](?:[- .]?[0-9])*)")
_POSTAL: Final = re.compile("〒? ?([0-9]{3})-?([0-9]{4})")
# Typed for a hyphen, besides the full-width one: hyphens, dashes, minus, and the sign of a long vowel.
_HYPHENS: Final = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212ーｰ", "-"))


def sum_of(texts: Sequence[str]) -> str:
    """The sum of the numbers, exact; blank ones count for nothing, and the sum of nothing is blank.

    When a text is no number, nothing is summed and all are shown, joined by `+`: a sum that leaves a price
    out would be taken for the whole.

    >>> sum_of(["1980", "", "19.50"]), sum_of(["1980", "無料"]), sum_of([""])
    ('1999.50', '1980+無料', '')
    """
    visible = [text for text in texts if text]
    if not all(map(NUMBER.fullmatch, visible)):
        return "+".join(visible)
    total, exact = Decimal(0), Context(prec=_SUM_DIGITS)
    for text in visible:
        total = exact.add(total, Decimal(text))
    return format(total, "f") if visible else ""


def count_of(texts: Sequence[str]) -> str:
    """How many of the texts have something to see.

    >>> count_of(["のし不要", "", "置き配希望"])
    '2'
    """
    return str(sum(1 for text in texts if text))


def joined_by(separator: str) -> Callable[[Sequence[str]], str]:
    """The texts that have something to see, with the separator between them."""
    return lambda texts: separator.join([text for text in texts if text])


def comma(text: str) -> str:
    """Commas between thousands; decimal places and minus stay.

    >>> comma("-1234567.50"), comma("980"), comma("無料")
    ('-1,234,567.50', '980', '無料')
    """
    return _grouped(text) or text


def yen(text: str) -> str:
    """As `comma`, and 円 behind it.

    >>> yen("1980"), yen("無料")
    ('1,980円', '無料')
    """
    grouped = _grouped(text)
    return f"{grouped}円" if grouped else text


def phone(text: str) -> str:
    """A Japanese telephone number as it is dialled at home; any other stays.

    >>> phone("+81-3-0000-0000"), phone("+819000000000"), phone("+1-555-0100")
    ('03-0000-0000', '09000000000', '+1-555-0100')
    >>> phone("+81(0)3-0000-0000"), phone("+81.90.0000.0000"), phone("＋８１－３－００００－００００")
    ('03-0000-0000', '090-0000-0000', '03-0000-0000')
    """
    found = _PHONE.fullmatch(_plain(text))
    return "0" + found[1].replace(".", "-") if found else text


def postal(text: str) -> str:
    """A Japanese postal code with its hyphen and without 〒; any other stays.

    >>> postal("1000000"), postal("〒１００－００００"), postal("SW1A 1AA")
    ('100-0000', '100-0000', 'SW1A 1AA')
    """
    found = _POSTAL.fullmatch(_plain(text))
    return f"{found[1]}-{found[2]}" if found else text


def one_line(text: str) -> str:
    r"""Each run of white space as one space, none at the ends.

    >>> one_line(" 見本\u3000\u3000花子 ")
    '見本 花子'
    """
    return " ".join(text.split())


def _plain(text: str) -> str:
    """Digits, signs and hyphens as ASCII has them, nothing blank at the ends."""
    return half(text).translate(_HYPHENS).strip()


def _grouped(text: str) -> str:
    """The number with its commas, or nothing for any other text."""
    if not NUMBER.fullmatch(text):
        return ""
    return format(int(text), ",") if text.isdigit() else format(Decimal(text), ",f")
