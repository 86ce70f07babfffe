"""The watch of a relay: each minute it asks what must be told, and has the store keep the notices.

What is told together. A kind of notice is made at most once in the `gather` time: the first trouble is told
at once, and what follows within that time is told together at its end. So a seller and the operators get few
notices, however many mails a dead partner stops.

Guarantees: what is told is marked and the mails that tell it are kept in one transaction of the store, so a
notice is neither lost nor doubled, also with many workers (the first one makes it). A notice is a mail like
all others from then on; when it is given up itself, that is logged and told to nobody. One round is bounded:
`MAX_TOLD` deliveries, `MAX_LETTERS` sellers; the rest follows in the next.

Diagnostics: the log events `notice made`, `nobody can be told`, `a seller's contact is the relay itself`, `a
notice could not be delivered`, and, while the store fails, `notices could not be made`; the next minute tries
again. Source: ours (docs/notices.md).
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Protocol, assert_never

import structlog

from relay.clock import Clock
from relay.config import NoticeConfig
from relay.errors import MachineFailure
from relay.metrics import Metrics
from relay.notice.letter import LetterWriter
from relay.notice.values import Addressee
from relay.registry import Registry
from relay.store.concern import Concern, Kind, Unsuccessful
from relay.store.notice import Letter, NoticeWrite

LOOK_SECONDS = 60.0  # how soon a failure is told; a look costs a few indexed queries
MAX_TOLD = 5_000  # deliveries in one round: its transaction then holds up nobody for longer than a slow fsync
MAX_LETTERS = 200  # sellers in one round, at about a millisecond each

_log = structlog.get_logger()


class NoticeStore(Protocol):
    """What the watch asks of the store. Each call is one transaction; MachineFailure: it did not happen."""

    async def delayed(self, *, accepted_before: datetime, now: datetime, limit: int) -> Sequence[Concern]:
        """Late deliveries of which nobody was told."""

    async def failed(self, *, limit: int) -> Sequence[Concern]:
        """Deliveries that ended without success and of which nobody was told."""

    async def unsuccessful(
        self, *, since: datetime, is_expected: Callable[[str, str], bool]
    ) -> Sequence[Unsuccessful]:
        """Registrations of which nothing has got through since then, and that are not told of yet."""

    async def last_notice(self, kind: Kind) -> datetime | None:
        """When a notice of this kind was made last."""

    async def notify(self, write: NoticeWrite) -> bool:
        """Make a notice; False when another worker was there first, and nothing was written."""


class NoticeWatch:
    """Tells sellers and operators what they must know, until it is stopped. One for each worker process."""

    def __init__(
        self,
        *,
        store: NoticeStore,
        registry: Callable[[], Registry],
        settings: NoticeConfig,
        writer: LetterWriter,
        clock: Clock,
        is_own: Callable[[str], bool],
        metrics: Metrics | None = None,
    ) -> None:
        """Make the watch; `start` begins it.

        Args:
            store: knows what must be told, and keeps what is.
            registry: the registrations in force: contacts, and partners' names.
            settings: who is told, and when.
            writer: writes the mails.
            clock: for the times, and the pauses between looks.
            is_own: whether an address is the relay's own, so that a notice to it would come back.
            metrics: counts the notices; None: nobody asks.
        """
        self._store = store
        self._registry = registry
        self._settings = settings
        self._writer = writer
        self._clock = clock
        self._is_own = is_own
        self._metrics = metrics or Metrics()
        self._warned: set[str] = set()  # of sellers, what would else be logged each minute; "": of all
        self._asked_at: float | None = None  # for silent registrations
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to watch; the first look comes a minute later, when what waited has had its chance."""
        self._task = asyncio.create_task(self._watch(), name="notice watch")

    async def stop(self) -> None:
        """End the watch. A notice that is being written is made or not made, but whole."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def look(self) -> None:
        """One round: make each kind of notice that is due. What fails is logged; nothing is raised."""
        for kind in Kind:
            try:
                await self._tell(kind)
            except MachineFailure as failure:
                _log.error("notices could not be made", kind=kind.value, reason=str(failure))
            except Exception:  # noqa: BLE001  (a bug must not end the watch: it is told, and nothing is lost)
                _log.exception("notices could not be made", kind=kind.value)

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            await self.look()

    async def _tell(self, kind: Kind) -> None:
        now = self._clock.now()
        last = await self._store.last_notice(kind)
        if last is not None and now - self._settings.gather < last <= now:
            return
        about = _of_few_sellers(await self._about(kind, now))
        if not about:
            return
        orders = [each for each in about if isinstance(each, Unsuccessful) or not each.is_notice]
        letters = await self._letters(kind, orders, now)
        write = NoticeWrite(
            kind=kind,
            now=now,
            gather=self._settings.gather,
            concerns=[each for each in about if isinstance(each, Concern)],
            silent=[each for each in about if isinstance(each, Unsuccessful)],
            letters=letters,
        )
        if await self._store.notify(write):
            if letters:
                self._metrics.noticed(kind.value)
            self._log(kind, about, letters)

    async def _about(self, kind: Kind, now: datetime) -> Sequence[Concern | Unsuccessful]:
        match kind:
            case Kind.DELAY:
                before = now - self._settings.delay_after
                return await self._store.delayed(accepted_before=before, now=now, limit=MAX_TOLD)
            case Kind.FAILURE:
                return await self._store.failed(limit=MAX_TOLD)
            case Kind.NO_SUCCESS:
                if not self._may_ask():
                    return []
                since = now - self._settings.no_success_after
                return await self._store.unsuccessful(since=since, is_expected=self._is_used())
            case _:
                assert_never(kind)

    def _may_ask(self) -> bool:
        """Whether silent registrations are asked for: dearer than the rest, and no matter of minutes."""
        seconds, gather = self._clock.monotonic(), self._settings.gather.total_seconds()
        if self._asked_at is not None and seconds - self._asked_at < gather:
            return False
        self._asked_at = seconds
        return True

    def _is_used(self) -> Callable[[str, str], bool]:
        """Whether a seller's registration is in use now: of others nobody expects mail."""
        registry = self._registry()

        def is_used(seller_id: str, registration: str) -> bool:
            return any(each.id == registration and each.use for each in registry.of_seller(seller_id))

        return is_used

    async def _letters(
        self, kind: Kind, about: Sequence[Concern | Unsuccessful], now: datetime
    ) -> list[Letter]:
        """One for each seller with a contact, and one for the operators."""
        partners = self._registry().partners
        by_seller: dict[str, list[Concern | Unsuccessful]] = {}
        for each in about:
            by_seller.setdefault(each.seller_id, []).append(each)
        letters: list[Letter] = []
        for addressee in self._addressees(by_seller):
            told = about if addressee.is_operator else by_seller[addressee.seller_id]
            letters.append(self._writer.letter(kind, addressee, told, partners, now))
            await asyncio.sleep(0)  # intake and delivery run on the same loop
        return letters

    def _addressees(self, sellers: Iterable[str]) -> Iterable[Addressee]:
        registry = self._registry()
        untold = False
        operators = self._settings.operators
        for seller_id in sellers:
            contact = registry.contact(seller_id)
            if contact is not None and self._is_own(contact.address):
                self._warn_once(seller_id, "a seller's contact is the relay itself")
                contact = None
            untold = untold or not (contact or operators)
            if contact is not None:
                yield Addressee(seller_id=seller_id, addresses=(contact.address,), language=contact.language)
        if operators and sellers:
            yield Addressee(seller_id="", addresses=operators, language=self._settings.language)
        if untold:
            self._warn_once("", "nobody can be told")

    def _warn_once(self, seller_id: str, event: str) -> None:
        if seller_id not in self._warned:
            self._warned.add(seller_id)
            _log.warning(
                event, seller=seller_id, hint="name notices.operators, and a contact in the seller's file"
            )

    @staticmethod
    def _log(kind: Kind, about: Sequence[Concern | Unsuccessful], letters: Sequence[Letter]) -> None:
        lost = [each for each in about if isinstance(each, Concern) and each.is_notice]
        for each in lost:
            _log.error("a notice could not be delivered", delivery=each.delivery_id)
        if len(lost) < len(about):
            _log.info("notice made", kind=kind.value, tells_of=len(about) - len(lost), letters=len(letters))


def _of_few_sellers(about: Sequence[Concern | Unsuccessful]) -> list[Concern | Unsuccessful]:
    """What concerns the first `MAX_LETTERS` sellers; the others' turn comes with the next round."""
    sellers = dict.fromkeys(each.seller_id for each in about)
    chosen = set(list(sellers)[:MAX_LETTERS])
    return [each for each in about if each.seller_id in chosen]
