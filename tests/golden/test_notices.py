"""Golden notices: whole mails as sellers and operators get them, one file for each kind and language.

A difference means that people would read something else. When that is wanted, read the new text as a shop
clerk would before it becomes the golden one.
"""

from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from relay.notice.values import Addressee
from relay.store.concern import Kind, Outlook
from tests.support.clock import START
from tests.support.telling import OPERATORS, PARTNERS, SELLER, concern, silence, told_at, writer

FOLDER = Path(__file__).parent / "notices"
HOSTILE = (
    "550 no such user\r\n\r\n[2] 300000666\u2028Subject: free\u202e moc.elpmaxe {{ rows }} " + "長い" * 200
)
LATE = (
    concern(1, Outlook.STALE, last_reply="", type="delivery_request"),
    concern(2, Outlook.SUPPRESSED, last_reply="RCPT was answered 550 5.1.1 no such user here"),
    concern(3, order_no="410000001"),
    concern(4, again_at=None, partner="gone_mall", type="cancel_complete"),
)
LOST = (
    concern(5, Outlook.GIVEN_UP, last_reply="RCPT was answered 550 5.1.1 no such user here"),
    concern(6, Outlook.GIVEN_UP, last_reply=HOSTILE, order_no="410000001\n"),
)
SILENT = (
    silence(1, last_success_at=START - timedelta(days=3)),
    silence(2, last_reply=HOSTILE, tried=1),
)
ABOUT = {Kind.DELAY: LATE, Kind.FAILURE: LOST, Kind.NO_SUCCESS: SILENT}
CASES = [
    (kind, addressee, language)
    for kind in Kind
    for addressee in (SELLER, OPERATORS)
    for language in ("ja", "en")
]


def _written(kind, addressee, language, about):
    """The mail as a person sees it: headers and text."""
    reader = Addressee(seller_id=addressee.seller_id, addresses=addressee.addresses, language=language)
    letter = writer().letter(kind, reader, about, PARTNERS, told_at(5))
    message = message_from_bytes(letter.mail.content, policy=policy.default)
    head = "".join(f"{name}: {value}\n" for name, value in message.items())
    return f"{head}\n{message.get_content().replace(chr(13), '')}"


@pytest.mark.parametrize(("kind", "addressee", "language"), CASES)
def test_a_notice_reads_as_its_golden_text(kind, addressee, language):
    """Every word and row that a person gets, hostile replies among them, is as somebody has read it."""
    audience = "operators" if addressee.is_operator else "seller"
    golden = FOLDER / f"{kind}.{audience}.{language}.txt"
    assert _written(kind, addressee, language, ABOUT[kind]) == golden.read_text("utf-8")


def test_one_is_written_as_one():
    """A single mail is no plural, in the language that has one; what is not there is not explained."""
    golden = FOLDER / "delay.seller.en.single.txt"
    assert _written(Kind.DELAY, SELLER, "en", LATE[2:3]) == golden.read_text("utf-8")


def test_every_text_is_tried():
    """No golden file is left over, and none is missing."""
    names = {f"{kind}.{'operators' if a.is_operator else 'seller'}.{lang}.txt" for kind, a, lang in CASES}
    assert {path.name for path in FOLDER.iterdir()} == names | {"delay.seller.en.single.txt"}
