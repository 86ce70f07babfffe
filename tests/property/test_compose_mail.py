"""Laws of whole mails: whatever a buyer types, a mail says what the marketplace said, or is not sent.

The mails are those of the shipped templates, each in every charset, and of one that cannot be read back in
general. The values are those that hurt them most: their own labels and separators, header rows, escape
sequences and characters that a charset lacks.
"""

import itertools
import re
from email import message_from_bytes, policy
from functools import cache
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grammar import Record, load_catalogue
from relay.charset import Profile, charset_of
from relay.compose.correction import folding, replacing, ruling
from relay.compose.difference import MAX_MISREADINGS
from relay.compose.explanation import MAX_ROWS
from relay.compose.proof import misread
from relay.notification import Notification
from relay.registry import Registration, load_templates
from tests.support.composing import body_text, composer, notification, registration, rule

CATALOGUE = load_catalogue()
TEMPLATES = load_templates(Path(__file__).resolve().parents[2] / "partner_templates", CATALOGUE)
RISKY = """\
[注文番号] <$_PACK_NO_$>
[備考]
##DELETE_BLANK_ROW##$LOOP_<$_DEL_MEMO_$>
##LOOP##<$_ITEM_NM_$>〜<$_OPTION_$>
##LOOP_BEGIN##
商品名:<$_ITEM_NM_$>(<$_OPTION_$>)
##LOOP_END##
<$_BUYER_NM_$>様 <$_RECEIVER_NM_$>
"""
RULES = (rule("DEL_MEMO", "ITEM_NM", filter="zen", when="misread"),)


def kinds(*keys: str) -> list[tuple[str, str, str]]:
    """Templates, charsets, and what becomes of characters that these lack."""
    return list(itertools.product(keys, get_args(Profile), ("quarantine", "replace")))


KINDS = st.sampled_from(kinds(*sorted(TEMPLATES.by_key))) | st.sampled_from(kinds("risky", "ruled"))
HEADERS = [
    *["Message-ID", "Date", "From", "To", "Subject", "X-Recognition-Key"],
    *["MIME-Version", "Content-Type", "Content-Transfer-Encoding"],
]
LABELS = sorted(
    {row for each in TEMPLATES for row in re.split(r"<\$_[^\n]*?_\$>|\n", each.body.source) if row.strip()}
)
PIECES = [
    *["\r\n", "\r", "\n", "\0", "\t", "\x1b$B", "\x1b(J", "\x85", "\u2028", "\u202e", "\u200b", "\ufeff"],
    *[".\r\n", "=?x?B?", "?=", "Bcc: x@example.com", "\r\n\r\nbody", "<x@example.com>", ",", ";", '"', "\\"],
    *["(", ")", "(A-1)", "<$_PACK_NO_$>", "##LOOP##", "注文", "番号", "ｶﾞ", "～", "〜", "￥", "¥", "−", "－"],
    *[" ", "　", "a", "1,980", "0", "-", "/", ":", "=", "〓", "①", "髙", "😀", "𠮷", "é", "\u3099"],
]
RISKS = ["(", "〜", "～", "様 ", "[注文番号]", "[備考]", "\u200b[注文番号]", "商品名:", "〓", "😀"]
HOSTILE = st.lists(
    st.sampled_from(LABELS)
    | st.sampled_from(RISKS)
    | st.sampled_from(PIECES)
    | st.characters(exclude_categories=["Cs"]),
    max_size=8,
).map("".join)
SAID = st.builds(
    lambda items, options, memos, buyer, receiver, method, zone: notification(
        *items,
        options=options,
        memos=tuple(memos),
        buyer=buyer,
        receiver={"name": receiver, "tel": "+81-3-0000-0000", "address1": receiver},
        payment_method=method,
        hope_time_zone=zone,
    ),
    st.lists(HOSTILE, min_size=1, max_size=3),
    st.lists(HOSTILE, max_size=3),
    st.lists(HOSTILE, max_size=3),
    *[HOSTILE] * 4,
)


@cache
def chosen(key: str, charset: str, unwritable: str) -> Registration:
    """A registration of a template, as if its partner took this charset."""
    template = TEMPLATES.by_key.get(key)
    rules = template.partner.value_rules if template else RULES if key == "ruled" else ()
    return registration(
        CATALOGUE,
        id=f"{key}-{charset}",
        unit=template.unit if template else "pack",
        charset=charset,
        sender="<$_BUYER_NM_$> <shop@example.jp>",
        subject=template.subject.source if template else "<$_BUYER_NM_$>様の注文 <$_PACK_NO_$>",
        body=template.body.source if template else RISKY,
        recognition_key="鍵 7",
        rules=rules,
        unwritable=unwritable,
    )


def read_values(each: Registration, text: str, record: Record) -> bool:
    """Whether what the partner reads is what the record says, wherever the template prints it."""
    reading = each.body.reader.read(text)
    return (
        all(record[key] == value for key, value in reading.fields.items())
        and all(
            [one for one in record.elements(key) if one] == [one for one in values if one]
            for key, values in reading.elements.items()
        )
        and all(
            order[key] == value
            for order, values in zip(record.orders, reading.orders, strict=False)
            for key, value in values.items()
        )
    )


