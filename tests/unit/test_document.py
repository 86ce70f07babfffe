"""The one door to JSON and YAML: what it gives, and what it refuses with which words."""

import json
import tracemalloc
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from relay.document import MAX_DEPTH, MAX_NUMBER, MAX_PROBLEMS, locate, parse_json, parse_yaml, validated
from relay.errors import BadInput, Problem
from relay.notification import Notification
from relay.wording import MAX_SHOWN


def _refusal(read, *arguments, **keywords):
    with pytest.raises(BadInput) as refused:
        read(*arguments, **keywords)
    return str(refused.value)


def test_json_gives_plain_values_and_exact_numbers():
    """Each JSON type has one Python type; a number with a point or an exponent is a Decimal."""
    tree = parse_json('{"a": [1, 1.10, 1e3, true, null, "注文"], "b": {"c": -0}}'.encode())
    assert tree == {"a": [1, Decimal("1.10"), Decimal("1E+3"), True, None, "注文"], "b": {"c": 0}}
    assert str(tree["a"][1]) == "1.10"
    assert [type(value) for value in tree["a"]] == [int, Decimal, Decimal, bool, type(None), str]


def test_a_byte_order_mark_is_taken():
    """Windows programs write one at the beginning of JSON and of YAML."""
    assert parse_json(b"\xef\xbb\xbf[1]") == [1]
    assert parse_yaml(b"\xef\xbb\xbfa: 1") == {"a": 1}


BAD_JSON = {
    "a key twice": (
        b'{"a": 1, "b": [{"c": 1, "c": 2}], "a": 2, "d": {"e": {"f": 1, "f": 1}}}',
        (
            "a: stands twice (one of the two would be lost)\n"
            "b[0].c: stands twice (one of the two would be lost)\n"
            "d.e.f: stands twice (one of the two would be lost)"
        ),
    ),
    "not a number": (b'{"a": NaN}', "NaN is not a number that JSON has"),
    "endless": (b"[Infinity]", "Infinity is not a number that JSON has"),
    "endless below nought": (b"[-Infinity]", "-Infinity is not a number that JSON has"),
    "not UTF-8": ("\n注文".encode("cp932"), "is not UTF-8 text: byte 0x92 on line 2"),
    "cut off": (b'{"a": [1', "is not JSON: Expecting ',' delimiter (line 1, column 9)"),
    "something after it": (b"{} {}", "is not JSON: Extra data (line 1, column 4)"),
    "nothing": (b"", "is not JSON: Expecting value (line 1, column 1)"),
    "a raw control character": (b'["\x01"]', "is not JSON: Invalid control character at (line 1, column 3)"),
    "a little too deep": (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "is nested deeper than 32 levels"),
    "far too deep": (b"[" * 200_000, "is nested deeper than 32 levels"),
    "far too deep in objects": (b'{"a":' * 200_000, "is nested deeper than 32 levels"),
    "a huge whole number": (
        b"[" + b"9" * 5000 + b"]",
        "holds a number of more than 64 characters, or beyond all measure",
    ),
    "a long fraction": (
        b"[0." + b"1" * 100 + b"]",
        "holds a number of more than 64 characters, or beyond all measure",
    ),
    "an exponent beyond measure": (
        b"[1e99999999999999999999]",
        "holds a number of more than 64 characters, or beyond all measure",
    ),
    "half a character": (rb'{"a": ["\ud83d"]}', "a[0]: holds half of a surrogate pair"),
    "half a character in a key": (rb'{"\uDE00": 1}', "has a key that holds half of a surrogate pair"),
}


@pytest.mark.parametrize("case", BAD_JSON)
def test_json_that_is_not_safe_is_refused_in_plain_words(case):
    """Nothing is guessed, and the message tells the place without repeating the content."""
    content, expected = BAD_JSON[case]
    assert _refusal(parse_json, content).split("\n") == expected.split("\n")


def test_a_whole_surrogate_pair_is_a_character():
    """JSON writes an emoji as two escapes."""
    assert parse_json(rb'["\ud83d\ude00"]') == ["\U0001f600"]


def test_a_large_hostile_document_is_refused_in_little_time_and_memory():
    """Keys twice by the ten thousand, deep nesting and many leaves together are no work to speak of."""
    many = b"{" + b",".join(b'"k%d":1,"k%d":2' % (number, number) for number in range(50_000)) + b"}"
    deep = b"[" * 900 + b'{"a":1,"a":2},' + b"1," * 200_000 + b"1" + b"]" * 900
    tracemalloc.start()
    assert len(_refusal(parse_json, many).split("\n")) == MAX_PROBLEMS
    assert _refusal(parse_json, deep) == "is nested deeper than 32 levels"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * 1024 * 1024


