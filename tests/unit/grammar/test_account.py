"""What a mail does not show is not read from it."""

from typing import Any

import pytest

from grammar import compile_template, load_catalogue, parse
from grammar.reader import Reading, ReadingError, compile_reader

CATALOGUE = load_catalogue()


def read(source: str, text: str) -> Reading:
    """The reading of a mail that a template wrote."""
    return compile_reader(parse(source), catalogue=CATALOGUE, unit="pack").read(text)


def written(source: str, pack: dict[str, Any]) -> str:
    """The mail of a template."""
    record = CATALOGUE.record({"pack": pack})
    return compile_template(parse(source), catalogue=CATALOGUE, unit="pack")(record)


def test_a_list_that_stands_twice_on_its_row_is_read_once() -> None:
    """Each memo is printed twice on a row, and is one memo all the same."""
    source = "##LOOP##<$_DEL_MEMO_$>:<$_DEL_MEMO_$>。\n終\n"
    text = written(source, {"memos": ["のし", "急ぎ"]})
    assert text == "のし:のし。\n急ぎ:急ぎ。\n終\n"
    assert dict(read(source, text).elements) == {"DEL_MEMO": ("のし", "急ぎ")}


def test_a_row_whose_two_places_do_not_agree_is_refused() -> None:
    """One of the two is not what the notification said."""
    with pytest.raises(ReadingError, match="DEL_MEMO stands twice and does not say the same"):
        read("##LOOP##<$_DEL_MEMO_$>:<$_DEL_MEMO_$>。\n終\n", "のし:急ぎ。\n終\n")


def test_an_if_inside_a_way_that_is_not_shown_tells_nothing() -> None:
    """Whether the outer IF holds cannot be seen, so the inner one, which prints nothing, gives no value."""
    source = "##IF <$_PACK_NO_$>##\n##IF <$_BUYER_NM_$> != 花子##\n氏名が違います\n##END_IF##\n##END_IF##\n"
    for pack in ({}, {"buyer": {"name": "花子"}}):
        assert written(source, pack) == ""
    assert dict(read(source, "").fields) == {}
