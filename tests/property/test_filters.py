"""The laws of filters and of records (docs/template-language.md, "Laws"), on hostile values."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from grammar import compile_template, load_catalogue, parse, parse_line
from grammar.filters import FILTERS, GATHERERS, chain, compile_filters, fault, written
from grammar.filters.date_format import KNOWN
from grammar.filters.inverse import unprinted
from grammar.value import PRINTERS, clean, is_blank
from tests.support.records import HOSTILE_CHARACTERS, documents, hostile_texts, sample_document

CATALOGUE = load_catalogue()
laws = settings(max_examples=200, deadline=None, derandomize=True, database=None)

ARGUMENTS = st.text(HOSTILE_CHARACTERS + "年月日%YmdHMS-", max_size=6).map(
    lambda text: text.replace("|", "").replace("\n", "")
)
FORMATS = st.lists(
    st.sampled_from((*KNOWN.split(" "), "年", "月", "日", "/", "1", "１", ".*")),
    min_size=1,
    max_size=9,
).map("".join)
LENGTHS = st.integers(1, 12).map(str)
NAMES = st.sampled_from((*FILTERS, *GATHERERS))
TEXTS = hostile_texts(max_size=16) | st.text() | st.text("()（）ｶﾞﾊﾟ \u3000\u0301…A", max_size=9)
VALUES = {
    "text": TEXTS,
    "list": st.lists(TEXTS, max_size=4) | TEXTS,
    "datetime": st.datetimes() | st.datetimes(timezones=st.just(UTC)) | TEXTS,
    "date": st.dates() | st.dates(date(1870, 1, 1), date(2100, 1, 1)) | TEXTS,
    "money": st.decimals(-(10**9), 10**9, places=2) | st.integers(-(10**6), 10**6) | st.just("無料"),
    "count": st.integers(-(10**6), 10**6) | st.just("未定"),
    "phone": st.from_regex(r"[+＋]81[-. ]?(\(0\))?[-. ]?[0-9０-９ .-]{1,9}", fullmatch=True)
    | st.just("03-0000-0000")
    | TEXTS,
    "postal": st.from_regex("〒?[0-9０-９]{3}[-－‐]?[0-9]{4} ?", fullmatch=True) | TEXTS,
}


def filters() -> st.SearchStrategy[str]:
    """Chains of one to three filters, each with an argument of its sort; not all make sense together."""

    def with_argument(name: str) -> st.SearchStrategy[str]:
        definition = FILTERS.get(name) or GATHERERS[name]
        if definition.argument == "none":
            return st.just(name)
        sorts = {"format": FORMATS, "length": LENGTHS, "text": ARGUMENTS, "separator": ARGUMENTS}
        return sorts[definition.argument].map(lambda argument: f"{name}:{argument}")

    return st.lists(NAMES.flatmap(with_argument), min_size=1, max_size=3).map("|".join)


def fields() -> st.SearchStrategy[Any]:
    """Fields of the catalogue with filters that make sense on them, most often at least one."""

    def with_filters(entry: Any) -> st.SearchStrategy[Any]:
        several = entry.scope == "order" or entry.type == "list"
        chains = filters().filter(
            lambda text: not fault(written(text), of=entry.type, several=several) and "_$" not in text
        )
        keys = chains.map(lambda text: f"{entry.name}|{text}") | st.just(entry.name)
        return keys.map(lambda key: next(parse_line(f"<$_{key}_$>").rows).fields[0])

    return st.sampled_from([entry for entry in CATALOGUE if entry.path]).flatmap(with_filters)


def printed(field: Any, value: object) -> str:
    """What the field prints of a document that holds this value."""
    entry = CATALOGUE[field.name]
    document: dict[str, Any] = {"pack": {"orders": [{}]}}
    *path, leaf = entry.path.removeprefix("order.").split(".")
    part = document["pack"]["orders"][0] if entry.scope == "order" else document
    for name in path:
        part = part.setdefault(name, {})
    part[leaf] = value
    record = CATALOGUE.record(document)
    gathers = field.filters and field.filters[0].name in GATHERERS
    return record.orders[0][field.key] if entry.scope == "order" and not gathers else record[field.key]


@laws
@given(fields().flatmap(lambda field: st.tuples(st.just(field), VALUES[CATALOGUE[field.name].type])))
def test_what_is_read_back_is_printed_the_same(case):
    """print(unprinted(print(v))) == print(v), for each field, value and chain that claims an inverse."""
    field, value = case
    text = printed(field, value)
    found = unprinted(field, text, CATALOGUE)
    if not field.filters:
        assert found is not None
    if found is not None:
        assert printed(field, found) == text


@laws
@given(fields(), TEXTS)
def test_any_text_is_either_printed_by_the_value_found_or_has_none(field, text):
    """Also a text that somebody else wrote; and nothing is raised."""
    found = unprinted(field, text, CATALOGUE)
    if found is not None:
        assert printed(field, found) == text


@laws
@given(fields().flatmap(lambda field: st.tuples(st.just(field), VALUES[CATALOGUE[field.name].type])))
def test_a_filtered_value_keeps_to_what_values_promise(case):
    """No control character but a tab of an argument, no line break; what cannot be seen is empty."""
    field, value = case
    text = printed(field, value).replace("\t", "")
    assert clean(text) == text
    assert is_blank(text) == (text == "")


@laws
@given(filters(), TEXTS)
def test_a_chain_is_refused_or_works_on_any_text(text, value):
    """For partners' value rules, which are typed by people."""
    try:
        change = compile_filters(text)
    except ValueError as error:
        message = str(error)
    else:
        message = ""
        assert isinstance(change(value), str)
    assert bool(message) == bool(fault(written(text), of="text", several=False))


