"""The laws of the template language (docs/template-language.md, "Laws"), on hostile sources and values."""

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from grammar import Renderer, TemplateError, compile_template, load_catalogue, parse, parse_line
from grammar.ast import Directive, Field, If, Loop, Row, Template
from grammar.formatter import formatted
from grammar.value import clean, is_blank
from tests.support.records import documents, hostile_texts, templates

CATALOGUE = load_catalogue()
laws = settings(max_examples=200, deadline=None, derandomize=True, database=None)


def compiled(source: str, unit: str = "pack") -> Renderer:
    return compile_template(parse(source), catalogue=CATALOGUE, unit=unit)


def nodes(node: Any) -> list[Any]:
    """The node and all below it, as its own attributes tell them."""
    found = [node]
    for name in node.__slots__:
        value = getattr(node, name)
        for part in value if isinstance(value, tuple) else (value,):
            if hasattr(part, "span"):
                found += nodes(part)
    return found


def unspelt(node: Any) -> Any:
    """A tree without what formatting may change: places, brackets, spelling and order of directives."""
    if isinstance(node, tuple):
        return tuple(map(unspelt, node))
    if isinstance(node, Directive):
        return node.keyword
    if isinstance(node, Row):
        return (frozenset(map(unspelt, node.directives)), unspelt(node.pieces), node.newline)
    if not hasattr(node, "span"):
        return node
    names = [name for name in node.__slots__ if name not in ("span", "source", "brackets", "spelling")]
    return (type(node), *(unspelt(getattr(node, name)) for name in names))


@laws
@given(templates())
def test_a_tree_is_its_source(source):
    """str(parse(s)) == s, and every node is the part of the source at its span."""
    template = parse(source)
    assert str(template) == source
    for node in nodes(template):
        assert source[node.span.start : node.span.end] == str(node)


@laws
@given(templates(), st.data())
def test_a_template_broken_anywhere_is_explained(source, drawn):
    """Without one character or one row a good template is another, or an error with place and mend."""
    rows = source.split("\n")
    if drawn.draw(st.booleans()):
        del rows[drawn.draw(st.integers(0, len(rows) - 1))]
        broken = "\n".join(rows)
    else:
        at = drawn.draw(st.integers(0, max(0, len(source) - 1)))
        broken = source[:at] + source[at + 1 :]
    try:
        assert str(parse(broken)) == broken
    except TemplateError as error:
        found = error
    else:
        return
    assert found.hint
    assert 0 <= found.span.start <= len(broken)
    assert found.span.start < found.span.end


@laws
@given(templates())
def test_formatting_changes_spellings_only(source):
    """The text stays to the character, each marker stays a marker of the same meaning, and once is enough."""
    template = parse(source)
    result = formatted(template)
    assert unspelt(parse(result)) == unspelt(template)
    assert formatted(parse(result)) == result
    assert not re.search(r"\[\$_[A-Z]|\{\$_[A-Z]|\$LOOP_|##DELETE_BLANK_ROW_##|##LOOP####DELETE", result)


@laws
@given(hostile_texts(max_size=120))
def test_formatting_keeps_the_tree_of_whatever_can_be_read(source):
    """No text becomes a marker beside a marker that is spelled anew, however odd it is."""
    for reads in (parse, parse_line):
        try:
            template = reads(source)
        except TemplateError:
            continue
        result = formatted(template)
        assert unspelt(reads(result)) == unspelt(template)
        assert formatted(reads(result)) == result


@laws
@given(templates(), documents())
def test_what_is_formatted_prints_the_same(source, document):
    """So a partner sees nothing of `denrei template fmt`."""
    record = CATALOGUE.record(document)
    assert compiled(formatted(parse(source)))(record) == compiled(source)(record)


@laws
@given(hostile_texts(max_size=120))
def test_reading_raises_nothing_but_template_errors(source):
    """On any input; and what is read is its source, and the error's place is in it."""
    for reads in (parse, parse_line):
        try:
            template = reads(source)
        except TemplateError as error:
            found = error
        else:
            assert str(template) == source
            continue
        assert 0 <= found.span.start <= len(source)
        assert f":{found.line}:{found.column}: {found.message}" in str(found)
        str(found).encode()


@laws
@given(hostile_texts(max_size=120), documents(), st.sampled_from(("pack", "order")))
def test_whatever_can_be_read_can_be_compiled_and_run_or_says_why_not(source, document, unit):
    """No text of a template is ever run as code, and none breaks the compiler."""
    try:
        renderer = compiled(source, unit)
    except TemplateError:
        return
    record = CATALOGUE.record(document)
    records = (
        [record.for_order(index) for index in range(len(record.orders))] if unit == "order" else [record]
    )
    for one in records:
        assert isinstance(renderer(one), str)


@laws
@given(st.text("aZ09 　\t\r\n\x00\x0b\x85\u2028\ud800#<>[]{}|:=\\'\"%あ漢ｱ①𠮷") | st.text())
def test_text_without_a_marker_renders_to_itself(text):
    """Braces, quotes, backslashes and odd characters included."""
    source = text.replace("$", "").replace("##", "")
    assert compiled(source)(CATALOGUE.record({})) == source


