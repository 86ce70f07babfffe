"""Who reads a notice, and what stands in it: every value one printable line, in the reader's language.

Guarantees: a peer's words, an order number or a file's name cannot end its line, nor hide what stands beside
it; nothing that a buyer typed is asked for, so none of it is shown unless a partner's server quotes it in its
reply. Source: ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from relay.clock import JST
from relay.notification import NotificationType
from relay.registry import Partner
from relay.registry.contact import Language
from relay.store.concern import Concern, Outlook, Unsuccessful

MAX_VALUE = 200  # characters of one value: a reply's first sentence, and a row that still reads as one
_TYPES_EN: Final = {
    NotificationType.ORDER_INFO: "order information",
    NotificationType.DELIVERY_REQUEST: "delivery request",
    NotificationType.DELIVERY_COMPLETE: "delivery complete",
    NotificationType.CANCEL_REQUEST: "cancel request",
    NotificationType.CANCEL_COMPLETE: "cancel complete",
}
_UNITS: Final = (
    (timedelta(days=1), "日", " day"),
    (timedelta(hours=1), "時間", " hour"),
    (timedelta(minutes=1), "分", " minute"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """To whom a notice goes."""

    seller_id: str  # whose contact; empty: the operators
    addresses: tuple[str, ...] = field(repr=False)
    language: Language

    @property
    def is_operator(self) -> bool:
        """Whether it reads of all sellers, and can type commands."""
        return not self.seller_id


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """A delivery as a notice shows it."""

    seller: str
    pack_no: str
    order_no: str
    type: str
    partner: str
    recipient: str
    reply: str
    accepted: str
    outlook: Outlook
    again: str  # with Outlook.RETRY: when; empty: now
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationRow:
    """A silent registration as a notice shows it."""

    seller: str
    registration: str
    partner: str
    recipient: str
    tried: int
    since: str
    last_success: str  # empty: none that is known
    reply: str
    id: str  # of the newest delivery


def one_line(value: str) -> str:
    r"""A value as one printable line of at most `MAX_VALUE` characters.

    >>> one_line("550 5.1.1 no such user\r\n[2] 300000002\u202e")
    '550 5.1.1 no such user [2] 300000002?'
    """
    line = " ".join(value[: 4 * MAX_VALUE].split())  # what is cut off here is not looked at
    line = "".join(char if char.isprintable() else "?" for char in line)
    return line if len(line) <= MAX_VALUE else f"{line[: MAX_VALUE - 1]}…"


def clock_time(at: datetime) -> str:
    """A moment in Japan's time, to the minute.

    >>> from datetime import UTC
    >>> clock_time(datetime(2026, 11, 21, 1, 0, tzinfo=UTC))
    '2026-11-21 10:00'
    """
    return f"{at.astimezone(JST):%Y-%m-%d %H:%M}"


def span(length: timedelta, language: Language) -> str:
    """A duration in words, down to the minute, which is also the least.

    >>> span(timedelta(hours=28), "ja"), span(timedelta(minutes=90), "en")
    ('1日4時間', '1 hour 30 minutes')
    """
    parts: list[str] = []
    rest = max(length, timedelta(minutes=1))
    for unit, in_japanese, in_english in _UNITS:
        count, rest = divmod(rest, unit)
        if count:
            plural = "s" if count > 1 else ""
            parts.append(f"{count}{in_japanese if language == 'ja' else in_english + plural}")
    return ("" if language == "ja" else " ").join(parts)


def delivery_row(
    about: Concern, partners: Mapping[str, Partner], language: Language, now: datetime
) -> DeliveryRow:
    """The row of a delivery; `partners` by key, for their names."""
    later = about.again_at is not None and about.again_at > now
    return DeliveryRow(
        seller=one_line(about.seller_id),
        pack_no=one_line(about.pack_no),
        order_no=one_line(about.order_no),
        type=_type_label(about.type, language),
        partner=_partner_name(about.partner, partners, language),
        recipient=one_line(about.recipient),
        reply=one_line(about.last_reply),
        accepted=clock_time(about.accepted_at),
        outlook=about.outlook,
        again=clock_time(about.again_at) if about.again_at is not None and later else "",
        id=about.delivery_id,
    )


def registration_row(
    about: Unsuccessful, partners: Mapping[str, Partner], language: Language
) -> RegistrationRow:
    """The row of a silent registration; `partners` by key, for their names."""
    return RegistrationRow(
        seller=one_line(about.seller_id),
        registration=one_line(about.registration),
        partner=_partner_name(about.partner, partners, language),
        recipient=one_line(about.recipient),
        tried=about.tried,
        since=clock_time(about.since),
        last_success="" if about.last_success_at is None else clock_time(about.last_success_at),
        reply=one_line(about.last_reply),
        id=about.delivery_id,
    )


def _type_label(name: str, language: Language) -> str:
    try:
        known = NotificationType(name)
    except ValueError:  # of a later version's store
        return one_line(name)
    return known.label if language == "ja" else _TYPES_EN[known]


def _partner_name(key: str, partners: Mapping[str, Partner], language: Language) -> str:
    partner = partners.get(key)
    if partner is None:  # its group was taken away since
        return one_line(key)
    return one_line(partner.name_ja if language == "ja" else partner.name_en)
