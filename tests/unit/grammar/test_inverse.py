"""The way back: from what a field prints to the value of the notification document."""

from decimal import Decimal

import pytest

from grammar import load_catalogue, parse_line
from grammar.filters.inverse import unprinted

CATALOGUE = load_catalogue()


def back(key, text):
    """The value that the field prints as this text."""
    (row,) = parse_line(f"<$_{key}_$>").rows
    return unprinted(row.fields[0], text, CATALOGUE)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("BUYER_NM", "見本　花子", "見本　花子"),
        ("BUYER_NM", "", ""),
        ("DELIVERY_FEE", "500", Decimal(500)),
        ("DELIVERY_FEE", "-19.50", Decimal("-19.50")),
        ("DELIVERY_FEE", "無料", "無料"),
        ("DELIVERY_FEE", "", ""),
        ("ORDER_QTY", "2", 2),
        ("ORDER_QTY", "1.5", Decimal("1.5")),
        ("ORDER_DATE", "2026-11-21 10:15:00", "2026-11-21 10:15:00"),
        ("ORDER_DATE", "未定", "未定"),
        ("DEL_HOPE_DATE", "2026-11-25", "2026-11-25"),
        ("DEL_HOPE_DATE_YYYYMMDD", "20261125", "2026-11-25"),
        ("DEL_HOPE_DATE_YYYYMMDD", "20261325", "20261325"),
        ("DEL_MEMO", "のし不要 置き配", ["のし不要 置き配"]),
        ("DEL_MEMO", "", []),
        ("DELIVERY_FEE|comma", "-1,980.50", Decimal("-1980.50")),
        ("DELIVERY_FEE|comma", "無料", "無料"),
        ("DELIVERY_FEE|yen", "1,980円", Decimal(1980)),
        ("DELIVERY_FEE|default:0|yen|zen", "１，９８０円", Decimal(1980)),
        ("DELIVERY_FEE|yen|default:なし", "なし", ""),
        ("ORDER_DATE|date:%Y年%-m月%-d日 %H:%M:%S", "2026年11月1日 09:05:07", "2026-11-01 09:05:07"),
        ("ORDER_DATE|date:%Y年%-m月%-d日 %-H時%-M分", "2026年11月1日 9時5分", "2026-11-01 09:05:00"),
        ("ORDER_DATE|date:%Y/%m/%d %H:%M", "未定", "未定"),
        ("ORDER_DATE|date:%Y/%m/%d %H:%M", "3日以内", "3日以内"),
        ("ORDER_DATE|date:%m/%d", "未定", "未定"),
        ("DEL_HOPE_DATE|date:%Y年%-m月%-d日|default:指定なし", "2026年11月5日", "2026-11-05"),
        ("DEL_HOPE_DATE|date:%Y年%-m月%-d日|default:指定なし", "指定なし", ""),
        ("DEL_HOPE_DATE|date:%Y%m%d", "20261105", "2026-11-05"),
        ("DEL_HOPE_DATE_YYYYMMDD|date:%Y年%m月%d日|zen", "２０２６年１１月０５日", "2026-11-05"),
        ("DEL_HOPE_DATE|wareki", "令和8年11月25日", "2026-11-25"),
        ("DEL_HOPE_DATE|wareki", "未定", "未定"),
        ("DEL_HOPE_DATE|weekday", "未定", "未定"),
        ("BUYER_TEL_NO|phone", "03-0000-0000", "+81-3-0000-0000"),
        ("BUYER_TEL_NO|phone", "09000000000", "+819000000000"),
        ("BUYER_TEL_NO|phone", "090 0000 0000", "+81 90 0000 0000"),
        ("BUYER_TEL_NO|phone", "+1-555-0100", "+1-555-0100"),
        ("BUYER_TEL_NO|phone", "0312345678 ", "0312345678 "),
        ("BUYER_TEL_NO|phone", "03--12345678", "03--12345678"),
        ("BUYER_TEL_NO|phone", "090 0000-0000", "+81 90 0000-0000"),
        ("BUYER_TEL_NO|phone|zen", "０３－００００－００００", "+81-3-0000-0000"),
        ("ZIP_CODE|postal", "100-0000", "100-0000"),
        ("ZIP_CODE|postal|zen", "１００－００００", "100-0000"),
        ("ITEM_NM|kana|paren", "ガラス（小）", "ガラス（小）"),
        ("ITEM_NM|zen", "ＴＳ－０１", "ＴＳ－０１"),
        ("ITEM_NM|max:6", "長袖Tシャツ", "長袖Tシャツ"),
        ("ITEM_NM|left:7", "長袖Tシャツ", "長袖Tシャツ"),
        ("ITEM_NM|pad:10", "品         "[:9], "品"),
        ("ITEM_NM|pad:2", "品物 ", "品物 "),
        ("DEL_MEMO|join:、", "のし不要、置き配", ["のし不要", "置き配"]),
        ("DEL_MEMO|join:、|paren|default:なし", "なし", []),
        ("DEL_MEMO|paren", "のし（白）", ["のし（白）"]),
    ],
)
def test_a_printed_text_gives_its_value_back(key, text, value):
    """Of the type that the document has; what was no number or time when it was printed stays text."""
    found = back(key, text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("ORDER_DATE|date:%Y年%-m月%-d日", "2026年11月1日"),
        ("ORDER_DATE|date:%Y年%-m月%-d日 %H時", "2026年11月1日 09時"),
        ("ORDER_DATE|wareki", "令和8年11月21日"),
        ("DEL_HOPE_DATE|date:%-m月%-d日", "11月5日"),
        ("DEL_HOPE_DATE|date:%y/%m/%d", "26/11/05"),
        ("DEL_HOPE_DATE|date:%-m月%-d日", "2月29日"),
        ("DEL_HOPE_DATE|date:%d日", "31日"),
        ("DEL_HOPE_DATE|date:%Y%m%d" + "%-d" * 40, "20261105" + "5" * 40),
        ("DEL_HOPE_DATE|date:%Y%-m%-d", "2026111"),
        ("DEL_HOPE_DATE|date:%Y-%m-%-d1", "2026-11-11"),
        ("DEL_HOPE_DATE|weekday", "土"),
        ("ITEM_NM|max:4", "長袖T…"),
        ("ITEM_NM|left:4", "長袖Tシ"),
        ("TOTAL|sum|yen", "1,980円"),
        ("ORDER_NO|count", "3"),
        ("DEL_MEMO|count", "2"),
        ("ITEM_NM|join:、", "長袖Tシャツ、マグカップ"),
    ],
)
def test_what_the_filters_lost_is_not_made_up(key, text):
    """No day becomes midnight, no two digits a century, no cut name a whole one."""
    assert back(key, text) is None


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("DELIVERY_FEE|comma", "1980"),
        ("DELIVERY_FEE|yen", "1,980"),
        ("DELIVERY_FEE|comma", "NaN"),
        ("DELIVERY_FEE", "1E+999999"),
        ("ITEM_NM|paren", "(小)"),
        ("ITEM_NM|pad:4", "品"),
        ("ZIP_CODE|postal", "1000000"),
        ("BUYER_TEL_NO|phone", "+81-3-0000-0000"),
        ("DEL_HOPE_DATE|date:%Y/%m/%d", "2026-11-25"),
        ("BUYER_NM", "一\n二"),
        ("BUYER_NM", "\u3000"),
    ],
)
def test_a_text_that_the_field_never_prints_has_no_value(key, text):
    """Whoever reads a mail that somebody else wrote learns that it is not of this template."""
    assert back(key, text) is None