@laws
@given(hostile_texts())
def test_values_come_out_as_typed(value):
    """Markers in a value are text; only what cleaning takes out is missing."""
    record = CATALOGUE.record({"seller_id": value})
    assert compiled("「<$_SELLER_ID_$>」")(record) == f"「{clean(value)}」"


@laws
@given(hostile_texts(max_size=80) | st.text())
def test_cleaning_is_done_after_once(value):
    """A cleaned text is clean, on one row, and is empty if nothing of it can be seen."""
    text = clean(value)
    assert clean(text) == text
    assert not set(text) & set("\r\n\x00\x1b\u2028\u2029\u202e\u2066")
    assert is_blank(text) == (text == "")
    text.encode()


@laws
@given(
    st.lists(hostile_texts(max_size=12), min_size=1, max_size=5),
    st.sampled_from(("##DELETE_BLANK_ROW##", "##DELETE_BLANK_ROW_##")),
)
def test_a_row_is_deleted_only_when_nothing_on_it_can_be_seen(values, directive):
    """And no two rows are ever joined, whichever rows go."""
    names = ("SELLER_ID", "EVENT_ID", "PACK_NO", "DEL_OPTION", "PAYMENT_METHOD")
    paths = ("seller_id", "event_id", "pack_no", "delivery_option", "payment_method")
    document: dict[str, Any] = {"pack": {}}
    for path, value in zip(paths, values, strict=False):
        (document if path in ("seller_id", "event_id") else document["pack"])[path] = value
    used = names[: len(values)]
    source = "".join(f"{directive}行<$_{name}_$>\n" for name in used) + "末"
    kept = [f"行{clean(value)}" for value in values if not is_blank(clean(value))]
    assert compiled(source)(CATALOGUE.record(document)).split("\n") == [*kept, "末"]


@laws
@given(documents())
def test_so_many_orders_are_so_many_passes(document):
    """By a block, by a row loop, and by templates of unit order."""
    record = CATALOGUE.record(document)
    expected = "".join(f"<{order['ITEM_NM']}>\n" for order in record.orders)
    assert compiled("##LOOP_BEGIN##\n<<$_ITEM_NM_$>>\n##LOOP_END##\n")(record) == expected
    assert compiled("##LOOP##<<$_ITEM_NM_$>>\n")(record) == expected
    one = compiled("<<$_ITEM_NM_$>>\n", "order")
    assert "".join(one(record.for_order(index)) for index in range(len(record.orders))) == expected


@laws
@given(templates(), documents())
def test_rendering_agrees_with_a_plain_reading_of_the_language(source, document):
    """The compiled function prints what a slow interpreter of the same tree prints, row by row."""
    record = CATALOGUE.record(document)
    assert compiled(source)(record) == interpreted(parse(source), record)


def interpreted(template: Template, record: Any) -> str:
    """The language's definition, written down as simply as it can be."""

    def gathers(field: Any) -> bool:
        return bool(field.filters) and field.filters[0].name in ("join", "sum", "count")

    def value(field: Any, order: Any, number: int | None = None) -> str:
        entry = CATALOGUE[field.name]
        if gathers(field):
            return record[field.key]
        if entry.type == "list" and number is not None:
            return record.elements(field.key)[number]
        return order[field.key] if entry.scope == "order" else record[field.key]

    def printed(row: Any, order: Any, number: int | None, newline: str) -> str:
        text = "".join(
            value(piece, order, number) if isinstance(piece, Field) else piece.text for piece in row.pieces
        )
        seen = any(value(field, order, number) for field in row.fields) if row.fields else not is_blank(text)
        return text + newline if seen or not row.has("DELETE_BLANK_ROW") else ""

    def repeated(row: Any, order: Any) -> str:
        if not row.has("LOOP"):
            return printed(row, order, None, row.newline)
        own = [field for field in row.fields if not gathers(field)]
        if any(CATALOGUE[field.name].scope == "order" for field in own):
            text = "".join(printed(row, each, None, "\n") for each in record.orders)
        else:
            (name,) = {field.name for field in own if CATALOGUE[field.name].type == "list"}
            numbers = range(len(record.elements(name)))
            text = "".join(printed(row, order, number, "\n") for number in numbers)
        return text if row.newline else text.removesuffix("\n")

    def holds(condition: Any, order: Any) -> bool:
        text = value(condition.field, order)
        match condition.operator:
            case "":
                return not is_blank(text)
            case "=":
                return text == condition.text
            case _:
                return text != condition.text

    def items(found: Any, order: Any) -> str:
        return "".join(item(each, order) for each in found)

    def item(found: Any, order: Any) -> str:
        match found:
            case Loop():
                return "".join(items(found.items, each) for each in record.orders)
            case If():
                return items(found.items if holds(found.condition, order) else found.others, order)
            case _:
                return repeated(found, order)

    return items(template.items, None)
