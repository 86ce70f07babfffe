"""The printed values of one notification, each made when it is first asked for.

A `Record` maps what fields print (`Field.key`: a name, or a name and its filters) to printed text. Nothing is
paid for a field that no template uses, and what one template has made, the next one finds: `with_given` and
`for_order` are views that ask the record they come from, and `changed` is a view through which every value is
seen changed. A record is for one thread. A name that the catalogue does not have raises KeyError. Source:
ours.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeAlias

from grammar.filters import chain
from grammar.value import joined, text

Change: TypeAlias = Callable[[str, str], str]  # of a field's name and its printed text, filters not applied


class OrderRecord(dict[str, str]):
    """The fields of scope `order`, for one order."""

    __slots__ = ("_document", "_makers")

    def __init__(self, document: object, makers: Mapping[str, Callable[[object], str]]) -> None:
        super().__init__()
        self._document = document
        self._makers = makers

    def __missing__(self, key: str) -> str:
        # In this order a field without filters costs nothing for there being filters.
        try:
            make = self._makers[key]
        except KeyError:
            found = self[key] = self._filtered(key)
        else:
            found = self[key] = make(self._document)
        return found

    def _filtered(self, key: str) -> str:
        name, filters = _parted(key)
        filtered = chain(filters)
        if filtered.gather:
            raise KeyError(key)  # of all orders together: only the record has it
        return filtered(self[name])


class Record(OrderRecord):
    """The fields of scope `pack`, and the orders.

    Attributes:
        lists: the names of the list fields.
        orders: one `OrderRecord` per order, in the notification's order.
    """

    __slots__ = ("_elements", "_find_elements", "lists", "orders")

    def __init__(
        self,
        document: object,
        makers: Mapping[str, Callable[[object], str]],
        *,
        lists: Collection[str],
        find_elements: Callable[[str], tuple[str, ...]],
        orders: Iterable[OrderRecord],
    ) -> None:
        super().__init__(document, makers)
        self.lists = lists
        self._find_elements = find_elements
        self._elements: dict[str, tuple[str, ...]] = {}
        self.orders = tuple(orders)

    def elements(self, key: str) -> tuple[str, ...]:
        """The elements of a list field, each through the field's filters; blank ones are empty texts."""
        found = self._elements.get(key)
        if found is None:
            found = self._elements[key] = self._made_elements(key)
        return found

    def with_given(self, given: Mapping[str, str]) -> "Record":
        """A view of this record with values that are not the notification's, such as RECOGNITION_KEY."""
        return _View(self, self.orders, {name: text(value) for name, value in given.items()})

    def for_order(self, index: int) -> "Record":
        """A view of this record with one order only, for templates of unit `order`.

        Raises:
            IndexError: there is no such order.
        """
        return _View(self, (self.orders[index],), {})

    def changed(self, change: Change) -> "Record":
        """A view of this record with every value changed: its own, those of its lists' elements and orders.

        The change sees each value as it is printed without filters, and the filters work on what it gives. It
        is asked only for what is asked of the view, and what it gives is cleaned like any value.
        """
        return _Changed(self, change)

    def _filtered(self, key: str) -> str:
        name, filters = _parted(key)
        filtered = chain(filters)
        if filtered.gather is None:
            return filtered(self[name])
        texts = self.elements(name) if name in self.lists else [order[name] for order in self.orders]
        return filtered(filtered.gather(texts))

    def _made_elements(self, key: str) -> tuple[str, ...]:
        if "|" not in key:
            return self._find_elements(key)
        name, filters = _parted(key)
        filtered = chain(filters)
        if filtered.gather:
            raise KeyError(key)  # of all elements together
        return tuple([filtered(element) for element in self.elements(name)])


class _View(Record):
    """A record that asks another one for what it does not have."""

    __slots__ = ("_given", "_whole")

    def __init__(self, whole: Record, orders: Iterable[OrderRecord], given: Mapping[str, str]) -> None:
        super().__init__(None, {}, lists=whole.lists, find_elements=whole.elements, orders=orders)
        self._whole = whole
        self._given = given
        self.update(given)

    def __missing__(self, key: str) -> str:
        found = self[key] = (
            self._whole[key] if "|" not in key or self._is_shared(key) else self._filtered(key)
        )
        return found

    def _made_elements(self, key: str) -> tuple[str, ...]:
        return self._whole.elements(key)

    def _is_shared(self, key: str) -> bool:
        """Whether a filtered text is the same for the whole record."""
        name, filters = _parted(key)
        if name in self._given:
            return False
        return self.orders is self._whole.orders or chain(filters).gather is None


class _Changed(Record):
    """A record whose values are those of another one, changed."""

    __slots__ = ("_change", "_whole")

    def __init__(self, whole: Record, change: Change) -> None:
        orders = [_ChangedOrder(order, change) for order in whole.orders]
        super().__init__(None, {}, lists=whole.lists, find_elements=whole.elements, orders=orders)
        self._whole = whole
        self._change = change

    def __missing__(self, key: str) -> str:
        if "|" in key:
            found = self._filtered(key)
        elif key in self.lists:
            found = joined(self.elements(key))
        else:
            found = _changed(self._change, key, self._whole[key])
        self[key] = found
        return found

    def _made_elements(self, key: str) -> tuple[str, ...]:
        if "|" in key:
            return super()._made_elements(key)
        return tuple([_changed(self._change, key, element) for element in self._whole.elements(key)])


class _ChangedOrder(OrderRecord):
    """An order whose values are those of another one, changed."""

    __slots__ = ("_change", "_whole")

    def __init__(self, whole: OrderRecord, change: Change) -> None:
        super().__init__(None, {})
        self._whole = whole
        self._change = change

    def __missing__(self, key: str) -> str:
        found = self[key] = (
            self._filtered(key) if "|" in key else _changed(self._change, key, self._whole[key])
        )
        return found


def _changed(change: Change, name: str, value: str) -> str:
    """The value changed; one that stays as it is has been cleaned already."""
    found = change(name, value)
    return value if found is value else text(found)


def _parted(key: str) -> tuple[str, str]:
    """The name and the filters of a field with filters."""
    name, bar, filters = key.partition("|")
    if not bar:
        raise KeyError(key)
    return name, filters
