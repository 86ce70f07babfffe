"""The notification: what a marketplace says happened to a pack, as one immutable value.

The models are the contract of the notification document, version 1 (docs/notification.md, generated JSON
Schema in docs/notification.schema.json). They refuse what is not in the contract, unknown keys included,
because a misspelt key would lose a value without a word. Text is kept as it came; `grammar` cleans what it
prints. Only the key that tells whether two say the same looks past what a route may change: the code point
that a charset gives a character, and the places of an amount.

Guarantees: times are aware and in UTC (a time without a zone is Japan time, as the marketplace writes it),
money is exact, order numbers are unique in a pack. Source: field names after the marketplace's order API; the
rest is ours.
"""

import hashlib
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, NamedTuple, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticKnownError

from relay.charset import ISO_2022_JP
from relay.clock import JST

MAX_TEXT = (
    1_000  # characters; the marketplace's longest text is 200, its templates' fields stay far below this
)
MAX_MEMOS = 100  # rows of 備考
MAX_DIGITS = 12  # of an amount: a billion in any currency, with two places
MAX_ORDERS = 1_000  # orders in one pack; a cart of a person holds a few
_AMOUNT = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_WRITTEN_AMOUNT = re.compile(
    r'("(?:delivery_fee|unit_price|discount|total)":"-?[0-9]+)\.([0-9]*?)0*"'
)  # with a point; no text can look so, for its own quotation marks are escaped
_ISO_DATE = re.compile(r"\d{4}-?\d{2}-?\d{2}")
_ISO_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?")


class NotificationType(StrEnum):
    """What happened: the five kinds that a registration can be for."""

    ORDER_INFO = "order_info"
    DELIVERY_REQUEST = "delivery_request"
    DELIVERY_COMPLETE = "delivery_complete"
    CANCEL_REQUEST = "cancel_request"
    CANCEL_COMPLETE = "cancel_complete"

    @property
    def label(self) -> str:
        """The name on the marketplace's screens (お知らせ種類)."""
        return _LABELS[self]


_LABELS = {
    NotificationType.ORDER_INFO: "注文情報",
    NotificationType.DELIVERY_REQUEST: "配送要請",
    NotificationType.DELIVERY_COMPLETE: "配送完了",
    NotificationType.CANCEL_REQUEST: "キャンセル要請",
    NotificationType.CANCEL_COMPLETE: "キャンセル完了",
}


def _without_nulls(tree: Any) -> Any:
    """The tree without the keys that are null: whoever writes null says that there is nothing to say."""
    if type(tree) is not dict:
        return tree
    kept = {}
    for key, value in tree.items():
        if value is None:
            continue
        if type(value) is dict:
            kept[key] = _without_nulls(value)
        elif type(value) is list:
            kept[key] = [_without_nulls(one) if type(one) is dict else one for one in value]
        else:
            kept[key] = value
    return kept


def _moment(value: Any) -> Any:
    if isinstance(value, str):
        if not _ISO_MOMENT.fullmatch(value):
            raise ValueError(
                "must be a date and time such as 2026-11-21 10:15:00 or 2026-11-21T10:15:00+09:00"
            )
        value = datetime.fromisoformat(value)
    elif value is not None and not isinstance(value, datetime):
        raise ValueError("must be a date and time in text")
    if isinstance(value, datetime):
        try:
            value = (value if value.tzinfo else value.replace(tzinfo=JST)).astimezone(UTC)
        except OverflowError:  # the first and last day of the calendar, which some programs write for "never"
            raise ValueError(
                "must be a time that has a date in UTC; leave it out when there is none"
            ) from None
    return value


def _day(value: Any) -> Any:
    if isinstance(value, str):
        if not _ISO_DATE.fullmatch(value):
            raise ValueError("must be a date such as 2026-11-25")
        return date.fromisoformat(value)
    if value is not None and (isinstance(value, datetime) or not isinstance(value, date)):
        raise ValueError("must be a date in text")
    return value


def _amount(value: Any) -> Any:
    """An amount in text only as JSON would write it; zero without a sign, and 1E+3 as 1000."""
    if isinstance(value, str) and not _AMOUNT.fullmatch(value):
        raise PydanticKnownError("decimal_parsing")
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent  # a letter when it is not finite
        if not value:
            return abs(value) if exponent in (0, -1, -2) else Decimal(0)
        if isinstance(exponent, int) and exponent > 0 and value.adjusted() < MAX_DIGITS:
            return value.quantize(Decimal(1))
    return value


