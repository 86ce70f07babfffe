"""Laws of text mails: what a shipped template wrote is taken in with its values, or not at all."""

import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from grammar import load_catalogue
from grammar.span import columns
from relay.charset import charset_of
from relay.errors import BadInput
from relay.intake import Decoder
from relay.intake.reading.spelling import beginning_alike
from relay.notification import Notification
from tests.support.composing import composer
from tests.support.intake import registry_in, shipped_templates, text_mail, written
from tests.support.records import sample_document

CATALOGUE = load_catalogue()
NOW = datetime(2026, 11, 21, 1, 15, tzinfo=UTC)
TEMPLATES = shipped_templates(CATALOGUE)
with tempfile.TemporaryDirectory() as _folder:
    REGISTRY = registry_in(
        Path(_folder),
        CATALOGUE,
        registrations={
            "example-shop": "".join(
                f"  - {{id: t{each.number}, template: {each.key}, recipients: [a@example.jp], "
                f"recognition_key: KEY-{each.number}}}\n"
                for each in TEMPLATES
            )
        },
    )
DECODER = Decoder(lambda: REGISTRY, CATALOGUE)
COMPOSER = composer(CATALOGUE)
REGISTRATIONS = {each.template.key: each for each in REGISTRY}
KEYS = st.sampled_from(sorted(REGISTRATIONS))
PIECES = [
    *["注文", "マグカップ", "A-1", "a b", " ", "　", "(キッズ用)", "1,980"],
    *["～", "〜", "－", "￥", "¥", "ｶﾞ", "①", "😀"],
    *["[備考]", "[注文番号] 999", "注文番号:", "■商品の情報", "x" * 80, "綿" * 200, "\n", "\x07", "\u202e"],
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=4).map("".join)


@st.composite
def notifications(draw):
    """A pack of up to three orders whose texts are risky."""
    tree = sample_document(orders=draw(st.integers(1, 3)))
    pack = tree["pack"]
    pack["memos"] = draw(st.lists(TEXTS, max_size=3))
    for node, keys in (
        (pack, ("payment_method", "hope_time_zone")),
        (pack["buyer"], ("name", "tel")),
        (pack["receiver"], ("name", "address1", "address2", "zip")),
        *((order, ("item_name", "option", "option_code")) for order in pack["orders"]),
    ):
        for key in keys:
            if draw(st.booleans()):
                node[key] = draw(TEXTS)
    return Notification.model_validate(tree)


@given(KEYS, notifications())
def test_a_composed_mail_is_taken_in_with_its_values_or_not_at_all(key, said):
    """From our own bytes: every value that the template printed, as its charset has it."""
    registration = REGISTRATIONS[key]
    template = registration.template
    said = said.model_copy(update={"type": template.notification})
    fold = charset_of(template.partner.charset).fold
    composition = COMPOSER.compose(said, [registration])
    if composition.rewritings:
        return  # by a rule of the partner's, or with 〓: the mail says something else on purpose
    for number, composed in enumerate(composition.mails):
        try:
            decoded = DECODER.decode(composed.mail.content, NOW)
        except BadInput:
            continue
        assert decoded.template is template
        first = CATALOGUE.record(said)
        if template.unit == "order":
            first = first.for_order(number)
        check_values(template, first.changed(lambda _, text: fold(text)), decoded.notification)


def check_values(template, first, taken_in):
    """That a notification says all that the template prints of a record."""
    again = CATALOGUE.record(taken_in)
    reading = template.body.reader.read(template.body(first))
    for field, text in reading.fields.items():
        assert again[field] == text, field
    for field, texts in reading.elements.items():
        assert list(filter(None, again.elements(field))) == list(filter(None, texts)), field
    for order, values in zip(again.orders, reading.orders, strict=True):
        assert {field: order[field] for field in values} == dict(values)


@given(KEYS, st.integers(1, 3))
def test_a_composed_mail_of_usual_values_is_always_taken_in(key, orders):
    """No shipped template is beyond reading back."""
    registration = REGISTRATIONS[key]
    tree = sample_document(orders=orders) | {"type": registration.template.notification.value}
    said = Notification.model_validate(tree)
    for composed in COMPOSER.compose(said, [registration]).mails:
        decoded = DECODER.decode(composed.mail.content, NOW)
        assert decoded.notification.pack.pack_no == said.pack.pack_no


