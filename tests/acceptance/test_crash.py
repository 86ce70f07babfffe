"""Kill -9 between the 250 and the delivery, then a restart: everything arrives, once.

`tests/fault/test_relay_kill.py` kills it at every other moment.
"""

import email
import email.policy
import json
import smtplib
from email.message import EmailMessage

from tests.support.serving import ServedRelay, partner_server, silent_server, write_config

REGISTRATIONS = """\
seller: example-shop
registrations:
  - id: crossmall-orders
    template: cross_mall/order_info
    recipients: [orders@partner.example.jp]
    use: Y
    wait: N
  - id: stockgear-orders
    template: stock_gear/order_info
    recipients: [zaiko@partner.example.jp, copy@partner.example.jp]
    use: Y
    wait: N
"""
NOTIFICATIONS = 25


def _notification(number):
    return {
        "version": 1,
        "event_id": f"e-{number}",
        "type": "order_info",
        "seller_id": "example-shop",
        "occurred_at": "2026-11-21 10:15:00",
        "pack": {
            "pack_no": f"3{number:08}",
            "ordered_at": "2026-11-21 10:14:51",
            "memos": ["玄関先に置いてください。"],
            "buyer": {"name": "例題 花子"},
            "orders": [{"order_no": f"7{number:09}", "item_name": "綿の長袖Tシャツ", "qty": 1}],
        },
    }


def _send(client, number):
    message = EmailMessage()
    message["From"] = "marketplace@example.com"
    message["To"] = "orders@relay.example.jp"
    message["Subject"] = f"通知 {number}"
    body = json.dumps(_notification(number), ensure_ascii=False).encode()
    message.set_content(body, "application", "json", cte="base64")
    assert client.send_message(message) == {}


def test_everything_that_was_answered_250_arrives_once_after_kill_9(tmp_path):
    """Killed while every mail waits on a silent partner, the relay's next life delivers each exactly once."""
    with silent_server() as port:
        config = write_config(
            tmp_path, routes={"partner.example.jp": port}, registrations={"example-shop.yaml": REGISTRATIONS}
        )
        with ServedRelay(config) as relay:
            with smtplib.SMTP(*relay.address) as client:
                for number in range(NOTIFICATIONS):
                    _send(client, number)
            relay.kill()

    with partner_server(port) as (partner, _), ServedRelay(config) as relay:
        mails = partner.wait_for(NOTIFICATIONS * 3)
        with smtplib.SMTP(*relay.address) as client:
            _send(client, 0)  # the marketplace repeats one: known already, sent to nobody
            _send(client, NOTIFICATIONS)  # and a new one shows when all before it has been sent
        mails = partner.wait_for(NOTIFICATIONS * 3 + 3)

    got = sorted((mail.rcpt_tos[0], _pack_no(mail.content)) for mail in mails)
    recipients = ("orders@partner.example.jp", "zaiko@partner.example.jp", "copy@partner.example.jp")
    expected = sorted(
        (recipient, f"3{number:08}") for number in range(NOTIFICATIONS + 1) for recipient in recipients
    )
    assert got == expected


def _pack_no(content):
    text = email.message_from_bytes(content, policy=email.policy.default).get_content()
    return next(word for word in text.replace(":", " ").split() if word.isdigit() and len(word) == 9)
