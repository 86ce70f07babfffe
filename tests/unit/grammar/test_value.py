"""How values are printed: every type, every way in which a value may come, and what is taken out."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from grammar.value import JAPAN, PRINTERS, clean, elements, is_blank, joined, read_moment, unprintable


@pytest.mark.parametrize(
    ("kind", "value", "printed"),
    [
        ("text", None, ""),
        ("text", "見本　花子", "見本　花子"),
        ("text", 7, "7"),
        ("datetime", None, ""),
        ("datetime", datetime(2026, 11, 21, 1, 15, tzinfo=UTC), "2026-11-21 10:15:00"),
        ("datetime", datetime(2026, 11, 21, 10, 15, 30, 999_999), "2026-11-21 10:15:30"),
        (
            "datetime",
            datetime(2026, 12, 31, 23, 0, tzinfo=timezone(timedelta(hours=-5))),
            "2027-01-01 13:00:00",
        ),
        ("datetime", datetime(9999, 12, 31, 23, 0, tzinfo=UTC), "9999-12-31 23:00:00+00:00"),
        ("datetime", "2026-11-21T01:15:00Z", "2026-11-21 10:15:00"),
        ("datetime", "2026-11-21 10:15:00", "2026-11-21 10:15:00"),
        ("datetime", "未定", "未定"),
        ("date", None, ""),
        ("date", date(2026, 11, 25), "2026-11-25"),
        ("date", "20261125", "2026-11-25"),
        ("date", datetime(2026, 11, 24, 15, 0, tzinfo=UTC), "2026-11-25"),
        ("date", "未定", "未定"),
        ("YYYYMMDD", None, ""),
        ("YYYYMMDD", date(2026, 11, 25), "20261125"),
        ("YYYYMMDD", date(1, 1, 1), "00010101"),
        ("YYYYMMDD", "2026-11-25", "20261125"),
        ("money", None, ""),
        ("money", "", ""),
        ("money", 0, "0"),
        ("money", Decimal(1980), "1980"),
        ("money", Decimal("1980.50"), "1980.50"),
        ("money", Decimal("1.98E+3"), "1980"),
        ("money", Decimal("1E-7"), "0.0000001"),
        ("money", Decimal("-0"), "0"),
        ("money", Decimal(-100), "-100"),
        ("money", 1e3, "1000.0"),
        ("money", "1980", "1980"),
        ("money", "無料", "無料"),
        ("count", 12, "12"),
        ("phone", "+81-3-0000-0000", "+81-3-0000-0000"),
        ("postal", "100-0000", "100-0000"),
        ("list", None, ""),
        ("list", ["のし不要", "", "\u3000", "置き配"], "のし不要 置き配"),
        ("list", "一つ", "一つ"),
    ],
)
def test_each_type_prints_its_values(kind, value, printed):
    """Missing values print nothing; no value is lost, shortened, or printed the way Python would show it."""
    assert PRINTERS[kind](value) == printed


@pytest.mark.parametrize(
    "amount", [Decimal("NaN"), Decimal("Infinity"), Decimal("1E+999999"), Decimal("1E-999999")]
)
def test_an_amount_that_cannot_be_one_is_a_bug_and_dies(amount):
    """The documents refuse these; printing a million zeros would be the other way."""
    with pytest.raises(ValueError, match="finite and of sensible size"):
        PRINTERS["money"](amount)


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("一\n二", "一 二"),
        ("一\r\n\r\n二", "一 二"),
        ("一\r\x00\n二", "一 二"),
        ("\n一\r\n", "一"),
        ("一\x0b\x0c\x85\u2028\u2029\t二", "一二"),
        ("\u202e\u2066abc\u2069\u200e\u200f\u061c", "abc"),
        ("\x1b[31m赤\x7f", "[31m赤"),
        ("\ufeff白\ufeff", "白"),
        ("a\ud83d\ude00b\udfff", "ab"),
        ("😀𠮷", "😀𠮷"),
        (" 前後 ", " 前後 "),
        ("\u3000 \u00a0", ""),
        ("\u3000一", "\u3000一"),
        ("<$_PACK_NO_$>##LOOP##", "<$_PACK_NO_$>##LOOP##"),
    ],
)
def test_cleaning_takes_out_what_could_change_how_a_mail_is_read(raw, cleaned):
    """Line breaks become one space, controls go, everything else stays as it is typed."""
    assert clean(raw) == cleaned


def test_blank_is_white_space_of_any_script():
    """The full-width and the no-break space are blank; an invisible joiner is not white space."""
    assert [is_blank(text) for text in ("", " ", "\u3000", "\u00a0", "　 \t", "\u200b", "0")] == [
        True
    ] * 5 + [False] * 2


def test_the_elements_of_a_list_keep_their_blanks():
    """A loop decides about a blank element, not the list."""
    assert elements(["一", None, "二\n三", 4]) == ("一", "", "二 三", "4")
    assert elements(None) == ()
    assert joined(("", "一", "", "二")) == "一 二"


@pytest.mark.parametrize(
    ("printed", "moment"),
    [
        ("2026-11-21 10:15:30", datetime(2026, 11, 21, 10, 15, 30, tzinfo=JAPAN)),
        ("2026-11-25", datetime(2026, 11, 25, tzinfo=JAPAN)),
        ("20261125", datetime(2026, 11, 25, tzinfo=JAPAN)),
        ("00010101", datetime(1, 1, 1, tzinfo=JAPAN)),
        ("2026-1125", None),
        ("2026-02-30", None),
        ("2026-11-21 24:00:00", None),
        ("2026-11-21T10:15:30", None),
        ("2026-11-21 10:15", None),
        ("9999-12-31 23:00:00+00:00", None),
        ("２０２６-11-21", None),
        ("2026-11-21\n", None),
        ("未定", None),
        ("", None),
    ],
)
def test_printed_times_and_days_are_read(printed, moment):
    """Just what the printers of these types print, and nothing that they would leave as it is."""
    assert read_moment(printed) == moment


def test_the_first_character_that_no_value_may_hold_is_told():
    """Whatever cleaning would take out or replace."""
    assert [unprintable(text) for text in ("見本　花子 ①", "一\n二", "a\tb\x00", "a\u202eb\u2028", "")] == [
        "",
        "\n",
        "\t",
        "\u202e",
        "",
    ]