def versions(each: Registration, record: Record, *, is_rewritten: bool) -> list[Record]:
    """What the values may have become on their way; with a rewriting also what the journal must tell of."""
    partner = each.template.partner
    charset = charset_of(partner.charset)
    always, misread = (ruling(partner.value_rules, when) for when in ("always", "misread"))
    ruled = [record.changed(always) if always else record]
    last = [folding(charset)]
    if is_rewritten:
        ruled += [ruled[0].changed(misread)] if misread else []
        last += [replacing(charset)]
    return [*ruled, *(values.changed(change) for values, change in itertools.product(ruled, last))]


@settings(max_examples=500, deadline=None)  # the first mail of each kind pays for compiling its template
@given(SAID, KINDS)
def test_a_mail_says_what_the_marketplace_said_or_is_not_sent(said, kind):
    """Headers are the template's, the body reads back as the values that it has, or there is a reason."""
    assert_said_or_kept(said, kind)


@pytest.mark.soak
@settings(max_examples=10_000, deadline=None)
@given(SAID, KINDS)
def test_ten_thousand_mails_say_what_the_marketplace_said_or_are_not_sent(said, kind):
    """The same law, looked at for longer."""
    assert_said_or_kept(said, kind)


def assert_said_or_kept(said: Notification, kind: tuple[str, str, str]) -> None:
    """The law of one notification and one registration."""
    each = chosen(*kind)
    composition = composer(CATALOGUE).compose(said, [each])
    parts = len(said.pack.orders) if each.template.unit == "order" else 1
    assert (len(composition.mails), len(composition.unwritable)) in {(parts, 0), (0, 1)}
    for kept in composition.unwritable:
        assert all(kept.reason.split("\n"))
        assert len(kept.reason.split("\n")) <= MAX_ROWS + 1 + 2 * MAX_MISREADINGS + 2
        assert composition.rewritings == ()
    record = CATALOGUE.record(said, given={"RECOGNITION_KEY": "鍵 7"})
    for index, composed in enumerate(composition.mails):
        part = record.for_order(index) if each.template.unit == "order" else record
        text = body_text(composed.mail.content)
        made_of = [
            one
            for one in versions(each, part, is_rewritten=bool(composition.rewritings))
            if each.body(one).removesuffix("\n") == text.removesuffix("\n")
        ]
        assert made_of
        assert any(read_values(each, text, one) for one in made_of)
        message = message_from_bytes(composed.mail.content, policy=policy.default)
        assert message.keys() == HEADERS
        assert [address.addr_spec for address in message["From"].addresses] == ["shop@example.jp"]
        assert [address.addr_spec for address in message["To"].addresses] == ["orders@partner.example.jp"]
        assert message["X-Recognition-Key"] == "鍵 7"
        if (
            each.template.partner.charset != "iso-2022-jp-ms"
        ):  # the library's codec lacks the vendor characters
            assert message.get_content().replace("\r\n", "\n") == text


@settings(max_examples=200, deadline=None)
@given(SAID, st.sampled_from(kinds("risky", "ruled")))
def test_a_mail_that_a_person_releases_is_proved_or_was_ruled_by_no_rule_in_vain(said, kind):
    """What is released although it would be misread has the buyer's own values, or is proved."""
    each = chosen(*kind)
    charset = charset_of(each.template.partner.charset)

    def ways(values: Record) -> list[Record]:
        return [values, values.changed(folding(charset)), values.changed(replacing(charset))]

    record = CATALOGUE.record(said, given={"RECOGNITION_KEY": "鍵 7"})
    change = ruling(each.template.partner.value_rules, "misread")
    unruled, ruled = ways(record), ways(record.changed(change)) if change else []
    for composed in composer(CATALOGUE).compose(said, [each], unproved=frozenset({each.id})).mails:
        text, subject = body_text(composed.mail.content), composed.mail.subject
        assert any(each.body(one) == text and each.subject(one) == subject for one in unruled) or any(
            each.body(one) == text and misread(each, subject, text, one) == () for one in ruled
        )


@settings(max_examples=100, deadline=None)
@given(SAID, st.lists(KINDS, min_size=2, max_size=5, unique=True))
def test_no_registration_s_trouble_touches_another_s_mails(said, kinds):
    """Composed together or alone, each registration gets the same texts, or the same reason."""
    several = [chosen(*kind) for kind in kinds]
    together = composer(CATALOGUE).compose(said, several)
    for each in several:
        alone = composer(CATALOGUE).compose(said, [each])
        assert [(mail.mail.subject, body_text(mail.mail.content)) for mail in alone.mails] == [
            (mail.mail.subject, body_text(mail.mail.content))
            for mail in together.mails
            if mail.registration is each
        ]
        assert list(alone.unwritable) == [kept for kept in together.unwritable if kept.registration is each]
