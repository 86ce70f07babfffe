"""Copies of one mail: what was sent again, and again, and which of them stands in the way of one more.

A delivery that a person resends gets a child (`resent_of`), which may get children of its own: one family of
copies for one recipient. One more is too many while a copy is on its way, and once a copy that was made in
its stead has been delivered. Source: ours.
"""

from typing import Any

from sqlalchemy import Connection, select

from relay.store.query import LIVE
from relay.store.schema import delivery, filled, mail
from relay.store.values import DeliveryState


def copy_in_the_way(connection: Connection, delivery_id: str) -> str | None:
    """The id of the copy for whose sake this ended delivery may not be sent once more; None: it may."""
    notification_id = (
        select(mail.c.notification_id)
        .join_from(delivery, mail, delivery.c.mail_id == mail.c.id)
        .where(delivery.c.id == delivery_id)
        .scalar_subquery()
    )
    of_notification = (
        select(delivery.c.id, delivery.c.resent_of, delivery.c.state)
        .join_from(mail, delivery, delivery.c.mail_id == mail.c.id)
        .where(mail.c.notification_id == notification_id)
    )
    repeats = {row.id: row for row in connection.execute(of_notification.where(filled(delivery.c.resent_of)))}
    if not repeats:
        return None
    line = _line(repeats, delivery_id)
    family = [id_ for id_ in repeats if _line(repeats, id_)[-1] == line[-1]]
    firsts = connection.execute(of_notification.where(delivery.c.id == line[-1])).all()
    for row in [*(repeats[id_] for id_ in reversed(family)), *firsts]:
        arrived = row.state == DeliveryState.DELIVERED and row.id not in line
        if row.id != delivery_id and (arrived or row.state in LIVE):
            return str(row.id)
    return None


def _line(repeats: dict[str, Any], delivery_id: str) -> list[str]:
    """A delivery, what it repeats, and so on to the first one."""
    line = [delivery_id]
    while line[-1] in repeats:
        line.append(repeats[line[-1]].resent_of)
    return line
