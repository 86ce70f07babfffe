"""A hostile buyer over all shipped templates: what is typed changes no header, no recipient and no label.

Labels are counted here by hand, row by row, knowing nothing of how the reader finds them: each must begin as
many rows of the hostile mail as of one with harmless values of the same shape.
"""

import re
import unicodedata
from collections import Counter
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import Any

import pytest

from relay.errors import BadInput
from relay.intake import Decoder
from relay.notification import MAX_TEXT, Notification
from relay.registry import PartnerTemplate
from tests.support.composing import body_text, composer
from tests.support.shipped import CATALOGUE, TEMPLATES, plain_registration

LABELS = sorted(
    {
        match[1].strip()
        for template in TEMPLATES
        for match in re.finditer(
            r"^(?:##[A-Z_]+##)*([^<\n#$][^<\n]*)<\$_", template.body.source, re.MULTILINE
        )
    }
)
HEADINGS = sorted(
    {row for each in TEMPLATES for row in each.body.source.split("\n") if row.startswith(("■", "[", "【"))}
)
HOSTILE = {
    "line breaks": "花子\r\nBcc: spy@example.com\r\n\r\n注文番号:999\n[注文番号] 999\r.\rQUIT",
    "separators": "花子\u2028注文番号:999\u2029[注文番号] 999\x85\x0b\x0c[備考]",
    "markers": "<$_PACK_NO_$>{$_PACK_NO_$}##LOOP##$LOOP_<$_ITEM_NM_$>##IF <$_PACK_NO_$>####END_IF##",
    "bidi": "\u202e[注文番号] 999\u202c\u2066\u200f",
    "zero width": "\u200b\ufeff\u00ad[注文番号] 999",
    "white space": "\u3000\u00a0 \t[注文番号] 999",
    "combining": "\u3099\u0301[注文番号]\u0301 999",
    "wide": "［注文番号］ 999 注文番号：999",
    "half-width kana": "ﾎﾝﾀﾞﾅ [ﾁｭｳﾓﾝ] 〜～−－",
    "header words": '=?UTF-8?B?5rOo?= "a" <x@example.com>, spy@example.com; a=b',
    "escapes": "\x1b$B!!\x1b(J~\x1b(B\x0e\x0f",
    "code": "(キッズ用)(A-1)（B-2）()",
    "dots": ".\r\n..\r\n.",
    "emoji": "花子😀𠮷é①㈱髙",
    "long": "あ" * MAX_TEXT,
    "long and plain": "a" * MAX_TEXT,
    "labels in a row": " ".join(LABELS)[:MAX_TEXT],
    **{f"label {label}": f"{label} 999" for label in LABELS[::7]},
    **{f"heading {row}": row for row in HEADINGS[::5]},
}
HARMLESS = "例"
HEADERS = ["Message-ID", "Date", "From", "To", "Subject", "MIME-Version", "Content-Type"]
HEADERS.append("Content-Transfer-Encoding")


def said(template: PartnerTemplate, text: str) -> Notification:
    """A notification of the template's type in which a buyer typed this everywhere."""
    person = {"name": text, "kana": text, "tel": text, "mobile": text}
    order: dict[str, Any] = {
        **dict.fromkeys(("item_no", "seller_item_code", "item_name", "option", "option_code"), text),
        **dict.fromkeys(("currency", "carrier", "tracking_no"), text),
        "cancel": {"status": text, "reason": text},
    }
    receiver = {"country": text, "zip": text, "address1": text, "address2": text}
    return Notification.model_validate(
        {
            "version": 1,
            "type": template.notification,
            "seller_id": "example-shop",
            "occurred_at": datetime(2026, 11, 21, 1, 0, tzinfo=UTC),
            "pack": {
                "pack_no": "300000001",
                **dict.fromkeys(("payment_method", "delivery_option", "hope_time_zone"), text),
                "memos": (text, text),
                "buyer": {"id": text, "email": text, **person},
                "receiver": {**receiver, **person},
                "orders": [{"order_no": str(7_000_000_001 + index), **order} for index in range(2)],
            },
        }
    )


def counted(template: PartnerTemplate, mail: str) -> Counter[str]:
    """How many rows of a mail each label of its template begins, and how many are its headings."""
    rows = [
        "".join(char for char in row if unicodedata.category(char) != "Cf").lstrip()
        for row in mail.split("\n")
    ]
    found: Counter[str] = Counter()
    for row in template.body.source.split("\n"):
        label = re.sub(r"^(##[A-Z_]+##|\$LOOP_)+", "", row).partition("<$_")
        text = label[0].strip()
        if not any(map(str.isalnum, text)) or row.startswith("##IF "):
            continue
        found[text] = sum(one.startswith(text) if label[1] else one.rstrip() == text for one in rows)
    return found


@pytest.mark.parametrize("template", list(TEMPLATES), ids=lambda template: template.key)
def test_a_hostile_buyer_changes_no_header_and_forges_no_label(template):
    """Every hostile text in every field: the mail is as harmless as with harmless values, or is kept."""
    each, writer = plain_registration(template), composer(CATALOGUE)
    harmless = writer.compose(said(template, HARMLESS), [each])
    labels = [counted(template, body_text(one.mail.content)) for one in harmless.mails]
    assert labels
    assert all(len(one) >= 10 for one in labels)
    for name, text in HOSTILE.items():
        composition = writer.compose(said(template, text), [each])
        if composition.unwritable:
            assert composition.unwritable[0].reason, name
            continue
        for composed, model, expected in zip(composition.mails, harmless.mails, labels, strict=True):
            message = message_from_bytes(composed.mail.content, policy=policy.default)
            assert message.keys() == HEADERS, name
            for header in ("From", "To", "Subject"):
                was = message_from_bytes(model.mail.content, policy=policy.default)[header]
                assert str(message[header]) == str(was), name
            assert max(map(len, composed.mail.content.split(b"\r\n"))) <= 998, name
            assert counted(template, body_text(composed.mail.content)) == expected, name


def test_what_is_kept_is_kept_for_a_character_and_not_for_fear():
    """Partners that take UTF-8 and label each row get every hostile text as a value."""
    plain = [each for each in TEMPLATES if each.partner.charset == "utf-8" and each.unit == "pack"]
    assert len(plain) >= 25
    for template in plain:
        for name, text in HOSTILE.items():
            composition = composer(CATALOGUE).compose(said(template, text), [plain_registration(template)])
            assert not composition.unwritable, (template.key, name, composition.unwritable[0].reason)


def test_ten_thousand_characters_are_refused_with_their_place():
    """A value longer than the document allows is kept whole, and the reason names its place and the bound."""
    document = said(TEMPLATES.by_key["basic/order_info"], HARMLESS).model_dump_json()
    long = document.replace(f'"name":"{HARMLESS}"', f'"name":"{"あ" * 10_000}"', 1).encode()
    head = b"Content-Type: application/json\r\n\r\n"
    decoder = Decoder(lambda: pytest.fail("a document needs no registry"), CATALOGUE)
    with pytest.raises(BadInput) as caught:
        decoder.decode(head + long, datetime(2026, 11, 21, tzinfo=UTC))
    assert [problem.path for problem in caught.value.problems] == ["pack.buyer.name"]
    assert str(MAX_TEXT) in caught.value.problems[0].message.replace(",", "")
