"""Mails as the marketplace would send them, whole and damaged, for tests of intake."""

import copy
import json
from typing import Any

ORDER_INFO: dict[str, Any] = {
    "version": 1,
    "event_id": "event-20261121-0001",
    "type": "order_info",
    "seller_id": "example-shop",
    "occurred_at": "2026-11-21 10:15:00",
    "pack": {
        "pack_no": "123456789",
        "ordered_at": "2026-11-21 10:14:30",
        "payment_method": "クレジットカード",
        "delivery_fee": 500,
        "delivery_option": "宅配便",
        "memos": ["置き配を希望します"],
        "buyer": {"id": "taro", "name": "山田太郎", "kana": "ヤマダタロウ", "tel": "+81-3-1234-5678"},
        "receiver": {
            "name": "山田花子",
            "country": "JP",
            "zip": "100-0001",
            "address1": "東京都千代田区千代田1-1",
        },
        "orders": [
            {
                "order_no": "1000000001",
                "item_name": "長袖Tシャツ",
                "option": "色:白",
                "qty": 2,
                "total": 3960,
            },
            {"order_no": "1000000002", "item_name": "くつした", "qty": 1, "unit_price": 330, "total": 330},
        ],
    },
}


def order_info(**changes: object) -> dict[str, Any]:
    """A notification document; each change is a path with `__` for dots, as `pack__orders__0__qty`."""
    tree = copy.deepcopy(ORDER_INFO)
    for path, value in changes.items():
        *steps, last = path.split("__")
        node: Any = tree
        for step in steps:
            node = node[int(step)] if step.isdigit() else node[step]
        node[int(last) if last.isdigit() else last] = value
    return tree


def json_octets(tree: object) -> bytes:
    """A document as the marketplace writes it."""
    return json.dumps(tree, ensure_ascii=False).encode()


def mail(body: bytes, *header: str) -> bytes:
    """A mail with these header lines besides From, To and Subject; line ends become CRLF."""
    lines = [
        "From: market@example.jp",
        "To: orders@intake.example.jp",
        "Subject: order_info",
        *header,
        "",
        "",
    ]
    return "\n".join(lines).encode().replace(b"\n", b"\r\n") + body.replace(b"\r\n", b"\n").replace(
        b"\n", b"\r\n"
    )


def json_mail(tree: object) -> bytes:
    """A mail that is a JSON document and nothing else."""
    return mail(json_octets(tree), "Content-Type: application/json")


def multipart(*parts: bytes, boundary: str = "=_b1", end: bool = True) -> bytes:
    """A multipart/mixed mail of parts, each with its own header."""
    line = f"--{boundary}\n".encode()
    body = b"".join(line + part + b"\n" for part in parts) + (f"--{boundary}--\n".encode() if end else b"")
    return mail(body, f'Content-Type: multipart/mixed; boundary="{boundary}"')


def part(body: bytes, *header: str) -> bytes:
    """One part of a multipart."""
    return "\n".join([*header, "", ""]).encode() + body
