"""The envelope sender of each delivery: where a partner's report on it comes back to, proof that it is ours.

A return address is `bounce+<delivery id>-<tag>@domain`. The id says which delivery a report is about,
whatever the report itself claims; the tag, which only who holds the store's key can make, says that this
relay once sent from that address. So nobody who merely guesses an id can end a delivery.

Guarantees: what `of` makes, `delivery_id` reads, also when a server on the way changed capitals: ids and tags
have none of their own. Any other address is None. Reading takes the same time whether the tag is nearly right
or all wrong. Neither the key nor a tag stands in the value's repr. Source: ours, after the way of VERP and
BATV; HMAC after RFC 2104, the tag's alphabet after RFC 4648 section 6.
"""

import base64
import hmac
import re

from relay.clock import ID_LENGTH

TAG_LENGTH = 8  # characters of five bits: a stranger who tries a million a day hits one in 3,000 years
ADDED = (
    1 + ID_LENGTH + 1 + TAG_LENGTH
)  # octets that a local part grows by; SMTP allows it 64 (RFC 5321 4.5.3.1.1)

_TAG_OCTETS = TAG_LENGTH * 5 // 8
_PURPOSE = b"return address\0"  # the same key may serve for something else one day


class ReturnAddress:
    """Makes and reads the return addresses of one relay."""

    def __init__(self, address: str, key: bytes) -> None:
        """Make the maker.

        Args:
            address: the mailbox that the ids are added to: bounce@relay.example.jp.
            key: of this store; whoever knows it can end deliveries.
        """
        self._key = key
        self._local_part, _, self._domain = address.rpartition("@")
        name, domain = re.escape(self._local_part.lower()), re.escape(self._domain.lower())
        self._shape = re.compile(rf"{name}\+([0-9a-z]{{{ID_LENGTH}}})-([0-9a-z]{{{TAG_LENGTH}}})@{domain}")

    def __repr__(self) -> str:
        return f"ReturnAddress({self._local_part}@{self._domain})"

    def of(self, delivery_id: str) -> str:
        """The envelope sender of a delivery.

        >>> ReturnAddress("bounce@relay.example.jp", b"k" * 32).of("6v3w1q0000000001")
        'bounce+6v3w1q0000000001-fb2el2dl@relay.example.jp'
        """
        return f"{self._local_part}+{delivery_id}-{self._tag(delivery_id)}@{self._domain}"

    def delivery_id(self, address: str) -> str | None:
        """Whose return address this is; None when it is none, or this relay did not make it."""
        found = self._shape.fullmatch(address.lower())
        if found is None or not hmac.compare_digest(self._tag(found[1]), found[2]):
            return None
        return found[1]

    def is_ours(self, address: str) -> bool:
        """Whether the address has the shape of a return address, whatever its tag: it is for no partner."""
        return self._shape.fullmatch(address.lower()) is not None

    def _tag(self, delivery_id: str) -> str:
        digest = hmac.digest(self._key, _PURPOSE + delivery_id.encode("ascii"), "sha256")
        return base64.b32encode(digest[:_TAG_OCTETS]).decode("ascii").lower()
