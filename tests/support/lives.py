"""A relay that is killed again and again under load, and the account of what every partner must have got.

The account is exact. When a relay has died and its partners have worked off what it had sent, each mail that
was taken in that life stands in the store as delivered, or as still being sent: then death fell between the
partner's 250 and the commit, and the mail comes once more. Nothing else may ever come twice.
"""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support import autopsy
from tests.support.destination import Copy, Key, Town, deferring, dropping, fast, slow, town
from tests.support.market import Market, connected, mail, pack_no
from tests.support.nursery import Nursery
from tests.support.serving import SERVE, ServedRelay, write_config

PARTNERS = {
    "fast.example.jp": fast,
    "slow.example.jp": slow,
    "later.example.jp": deferring,
    "drops.example.jp": dropping,
}
RECIPIENTS = tuple(f"orders@{domain}" for domain in PARTNERS)
REGISTRATIONS = "seller: example-shop\nregistrations:\n" + "".join(
    f"  - {{id: to-{number}, template: cross_mall/order_info, recipients: [{recipient}]}}\n"
    for number, recipient in enumerate(RECIPIENTS)
)
SETTINGS = "  retry: [1s]\n  connections: 5\n"
SENT_AGAIN = 20
MOMENTS = ("answered", "content", "taken", "started", "stopping")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When to die: at so many events of a kind, or (`started`) so many milliseconds after the start.

    At `stopping` it is told to stop when so many notifications were answered, and dies at the next mail.
    """

    kind: str
    count: int


def moments(number: int, chance: random.Random) -> list[Moment]:
    """So many, of each kind in turn."""
    most = {"answered": 60, "content": 120, "taken": 120, "started": 1_500, "stopping": 30}
    kinds = [MOMENTS[each % len(MOMENTS)] for each in range(number)]
    return [Moment(kind=kind, count=chance.randint(1, most[kind])) for kind in kinds]


Act = Callable[[ServedRelay], None]


class Doom:
    """Hears what happens outside the relay and strikes at its moment, before anything else can happen."""

    def __init__(self) -> None:
        self.in_flight = 0  # connections to partners when it was killed
        self._moment: Moment | None = None
        self._passed: Counter[str] = Counter()
        self._relay: ServedRelay | None = None
        self._act: Act = _kill
        self.town: Town | None = None

    def arm(self, relay: ServedRelay, moment: Moment, act: Act | None = None) -> None:
        """Begin to count; `act` is done to the relay in place of killing it."""
        self._act = act or _kill
        self._relay, self._moment, self._passed = relay, moment, Counter()
        if moment.kind == "started":
            asyncio.get_running_loop().call_later(moment.count / 1_000, self._strike, moment)

    def tell(self, event: str) -> None:
        """Count an event."""
        moment = self._moment
        if moment is None:
            return
        self._passed[event] += 1
        if moment.kind == "stopping":
            self._stop(event, moment)
        elif self._passed[moment.kind] == moment.count:
            self._strike(moment)

    def _stop(self, event: str, moment: Moment) -> None:
        assert self._relay is not None
        if event == "answered" and self._passed[event] == moment.count:
            self._relay.signal(signal.SIGTERM)
            self._passed["asked"] = 1
        elif event == "content" and self._passed["asked"]:
            self._strike(moment)

    def _strike(self, moment: Moment) -> None:
        if self._moment is not moment:  # an alarm of a former life
            return
        assert self._relay is not None
        assert self.town is not None
        self._act(self._relay)
        self.in_flight = self.town.open_connections
        self._moment = None


def _kill(relay: ServedRelay) -> None:
    relay.signal(signal.SIGKILL)


class Lives:
    """One store, the lives of its relay, and the account."""

    def __init__(
        self,
        config: Path,
        store: Path,
        partners: Town,
        doom: Doom,
        *,
        nursery: Nursery,
        command: Sequence[str] = SERVE,
    ) -> None:
        self.config = config
        self.store = store
        self.town = partners
        self.market = Market(doom.tell)
        self.repeats: Counter[Key] = Counter()  # mails that come once more, each for a death that explains it
        self.command = command
        self.nursery = nursery
        self.doom = doom
        doom.town = partners

    def served(self, *, waits: bool = True) -> ServedRelay:
        """A relay of this store, to be begun."""
        return ServedRelay(self.config, command=self.command, nursery=self.nursery, waits=waits)

    async def live(self, moment: Moment) -> None:
        """One life under load, until the moment; then the account of it."""
        before = len(self.town.taken)
        with self.served(waits=False) as relay:
            self.doom.arm(relay, moment)
            if await asyncio.to_thread(relay.listens):
                await self.market.send(relay.address, self.market.numbers())
            code = await asyncio.to_thread(relay.ended)
        assert code == -signal.SIGKILL, f"ended by itself at {moment}: {code}\n" + "".join(relay.log)
        await self.town.quiet()
        self._account(self.town.taken[before:], moment)

    def _account(self, taken: Sequence[Copy], moment: Moment) -> None:
        found = {each.key: each.state for each in autopsy.deliveries(self.store)}
        twice = [key for key, number in Counter(copy.key for copy in taken).items() if number > 1]
        assert twice == [], f"sent twice in one life, which ended at {moment}"
        left = {copy.key: found[copy.key] for copy in taken if found[copy.key] != "delivered"}
        assert set(left.values()) <= {"sending"}, f"taken by partners, and not known so at {moment}: {left}"
        assert len(left) <= self.doom.in_flight
        self.repeats.update(left.keys())

    async def last(self) -> None:
        """A life that is not cut short: all arrives; then the account of all lives."""
        with self.served() as relay:
            await self.finish(relay)

    async def finish(self, relay: ServedRelay) -> None:
        """Send what is unsure, and some of the rest again; wait until all arrived, stop, and check."""
        await self.market.send(relay.address, sorted(self.market.unsure))
        async with connected(relay.address) as client:
            for number in sorted(self.market.answered)[-SENT_AGAIN:]:
                assert (await client.send(mail(number))).startswith("250 2.0.0 known already")
        owed = len(self.market.answered) * len(RECIPIENTS) + self.repeats.total()
        await self.town.until(lambda: len(self.town.taken) >= owed)
        await asyncio.to_thread(autopsy.until, lambda: set(autopsy.states(self.store)) == {"delivered"})
        relay.signal(signal.SIGTERM)
        assert await asyncio.to_thread(relay.ended) == 0
        self.check()

    def check(self) -> None:
        """Every notification reached every partner; what came twice is explained, and is the same mail."""
        assert self.market.unsure == set()
        found = [each for each in autopsy.deliveries(self.store) if not each.notice]
        wanted = {(to, pack_no(number)) for number in self.market.answered for to in RECIPIENTS}
        assert Counter((each.key[0], each.pack_no) for each in found) == Counter(dict.fromkeys(wanted, 1))
        assert {each.state for each in found} == {"delivered"}
        once = Counter(each.key for each in found)
        assert Counter(copy.key for copy in self.town.taken) == once + self.repeats
        contents = {each.key: each.content for each in found}
        assert [copy.key for copy in self.town.taken if copy.content != contents[copy.key]] == []


@asynccontextmanager
async def lives(
    folder: Path, nursery: Nursery, *, store: Path | None = None, command: Sequence[str] = SERVE
) -> AsyncIterator[Lives]:
    """A configuration with four partners, each of another manner; its store is beside it unless named."""
    store = store or folder / "denrei.db"
    doom = Doom()
    async with town(PARTNERS, doom.tell) as partners:
        config = write_config(
            folder,
            routes=partners.routes,
            registrations={"example-shop.yaml": REGISTRATIONS},
            more=f"{SETTINGS}store:\n  path: {store}\n",
        )
        yield Lives(config, store, partners, doom, nursery=nursery, command=command)
