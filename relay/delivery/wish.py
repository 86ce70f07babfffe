"""Whether a person has let mail go of late: a reason to try a next hop that is closed before its time.

Read off the journal, where every verb of a person stands from its commit on, so it is seen whichever process
wrote it. Asked only while a next hop cannot be reached; each entry is looked at once, so what it costs grows
with what is written meanwhile, and a relay whose partners all answer pays nothing. Diagnostics: a failing
store raises MachineFailure, and the next look begins where this one did. Source: ours.
"""

from relay.delivery.seam import DueStore
from relay.journal import Event
from relay.store.query import JournalFilter

_LETTING_GO = JournalFilter(events=(Event.RETRIED, Event.RELEASED, Event.LIFTED, Event.RESENT))
_END = JournalFilter(limit=1)


class Wishes:
    """Looks at what was written since the last look."""

    def __init__(self, store: DueStore) -> None:
        self._store = store
        self._place: int | None = None  # the number of the last entry that was looked at; None: at rest

    async def came(self) -> bool:
        """Whether a person has let something go since the last look; the first one only begins."""
        if self._place is None:
            self._place = (await self._store.journal_tail(_END)).after
            return False
        tailed = await self._store.journal_after(self._place, _LETTING_GO)
        self._place = tailed.after
        return any(entry.by for entry in tailed.entries)  # the relay's own entries have no person

    def rest(self) -> None:
        """Look no more until `came` is asked again."""
        self._place = None
