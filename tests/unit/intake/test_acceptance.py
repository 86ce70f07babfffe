"""What one notification causes, as one value."""

from dataclasses import replace
from datetime import timedelta

from grammar import load_catalogue
from relay.intake.acceptance import Received, acceptance, fresh
from relay.journal import Entry, Event
from relay.store.values import Accepted, Delivery, DeliveryState, Due, Quarantined
from tests.support import composing
from tests.support.clock import START, ManualClock
from tests.support.intake import LEASED_UNTIL, PERIOD, RecordingDispatch

CATALOGUE = load_catalogue()
RECEIVED = Received(
    peer="192.0.2.7",
    mail_from="market@example.jp",
    rcpt_tos=("orders@intake.example.jp", "claims@intake.example.jp"),
    content=b"Subject: order_info\r\n\r\n{}\r\n",
)
PLAIN = composing.registration(CATALOGUE, id="plain")
TWO = composing.registration(CATALOGUE, id="two", recipients=("a@partner.example.jp", "b@partner.example.jp"))
EACH_ORDER = composing.registration(
    CATALOGUE, id="each", unit="order", body="[注文番号] <$_ORDER_NO_$>\n", subject="注文"
)


def accept(*registrations, notification=None, lease=None):
    """The acceptance, and the ids' clock."""
    clock = ManualClock()
    given = {} if lease is None else {"lease": lease}
    return acceptance(
        notification or composing.notification("長袖Tシャツ", "くつした"),
        registrations,
        received=RECEIVED,
        composer=composing.composer(CATALOGUE, clock),
        clock=clock,
        **given,
    )


def entry(accepted, event, **more):
    return Entry(at=START, event=event, seller_id="example-shop", notification_id=accepted.id, **more)


def test_a_plain_registration_queues_one_delivery():
    """The whole value: the notification, its mail, its delivery, one journal entry, nothing else."""
    notification = composing.notification()
    accepted = accept(PLAIN, notification=notification)
    (mail,) = accepted.mails
    (delivery,) = accepted.deliveries
    assert accepted == Accepted(
        id=accepted.id,
        event_id=None,
        content_key=notification.written().content_key,
        seller_id="example-shop",
        type="order_info",
        pack_no="300000001",
        document=notification.written().document,
        accepted_at=START,
        mails=[mail],
        deliveries=[
            Delivery(
                id=delivery.id,
                mail_id=mail.id,
                recipient="orders@partner.example.jp",
                state=DeliveryState.QUEUED,
                due_at=START,
                accepted_at=START,
            )
        ],
        quarantined=[],
        entries=[entry(accepted, Event.ACCEPTED, detail="order_info of pack 300000001: mails 1")],
    )
    assert mail.registration == "plain"
    assert fresh(accepted) == []
    assert len({accepted.id, mail.id, delivery.id}) == 3


def test_a_lease_sends_from_memory():
    """Leased deliveries are SENDING in this worker's name and come out ready to send."""
    accepted = accept(TWO, EACH_ORDER, lease=RecordingDispatch(room=4).lease)
    assert [(row.recipient, row.state, row.leased_by, row.leased_until) for row in accepted.deliveries] == [
        ("a@partner.example.jp", DeliveryState.SENDING, "worker-1", LEASED_UNTIL),
        ("b@partner.example.jp", DeliveryState.SENDING, "worker-1", LEASED_UNTIL),
        ("orders@partner.example.jp", DeliveryState.SENDING, "worker-1", LEASED_UNTIL),
        ("orders@partner.example.jp", DeliveryState.SENDING, "worker-1", LEASED_UNTIL),
    ]
    mails = {mail.id: mail for mail in accepted.mails}
    assert fresh(accepted) == [
        Due(
            delivery=row,
            message_id=mails[row.mail_id].message_id,
            content=mails[row.mail_id].content,
            notification_id=accepted.id,
            seller_id="example-shop",
            partner=mails[row.mail_id].partner,
        )
        for row in accepted.deliveries
    ]
    assert [mail.order_no for mail in accepted.mails] == ["", "7000000001", "7000000002"]


def test_what_the_store_stopped_is_not_sent_from_memory():
    """The store answers with what it stored: a delivery that met a standing hold is held, and stays there."""
    accepted = accept(TWO, lease=RecordingDispatch(room=2).lease)
    first, second = accepted.deliveries
    stopped = replace(first, state=DeliveryState.HELD, hold_id="h", leased_by="", leased_until=None)
    assert [due.delivery for due in fresh(replace(accepted, deliveries=[stopped, second]))] == [second]


def test_no_room_queues_all():
    """A worker without room for all takes none: the store keeps them for whoever has room."""
    accepted = accept(TWO, EACH_ORDER, lease=RecordingDispatch(room=3).lease)
    assert {(row.state, row.leased_by, row.leased_until) for row in accepted.deliveries} == {
        (DeliveryState.QUEUED, "", None)
    }


