"""The printed values of one notification, each made when it is first asked for.

A `Record` maps field names to printed text. Nothing is paid for a field that no template uses, and what one
template has made, the next one finds: `with_given` and `for_order` are views that ask the record they come
from. A record is for one thread. A name that the catalogue does not have raises KeyError. Source: ours.
"""

from collections.abc import Callable, Iterable, Mapping

from grammar.value import text


class OrderRecord(dict[str, str]):
    """The fields of scope `order`, for one order."""

    __slots__ = ("_document", "_makers")

    def __init__(self, document: object, makers: Mapping[str, Callable[[object], str]]) -> None:
        super().__init__()
        self._document = document
        self._makers = makers

    def __missing__(self, name: str) -> str:
        found = self[name] = self._makers[name](self._document)
        return found


class Record(OrderRecord):
    """The fields of scope `pack`, and the orders.

    Attributes:
        orders: one `OrderRecord` per order, in the notification's order.
    """

    __slots__ = ("_elements", "_find_elements", "orders")

    def __init__(
        self,
        document: object,
        makers: Mapping[str, Callable[[object], str]],
        *,
        find_elements: Callable[[str], tuple[str, ...]],
        orders: Iterable[OrderRecord],
    ) -> None:
        super().__init__(document, makers)
        self._find_elements = find_elements
        self._elements: dict[str, tuple[str, ...]] = {}
        self.orders = tuple(orders)

    def elements(self, name: str) -> tuple[str, ...]:
        """The elements of a list field, blank ones as empty texts."""
        found = self._elements.get(name)
        if found is None:
            found = self._elements[name] = self._find_elements(name)
        return found

    def with_given(self, given: Mapping[str, str]) -> "Record":
        """A view of this record with values that are not the notification's, such as RECOGNITION_KEY."""
        view = _View(self, self.orders)
        view.update((name, text(value)) for name, value in given.items())
        return view

    def for_order(self, index: int) -> "Record":
        """A view of this record with one order only, for templates of unit `order`.

        Raises:
            IndexError: there is no such order.
        """
        return _View(self, (self.orders[index],))


class _View(Record):
    """A record that asks another one for what it does not have."""

    __slots__ = ("_whole",)

    def __init__(self, whole: Record, orders: Iterable[OrderRecord]) -> None:
        super().__init__(None, {}, find_elements=whole.elements, orders=orders)
        self._whole = whole

    def __missing__(self, name: str) -> str:
        found = self[name] = self._whole[name]
        return found