Identifier = Annotated[
    str, StringConstraints(strict=True, min_length=1, max_length=100, pattern=r"^[^\s\p{C}]+$")
]
Text = Annotated[str, StringConstraints(strict=True, max_length=MAX_TEXT)]
Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]
Day = Annotated[date, BeforeValidator(_day)]
Money = Annotated[  # in the order's currency, with the places that it came with
    Decimal,
    Field(max_digits=MAX_DIGITS, decimal_places=2),
    BeforeValidator(_amount),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "pattern": f"^{_AMOUNT.pattern}$"}]}),
]
Count = Annotated[StrictInt, Field(ge=0, le=1_000_000)]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Buyer(_Value):
    """Who ordered."""

    id: Text = ""
    name: Text = ""
    kana: Text = ""
    tel: Text = ""
    mobile: Text = ""
    email: Text = ""


class Receiver(_Value):
    """Who gets the parcel."""

    name: Text = ""
    kana: Text = ""
    tel: Text = ""
    mobile: Text = ""
    country: Text = ""
    zip: Text = ""
    address1: Text = ""
    address2: Text = ""


class Cancel(_Value):
    """How far the cancelling of an order has come."""

    status: Text = ""
    reason: Text = ""
    requested_at: Moment | None = None
    completed_at: Moment | None = None


class Order(_Value):
    """One item line of a pack, under its own order number (注文番号)."""

    order_no: Identifier
    item_no: Text = ""
    seller_item_code: Text = ""
    item_name: Text = ""
    option: Text = ""
    option_code: Text = ""
    qty: Count | None = None
    unit_price: Money | None = None
    discount: Money | None = None
    total: Money | None = None
    currency: Text = "JPY"
    carrier: Text = ""
    tracking_no: Text = ""
    shipped_at: Moment | None = None
    delivered_at: Moment | None = None
    cancel: Cancel = Cancel()


class Pack(_Value):
    """A cart (カート番号): what one buyer ordered from one seller at one time."""

    pack_no: Identifier
    ordered_at: Moment | None = None
    paid_at: Moment | None = None
    payment_method: Text = ""
    delivery_fee: Money | None = None
    delivery_option: Text = ""
    hope_date: Day | None = None
    hope_time_zone: Text = ""
    memos: Annotated[tuple[Text, ...], Field(max_length=MAX_MEMOS)] = ()
    buyer: Buyer = Buyer()
    receiver: Receiver = Receiver()
    orders: Annotated[tuple[Order, ...], Field(min_length=1, max_length=MAX_ORDERS)]

    @model_validator(mode="after")
    def _order_numbers_are_unique(self) -> Self:
        seen: set[str] = set()
        for order in self.orders:
            if order.order_no in seen:
                raise ValueError(f"order number {order.order_no} occurs twice in orders")
            seen.add(order.order_no)
        return self


class Notification(_Value):
    """One message of the marketplace: seller, notification type, pack."""

    version: Literal[1]
    event_id: Identifier | None = None
    type: NotificationType
    seller_id: Identifier
    occurred_at: Moment
    pack: Pack

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, tree: Any) -> Any:
        return _without_nulls(tree)

    def written(self) -> "Written":
        """The notification as text, and the key that tells whether another one says the same."""
        pack = self.pack.model_dump_json()  # nearly all of the document, so it is written once for both
        head = self.model_dump_json(exclude={"pack"})
        alike = ISO_2022_JP.fold(_WRITTEN_AMOUNT.sub(_without_zeros, pack))
        said = f"{self.type}\0{self.seller_id}\0{alike}"
        return Written(
            document=f'{head[:-1]},"pack":{pack}}}',
            content_key=hashlib.sha256(said.encode()).hexdigest(),
        )


class Written(NamedTuple):
    """A notification as the store keeps it."""

    document: str  # JSON that reads back as the notification
    # What makes two notifications the same when no event id tells: a hash of type, seller and the whole
    # pack. Event id and time of the event are left out: two routes that carry one order differ in both.
    # Characters that one JIS character may become, and amounts with other zeros (500.00), count as the same.
    content_key: str


def _without_zeros(amount: re.Match[str]) -> str:
    return f'{amount[1]}.{amount[2]}"' if amount[2] else f'{amount[1]}"'


KEYS: Final = frozenset(  # that a notification document may have, at whatever place
    name for model in (Notification, Pack, Order, Cancel, Buyer, Receiver) for name in model.model_fields
)
