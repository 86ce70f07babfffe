"""Registrations, notifications and a composer for tests: real classes, small templates, invented people."""

import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from grammar import Catalogue
from grammar.filters import compile_filters
from relay.charset import Profile, decoded
from relay.compose.composer import Composer
from relay.errors import BadInput, Problem
from relay.notification import Notification, NotificationType
from relay.registry import Partner, PartnerTemplate, Piece, Registration, ValueRule
from relay.registry.piece import Compiler, PieceKind, Place
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


def partner(charset: Profile = "iso-2022-jp", **given: Any) -> Partner:
    """A partner of whom nothing is known but its charset and what is given."""
    return Partner(
        key="cross_mall",
        name="CrossMall Template",
        name_ja="クロスモール",
        name_en="CROSS MALL",
        capabilities=None,
        charset=charset,
        hazards=(),
        **given,
    )


def rule(
    *fields: str,
    filter: str,  # noqa: A002  (the key's name)
    when: Literal["always", "misread"],
) -> ValueRule:
    """A partner's value rule."""
    return ValueRule(
        fields=frozenset(fields),
        filter=filter,
        apply=compile_filters(filter),
        when=when,
        why="Its reader needs it.",
        source="measured",
    )


def registration(
    catalogue: Catalogue,
    *,
    id: str = "orders",  # noqa: A002  (the registration's word)
    body: str = BODY,
    subject: str = SUBJECT,
    sender: str = SENDER,
    own_subject: str | None = None,
    own_body: str | None = None,
    unit: Literal["pack", "order"] = "pack",
    charset: Profile = "iso-2022-jp",
    recipients: tuple[str, ...] = ("orders@partner.example.jp",),
    recognition_key: str = "",
    rules: tuple[ValueRule, ...] = (),
    unwritable: Literal["quarantine", "replace"] = "quarantine",
) -> Registration:
    """A registration of its own template, compiled as those in files are."""
    compiler, problems = Compiler(catalogue), list[Problem]()

    def piece(source: str, kind: PieceKind) -> Piece:
        place = Place(file="test", path=kind, line_of=lambda row: row)
        found = compiler.piece(source, kind, unit, charset, place=place, problems=problems)
        if found is None:
            raise BadInput(tuple(problems))
        return found

    template = PartnerTemplate(
        key="cross_mall/order_info",
        number=18,
        name="[Email] CrossMall Order - Group",
        partner=partner(charset, value_rules=rules, unwritable=unwritable),
        notification=NotificationType.ORDER_INFO,
        unit=unit,
        source="denrei",
        attested_rows=0,
        subject=piece(subject, "subject"),
        sender=piece(sender, "sender"),
        body=piece(body, "body"),
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
        subject=template.subject if own_subject is None else piece(own_subject, "subject"),
        sender=template.sender,
        body=template.body if own_body is None else piece(own_body, "body"),
        registered_by="",
        registered_at=None,
        changed_by="",
        changed_at=None,
    )


def body_text(content: bytes) -> str:
    """The body of a composed mail as our own decoder reads it, rows ending in a line feed."""
    head, _, body = content.partition(b"\r\n\r\n")
    fields = dict(line.split(b": ", 1) for line in head.replace(b"\r\n ", b" ").split(b"\r\n"))
    octets = binascii.a2b_base64(body) if fields[b"Content-Transfer-Encoding"] == b"base64" else body
    label = fields[b"Content-Type"].partition(b"charset=")[2].decode("ascii")
    return decoded(octets, label).replace("\r\n", "\n")


def notification(
    *item_names: str,
    options: Sequence[str] = (),
    memos: tuple[str, ...] = (),
    buyer: str = "例題 花子",
    **pack: Any,
) -> Notification:
    """A pack with one order for each item name, numbered from 7000000001; the first ones have the options."""
    orders = [
        {"order_no": str(7_000_000_001 + index), "item_name": name, "qty": 1, "unit_price": 1980}
        for index, name in enumerate(item_names or ("長袖Tシャツ",))
    ]
    for order, option in zip(orders, options, strict=False):
        order["option"] = option
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
