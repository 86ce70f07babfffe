"""A template's own text after a journey, and values that are left as they came."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar import parse
from relay.intake.reading.spelling import Spelling, alike, beginning_alike
from tests.support.records import hostile_texts, templates

TEMPLATE = """\
お届け時間:9時〜12時
[時間帯] <$_DEL_HOPE_DATE_TIME_ZONE_$>〜<$_DEL_OPTION_$> (税込¥)
[注文番号] <$_PACK_NO_$>
[氏名] <$_BUYER_NM_$> [フリガナ] <$_BUYER_NM_JA_$>
送料:<$_DELIVERY_FEE_$>円 \n\
"""


@pytest.mark.parametrize(
    ("came", "restored"),
    [
        ("お届け時間:9時～12時", "お届け時間:9時〜12時"),
        ("[時間帯] 9-10～宅配便 (税込￥)", "[時間帯] 9-10〜宅配便 (税込¥)"),
        ("[時間帯] 9～10～宅配～便 (税込￥)", "[時間帯] 9～10～宅配～便 (税込￥)"),
        ("[時間帯] 9〜宅配～便 (税込¥)", "[時間帯] 9〜宅配～便 (税込¥)"),
        ("[注文番号]", "[注文番号] "),
        ("[注文番号] 1", "[注文番号] 1"),
        ("[氏名] 例題 [フリガナ]", "[氏名] 例題 [フリガナ] "),
        ("送料:500円", "送料:500円 "),
        ("備考:9～12時", "備考:9～12時"),
        ("", ""),
    ],
)
def test_a_row_gets_the_templates_spelling_and_keeps_its_values(came, restored):
    """A row that no row of the template accounts for, and what stands in a field's place, stay."""
    spelling = Spelling(parse(TEMPLATE))
    assert spelling.restored(came) == restored
    assert spelling.restored(f"前\n{came}\n\n") == f"前\n{restored}\n\n"


@pytest.mark.parametrize(
    ("source", "row"),
    [
        ("[備考]\n<$_ITEM_NM_$> 〜 <$_OPTION_$>\n##LOOP##<$_DEL_MEMO_$>\n", "8時 ～ 9時に"),
        ("(<$_ITEM_NM_$>) x <$_OPTION_$>\n##LOOP##<$_DEL_MEMO_$>\n", "(L) x"),
        ("注文 <$_PACK_NO_$>\n注文 番号〜<$_ORDER_NO_$>\n", "注文 番号～5"),
        ("".join(f"注文〜{'あ' * count}<$_PACK_NO_$>\n" for count in range(6)), "注文～ああああああ"),
    ],
    ids=["begins with a field", "begins with no label", "fits another row", "fits too many"],
)
def test_a_row_that_can_be_a_value_is_left_as_it_came(source, row):
    """What a person wrote is not corrected after a row of the template that it resembles."""
    assert Spelling(parse(source)).restored(row) == row


def test_a_hostile_template_costs_no_more_for_each_row():
    """Thousands of rows that are almost alike, against thousands of rows of a mail."""
    spelling = Spelling(parse("".join(f"{number:x}〜\n" for number in range(6000))))
    text = "z～\n" * 3000 + "1f〜\n17～\n"
    assert spelling.restored(text) == text.replace("17～", "17〜")


def test_a_template_of_nothing_special_changes_nothing():
    """Whatever the text is."""
    assert Spelling(parse("カート番号:<$_PACK_NO_$>\n")).restored("カート番号: ～\n ") == "カート番号: ～\n "


@given(templates(), hostile_texts())
def test_restoring_keeps_the_rows_and_changes_what_is_alike_only(source, text):
    """But for spaces at a row's end, the text is the same one in another spelling."""
    restored = Spelling(parse(source)).restored(text)
    assert beginning_alike(restored) == beginning_alike(text)


@given(st.text())
def test_one_spelling_moves_no_character(text):
    """So places in the one are places in the other."""
    assert len(alike(text)) == len(text)
    assert alike(alike(text)) == alike(text)


def test_a_row_of_a_million_characters_is_looked_at_once():
    """Separators that almost fit a million times cost no more than the row's length, many times over."""
    row = "[時間帯] " + "～" * 1_000_000 + "x"
    assert Spelling(parse(TEMPLATE)).restored(row) == row
