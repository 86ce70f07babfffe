"""An ended mail once more: the same mail under a Resent block, so that its reader can tell the two apart.

Guarantees: header and body of the mail stay octet for octet, its Message-ID and any signature with them; the
block stands before the old header, as RFC 5322 wants it of each resending, so a mail that is resent twice has
both. Source: RFC 5322 section 3.6.6.
"""

from dataclasses import replace
from datetime import datetime
from email.utils import format_datetime

from relay.clock import JST, Clock
from relay.compose.header import plain_line
from relay.store.query import DeliveryStory
from relay.store.values import Delivery, DeliveryState, Mail

ENDED = (DeliveryState.DELIVERED, DeliveryState.BOUNCED, DeliveryState.DISCARDED)


def resent_mail(story: DeliveryStory, *, sender: str, hostname: str, clock: Clock) -> tuple[Mail, Delivery]:
    """Return a delivery's mail for sending it again now, and the delivery that does it.

    Args:
        story: the delivery that ended.
        sender: the addr-spec that answers for sending it again.
        hostname: the relay's, for the Resent-Message-ID.
        clock: time and ids.
    """
    row, mail_id, now = story.row, clock.new_id(), clock.now()
    mail = Mail(
        id=mail_id,
        registration=row.registration,
        partner=row.partner,
        template=row.template,
        order_no=row.order_no,
        message_id=row.message_id,
        sender=row.sender,
        subject=row.subject,
        content=resent_block(mail_id, now, sender, row.delivery.recipient, hostname) + story.content,
        notice=row.notice,
    )
    delivery = replace(
        row.delivery,
        id=clock.new_id(),
        mail_id=mail_id,
        state=DeliveryState.QUEUED,
        due_at=now,
        accepted_at=now,
        attempts=0,
        last_reply="",
        leased_by="",
        leased_until=None,
        settled_at=None,
        fresh_until=None,
        hold_id="",
        noticed="",
        resent_of=row.delivery.id,
    )
    return mail, delivery


def resent_block(mail_id: str, at: datetime, sender: str, recipient: str, hostname: str) -> bytes:
    r"""Return the header rows that stand before a mail that is sent again, each with its CRLF.

    >>> from datetime import UTC
    >>> at = datetime(2026, 11, 21, 1, 15, tzinfo=UTC)
    >>> block = resent_block("6v3w1q0000000001", at, "postmaster@r.example.jp", "a@p.example.jp", "r.jp")
    >>> block.split(b"\r\n")[0]
    b'Resent-Date: Sat, 21 Nov 2026 10:15:00 +0900'
    """
    return b"".join(
        (
            plain_line("Resent-Date", format_datetime(at.astimezone(JST))),
            plain_line("Resent-From", sender),
            plain_line("Resent-To", recipient),
            plain_line("Resent-Message-ID", f"<{mail_id}@{hostname}>"),
        )
    )
