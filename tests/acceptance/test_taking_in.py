"""The marketplace sends one text, the Basic mail, in any dress: every partner gets its own format."""

import base64
import email
import email.policy
import smtplib
from collections import defaultdict

from grammar import load_catalogue
from relay.notification import Notification
from tests.support.intake import shipped_templates, text_mail, written
from tests.support.mail import mail, part
from tests.support.records import sample_document
from tests.support.serving import ServedRelay, partner_server, write_config

CATALOGUE = load_catalogue()
TEMPLATES = shipped_templates(CATALOGUE)
BASIC = TEMPLATES.by_key["basic/order_info"]
PARTNERS = {
    "cross@partner.example.jp": TEMPLATES.by_key["cross_mall/order_info"],
    "stock@partner.example.jp": TEMPLATES.by_key["stock_gear/order_info"],
    "next@partner.example.jp": TEMPLATES.by_key["next_engine/order_info"],
}
REGISTRATIONS = "seller: example-shop\nregistrations:\n" + "".join(
    f"  - {{id: {template.partner.key}, template: {template.key}, recipients: [{address}]}}\n"
    for address, template in PARTNERS.items()
)
LONG_NAME = "綿の長袖Tシャツ 杢グレー" * 30


def _notification(pack_no, **first_order):
    """What the Basic template says all of, under a pack number of its own."""
    tree = sample_document(orders=2) | {"event_id": None, "occurred_at": "2026-11-21T10:15:00+09:00"}
    tree["pack"] |= {"pack_no": pack_no, "memos": ["のし不要 置き配希望"]}
    tree["pack"]["buyer"] |= {"id": "", "mobile": ""}
    for number, order in enumerate(tree["pack"]["orders"]):
        for key in ("carrier", "tracking_no", "shipped_at", "delivered_at", "cancel"):
            del order[key]
        order["order_no"] = f"{pack_no}{number}"
    tree["pack"]["orders"][0] |= first_order
    return Notification.model_validate(tree)


def _text(said):
    return written(BASIC, said, CATALOGUE)


def _document(said):
    octets = base64.encodebytes(said.written().document.encode())
    return mail(octets, "Content-Type: application/json", "Content-Transfer-Encoding: base64")


def _broken_by_postfix(body):
    rows = []
    for row in body.encode().split(b"\n"):
        rest = row
        while len(rest) > 998:
            rows.append(rest[:998])
            rest = b" " + rest[998:]
        rows.append(rest)
    return b"\r\n".join(rows)


def _beside_html(subject, body):
    head = text_mail(subject, "").partition(b"From:")[0]
    text = part(body.encode(), "Content-Type: text/plain; charset=utf-8")
    html = part(b"<p>order</p>", "Content-Type: text/html")
    whole = b"--b\n" + text + b"\n--b\n" + html + b"\n--b--\n"
    dressed = mail(whole, "Content-Type: multipart/alternative; boundary=b")
    return head + dressed.replace(b"Subject: order_info\r\n", b"")


DRESSES = {
    "utf-8, base64": lambda subject, body: text_mail(subject, body, encoding="base64"),
    "utf-8, 8bit": text_mail,
    "utf-8, quoted-printable": lambda subject, body: text_mail(subject, body, encoding="quoted-printable"),
    "iso-2022-jp, 7bit": lambda subject, body: text_mail(
        subject, body, charset="iso-2022-jp", encoding="7bit"
    ),
    "shift_jis, base64": lambda subject, body: text_mail(
        subject, body, charset="shift_jis", encoding="base64"
    ),
    "euc-jp, 8bit": lambda subject, body: text_mail(subject, body, charset="euc-jp"),
    "beside html": _beside_html,
    "flowed": lambda subject, body: text_mail(subject, body, parameters="; format=flowed"),
    "blank rows at the end": lambda subject, body: text_mail(subject, body + "\n\n\n"),
    "broken by Postfix": lambda subject, body: text_mail(subject, _broken_by_postfix(body)),
}


def test_a_basic_mail_feeds_every_partner(tmp_path):
    """In each dress of the text, and as a document: what the partners read is what the marketplace said."""
    said = {
        dress: _notification(
            str(300_000_001 + number), **({"item_name": LONG_NAME} if "Postfix" in dress else {})
        )
        for number, dress in enumerate([*DRESSES, "document"])
    }
    contents = {dress: made(*_text(said[dress])) for dress, made in DRESSES.items()}
    contents["document"] = _document(said["document"])
    with partner_server() as (partner, port):
        config = write_config(
            tmp_path, routes={"partner.example.jp": port}, registrations={"example-shop.yaml": REGISTRATIONS}
        )
        with ServedRelay(config) as relay, smtplib.SMTP(*relay.address) as client:
            first = {dress: _send(client, content) for dress, content in contents.items()}
            assert {dress: reply.split()[0] for dress, reply in first.items()} == dict.fromkeys(
                contents, "accepted"
            )
            # The same text again, the text's event as a document and the document's as a text: all known.
            again = _send(client, contents["utf-8, 8bit"])
            as_document = _send(client, _document(said["flowed"]))
            as_text = _send(client, text_mail(*_text(said["document"])))
            assert [
                reply.replace("known already", "accepted") for reply in (again, as_document, as_text)
            ] == [
                first["utf-8, 8bit"],
                first["flowed"],
                first["document"],
            ]
            mails = partner.wait_for(4 * len(said))

    got = defaultdict(list)
    for each in mails:
        message = email.message_from_bytes(each.content, policy=email.policy.default)
        got[each.rcpt_tos[0]].append((message["Subject"], message.get_content().replace("\r\n", "\n")))
    for address, template in PARTNERS.items():
        orders = range(2 if template.unit == "order" else 1)
        assert sorted(got[address]) == sorted(
            written(template, each, CATALOGUE, order=order) for each in said.values() for order in orders
        )
        assert _pack_numbers(template, got[address]) == {each.pack.pack_no for each in said.values()}


def _send(client, content):
    client.ehlo_or_helo_if_needed()
    client.mail("market@example.com")
    client.rcpt("orders@relay.example.jp")
    code, text = client.data(content)
    assert code == 250, text
    return text.decode().removeprefix("2.0.0 ")


def _pack_numbers(template, mails):
    """As the partner's reader finds them, by the template's labels."""
    readings = [template.body.reader.read(body).fields | template.subject.reader.read(subject).fields
                for subject, body in mails]  # fmt: skip
    return {reading["PACK_NO"] for reading in readings}


def test_a_text_that_no_template_wrote_is_kept_and_sent_to_nobody(tmp_path):
    """A label that was changed, a mail that a person forwarded: kept. The same mail as it was goes out."""
    with partner_server() as (partner, port):
        config = write_config(
            tmp_path, routes={"partner.example.jp": port}, registrations={"example-shop.yaml": REGISTRATIONS}
        )
        with ServedRelay(config) as relay, smtplib.SMTP(*relay.address) as client:
            subject, body = _text(_notification("300000001"))
            changed = _send(client, text_mail(subject, body.replace("購入者名:", "ご購入者名:")))
            forwarded = _send(client, text_mail(f"Fw: {subject}", body))
            whole = _send(client, text_mail(subject, body))
            partner.wait_for(4)
    assert [reply.split()[0] for reply in (changed, forwarded, whole)] == ["kept", "kept", "accepted"]
    assert len(partner.mails) == 4
