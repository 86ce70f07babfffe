"""Reports that are written for people only: the texts of servers that do not speak RFC 3464, and of old ones.

Each form has a sign: words that stand at the text's beginning, whatever way its rows are broken. What stands
below, often the mail that is returned, cannot make a report of a text that does not begin like one; so no
buyer's words can. The reason is the first paragraph with an SMTP reply or a status in it; or else that some
row has the plain words of `bounce_reason`. Whether the mail is a server's at all, `reader` asks before.

Guarantees: any text gives a report or None, and of the text's words only a server's reply stands in it: the
rest may be a buyer's. Linear in the text, of which `MAX_TEXT` characters are looked at.
Source: qmail's QSBMF, Postfix's bounce(5), Exim's specification ("Customizing messages"), the other forms as
their servers write them (docs/bounces.md says which).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from relay.bounce_reason import SAYS_GONE, is_address_gone, status_in
from relay.intake.report.status import Kind, Report, one_line

MAX_TEXT = 16 * 1024  # characters; the longest form explains itself on two pages
BEGINNING = 1_200  # characters, white space folded, in which a sign must stand: above all that is quoted

_COPY = re.compile(
    r"^[ \t]*-{2,80}.{0,80}(?:copy|original message|message (?:header|text )?follows|unsent message|returned|"
    r"元のメッセージ|原文|オリジナル).{0,80}$",
    re.IGNORECASE | re.MULTILINE,
)
_QUOTED = re.compile(r"^[ \t]*>.*\n?", re.MULTILINE)
_BEFORE_REPLY = r"(?:^[\W_]{0,10}|\b(?:said|says|error|reason|response|reply|理由|原因|エラー)[^\w<]{1,5})"
_CODE = re.compile(  # a reply line, or a status: not "500 pieces", nor "v5.1.1"
    rf"{_BEFORE_REPLY}([45])(?!00)[0-5][0-9][ :-]{{1,2}}(?=[A-Za-z<\"'(\[#]|[45]\.)"
    r"|(?<![0-9.v])([45])\.[0-7]\.[0-9]{1,3}(?!\.?[0-9])",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"[\w.!#$%&*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_NO_STATUS = "5.0.0"  # the words decide: a number like a status in them is none
_SERVERS_OWN = ("mailer-daemon@", "postmaster@")
_ERROR_SUBJECT = re.compile(
    r"undeliver|returned mail|delivery.{0,20}fail|fail.{0,20}delivery|mail system error|delivery status"
    r"|不達|メールエラー|エラーメール|(?:送信|配信)(?:エラー|不能|失敗|できません)"
)


@dataclass(frozen=True, slots=True)
class _Form:
    """How one server begins."""

    sign: re.Pattern[str]
    kind: Kind


def _form(kind: Kind, *signs: str) -> _Form:
    return _Form(re.compile("|".join(signs)), kind)


_FORMS = (  # the first whose sign is found counts: what is only late is told apart first
    _form(  # Postfix
        Kind.DELAYED, r"your message could not be delivered for more than", r"it will be retried until it is"
    ),
    _form(Kind.DELIVERED, r"your message was successfully delivered to the destination"),
    _form(  # Exim
        Kind.DELAYED,
        r"a message that you (?:have )?sent has not yet been delivered",
        r"message .{0,60}has not been delivered to (?:all of its|one or more) recipients? after",
    ),
    _form(  # Sendmail
        Kind.DELAYED,
        r"this is a warning message only",
        r"warning: message still undelivered",
        r"had transient non-fatal errors",
    ),
    _form(  # Exchange
        Kind.DELAYED,
        r"delivery (?:is|has been) delayed to these recipients",
        r"message hasn't been delivered yet",
    ),
    _form(Kind.DELIVERED, r"your message has been delivered to the following recipients"),
    _form(Kind.RELAYED, r"delivery to these recipients or (?:distribution lists|groups) is complete, but"),
    _form(  # Gmail
        Kind.DELAYED,
        r"there was a temporary problem delivering your message",
        r"delivery to the following recipients? has been delayed",
    ),
    _form(Kind.DELAYED, r"(?:配信|送信)が(?:遅れて|遅延して)(?:い|お)"),  # 配送 and お届け are said of goods
    _form(Kind.FAILED, r"^\W*hi\. this is the "),  # qmail and all that write QSBMF
    _form(Kind.FAILED, r"your message could not be delivered to one or more recipients"),  # Postfix
    _form(Kind.FAILED, r"a message that you (?:have )?sent could not be delivered"),  # Exim
    _form(  # Sendmail
        Kind.FAILED,
        r"the following address(?:es)? had (?:permanent|delivery|fatal)",
        r"-{3,} transcript of session follows -{3,}",
    ),
    _form(  # Exchange and Office 365
        Kind.FAILED,
        r"your message did not reach some or all of the intended recipients",
        r"delivery has failed to these recipients",
        r"your message (?:to [^ ]{1,254} )?(?:couldn't|could not|can't|cannot|wasn't) be delivered",
    ),
    _form(  # Gmail
        Kind.FAILED,
        r"delivery to the following recipients? failed permanently",
        r"your message wasn't delivered to",
    ),
    _form(Kind.FAILED, r"we were unable to deliver your message to the following"),  # Yahoo!
    _form(  # Japanese carriers and hosters
        Kind.FAILED,
        r"(?:送信|配信)(?:することが|が)?(?:でき(?:ません|ず|なかった)|失敗しました|に失敗)",
        r"(?:宛先|あて先|ユーザー?|アドレス)[^。]{0,20}(?:見つかりません|存在しません)",
    ),
)


def text_report(text: str, subject: str, recipient: str) -> Report | None:
    r"""What a text says that a server wrote for people; None when it is none of these forms.

    Args:
        text: of the mail's first text part, rows ending in a newline.
        subject: of the mail, decoded.
        recipient: the delivery's, looked for in the text before any other; "" when it is not known.

    >>> text = "Hi. This is the qmail-send program at mx.\n\n<a@example.jp>:\nSorry. (#5.1.1)\n"
    >>> report = text_report(text, "failure notice", "")
    >>> report and (report.kind.value, report.status, report.diagnostic, report.recipient)
    ('failed', '5.1.1', 'Sorry. (#5.1.1)', 'a@example.jp')
    """
    text = _QUOTED.sub("", text[:MAX_TEXT])
    if copy := _COPY.search(text):
        text = text[: copy.start()]
    beginning = " ".join(text.split())[:BEGINNING].lower().replace("’", "'")
    kind = next((form.kind for form in _FORMS if form.sign.search(beginning)), None)
    rows = [row.strip() for row in text.split("\n")]
    number, class_ = next(
        ((at, code[1] or code[2]) for at, row in enumerate(rows) if (code := _CODE.search(row))), (None, "")
    )
    if number is not None:
        reason = _paragraph(rows, number)
    else:
        reason = SAYS_GONE if any(is_address_gone(_NO_STATUS, row) for row in rows) else ""
    if kind is None and reason and _ERROR_SUBJECT.search(subject[:200].lower()):
        kind = Kind.DELAYED if class_ == "4" else Kind.FAILED
    if kind is None:
        return None
    return Report(
        kind=kind,
        status=status_in(reason),
        diagnostic=one_line(reason),
        recipient=_recipient(text, recipient.lower()),
    )


def _paragraph(rows: Sequence[str], begin: int) -> str:
    """The rows from this one to the next blank one, in one text."""
    end = next((at for at in range(begin, len(rows)) if not rows[at]), len(rows))
    return " ".join(rows[begin:end])


def _recipient(text: str, wanted: str) -> str:
    """The delivery's recipient when the text names it, else the first address that is not a server's own."""
    named = [found[0].lower().rstrip(".") for found in _ADDRESS.finditer(text)]
    if wanted in named:
        return wanted
    return next((address for address in named if not address.startswith(_SERVERS_OWN)), "")