def test_wait_holds_for_the_period_or_for_a_person():
    """Held mails are never leased; with a period they come due by themselves."""
    asked = []
    accepted = accept(
        replace(PLAIN, id="half-an-hour", wait=True, period=PERIOD, stale_after=timedelta(hours=2)),
        replace(PLAIN, id="until-released", wait=True),
        lease=asked.append,
    )
    first, second = accepted.deliveries
    assert (first.state, first.due_at) == (DeliveryState.HELD, START + PERIOD)
    assert (second.state, second.due_at) == (DeliveryState.HELD, None)
    assert (first.fresh_until, second.fresh_until) == (START + PERIOD + timedelta(hours=2), None)
    assert accepted.entries == [
        entry(accepted, Event.ACCEPTED, detail="order_info of pack 300000001: mails 2"),
        entry(accepted, Event.HELD, delivery_id=first.id, detail="until 2026-11-21T01:30:00+00:00"),
        entry(accepted, Event.HELD, delivery_id=second.id, detail="until a person releases it"),
    ]
    assert asked == []


def test_use_n_leaves_a_journal_entry_and_nothing_else():
    """The usual support case can be found: the registration that would have got it is named."""
    accepted = accept(replace(PLAIN, id="off", use=False))
    assert (accepted.mails, accepted.deliveries, accepted.quarantined) == ([], [], [])
    assert accepted.entries == [
        entry(accepted, Event.ACCEPTED, detail="order_info of pack 300000001: mails 0"),
        entry(accepted, Event.UNUSED, detail="registration off has use N"),
    ]


def test_nobody_registered_is_told():
    """A notification that nobody wants is accepted, and the journal says that nobody wanted it."""
    accepted = accept()
    assert accepted.entries == [
        entry(accepted, Event.ACCEPTED, detail="order_info of pack 300000001: mails 0"),
        entry(accepted, Event.UNREGISTERED, detail="nobody is registered for order_info"),
    ]


def test_what_cannot_be_written_is_quarantined_for_its_registration_alone():
    """A character that ISO-2022-JP lacks keeps one registration's mail back; the one in UTF-8 goes."""
    notification = composing.notification("Ｔシャツ 𠮷")
    accepted = accept(
        PLAIN, composing.registration(CATALOGUE, id="utf8", charset="utf-8"), notification=notification
    )
    (kept,) = accepted.quarantined
    assert [mail.registration for mail in accepted.mails] == ["utf8"]
    assert [row.state for row in accepted.deliveries] == [DeliveryState.QUEUED]
    assert kept == Quarantined(
        id=kept.id,
        received_at=START,
        peer="192.0.2.7",
        mail_from="market@example.jp",
        rcpt_to="orders@intake.example.jp, claims@intake.example.jp",
        content=RECEIVED.content,
        reason=kept.reason,
        notification_id=accepted.id,
        registration="plain",
    )
    assert "U+20BB7" in kept.reason
    assert accepted.entries == [
        entry(
            accepted,
            Event.ACCEPTED,
            detail="order_info of pack 300000001: mails 1, registrations in quarantine 1",
        ),
        entry(
            accepted, Event.QUARANTINED, quarantine_id=kept.id, detail="registration plain cannot be written"
        ),
    ]


def test_what_would_be_misread_is_quarantined_and_the_journal_shows_no_value():
    """The reason may show what the buyer typed, since a person must see it; the journal may not."""
    notification = composing.notification("皿", memos=("[注文番号] 999",))
    accepted = accept(PLAIN, notification=notification)
    (kept,) = accepted.quarantined
    assert kept.reason == (
        "本文 3行目: 備考 の1行目が「[注文番号]」と読まれます\n"
        "body row 3: row 1 of 備考 (DEL_MEMO) would be read as “[注文番号]”"
    )
    assert accepted.entries[1:] == [
        entry(
            accepted, Event.QUARANTINED, quarantine_id=kept.id, detail="registration plain would be misread"
        )
    ]


def test_a_misread_mail_is_sent_for_those_that_a_person_named():
    """`unproved` reaches the composer: the mail is queued as it is."""
    notification = composing.notification("皿", memos=("[注文番号] 999",))
    accepted = acceptance(
        notification,
        [PLAIN],
        received=RECEIVED,
        composer=composing.composer(CATALOGUE),
        clock=ManualClock(),
        unproved=frozenset({"plain"}),
    )
    assert accepted.quarantined == []
    assert [row.state for row in accepted.deliveries] == [DeliveryState.QUEUED]


def test_what_was_done_to_values_is_journalled_once_for_each_registration():
    """Fields, filters and characters, for all mails of the registration together."""
    chosen = composing.registration(
        CATALOGUE,
        id="each",
        unit="order",
        subject="注文",
        body="[商品名] <$_ITEM_NM_$>\n",
        unwritable="replace",
    )
    accepted = accept(chosen, notification=composing.notification("皿😀", "碗😀", "箸"))
    assert accepted.entries == [
        entry(accepted, Event.ACCEPTED, detail="order_info of pack 300000001: mails 3"),
        entry(
            accepted,
            Event.REWRITTEN,
            detail="registration each: ITEM_NM: '😀' (U+1F600) written as 〓",
        ),
    ]
