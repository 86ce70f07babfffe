"""Which standing hold a delivery meets: decisions for the store's writes and for the delivery engine.

A delivery can be stopped by its recipient's address, its next hop, its mail's partner or its seller. A notice
of ours is no partner's and no seller's mail, and who hears of trouble must not be cut off by it: only the
next hop counts for it. When several holds meet, the narrowest is named. Source: ours.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from relay.store.row import domain_of
from relay.store.values import Hold, Scope

_ADDRESS, _NEXT_HOP = Scope.ADDRESS.value, Scope.NEXT_HOP.value  # read off once: this is asked of each mail
_PARTNER, _SELLER = Scope.PARTNER.value, Scope.SELLER.value
Way = Callable[[str], str]  # a recipient domain in lower case -> its next hop's name; never raises
Key = tuple[str, str]  # scope and value


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What holds look at in one delivery."""

    seller_id: str
    partner: str
    recipient: str
    is_notice: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The hold that a delivery meets.

    >>> str(Stop(hold_id="7", scope="partner", value="cross_mall"))
    'hold 7 on partner cross_mall'
    """

    hold_id: str
    scope: str
    value: str

    def __str__(self) -> str:
        return f"hold {self.hold_id} on {self.scope} {self.value}"


def subject_value(scope: Scope, value: str) -> str:
    """A hold's value as it is compared: addresses and next hops without regard to case.

    >>> subject_value(Scope.ADDRESS, "Orders@Partner.example.jp")
    'orders@partner.example.jp'
    """
    return value.lower() if scope in (Scope.ADDRESS, Scope.NEXT_HOP) else value


def keys(subject: Subject, way: Way) -> list[Key]:
    """What holds on this delivery would be on, the narrowest first.

    >>> sent = Subject(seller_id="s", partner="p", recipient="A@x.example.jp")
    >>> [f"{scope}={value}" for scope, value in keys(sent, lambda domain: domain)]
    ['address=a@x.example.jp', 'next_hop=x.example.jp', 'partner=p', 'seller=s']
    """
    next_hop = (_NEXT_HOP, way(domain_of(subject.recipient)).lower())
    if subject.is_notice:
        return [next_hop]
    address = (_ADDRESS, subject.recipient.lower())
    return [address, next_hop, (_PARTNER, subject.partner), (_SELLER, subject.seller_id)]


class Standing:
    """The holds that stand at one moment; those that could not meet what is asked may be left out.

    Args:
        holds: scope and value of each, and its id.
        way: names a recipient domain's next hop.
    """

    def __init__(self, holds: Mapping[Key, str], way: Way) -> None:
        self._holds = holds
        self._way = way

    @classmethod
    def of(cls, holds: Iterable[Hold], way: Way) -> "Standing":
        """All of these."""
        return cls({(hold.scope.value, hold.value): hold.id for hold in holds}, way)

    def __bool__(self) -> bool:
        return bool(self._holds)

    def stop(self, subject: Subject) -> Stop | None:
        """The hold that this delivery meets; None: it may go."""
        if not self._holds:
            return None
        for key in keys(subject, self._way):
            if (hold_id := self._holds.get(key)) is not None:
                return Stop(hold_id=hold_id, scope=key[0], value=key[1])
        return None
