"""What one mail is made of. Source: ours."""

from dataclasses import dataclass

from grammar import Record
from relay.compose.correction import Change
from relay.notification import Notification
from relay.registry import Registration


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The values of one mail of a registration."""

    order_no: str  # empty when the mail is for the whole pack
    first_order: int  # index in the pack of the record's first order
    record: Record

    def changed(self, change: Change) -> "Part":
        """The same part with other values."""
        record = self.record.changed(change)
        return Part(order_no=self.order_no, first_order=self.first_order, record=record)


def parts(registration: Registration, notification: Notification, record: Record) -> list[Part]:
    """One part for each mail: for the pack, or for each of its orders."""
    if registration.recognition_key:
        record = record.with_given({"RECOGNITION_KEY": registration.recognition_key})
    if registration.template.unit == "pack":
        return [Part(order_no="", first_order=0, record=record)]
    return [
        Part(order_no=order.order_no, first_order=index, record=record.for_order(index))
        for index, order in enumerate(notification.pack.orders)
    ]
