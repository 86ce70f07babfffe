"""Kill -9 between the 250 and the delivery, then a restart: everything arrives, once."""

import email
import email.policy
import json
import random
import smtplib
import threading
from collections import defaultdict
from email.message import EmailMessage

import pytest

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


@pytest.mark.parametrize(
    ("kills", "seed"),
    [(4, 1), pytest.param(60, 2, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])],
)
def test_kills_at_random_moments_under_load_lose_nothing(tmp_path, kills, seed):
    """Whatever was answered 250 arrives; what arrives twice is the same mail, by its Message-ID."""
    chance = random.Random(seed)
    with partner_server() as (partner, port):
        config = write_config(
            tmp_path, routes={"partner.example.jp": port}, registrations={"example-shop.yaml": REGISTRATIONS}
        )
        sent = 0
        for _ in range(kills):
            with ServedRelay(config) as relay:
                sent = _send_until_killed(relay, sent, chance)
        with ServedRelay(config) as relay, smtplib.SMTP(*relay.address) as client:
            for number in range(sent + 1):  # the last one may have died on the way; the others are known
                _send(client, number)
            partner.wait_until(lambda mails: len(_arrivals(mails)) == 3 * (sent + 1))

    arrivals = _arrivals(partner.mails)
    assert {len(set(identifiers)) for identifiers in arrivals.values()} == {1}


def _send_until_killed(relay, sent, chance):
    """Send one after another; the relay is killed at a moment of its own choosing. How many were answered."""
    killer = threading.Timer(chance.uniform(0.05, 0.5), relay.kill)
    killer.start()
    try:
        with smtplib.SMTP(*relay.address) as client:
            while True:
                _send(client, sent)
                sent += 1
    except (smtplib.SMTPException, OSError):
        return sent
    finally:
        killer.join()


def _arrivals(mails):
    """Message-IDs by recipient and pack."""
    found = defaultdict(list)
    for mail in mails:
        message = email.message_from_bytes(mail.content, policy=email.policy.default)
        found[mail.rcpt_tos[0], _pack_no(mail.content)].append(message["Message-ID"])
    return found
