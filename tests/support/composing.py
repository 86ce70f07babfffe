"""Registrations, notifications and a composer for tests: real classes, small templates, invented people."""

from datetime import UTC, datetime
from typing import Any, Literal

from grammar import Catalogue, compile_template, parse, parse_line
from relay.compose.composer import Composer
from relay.notification import Notification, NotificationType
from relay.registry import Partner, PartnerTemplate, Registration
from tests.support.clock import ManualClock

HOSTNAME = "relay.example.jp"
SENDER = "Qoo10 <qoo10info@example.jp>"
SUBJECT = "Qoo10の注文のお知らせです。(注文番号:<$_PACK_NO_$>)"
BODY = """\
[注文番号] <$_PACK_NO_$>
[備考]
##DELETE_BLANK_ROW##$LOOP_<$_DEL_MEMO_$>
##LOOP##[商品名] <$_ITEM_NM_$>
"""


def registration(
    catalogue: Catalogue,
    *,
    id: str = "orders",  # noqa: A002  (the registration's word)
    body: str = BODY,
    subject: str = SUBJECT,
    sender: str = SENDER,
    own_subject: str | None = None,
    unit: Literal["pack", "order"] = "pack",
    charset: Literal["utf-8", "iso-2022-jp"] = "iso-2022-jp",
    recipients: tuple[str, ...] = ("orders@partner.example.jp",),
    recognition_key: str = "",
) -> Registration:
    """A registration of its own template."""

    def line(source: str) -> Any:
        return compile_template(parse_line(source), catalogue=catalogue, unit=unit)

    partner = Partner(
        key="cross_mall",
        name="CrossMall Template",
        name_ja="クロスモール",
        name_en="CROSS MALL",
        capabilities=None,
        charset=charset,
        hazards=(),
    )
    template = PartnerTemplate(
        key="cross_mall/order_info",
        number=18,
        name="[Email] CrossMall Order - Group",
        partner=partner,
        notification=NotificationType.ORDER_INFO,
        unit=unit,
        source="denrei",
        attested_rows=0,
        subject_source=subject,
        sender_source=sender,
        body_source=body,
        subject=line(subject),
        sender=line(sender),
        body=compile_template(parse(body), catalogue=catalogue, unit=unit),
    )
    return Registration(
        id=id,
        seller_id="example-shop",
        template=template,
        recipients=recipients,
        use=True,
        wait=False,
        period=None,
        recognition_key=recognition_key,
        subject=template.subject if own_subject is None else line(own_subject),
        sender=template.sender,
        registered_by="",
        registered_at=None,
        changed_by="",
        changed_at=None,
    )


def notification(
    *item_names: str, memos: tuple[str, ...] = (), buyer: str = "例題 花子", **pack: Any
) -> Notification:
    """A pack with one order for each item name, numbered from 7000000001."""
    orders = [
        {"order_no": str(7_000_000_001 + index), "item_name": name, "qty": 1, "unit_price": 1980}
        for index, name in enumerate(item_names or ("長袖Tシャツ",))
    ]
    return Notification.model_validate(
        {
            "version": 1,
            "type": "order_info",
            "seller_id": "example-shop",
            "occurred_at": datetime(2026, 11, 21, 1, 0, tzinfo=UTC),
            "pack": {
                "pack_no": "300000001",
                "buyer": {"name": buyer},
                "memos": memos,
                "orders": orders,
                **pack,
            },
        }
    )


def composer(catalogue: Catalogue, clock: ManualClock | None = None) -> Composer:
    """A composer whose ids and times are the same in every run."""
    return Composer(HOSTNAME, clock or ManualClock(), catalogue)