def test_the_deepest_allowed_document_is_read():
    """The bound is MAX_DEPTH itself, not one less."""
    tree = parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    for _ in range(MAX_DEPTH - 1):
        (tree,) = tree
    assert tree == []
    assert parse_yaml(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH) == parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)


def test_yaml_words_are_what_they_look_like():
    """Only what JSON would write as a number, truth value or nothing is one; the rest stays text."""
    content = (
        "[1, -5, 2.50, 1e3, 0123, +8190, 0x1F, 1_000, no, on, Y, 12:30, 2026-11-21, 1., .5, "
        "true, False, NULL, ~, '1', \"true\", 30m, =, 注文]"
    )
    assert parse_yaml(content.encode()) == [
        *(
            1,
            -5,
            Decimal("2.50"),
            Decimal("1E+3"),
            "0123",
            "+8190",
            "0x1F",
            "1_000",
            "no",
            "on",
            "Y",
            "12:30",
        ),
        *("2026-11-21", "1.", ".5", True, False, None, None, "1", "true", "30m", "=", "注文"),
    ]


def test_yaml_keys_are_text():
    """A key that looks like a number is the text that was typed."""
    assert parse_yaml(b"123: a\ntrue: b\n01: c\n") == {"123": "a", "true": "b", "01": "c"}


def test_an_empty_yaml_document_is_nothing():
    """Comments alone are no document."""
    assert parse_yaml(b"") is None
    assert parse_yaml("# 何もない\n".encode()) is None


BAD_YAML = {
    "a key twice": (
        "a: 1\nb:\n  - c: 1\n    c: 2\na: 2\n",
        (
            "f.yaml:4: b[0].c: stands twice (one of the two would be lost)\n"
            "f.yaml:5: a: stands twice (one of the two would be lost)"
        ),
    ),
    "a named part": (
        "a: &x [1]\n",
        "f.yaml:1: a: names a part of the file (&name) (write the value where it is needed)",
    ),
    "a reference": (
        "b:\n  - 1\n  - *x\n",
        "f.yaml:3: b[1]: refers to another part of the file (*name) (write the value out)",
    ),
    "a bomb": (
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
        "f.yaml:1: a: names a part of the file (&name) (write the value where it is needed)",
    ),
    "a tag": ("a: !!python/name:os.system\n", "f.yaml:1: a: has a tag (!name) (write the plain value)"),
    "a tagged key": ("!!str a: 1\n", "f.yaml:1: has a tag (!name) (write the plain value)"),
    "a list as a key": ("? [a]\n: 1\n", "f.yaml:1: has a key that is not a word"),
    "not a number": ("a:\n  b: .NaN\n", "f.yaml:2: a.b: is not a number"),
    "endless": ("a: -.inf\n", "f.yaml:1: a: is not a number"),
    "a long number": (
        "a: " + "9" * 65,
        "f.yaml:1: a: is a number of more than 64 characters, or beyond all measure",
    ),
    "two documents": ("a: 1\n---\nb: 2\n", "f.yaml:2: holds more than one document"),
    "a tabulator": (
        "a:\n\t- b\n",
        "f.yaml:2: is not YAML: found character that cannot start any token (line 2, column 1)",
    ),
    "an open quote": ("a: 'b", "f.yaml:1: is not YAML: found unexpected end of stream (line 1, column 6)"),
    "a control character": ("a: \x01", "f.yaml: holds a control character, which YAML does not allow"),
    "half a character": (
        'a: "\\ud83d"',
        "f.yaml:1: is not YAML: found invalid Unicode character escape code (line 1, column 7)",
    ),
}


@pytest.mark.parametrize("case", BAD_YAML)
def test_yaml_that_is_not_safe_is_refused_in_plain_words(case):
    """File, line and path are told; nothing is resolved before it is refused."""
    content, expected = BAD_YAML[case]
    assert _refusal(parse_yaml, content.encode(), file="f.yaml").split("\n") == expected.split("\n")


def test_endless_nesting_is_refused_before_it_is_read():
    """A megabyte of brackets is given up at the bound, in no time."""
    assert _refusal(parse_yaml, b"[" * 1_000_000).endswith(": is nested deeper than 32 levels")


_TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="ascii")), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=200, derandomize=True)
@given(_TREES)
def test_what_json_wrote_is_read_as_it_was(tree):
    """Any tree survives writing and reading, in plain UTF-8 and in escapes."""
    assert parse_json(json.dumps(tree, ensure_ascii=False).encode()) == tree
    assert parse_json(json.dumps(tree).encode()) == tree


@settings(max_examples=500, derandomize=True)
@given(
    st.text(st.sampled_from("{}[]:,-&*!?|>\"'#%@`\\ \n\tab1.~<=注\x00\u2028")).map(str.encode) | st.binary()
)
def test_any_bytes_are_read_or_refused(content):
    """No input raises anything but BadInput, in either notation."""
    for read in (parse_json, parse_yaml):
        problems = None
        try:
            read(content)
        except BadInput as error:
            problems = error.problems
        assert problems is None or (problems and all(isinstance(problem, Problem) for problem in problems))


DOCUMENT = """\
version: 1
type: ordr_info
seller_id: 12345
occurred_at: 2026-11-21 10:15:00
pack:
  pack_no: "210987654"
  delivery_fee: 1.234
  buyers: {}
  orders:
    - order_no: "1"
      quantity: 3
    - order_no: "2"
      qty: two
    - {}
"""


def test_every_problem_of_a_notification_is_told_at_once():
    """Path, line and nearest name, in the order of the lines; the plain types in plain words."""
    source = DOCUMENT.encode()
    assert _refusal(validated, Notification, parse_yaml(source), file="n.yaml", source=source).split(
        "\n"
    ) == [
        (
            "n.yaml:2: type: must be 'order_info', 'delivery_request', 'delivery_complete', 'cancel_request' "
            "or 'cancel_complete', is 'ordr_info' (did you mean order_info?)"
        ),
        "n.yaml:3: seller_id: must be text, is a whole number (put it in quotes)",
        "n.yaml:7: pack.delivery_fee: must have at most 2 digits after the point",
        "n.yaml:8: pack.buyers: unknown key (did you mean buyer?)",
        "n.yaml:11: pack.orders[0].quantity: unknown key",
        "n.yaml:13: pack.orders[1].qty: must be a whole number, is text",
        "n.yaml:14: pack.orders[2].order_no: is missing",
    ]


def test_without_a_source_there_are_paths_and_no_lines():
    """A notification that came as JSON has no file and no lines to show."""
    assert _refusal(validated, Notification, {"version": 1, "pack": []}).split("\n") == [
        "type: is missing",
        "seller_id: is missing",
        "occurred_at: is missing",
        "pack: must be a mapping (key: value), is a list",
    ]


class _Shop(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = ""


def test_the_number_of_problems_is_bounded():
    """A hostile document cannot make a message without end."""
    tree = {f"k{number}": 1 for number in range(1000)}
    rows = _refusal(validated, _Shop, tree).split("\n")
    assert len(rows) == MAX_PROBLEMS + 1
    assert rows[-1] == "and 900 more problems"


def test_a_document_that_is_wrong_all_over_is_told_in_one_row():
    """Ten thousand problems are no list that anybody needs."""
    tree = {f"k{number}": 1 for number in range(10_001)}
    assert _refusal(validated, _Shop, tree) == "has 10001 problems: it is something else altogether"


def test_yaml_stops_at_the_bound_of_problems():
    """The rest of a hostile document is not even read."""
    rows = _refusal(parse_yaml, b"a: 1\n" * 1000 + b"[").split("\n")
    assert rows == ["a: stands twice (one of the two would be lost)"] * MAX_PROBLEMS


def test_a_message_repeats_little_of_a_key_and_nothing_of_its_controls():
    """A key is a value from outside as well."""
    row = _refusal(validated, _Shop, {"長い" * 1000 + "\n": 1})
    assert len(row) < MAX_SHOWN + 40
    assert "\n" not in row


def test_a_place_has_its_line_or_its_surroundings():
    """What is not there itself is told by what it would stand in."""
    source = b"a:\n  b:\n    - 1\n    - c: 2\n"
    places = [("a",), ("a", "b"), ("a", "b", 0), ("a", "b", 1, "c"), ("a", "b", 1, "x"), ("a", "y"), ("z",)]
    assert [locate(source, place) for place in places] == [1, 2, 3, 4, 4, 1, 1]


def test_the_longest_number_is_read():
    """The bound is MAX_NUMBER itself."""
    digits = "1" * (MAX_NUMBER - 2) + ".5"
    assert parse_yaml(digits.encode()) == parse_json(digits.encode()) == Decimal(digits)