@given(KEYS, st.data())
def test_any_damage_gives_the_text_that_came_or_a_reason(key, data):
    """Characters overwritten anywhere: what is taken in would be written as it came, damage and all."""
    template = REGISTRATIONS[key].template
    subject, body = written(template, Notification.model_validate(sample_document()), CATALOGUE)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body = (
            body[:at] + data.draw(st.sampled_from(["", "\n", " ", "x", "1", ":", "]", "～"])) + body[at + 1 :]
        )
    header = f"X-Recognition-Key: KEY-{template.number}"
    with suppress(BadInput):
        decoded = DECODER.decode(text_mail(subject, body, header, encoding="base64"), NOW)
        again = written(template, decoded.notification, CATALOGUE)
        assert again[0] == subject
        assert beginning_alike(again[1]).rstrip("\n") == beginning_alike(body).rstrip("\n")


WORDS = ["綿の長袖", "T", "シャツ", " ", " ", "a", "Heights", "1-2", "置き配", "　", "。"]
LONG_TEXTS = st.lists(st.sampled_from(WORDS), min_size=5, max_size=60).map("".join)


@st.composite
def long_notifications(draw):
    """A pack whose remarks, address and first item have texts that are broken on the way."""
    tree = sample_document(orders=draw(st.integers(1, 2)))
    pack = tree["pack"]
    pack["memos"] = draw(st.lists(LONG_TEXTS, max_size=3))
    pack["receiver"]["address2"] = draw(LONG_TEXTS)
    pack["orders"][0]["item_name"] = draw(LONG_TEXTS) * draw(st.sampled_from([1, 1, 4]))
    return Notification.model_validate(tree)


def cut_by_octets(body, width, charset):
    """As a gateway does, or a server at SMTP's limit, which marks the break."""
    begin = b" " if width > 500 else b""
    rows = []
    for row in body.encode(charset).split(b"\n"):
        rest = row
        while len(rest) > width:
            rows.append(rest[:width])
            rest = begin + rest[width:]
        rows.append(rest)
    return b"\r\n".join(rows)


def cut_by_columns(body, width, charset):
    """Between characters, before the first that has no room."""
    return _broken(body, width, charset, lambda row, at: (at, at))


def wrapped(body, width, charset):
    """At the last space that fits, which goes; a word that is too long stays whole."""
    return _broken(body, width, charset, lambda row, at: ((end := row.rfind(" ", 0, at + 1)), end + 1))


def flowed(body, width, charset):
    """At the last space that fits, which stays."""
    return _broken(body, width, charset, lambda row, at: (row.rfind(" ", 0, at) + 1,) * 2)


def _broken(body, width, charset, place):
    rows = []
    for row in body.split("\n"):
        rest = row
        while columns(rest) > width:
            at = max(at for at in range(len(rest)) if columns(rest[:at]) <= width)
            end, begin = place(rest, at)
            if begin <= 0:
                break
            rows.append(rest[:end])
            rest = rest[begin:]
        rows.append(rest)
    return "\r\n".join(rows).encode(charset)


@settings(max_examples=300)
@given(
    KEYS,
    long_notifications(),
    st.sampled_from([cut_by_octets, cut_by_columns, wrapped, flowed]),
    st.sampled_from([66, 70, 72, 75, 76, 78, 80, 990, 998]),
    st.sampled_from(["utf-8", "iso-2022-jp"]),
)
def test_a_mail_whose_rows_were_broken_is_taken_in_with_its_values_or_not_at_all(
    key, said, break_rows, width, charset
):
    """However a relay breaks rows: no value is invented, none is cut in two, none loses a space."""
    template = REGISTRATIONS[key].template
    said = said.model_copy(update={"type": template.notification})
    subject, body = written(template, said, CATALOGUE)
    octets = break_rows(body, width, charset)
    header = f"X-Recognition-Key: KEY-{template.number}"
    try:
        decoded = DECODER.decode(text_mail(subject, octets, header, charset=charset), NOW)
    except BadInput:
        return
    first = CATALOGUE.record(said)
    check_values(template, first.for_order(0) if template.unit == "order" else first, decoded.notification)
