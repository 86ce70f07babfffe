"""The laws of the template language (docs/template-language.md, "Laws"), on hostile sources and values."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from grammar import Renderer, TemplateError, compile_template, load_catalogue, parse, parse_line
from grammar.ast import Loop, Template
from grammar.value import clean, is_blank
from tests.support.records import documents, hostile_texts, templates

CATALOGUE = load_catalogue()
laws = settings(max_examples=200, deadline=None, derandomize=True, database=None)


def compiled(source: str, unit: str = "pack") -> Renderer:
    return compile_template(parse(source), catalogue=CATALOGUE, unit=unit)


def nodes(template: Template) -> list[Any]:
    found: list[Any] = [template]
    for item in template.items:
        if isinstance(item, Loop):
            found += [item, item.opening, item.closing]
    for row in template.rows:
        found += [row, *row.directives, *row.pieces]
    return found


@laws
@given(templates())
def test_a_tree_is_its_source(source):
    """str(parse(s)) == s, and every node is the part of the source at its span."""
    template = parse(source)
    assert str(template) == source
    for node in nodes(template):
        assert source[node.span.start : node.span.end] == str(node)


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

    def printed(row: Any, order: Any, element: str | None, newline: str) -> str:
        def value(field: Any) -> str:
            entry = CATALOGUE[field.name]
            if entry.type == "list" and element is not None:
                return element
            return order[field.name] if entry.scope == "order" else record[field.name]

        text = "".join(value(piece) if piece in row.fields else str(piece) for piece in row.pieces)
        seen = any(value(field) for field in row.fields) if row.fields else not is_blank(text)
        return text + newline if seen or not row.has("DELETE_BLANK_ROW") else ""

    def repeated(row: Any, order: Any) -> str:
        if not row.has("LOOP"):
            return printed(row, order, None, row.newline)
        if any(CATALOGUE[field.name].scope == "order" for field in row.fields):
            text = "".join(printed(row, each, None, "\n") for each in record.orders)
        else:
            (name,) = {field.name for field in row.fields if CATALOGUE[field.name].type == "list"}
            text = "".join(printed(row, order, element, "\n") for element in record.elements(name))
        return text if row.newline else text.removesuffix("\n")

    mail = ""
    for item in template.items:
        if isinstance(item, Loop):
            mail += "".join(repeated(row, order) for order in record.orders for row in item.rows)
        else:
            mail += repeated(item, None)
    return mail