@laws
@given(st.sampled_from(("kana", "zen", "han", "paren", "oneline", "left:3", "max:3", "pad:5")), TEXTS)
def test_a_shape_is_given_once(name, value):
    """A second time changes nothing, so a value rule and a template may ask for the same."""
    change = compile_filters(name)
    once = change(clean(value))
    assert change(once) == once


@laws
@given(st.lists(st.decimals(-(10**12), 10**12, allow_nan=False, places=3), max_size=9))
def test_a_sum_is_exact(amounts):
    """Whatever the places."""
    texts = [PRINTERS["money"](amount) for amount in amounts]
    found = chain("sum")
    assert found.gather is not None
    text = found.gather(texts)
    assert (Decimal(text) if text else 0) == sum(amounts)


@laws
@given(st.datetimes(min_value=datetime(1873, 1, 1)))
def test_eras_lose_no_day(moment):
    """Each day since Meiji 6 has a name of its own."""
    field = next(parse_line("<$_DEL_HOPE_DATE|wareki_$>").rows).fields[0]
    assert unprinted(field, printed(field, moment.date()), CATALOGUE) == moment.date().isoformat()


SOURCE = (
    "<$_PACK_NO|kana_$> <$_BUYER_NM|default:-|max:4_$>\n##LOOP##・<$_DEL_MEMO|paren_$><$_DEL_MEMO_$>\n"
    "##IF <$_DEL_MEMO|join:、_$>##\n<$_DEL_MEMO|join:、_$>\n##END_IF##\n"
    "##LOOP_BEGIN##\n##IF <$_OPTION_$> != 一##\n<$_ITEM_NM|zen_$> <$_ITEM_NM|count_$>\n##END_IF##\n"
    "##LOOP_END##\n"
    "<$_ORDER_NO|join:/_$>"
)


@laws
@given(documents())
def test_a_view_that_changes_nothing_prints_the_same(document):
    """In full and for each order by itself."""
    record = CATALOGUE.record(document)
    render = compile_template(parse(SOURCE), catalogue=CATALOGUE, unit="pack")
    view = record.changed(lambda _, value: value)
    assert render(view) == render(record)
    for index in range(len(record.orders)):
        assert render(view.for_order(index)) == render(record.for_order(index))
        assert render(record.for_order(index).changed(lambda _, value: value)) == render(
            record.for_order(index)
        )


@laws
@given(documents())
def test_a_changed_view_prints_what_a_changed_document_prints(document):
    """So a value rule is as good as a marketplace that keeps to it; changes come one after another."""

    def changed(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: changed(value) for key, value in part.items()}
        if isinstance(part, list):
            return [changed(value) for value in part]
        return None if part is None else first("", second("", clean(part)))

    def first(_: str, value: str) -> str:
        return value.replace("a", "(漢)").replace("#", "")

    def second(_: str, value: str) -> str:
        return compile_filters("kana|han")(value)

    render = compile_template(parse(SOURCE), catalogue=CATALOGUE, unit="pack")
    view = CATALOGUE.record(document).changed(second).changed(first)
    assert render(view) == render(CATALOGUE.record(changed(document)))


@laws
@given(st.permutations(["PACK_NO", "PACK_NO|zen", "TOTAL|sum", "DEL_MEMO|join:/", "DEL_MEMO"]))
def test_what_was_asked_before_changes_nothing(keys):
    """In a record, and in a view of it."""
    record = CATALOGUE.record(sample_document())
    expected = {
        "PACK_NO": "123456789",
        "PACK_NO|zen": "１２３４５６７８９",
        "TOTAL|sum": "11580",
        "DEL_MEMO|join:/": "のし不要/置き配希望",
        "DEL_MEMO": "のし不要 置き配希望",
    }
    view = record.with_given({"RECOGNITION_KEY": "鍵"})
    assert {key: (view if index % 2 else record)[key] for index, key in enumerate(keys)} == expected
